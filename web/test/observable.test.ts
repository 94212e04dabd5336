import { filter, firstValueFrom, from, map, take, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { Client, Collection } from '../src/index.js'
import { connection, events, items, replies } from '../src/observable.js'
import { MockBackend } from '../src/testing.js'

interface Types {
  'board/task': { state: { title: string }; commands: { create: { title: string } } }
}

function start() {
  const backend = new MockBackend()
  const client = new Client<Types>(backend.config)
  return { backend, client, tasks: new Collection(client, 'board/task') }
}

test('RxJS takes replies, and unsubscribing ends them', async () => {
  const { client } = start()
  const titles: unknown[] = []
  const subscription = from(replies(client))
    .pipe(
      filter(({ _outcome }) => _outcome === 'applied'),
      map(({ title }) => title),
    )
    .subscribe((title) => titles.push(title))
  client.open()
  await client.send('board/task/1', { _command: 'create', title: 'One' }).settled
  subscription.unsubscribe()
  await client.send('board/task/2', { _command: 'create', title: 'Two' }).settled
  expect(titles).toEqual(['One'])
  client.close()
})

test('the connection and the items begin with what they are', async () => {
  const { backend, client, tasks } = start()
  backend.put('board/task/1', { title: 'One' })
  const states = firstValueFrom(from(connection(client)).pipe(take(3), toArray()))
  const loaded = firstValueFrom(from(items(tasks)).pipe(filter((all) => all.length > 0)))
  expect(await firstValueFrom(from(items(tasks)))).toEqual([]) // ends at its first value
  client.open()
  expect(await states).toEqual([{ name: 'closed', why: 'new' }, { name: 'connecting' }, { name: 'open' }])
  expect((await loaded)[0]!.title).toBe('One')
  client.close()
})

test('events of one name, by a function or an observer without RxJS', async () => {
  const { backend } = start()
  const client = new Client({ ...backend.config, events: ['chat'] })
  const heard: string[] = []
  const all: string[] = []
  const one = events(client, 'chat').subscribe(({ data }) => heard.push(data))
  events(client)[Symbol.observable ?? '@@observable']!().subscribe({ next: ({ name }) => all.push(name) })
  client.open()
  await client.ready()
  backend.emit('chat', 'hello')
  backend.emit('message', '{}')
  one.unsubscribe()
  backend.emit('chat', 'unheard')
  expect(heard).toEqual(['hello'])
  expect(all).toEqual(['ebb.hello', 'chat', 'message', 'chat'])
  client.close()
})
