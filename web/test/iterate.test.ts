import { expect, test } from 'vitest'
import { FakeEventSource, id, refusal, settle, world } from './fakes.js'

const it = world()
const say = (offset: number) => FakeEventSource.last.emit('message', id(offset), `${offset}`)

test('events are iterated from the call on, none lost between two of them', async () => {
  const client = await it.attach()
  say(1)
  const events = client.events()
  say(2)
  say(3)
  expect((await events.next()).value.data).toBe('2')
  expect((await events.next()).value.data).toBe('3')
  const next = events.next()
  say(4)
  expect((await next).value.data).toBe('4')
})

test('it ends with the client, after what was heard', async () => {
  const client = await it.attach()
  const events = client.events()
  say(1)
  client.close()
  const seen: string[] = []
  for await (const { data } of events) seen.push(data)
  expect(seen).toEqual(['1'])
})

test('it ends by signal, also while it waits', async () => {
  const client = await it.attach()
  const stop = new AbortController()
  const events = client.events({ signal: stop.signal })
  const waiting = [events.next(), events.next()]
  stop.abort()
  expect(await Promise.all(waiting)).toEqual([{ value: undefined, done: true }, { value: undefined, done: true }])
  say(1)
  expect((await events.next()).done).toBe(true)
  expect((await client.events({ signal: AbortSignal.abort() }).next()).done).toBe(true)
})

test('it ends by break, and hears nothing more', async () => {
  const client = await it.attach()
  const events = client.events()
  say(1)
  say(2)
  for await (const { data } of events) {
    expect(data).toBe('1')
    break
  }
  expect((await events.next()).done).toBe(true)
})

test('it outlives a log in', async () => {
  const client = await it.attach()
  const events = client.events()
  it.gateway.answer = () => refusal(401)
  FakeEventSource.last.emit('ebb.bye', '', { reason: 'revoked' })
  await events.next() // the bye
  it.gateway.answer = () => undefined
  client.open()
  await settle()
  FakeEventSource.last.emit('ebb.hello', id(5))
  expect((await events.next()).value.name).toBe('ebb.hello')
})
