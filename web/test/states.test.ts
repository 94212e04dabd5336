import { describe, expect, test, vi } from 'vitest'
import type { ConnectionState } from '../src/index.js'
import { after, FakeEventSource, id, refusal, settle, stored, world } from './fakes.js'

const it = world()

/** history is a list of the states that a client comes to, by name. */
function history(client: { listen(listener: { state(state: ConnectionState): void }): unknown }): string[] {
  const names: string[] = []
  client.listen({ state: (state) => names.push(state.name === 'closed' ? state.why : state.name) })
  return names
}

describe('a state a page can show', () => {
  test('is new before open, and asked after close', async () => {
    const client = it.start()
    const names = history(client)
    client.close()
    expect(names).toEqual(['asked'])
    client.open()
    await settle()
    FakeEventSource.last.emit('ebb.hello', id(0))
    expect(names).toEqual(['asked', 'connecting', 'open'])
  })

  test('of retrying says when, and how many tries failed', async () => {
    const client = await it.attach()
    const now = Date.now()
    FakeEventSource.last.onerror!()
    expect(client.state).toEqual({ name: 'retrying', at: now + 999, attempt: 1 })
    it.gateway.answer = () => refusal(503, { 'Retry-After': '7' })
    await after(1_000)
    expect(client.state).toMatchObject({ name: 'retrying', attempt: 2 })
    const { at } = client.state as { at: number }
    expect(at - Date.now()).toBeGreaterThanOrEqual(8_990) // seven, and up to two
    expect(at - Date.now()).toBeLessThanOrEqual(9_000)
  })

  test('is stale after 25 s without a word, and open with the next', async () => {
    const client = await it.attach()
    const names = history(client)
    const heard = Date.now()
    await after(25_000)
    expect(names).toEqual([])
    await after(5_000)
    expect(client.state).toEqual({ name: 'stale', since: heard })
    FakeEventSource.last.emit('ebb.mark', id(0))
    expect(names).toEqual(['stale', 'open'])
    await after(60_000)
    expect(names).toEqual(['stale', 'open', 'stale', 'retrying', 'connecting'])
  })

  test('is the same object until it changes', async () => {
    const client = await it.attach()
    const { state } = client
    FakeEventSource.last.emit('ebb.mark', id(0))
    expect(client.state).toBe(state)
  })
})

describe('a page that is left', () => {
  const leave = () => it.page.dispatchEvent(new Event('pagehide'))
  const comeBack = () => it.page.dispatchEvent(new Event('pageshow'))

  test('holds no stream, and has one as soon as it is shown again', async () => {
    const client = await it.attach()
    FakeEventSource.last.emit('message', id(4), '{}')
    leave()
    expect(FakeEventSource.last.closed).toBe(true)
    expect(client.state.name).toBe('retrying')
    comeBack()
    await settle()
    expect(FakeEventSource.all).toHaveLength(2)
    expect(it.gateway.tickets[1]!.url.searchParams.get('cursor')).toBe(stored(4))
    await after(5_000)
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('gives up a ticket that is under way', async () => {
    let give = (_: Response) => {}
    it.gateway.answer = () => (it.gateway.tickets.length === 1 ? new Promise((resolve) => (give = resolve)) : undefined)
    it.start()
    await settle()
    leave()
    give(new Response(JSON.stringify({ url: 'https://edge.test/' })))
    await settle()
    expect(FakeEventSource.all).toHaveLength(0)
    comeBack()
    await settle()
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('stays closed if it was', async () => {
    const client = await it.attach()
    client.close()
    leave()
    comeBack()
    await after(5_000)
    expect(client.state).toEqual({ name: 'closed', why: 'asked' })
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('does not come back to what it was logged out of', async () => {
    const client = await it.attach()
    FakeEventSource.last.emit('ebb.bye', '', { reason: 'revoked' })
    leave()
    comeBack()
    await after(5_000)
    expect(client.state).toEqual({ name: 'closed', why: 'revoked' })
  })
})

test('a page that was frozen looks at the clock when it goes on', async () => {
  await it.attach()
  vi.setSystemTime(Date.now() + 3_600_000)
  it.document.dispatchEvent(new Event('resume'))
  await settle()
  expect(FakeEventSource.all).toHaveLength(2)
})

describe('a stream that begins anew', () => {
  test('behind an earlier one is a gap: reset comes before its hello', async () => {
    const told: string[] = []
    const client = await it.attach()
    client.listen({ event: ({ name }) => told.push(name), reset: ({ reason }) => told.push(`reset ${reason}`) })
    FakeEventSource.last.emit('ebb.reset', '', { reason: 'unreadable' }) // its place is lost
    FakeEventSource.last.onerror!()
    await after(1_000)
    FakeEventSource.last.emit('ebb.hello', id(9))
    expect(told).toEqual(['ebb.reset', 'reset unreadable', 'ebb.reset', 'reset new', 'ebb.hello'])
    expect(client.state.name).toBe('open')
  })

  test('is none if it goes on from a cursor', async () => {
    const reset = vi.fn()
    await it.attach({ onReset: reset })
    FakeEventSource.last.onerror!()
    await after(1_000)
    FakeEventSource.last.emit('ebb.hello', id(0))
    expect(reset).not.toHaveBeenCalled()
  })

  test('is none before there was one at all', async () => {
    const reset = vi.fn()
    it.start({ onReset: reset })
    await settle()
    FakeEventSource.last.onerror!() // before its hello
    await after(1_000)
    FakeEventSource.last.emit('ebb.hello', id(0))
    expect(reset).not.toHaveBeenCalled()
  })
})

describe('an id that an application gets', () => {
  test('has no proof, and is none if the event has none', async () => {
    const ids: string[] = []
    const client = await it.attach()
    client.listen({ event: (event) => ids.push(event.id) })
    FakeEventSource.last.emit('message', id(0), 'without') // the id of hello
    FakeEventSource.last.emit('message', id(1), 'with')
    FakeEventSource.last.emit('ebb.mark', id(2))
    expect(ids).toEqual(['', stored(1), stored(2)])
  })
})

test('an event that is repeated behind a heartbeat at its place is a repeat', async () => {
  const seen: string[] = []
  const client = await it.attach()
  client.listen({ event: ({ name, data }) => name === 'message' && seen.push(data) })
  const { last } = FakeEventSource
  last.emit('message', id(1), 'a')
  last.emit('ebb.mark', id(1))
  last.emit('message', id(1), 'a')
  last.emit('message', id(1), 'b') // another, which has no id of its own
  last.emit('message', id(1), 'b') // and another: nothing tells that it is not
  expect(seen).toEqual(['a', 'b', 'b'])
})

test('other reasons than these two are no log in', async () => {
  const told = vi.fn()
  const client = await it.attach({ onUnauthenticated: told })
  FakeEventSource.last.emit('ebb.bye', '', { reason: 'replaced' })
  client.close()
  expect(told).not.toHaveBeenCalled()
})
