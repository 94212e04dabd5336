import { describe, expect, test, vi } from 'vitest'
import { after, FakeEventSource, id, refusal, settle, stored, world } from './fakes.js'

const it = world()
const messages = (data: string[]) => ({ event: (e: { name: string; data: string }) => e.name === 'message' && data.push(e.data) })

describe('opening', () => {
  test('asks for a ticket with the bearer token and no cookies', async () => {
    it.start({ token: () => 't0ken' })
    await settle()
    const [ticket] = it.gateway.tickets
    expect(ticket!.method).toBe('POST')
    expect(ticket!.headers.get('Authorization')).toBe('Bearer t0ken')
    expect(ticket!.credentials).toBe('omit')
    expect(FakeEventSource.last.url).toBe('https://edge.test/sse-setup?u=1')
  })

  test('asks with cookies where there is no token function', async () => {
    it.start()
    await settle()
    expect(it.gateway.tickets[0]!.credentials).toBe('include')
    expect(it.gateway.tickets[0]!.headers.has('Authorization')).toBe(false)
  })

  test('sends no cursor the first time', async () => {
    it.start()
    await settle()
    expect(it.gateway.tickets[0]!.url.search).toBe('')
  })

  test('is open on hello, not before', async () => {
    const client = it.start()
    await settle()
    expect(client.state.name).toBe('connecting')
    FakeEventSource.last.emit('ebb.hello', id(0))
    expect(client.state.name).toBe('open')
  })

  test('asked for twice opens one stream', async () => {
    const client = it.start()
    client.open()
    await settle()
    client.open()
    await settle()
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('closed while the ticket is under way opens none', async () => {
    const client = it.start()
    client.close()
    await settle()
    expect(FakeEventSource.all).toHaveLength(0)
    expect(client.state).toEqual({ name: 'closed', why: 'asked' })
  })
})

describe('after an error', () => {
  test('it closes the source itself and comes back with its cursor, without the proof', async () => {
    const client = await it.attach()
    const first = FakeEventSource.last
    first.emit('message', id(8), '{}')
    first.onerror!()
    expect(first.closed).toBe(true)
    expect(client.state.name).toBe('retrying')
    await after(1_000)
    expect(it.gateway.tickets[1]!.url.searchParams.get('cursor')).toBe(stored(8))
    expect(FakeEventSource.last.url).toBe('https://edge.test/sse-setup?u=2')
  })

  test('the waits double from 1 s to 30 s', async () => {
    const at: number[] = [] // seconds
    const start = Date.now()
    it.gateway.answer = () => {
      at.push(Math.round((Date.now() - start) / 1_000))
      return refusal(503)
    }
    it.start()
    await after(125_000)
    expect(at).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121])
  })

  test('the waits are anything from zero on: full jitter', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    let tries = 0
    it.gateway.answer = () => (++tries <= 5 ? refusal(503) : undefined)
    it.start()
    await after(20)
    expect(tries).toBe(6)
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('hello starts the waits anew, a mere ticket does not', async () => {
    it.start()
    await settle()
    for (const wait of [1_000, 2_000, 4_000]) {
      FakeEventSource.last.onerror!()
      await after(wait)
    }
    expect(FakeEventSource.all).toHaveLength(4)
    FakeEventSource.last.emit('ebb.hello', id(0))
    FakeEventSource.last.onerror!()
    await after(1_000)
    expect(FakeEventSource.all).toHaveLength(5)
  })

  test('Retry-After is kept', async () => {
    it.gateway.answer = () => (it.gateway.tickets.length === 1 ? refusal(503, { 'Retry-After': '20' }) : undefined)
    it.start()
    await after(19_999)
    expect(it.gateway.tickets).toHaveLength(1)
    await after(1_001)
    expect(it.gateway.tickets).toHaveLength(2)
  })

  test('a network that is gone is tried again', async () => {
    it.gateway.answer = () => {
      if (it.gateway.tickets.length === 1) throw new TypeError('fetch failed')
      return undefined
    }
    it.start()
    await after(1_000)
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('a late error or event of a closed source changes nothing', async () => {
    const seen: string[] = []
    const client = await it.attach()
    client.listen(messages(seen))
    const old = FakeEventSource.last
    old.onerror!()
    await after(1_000)
    old.onerror!()
    old.emit('message', id(1), 'late')
    expect(client.state.name).toBe('connecting')
    expect(seen).toEqual([])
  })
})

describe('unauthenticated', () => {
  test('401 stops it, and open starts it again', async () => {
    const onUnauthenticated = vi.fn()
    it.gateway.answer = () => refusal(401)
    const client = it.start({ onUnauthenticated })
    await after(600_000)
    expect(client.state).toEqual({ name: 'closed', why: 'unauthenticated' })
    expect(onUnauthenticated).toHaveBeenCalledTimes(1)
    expect(it.gateway.tickets).toHaveLength(1)
    it.gateway.answer = () => undefined
    client.open()
    await settle()
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('without a token nothing is asked', async () => {
    const client = it.start({ token: () => null })
    await settle()
    expect(client.state).toEqual({ name: 'closed', why: 'unauthenticated' })
    expect(it.gateway.asked).toHaveLength(0)
  })

  test('a revoked session stops it, and the page is told', async () => {
    const told = vi.fn()
    const client = await it.attach({ onUnauthenticated: told })
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'revoked' })
    expect(client.state).toEqual({ name: 'closed', why: 'revoked' })
    await after(600_000)
    expect(client.state).toEqual({ name: 'closed', why: 'revoked' })
    expect(told).toHaveBeenCalledOnce()
    expect(FakeEventSource.all).toHaveLength(1)
  })
})

describe('logging out', () => {
  test('names the session by the last id, and closes', async () => {
    const client = await it.attach()
    FakeEventSource.last.emit('message', id(3), '{}')
    it.gateway.answer = () => new Response(null, { status: 204 })
    await client.logOut()
    const asked = it.gateway.asked.at(-1)!
    expect([asked.method, asked.url.pathname, asked.headers.get('Last-Event-ID')]).toEqual(['DELETE', '/api/sse', id(3)])
    expect(client.state).toEqual({ name: 'closed', why: 'loggedOut' })
    await after(60_000)
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('everywhere names none', async () => {
    const client = await it.attach()
    it.gateway.answer = () => new Response(null, { status: 204 })
    await client.logOut({ everywhere: true })
    expect(it.gateway.asked.at(-1)!.headers.has('Last-Event-ID')).toBe(false)
  })

  test('that is refused leaves the stream, and says so', async () => {
    const client = await it.attach()
    it.gateway.answer = () => refusal(503)
    await expect(client.logOut()).rejects.toThrow('not 503')
    expect(client.state.name).toBe('open')
  })
})

describe('when its session ends', () => {
  test('expiring renews the ticket within 30 s and hears the old stream until then', async () => {
    const seen: string[] = []
    const client = await it.attach()
    client.listen(messages(seen))
    const old = FakeEventSource.last
    old.emit('ebb.expiring', id(0))
    await after(20_000)
    old.emit('message', id(1), 'meanwhile')
    expect(old.closed).toBe(false)
    await after(10_000)
    expect(old.closed).toBe(true)
    expect(it.gateway.tickets[1]!.url.searchParams.get('cursor')).toBe(stored(1))
    expect(seen).toEqual(['meanwhile'])
  })

  test('it is renewed with a fresh token, and the stream goes on', async () => {
    const seen: string[] = []
    const token = vi.fn(() => `token-${token.mock.calls.length}`)
    const client = await it.attach({ token })
    client.listen(messages(seen))
    const source = FakeEventSource.last
    source.emit('ebb.expiring', id(7))
    await after(30_000)
    const [renewal] = it.gateway.asked.filter(({ url }) => url.pathname === '/api/sse/renew')
    expect(renewal!.method).toBe('POST')
    expect(renewal!.url.search).toBe('')
    expect(renewal!.headers.get('Last-Event-ID')).toBe(id(7)) // with the proof: it names the session
    expect(renewal!.headers.get('Authorization')).toBe('Bearer token-2')
    source.emit('message', id(8), 'still here')
    expect(seen).toEqual(['still here'])
    expect(client.state.name).toBe('open')
    expect(FakeEventSource.all).toHaveLength(1)
    source.emit('ebb.expiring', id(9))
    await after(30_000)
    expect(it.gateway.asked.at(-1)!.headers.get('Last-Event-ID')).toBe(id(9))
  })

  test.each([404, 403, 503])('where renewing is answered with %i it opens another stream', async (status) => {
    await it.attach({ token: () => 't' })
    it.gateway.answer = ({ url }) => (url.pathname === '/api/sse/renew' ? refusal(status) : undefined)
    FakeEventSource.last.emit('ebb.expiring', id(0))
    await after(30_000)
    expect(it.gateway.tickets).toHaveLength(2)
    expect(FakeEventSource.all).toHaveLength(2)
    expect(FakeEventSource.all[0]!.closed).toBe(true)
  })

  test('a renewal that fails after the stream has ended opens nothing more', async () => {
    let fail = () => {}
    await it.attach({ token: () => 't' })
    it.gateway.answer = ({ url }) =>
      url.pathname === '/api/sse/renew' ? new Promise((_, reject) => (fail = () => reject(new TypeError('cut')))) : undefined
    FakeEventSource.last.emit('ebb.expiring', id(0))
    await after(30_000)
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'expired' })
    fail()
    await after(5_000)
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('without a token the user must log in', async () => {
    let token: string | null = 't'
    const client = await it.attach({ token: () => token })
    token = null
    FakeEventSource.last.emit('ebb.expiring', id(0))
    await after(30_000)
    expect(client.state).toEqual({ name: 'closed', why: 'unauthenticated' })
  })

  test('expired comes back with a new ticket', async () => {
    await it.attach()
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'expired' })
    await after(1_000)
    expect(it.gateway.tickets).toHaveLength(2)
  })

  test('draining comes back within the retry it is given', async () => {
    await it.attach()
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'draining', retry: 10_000 })
    await after(9_900)
    expect(it.gateway.tickets).toHaveLength(1)
    await after(100)
    expect(it.gateway.tickets).toHaveLength(2)
  })
})

describe('replaced by another tab', () => {
  test('it stays away for ten minutes', async () => {
    const client = await it.attach()
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'replaced' })
    it.page.dispatchEvent(new Event('online'))
    await after(599_999)
    expect(client.state).toEqual({ name: 'closed', why: 'replaced' })
    expect(FakeEventSource.all).toHaveLength(1)
    await after(1)
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('it comes back at once when it is seen again', async () => {
    await it.attach()
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'replaced' })
    it.document.dispatchEvent(new Event('visibilitychange'))
    await settle()
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('it comes back for a command, whose reply it must hear', async () => {
    const client = await it.attach()
    FakeEventSource.last.emit('ebb.bye', id(0), { reason: 'replaced' })
    client.send('board/task/1', { _command: 'delete' })
    await settle()
    expect(FakeEventSource.all).toHaveLength(2)
  })
})

describe('a silent stream', () => {
  test('is left after 50 s', async () => {
    await it.attach()
    await after(50_000)
    expect(FakeEventSource.last.closed).toBe(false)
    await after(5_000)
    expect(FakeEventSource.last.closed).toBe(true)
    await after(1_000)
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('is none while marks come', async () => {
    await it.attach()
    for (let i = 0; i < 10; i++) {
      await after(20_000)
      FakeEventSource.last.emit('ebb.mark', id(i))
    }
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('is left at once when a machine wakes up, whatever timers did', async () => {
    await it.attach()
    vi.setSystemTime(Date.now() + 3_600_000)
    it.page.dispatchEvent(new Event('pageshow'))
    await settle()
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('a ticket that does not come is one', async () => {
    it.gateway.answer = () => (it.gateway.tickets.length === 1 ? new Promise<Response>(() => {}) : undefined)
    it.start()
    await after(60_000)
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('a page that is seen, with a stream that lives, keeps it', async () => {
    await it.attach()
    it.document.dispatchEvent(new Event('visibilitychange'))
    it.page.dispatchEvent(new Event('online'))
    await settle()
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test.each(['online', 'pageshow'])('waiting ends with %s', async (name) => {
    await it.attach()
    FakeEventSource.last.onerror!()
    it.page.dispatchEvent(new Event(name))
    await settle()
    expect(FakeEventSource.all).toHaveLength(2)
  })

  test('a page that gets hidden wakes nothing', async () => {
    await it.attach()
    FakeEventSource.last.onerror!()
    Object.assign(it.document, { visibilityState: 'hidden' })
    it.document.dispatchEvent(new Event('visibilitychange'))
    await settle()
    expect(FakeEventSource.all).toHaveLength(1)
  })

  test('a closed client is woken by nothing', async () => {
    const listen = vi.spyOn(it.document, 'addEventListener')
    const client = await it.attach()
    const { signal } = listen.mock.calls[0]![2] as AddEventListenerOptions
    client.close()
    expect(signal!.aborted).toBe(true)
    it.page.dispatchEvent(new Event('online'))
    it.document.dispatchEvent(new Event('visibilitychange'))
    await after(600_000)
    expect(FakeEventSource.all).toHaveLength(1)
  })
})

describe('events', () => {
  test('a repeat after a reconnect is dropped', async () => {
    const seen: string[] = []
    const client = await it.attach()
    client.listen(messages(seen))
    FakeEventSource.last.emit('message', id(1), 'one')
    FakeEventSource.last.emit('message', id(2), 'two')
    FakeEventSource.last.onerror!()
    await after(1_000)
    FakeEventSource.last.emit('message', id(2), 'two')
    FakeEventSource.last.emit('message', id(3), 'three')
    expect(seen).toEqual(['one', 'two', 'three'])
  })

  test('an event without an id of its own, which bears the last one, is no repeat', async () => {
    const seen: string[] = []
    const client = await it.attach()
    client.listen(messages(seen))
    FakeEventSource.last.emit('message', id(0), 'first of a block') // the id of hello
    FakeEventSource.last.emit('message', id(1), 'last of it')
    expect(seen).toEqual(['first of a block', 'last of it'])
  })

  test('a reset without a place forgets the old one', async () => {
    const onReset = vi.fn()
    await it.attach({ onReset })
    FakeEventSource.last.emit('message', id(5), '{}')
    FakeEventSource.last.emit('ebb.reset', '', { reason: 'retention', from: 'a', to: 'b' })
    expect(onReset).toHaveBeenCalledWith({ reason: 'retention', from: 'a', to: 'b' })
    FakeEventSource.last.onerror!()
    await after(1_000)
    expect(it.gateway.tickets[1]!.url.search).toBe('')
  })

  test('a mark moves the cursor that is resumed from', async () => {
    await it.attach()
    FakeEventSource.last.emit('ebb.mark', id(77))
    FakeEventSource.last.onerror!()
    await after(1_000)
    expect(it.gateway.tickets[1]!.url.searchParams.get('cursor')).toBe(stored(77))
  })

  test('other names are heard where they are asked for', async () => {
    const seen: string[] = []
    const client = await it.attach({ events: ['price'] })
    client.listen({ event: ({ name }) => seen.push(name) })
    FakeEventSource.last.emit('price', id(1), '1')
    FakeEventSource.last.emit('other', id(2), '2')
    expect(seen).toEqual(['price'])
  })

  test('a listener that throws keeps nothing from the others', async () => {
    const thrown = vi.fn()
    vi.stubGlobal('queueMicrotask', (task: () => void) => {
      try {
        task()
      } catch (error) {
        thrown(error)
      }
    })
    const seen: string[] = []
    const client = await it.attach()
    const oops = new Error('oops')
    client.listen({
      event: () => {
        throw oops
      },
    })
    client.listen(messages(seen))
    FakeEventSource.last.emit('message', id(1), 'one')
    expect(seen).toEqual(['one'])
    expect(thrown).toHaveBeenCalledWith(oops)
  })

  test('a client closed by a handler stays closed', async () => {
    const client = await it.attach()
    client.listen({ event: ({ name }) => name === 'ebb.expiring' && client.close() })
    FakeEventSource.last.emit('ebb.expiring', id(0))
    await after(600_000)
    expect(FakeEventSource.all).toHaveLength(1)
  })
})
