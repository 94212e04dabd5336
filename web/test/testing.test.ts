import { expect, test } from 'vitest'
import { Client, Collection, type ConnectionState } from '../src/index.js'
import { MockBackend, MockTransport } from '../src/testing.js'

// What a page's own tests can do with the back end in memory: in real time, on
// conditions, without a network.

interface Types {
  'board/task': { state: { title: string }; commands: { create: { title: string }; rename: { title: string }; delete: {} } }
}

/** start opens a client on a back end. */
function start(backend: MockBackend) {
  const client = new Client<Types>(backend.config)
  client.open()
  return { client, tasks: new Collection(client, 'board/task') }
}

/** until waits for a state. */
const until = (client: Client<Types>, name: ConnectionState['name']) =>
  new Promise<void>((resolve) => {
    const look = () => client.state.name === name && (stop(), resolve())
    const stop = client.listen({ state: look })
    look()
  })

test('a command is executed, answered and shown', async () => {
  const backend = new MockBackend()
  const { client, tasks } = start(backend)
  const reply = await tasks.send('1', { _command: 'create', title: 'Tea' }).settled
  expect(reply).toMatchObject({ _outcome: 'applied', title: 'Tea', _seq: 0 })
  expect(tasks.items).toMatchObject([{ _id: '1', title: 'Tea' }])
  expect(await client.get('board/task/1')).toMatchObject({ title: 'Tea' })
  await tasks.send('1', { _command: 'delete' }).settled
  expect(tasks.items).toEqual([])
  await expect(client.get('board/task/1')).rejects.toMatchObject({ status: 404 })
  client.close()
})

test('replies can be held back, to look at what is shown meanwhile', async () => {
  const backend = new MockBackend((_state, { title }) =>
    title === '' ? [{ location: '/title', code: 'TITLE_LENGTH' }] : { title },
  )
  backend.put('board/task/1', { title: 'Tea' })
  const { client, tasks } = start(backend)
  await until(client, 'open')
  await tasks.load()
  backend.hold()
  const sent = tasks.send('1', { _command: 'rename', title: '' }, { apply: () => ({ title: '' }) })
  await sent.accepted
  expect(tasks.items[0]!.title).toBe('')
  backend.release()
  expect(await sent.settled).toMatchObject({ _error: true, _outcome: 'rejected', errors: [{ location: '/title' }] })
  expect(tasks.items[0]!.title).toBe('Tea')
  client.close()
})

test('what happens while it is offline comes afterwards, once', async () => {
  const backend = new MockBackend()
  const { client, tasks } = start(backend)
  await tasks.send('1', { _command: 'create', title: 'Tea' }).settled
  const seen: unknown[] = []
  client.listen({ reply: ({ title }) => seen.push(title) })
  backend.offline()
  expect(client.state.name).toBe('retrying')
  const sent = tasks.send('1', { _command: 'rename', title: 'Coffee' })
  backend.put('board/task/1', { title: 'Cocoa' }) // by somebody else
  expect(backend.received).toHaveLength(1)
  backend.online()
  client.open() // without the wait
  await sent.settled
  expect(seen).toEqual(['Cocoa', 'Coffee'])
  expect(backend.received.map(({ command }) => command._corr)).toHaveLength(2)
  client.close()
})

test('a command sent twice takes effect once', async () => {
  const backend = new MockBackend()
  const { client } = start(backend)
  const command = { _command: 'create', title: 'Tea', _corr: 'mine' } as const
  await client.send('board/task/1', command).settled
  expect(await client.send('board/task/1', command).settled).toMatchObject({ _outcome: 'duplicate' })
  expect(backend.states.get('board/task/1')).toMatchObject({ _seq: 0 })
  client.close()
})

test('events of other names come to who asked for them', async () => {
  const backend = new MockBackend()
  const client = new Client({ ...backend.config, events: ['price'] })
  client.open()
  await client.ready()
  const events = client.events()
  backend.emit('rate', '1')
  backend.emit('price', { cents: 7 })
  expect((await events.next()).value).toMatchObject({ name: 'price', data: '{"cents":7}' })
  client.close()
})

test('a transport alone is told by the test what comes', async () => {
  const backend = new MockBackend()
  const streams = new MockTransport()
  const client = new Client({ ...backend.config, transport: streams.transport })
  expect(() => streams.last).toThrow('no stream')
  client.open()
  await expect.poll(() => streams.streams.length).toBe(1)
  streams.last.emit('ebb.hello', '', '1.mockmock.0.-1.0..')
  expect(client.state.name).toBe('open')
  streams.last.end()
  expect(client.state.name).toBe('retrying')
  client.close()
  expect(streams.last.open).toBe(false)
})
