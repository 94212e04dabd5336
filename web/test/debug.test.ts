import { expect, test, vi } from 'vitest'
import { Collection } from '../src/index.js'
import { after, FakeEventSource, id, refusal, settle, world } from './fakes.js'

const it = world()

test('the debug log says what happens, and never a token, a ticket or a proof', async () => {
  const debug = vi.fn<(what: string, facts: Record<string, unknown>) => void>()
  const client = await it.attach({ debug, token: () => 't0ken' })
  new Collection(client, 'board/task')
  client.send('board/task/1', { _command: 'create', secret: 'fields too' })
  await settle()
  FakeEventSource.last.emit('message', id(1), { _id: '1', _type: 'board-task', _corr: 'x', secret: 'fields too' })
  FakeEventSource.last.emit('ebb.expiring', id(2), { left: 60 })
  await after(30_000) // renewed
  FakeEventSource.last.onerror!()
  it.gateway.answer = () => refusal(503)
  await after(5_000)
  it.gateway.answer = () => undefined
  await after(60_000)
  FakeEventSource.last.emit('ebb.hello', id(2))
  await client.logOut().catch(() => {})

  const said = debug.mock.calls.map(([what]) => what)
  expect(new Set(said)).toEqual(new Set(['state', 'answer', 'event']))
  expect(debug.mock.calls).toContainEqual(['answer', { method: 'POST', path: '/board/task/1', status: 202 }])
  expect(debug.mock.calls).toContainEqual(['event', { name: 'message', id: id(1).replace(/P+$/, ''), length: expect.any(Number) }])
  const all = JSON.stringify(debug.mock.calls)
  expect(all).toContain('/sse/renew')
  for (const secret of ['t0ken', 'u=', 'PPPP', 'fields too']) expect(all, secret).not.toContain(secret)
})

test('without it nothing is said', async () => {
  const spies = (['debug', 'log', 'info', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name))
  await it.attach()
  FakeEventSource.last.onerror!()
  await after(60_000)
  for (const spy of spies) expect(spy).not.toHaveBeenCalled()
})
