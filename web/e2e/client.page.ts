import { Client, Collection } from '../src/index.js'

// What client.test.ts runs in a page: a client that renames a task again and
// again, and notes what it hears of it.

interface Types {
  'board/task': { state: { title: string }; commands: { create: { title: string }; rename: { title: string } } }
}

export interface Seen {
  seqs: number[]
  answered: string[]
  states: string[]
  title?: string
}

async function start(user: string): Promise<void> {
  const login = await fetch('/dev/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  const dice = Math.random
  Math.random = () => dice() / 10 // waits of a tenth, or this takes an hour

  const client = new Client<Types>({ api: '/api', token: () => access_token, persist: { storage: sessionStorage, user } })
  const tasks = new Collection(client, 'board/task')
  const id = crypto.randomUUID()
  const seen: Seen = { seqs: [], answered: [], states: [] }
  client.listen({
    state: ({ name }) => seen.states.push(name),
    reply: (reply) => reply._id === id && seen.seqs.push(reply._seq!),
  })
  client.open()
  let title = 0
  let stopped = false
  const done = (async () => {
    await client.send(`board/task/${id}`, { _command: 'create', title: '0' }).settled
    while (!stopped) {
      const next = `${++title}`
      const sent = tasks.send(id, { _command: 'rename', title: next }, { apply: () => ({ title: next }) })
      seen.answered.push((await sent.settled).title!)
    }
  })()
  window.client = {
    seen: () => ({ ...seen, title: tasks.items.find(({ _id }) => _id === id)?.title }),
    stop: () => ((stopped = true), done),
  }
}

window.start = start
