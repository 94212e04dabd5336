import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client, Collection, fetchTransport, type ConnectionState } from '../src/index.js'
import { Relay } from './relay.js'
import { Cleanup, dev } from './world.js'

// The client without a browser: in Node, which has no EventSource, against
// `ebb dev`, through a relay that cuts.

interface Task {
  title: string
  column: 'todo' | 'doing' | 'done'
}

interface Types {
  'board/task': { state: Task; commands: { create: { title: string }; move: { column: Task['column'] }; rename: { title: string } } }
}

const cleanup = new Cleanup()
const relay = new Relay()
const patience = { timeout: 30_000, interval: 20 } // milliseconds
let api: string
let token: string

beforeAll(async () => {
  cleanup.add(() => relay.close())
  const front = `http://${await relay.listen()}`
  const world = await dev(cleanup, ['--edge-url', front])
  relay.target = world.edge
  api = new URL('/api', world.page).href
  const response = await fetch(new URL('/dev/login', world.page), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: 'ann' }),
  })
  token = ((await response.json()) as { access_token: string }).access_token
})
afterAll(() => cleanup.run())

test('a hundred commands are each answered once and in order while streams are cut at any byte', async () => {
  const client = new Client<Types>({ api, token: () => token, transport: fetchTransport })
  cleanup.add(() => client.close())
  const tasks = new Collection(client, 'board/task')
  const states: ConnectionState[] = []
  const seqs: number[] = []
  const id = crypto.randomUUID()
  client.listen({
    state: (state) => states.push(state),
    reply: (reply) => reply._id === id && seqs.push(reply._seq!),
  })
  client.open()
  await client.send(`board/task/${id}`, { _command: 'create', title: '0' }).settled

  relay.limit = () => Math.floor(Math.random() * 4000)
  relay.cut()
  const sent = Array.from({ length: 100 }, (_, i) =>
    tasks.send(id, { _command: 'rename', title: `${i + 1}` }, { apply: (task) => ({ ...task, title: `${i + 1}` }) }),
  )
  expect(tasks.items.find(({ _id }) => _id === id)!.title).toBe('100') // at once
  const replies = await Promise.all(sent.map(({ settled }) => settled))
  relay.limit = () => Infinity
  relay.cut()
  await expect.poll(() => client.state.name, patience).toBe('open')

  expect(replies.map(({ title }) => title)).toEqual(Array.from({ length: 100 }, (_, i) => `${i + 1}`))
  expect(seqs).toEqual(Array.from({ length: 101 }, (_, i) => i))
  expect(relay.cuts.length).toBeGreaterThan(3)
  expect(states.map(({ name }) => name)).toContain('retrying')
  await expect.poll(() => tasks.items.find(({ _id }) => _id === id), patience).toMatchObject({ title: '100', _seq: 100 })
  expect(tasks.pending(id)).toBe(false)
})

test('a page that is loaded again goes on from its cursor', async () => {
  const kept = new Map<string, string>()
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) }
  const load = () => {
    const titles: unknown[] = []
    const client = new Client<Types>({ api, token: () => token, transport: fetchTransport, persist: { storage, user: 'ann' } })
    cleanup.add(() => client.close())
    client.listen({ reply: (reply) => titles.push(reply.title) })
    client.open()
    return { client, titles }
  }
  const id = crypto.randomUUID()
  const first = load()
  await first.client.send(`board/task/${id}`, { _command: 'create', title: 'before' }).settled
  first.client.close()
  const other = new Client<Types>({ api, token: () => token, transport: fetchTransport })
  cleanup.add(() => other.close())
  other.open()
  await other.send(`board/task/${id}`, { _command: 'rename', title: 'while it is away' }).settled
  const second = load()
  await second.client.send(`board/task/${id}`, { _command: 'rename', title: 'after' }).settled
  expect([first.titles, second.titles]).toEqual([['before'], ['while it is away', 'after']])
})

test('a rejected command is shown and rolled back', async () => {
  const client = new Client<Types>({ api, token: () => token, transport: fetchTransport })
  cleanup.add(() => client.close())
  client.open()
  const tasks = new Collection(client, 'board/task')
  await expect.poll(() => tasks.loaded, patience).toBe(true)
  const id = crypto.randomUUID()
  await tasks.send(id, { _command: 'create', title: 'kept' }).settled
  const { settled } = tasks.send(id, { _command: 'rename', title: '' }, { apply: (task) => task && { ...task, title: '' } })
  const title = () => tasks.items.find(({ _id }) => _id === id)!.title
  expect(title()).toBe('')
  expect(await settled).toMatchObject({ _error: true, _outcome: 'rejected' })
  expect(title()).toBe('kept')
})

test('log out ends the session: what is under way is told, and nothing comes back', async () => {
  const client = new Client<Types>({ api, token: () => token, transport: fetchTransport })
  client.open()
  await client.ready()
  await client.logOut()
  expect(client.state).toEqual({ name: 'closed', why: 'loggedOut' })
})
