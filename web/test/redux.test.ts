import { applyMiddleware, combineReducers, createStore } from 'redux'
import { expect, test, vi } from 'vitest'
import { Client, Collection } from '../src/index.js'
import { forget, middleware, reducer, send, type EbbState } from '../src/redux.js'
import { MockBackend } from '../src/testing.js'

function start() {
  const backend = new MockBackend((state, { _command, ...fields }) =>
    _command === 'refuse' ? [{ location: '/title', code: 'maxLength', message: 'too long' }] : { ...state, ...fields },
  )
  const client = new Client(backend.config)
  const tasks = new Collection(client, 'board/task')
  const actions: { type: string }[] = []
  const store = createStore(
    combineReducers({ ebb: reducer, log: (state = 0, action: { type: string }) => (actions.push(action), state as number) }),
    applyMiddleware(middleware(client, tasks)),
  )
  client.open()
  const ebb = (): EbbState => store.getState().ebb
  return { backend, client, store, ebb, actions }
}

test('the store has the connection and the collections', async () => {
  const { backend, client, ebb } = start()
  backend.put('board/task/1', { title: 'One' })
  await vi.waitUntil(() => ebb().collections['board/task']?.loaded)
  expect(ebb().connection).toEqual({ name: 'open' })
  expect(ebb().collections['board/task']!.items).toMatchObject([{ _id: '1', title: 'One' }])
  client.close()
  expect(ebb().connection).toEqual({ name: 'closed', why: 'asked' })
})

test('a command is there until it is applied', async () => {
  const { backend, client, store, ebb } = start()
  await client.ready()
  backend.hold()
  const action = send('board/task/2', { _command: 'create', title: 'Two' })
  const corr = action.payload.command._corr
  store.dispatch(action)
  expect(ebb().commands[corr]).toMatchObject({ status: 'sent', path: 'board/task/2' })
  await vi.waitUntil(() => ebb().commands[corr]?.status === 'accepted')
  backend.release()
  await vi.waitUntil(() => !ebb().commands[corr])
  expect(ebb().collections['board/task']!.items).toMatchObject([{ title: 'Two' }])
  client.close()
})

test('a command that is refused stays with what is wrong, until it is forgotten', async () => {
  const { client, store, ebb } = start()
  const action = send('board/task/3', { _command: 'refuse' })
  store.dispatch(action)
  const corr = action.payload.command._corr
  await vi.waitUntil(() => ebb().commands[corr]?.status === 'refused')
  expect(ebb().commands[corr]!.errors).toEqual([{ location: '/title', code: 'maxLength', message: 'too long' }])
  store.dispatch(forget(corr))
  expect(ebb().commands).toEqual({})
  client.close()
})

test('a command that can have no reply has failed', async () => {
  const { client, store, ebb } = start()
  const action = send('board/task/4', { _command: 'create' })
  store.dispatch(action)
  client.close()
  await vi.waitUntil(() => ebb().commands[action.payload.command._corr]?.status === 'failed')
  expect(ebb().commands[action.payload.command._corr]!.error).toMatch(/closed/)
})

test('all actions and the state can be serialized', async () => {
  const { backend, client, store, ebb, actions } = start()
  store.dispatch(send('board/task/5', { _command: 'create', title: 'Five' }))
  await vi.waitUntil(() => ebb().collections['board/task']?.items.length === 1)
  backend.streams.last.emit('ebb.reset', { reason: 'retention' }, '')
  await vi.waitUntil(() => actions.some(({ type }) => type === 'ebb/reset'))
  for (const type of ['ebb/connection', 'ebb/collection', 'ebb/reply', 'ebb/send', 'ebb/accepted', 'ebb/settled', 'ebb/reset'])
    expect(actions.map((action) => action.type)).toContain(type)
  for (const action of [...actions, ebb()]) expect(JSON.parse(JSON.stringify(action))).toEqual(action)
  client.close()
})
