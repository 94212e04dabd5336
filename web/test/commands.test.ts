import { describe, expect, test, vi } from 'vitest'
import { ProblemError } from '../src/index.js'
import { after, FakeEventSource, id, refusal, settle, world } from './fakes.js'

const it = world()
const path = 'board/task/7f'
const uuid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/

const reply = (corr: unknown, fields = {}) => ({ _id: '7f', _type: 'board-task', _corr: corr, _outcome: 'applied', _seq: 0, ...fields })

/** watched is a promise whose end a test can look at. */
function watched(promise: Promise<unknown>) {
  const end: { value?: unknown; error?: unknown } = {}
  promise.then((value) => (end.value = value), (error: unknown) => (end.error = error))
  return end
}

test('a command is JSON for its instance, with a _corr of its own', async () => {
  const client = await it.attach({ token: () => 't0ken' })
  void client.send('board/task/a b', { _command: 'create', title: 'Tea' })
  await settle()
  const [asked] = it.gateway.commands
  expect(asked!.url.pathname).toBe('/api/board/task/a%20b')
  expect(asked!.headers.get('Content-Type')).toBe('application/json')
  expect(asked!.headers.get('Authorization')).toBe('Bearer t0ken')
  expect(asked!.body).toEqual({ _command: 'create', title: 'Tea', _corr: expect.stringMatching(uuid) })
})

test('it keeps the _corr that it has', async () => {
  const client = await it.attach()
  void client.send(path, { _command: 'create', _corr: 'mine' })
  await settle()
  expect(it.gateway.commands[0]!.body._corr).toBe('mine')
})

test.each(['board/task', 'board/task/', 'board/task/..', 'board//7f', 'a/b/c/d'])('%s is no instance', async (bad) => {
  const client = await it.attach()
  expect(() => client.send(bad, { _command: 'create' })).toThrow(TypeError)
  expect(it.gateway.commands).toHaveLength(0)
})

test('the first command waits for hello', async () => {
  const client = it.start()
  void client.send(path, { _command: 'create' })
  await after(500)
  expect(it.gateway.commands).toHaveLength(0)
  FakeEventSource.last.emit('ebb.hello', id(0))
  await settle()
  expect(it.gateway.commands).toHaveLength(1)
})

test('a later one does not wait for the stream to be back', async () => {
  const client = await it.attach()
  FakeEventSource.last.onerror!()
  void client.send(path, { _command: 'create' })
  await settle()
  expect(it.gateway.commands).toHaveLength(1)
})

describe('the reply', () => {
  test('resolves the command of its _corr, type and id alone', async () => {
    const client = await it.attach()
    const end = watched(client.send(path, { _command: 'create', _corr: 'c1' }).settled)
    const emit = (offset: number, data: object) => FakeEventSource.last.emit('message', id(offset), data)
    emit(1, reply('c2'))
    emit(2, reply('c1', { _id: '80' }))
    emit(3, reply('c1', { _type: 'board-log' }))
    await settle()
    expect(end).toEqual({})
    emit(4, reply('c1', { title: 'Tea' }))
    await settle()
    expect(end.value).toMatchObject({ title: 'Tea', _outcome: 'applied' })
  })

  test('is found whatever the case of its ids', async () => {
    const client = await it.attach()
    const end = watched(client.send('board/task/7F', { _command: 'create', _corr: 'ABC' }).settled)
    FakeEventSource.last.emit('message', id(1), reply('abc'))
    await settle()
    expect(end.value).toBeDefined()
  })

  test('that says no resolves too', async () => {
    const client = await it.attach()
    const end = watched(client.send(path, { _command: 'create', _corr: 'c1' }).settled)
    const errors = [{ location: '/title', code: 'length', message: '1 to 200 characters' }]
    FakeEventSource.last.emit('message', id(1), reply('c1', { _error: true, _outcome: 'rejected', errors }))
    await settle()
    expect(end.value).toMatchObject({ _error: true, errors })
  })

  test('may be sooner than the 202, and then nothing is sent again', async () => {
    const client = await it.attach()
    const accepted = vi.fn()
    let lose = (_: Error) => {}
    it.gateway.answer = (asked) =>
      asked.body._command ? new Promise((_, reject) => (lose = reject)) : undefined
    const end = watched(client.send(path, { _command: 'create', _corr: 'c1' }, { onAccepted: accepted }).settled)
    await settle()
    FakeEventSource.last.emit('message', id(1), reply('c1'))
    await settle()
    lose(new TypeError('fetch failed'))
    await after(60_000)
    expect(end.value).toBeDefined()
    expect(accepted).not.toHaveBeenCalled()
    expect(it.gateway.commands).toHaveLength(1)
  })

  test('that is sooner than the 202 ends it: it is not due any more', async () => {
    const client = await it.attach()
    const accepted = vi.fn()
    let give = (_: Response) => {}
    it.gateway.answer = (asked) => (asked.body._command ? new Promise((resolve) => (give = resolve)) : undefined)
    void client.send(path, { _command: 'create', _corr: 'c1' }, { onAccepted: accepted })
    await settle()
    FakeEventSource.last.emit('message', id(1), reply('c1'))
    await settle()
    give(new Response(null, { status: 202 }))
    await settle()
    expect(accepted).not.toHaveBeenCalled()
  })

  test('is asked for again when a gap may have swallowed it', async () => {
    const client = await it.attach()
    const accepted = vi.fn()
    const end = watched(client.send(path, { _command: 'create', _corr: 'c1' }, { onAccepted: accepted }).settled)
    await settle()
    FakeEventSource.last.emit('ebb.reset', id(9), { reason: 'gap' })
    await settle()
    expect(it.gateway.commands.map(({ body }) => body._corr)).toEqual(['c1', 'c1'])
    expect(accepted).toHaveBeenCalledExactlyOnceWith('c1')
    FakeEventSource.last.emit('message', id(10), reply('c1', { _outcome: 'duplicate' }))
    await settle()
    expect(end.value).toMatchObject({ _outcome: 'duplicate' })
  })

  test('is not due, and not asked for, before the command is accepted', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(503) : undefined)
    void client.send(path, { _command: 'create' })
    await settle()
    FakeEventSource.last.emit('ebb.reset', id(9), {})
    await settle()
    expect(it.gateway.commands).toHaveLength(1)
  })

  test('is asked for again only after the hello that follows a reset', async () => {
    const client = await it.attach()
    void client.send(path, { _command: 'create' })
    await settle()
    FakeEventSource.last.onerror!()
    await after(1_000)
    FakeEventSource.last.emit('ebb.reset', '', {})
    await settle()
    expect(it.gateway.commands).toHaveLength(1)
    FakeEventSource.last.emit('ebb.hello', id(9))
    await settle()
    expect(it.gateway.commands).toHaveLength(2)
  })
})

describe('a command that is not accepted', () => {
  test.each([
    ['429', () => refusal(429)],
    ['503', () => refusal(503)],
    ['a network error', () => Promise.reject(new TypeError('fetch failed'))],
  ])('for %s is sent again with the same _corr', async (_, fail) => {
    const client = await it.attach()
    const accepted = vi.fn()
    it.gateway.answer = (asked) => (asked.body._command && it.gateway.commands.length < 3 ? fail() : undefined)
    void client.send(path, { _command: 'create' }, { onAccepted: accepted })
    await after(999)
    expect(it.gateway.commands).toHaveLength(2)
    expect(accepted).not.toHaveBeenCalled()
    await after(60_000)
    const corrs = it.gateway.commands.map(({ body }) => body._corr)
    expect(corrs).toEqual([corrs[0], corrs[0], corrs[0]])
    expect(accepted).toHaveBeenCalledExactlyOnceWith(corrs[0])
  })

  test.each([
    ['seconds', () => '30'],
    ['a date', () => new Date(Date.now() + 30_000).toUTCString()],
  ])('waits as long as Retry-After says in %s', async (_, header) => {
    const client = await it.attach()
    vi.setSystemTime(1_000_000_000_000)
    const value = header()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(503, { 'Retry-After': value }) : undefined)
    void client.send(path, { _command: 'create' })
    await after(29_999)
    expect(it.gateway.commands).toHaveLength(1)
    await after(1_001)
    expect(it.gateway.commands).toHaveLength(2)
  })

  test.each([400, 401, 403, 404, 409, 413, 500])('%i rejects with the problem', async (status) => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(status) : undefined)
    const error = await client.send(path, { _command: 'create' }).settled.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ProblemError)
    expect(error).toMatchObject({ type: 'https://ebb.test/no', title: 'No', status, detail: `not ${status}`, message: `not ${status}` })
    expect(it.gateway.commands).toHaveLength(1)
  })

  test('a page of HTML is a problem without words', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? new Response('<h1>No</h1>', { status: 404 }) : undefined)
    await expect(client.send(path, { _command: 'create' }).settled).rejects.toMatchObject({ status: 404, type: 'about:blank' })
  })
})

describe('giving up', () => {
  test('by signal rejects with its reason and stops sending', async () => {
    const client = await it.attach()
    const stop = new AbortController()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(503) : undefined)
    const end = watched(client.send(path, { _command: 'create' }, { signal: stop.signal }).settled)
    await settle()
    stop.abort('enough')
    await after(60_000)
    expect(end.error).toBe('enough')
    expect(it.gateway.commands).toHaveLength(1)
  })

  test('before the start sends nothing', async () => {
    const client = await it.attach()
    const end = watched(client.send(path, { _command: 'create' }, { signal: AbortSignal.abort('no') }).settled)
    await settle()
    expect(end.error).toBe('no')
    expect(it.gateway.commands).toHaveLength(0)
  })

  test('by close rejects what waits for hello', async () => {
    const client = it.start()
    const end = watched(client.send(path, { _command: 'create' }).settled)
    client.close()
    await settle()
    expect(end.error).toMatchObject({ message: 'ebb: the client is closed' })
  })
})

test('the same _corr twice at once is refused', async () => {
  const client = await it.attach()
  void client.send(path, { _command: 'create', _corr: 'c1' })
  expect(() => client.send(path, { _command: 'create', _corr: 'c1' })).toThrow('under way')
})

describe('a handle', () => {
  test('has the _corr, is accepted with the 202 and settled with the reply', async () => {
    const client = await it.attach()
    const sent = client.send(path, { _command: 'create' })
    expect(sent.corr).toMatch(uuid)
    const [accepted, settled] = [watched(sent.accepted.then(() => 'yes')), watched(sent.settled)]
    await settle()
    expect([accepted.value, settled]).toEqual(['yes', {}])
    FakeEventSource.last.emit('message', id(1), reply(sent.corr))
    await settle()
    expect(settled.value).toMatchObject({ _corr: sent.corr })
  })

  test('is accepted by a reply that is sooner than the 202', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? new Promise(() => {}) : undefined)
    const accepted = watched(client.send(path, { _command: 'create', _corr: 'c1' }).accepted.then(() => 'yes'))
    await settle()
    expect(accepted).toEqual({})
    FakeEventSource.last.emit('message', id(1), reply('c1', { _error: true, _outcome: 'rejected' }))
    await settle()
    expect(accepted.value).toBe('yes')
  })

  test('that nobody looks at rejects without a word', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(400) : undefined)
    client.send(path, { _command: 'create' })
    client.send(path, { _command: 'create' }, { signal: AbortSignal.abort() })
    await settle()
    vi.useRealTimers()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(it.gateway.commands).toHaveLength(1)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('of a refused command rejects both', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(403) : undefined)
    const sent = client.send(path, { _command: 'create' })
    await expect(sent.accepted).rejects.toMatchObject({ status: 403 })
    await expect(sent.settled).rejects.toMatchObject({ status: 403 })
  })

  test('gives up after its timeout, wherever the command is', async () => {
    const client = await it.attach()
    const late = watched(client.send(path, { _command: 'create' }, { timeout: 5_000 }).settled) // accepted
    it.gateway.answer = (asked) => (asked.body._command ? refusal(503) : undefined)
    const stuck = watched(client.send('board/task/80', { _command: 'create' }, { timeout: 6_000 }).settled)
    await after(4_999)
    expect([late, stuck]).toEqual([{}, {}])
    await after(1)
    expect(late.error).toMatchObject({ name: 'TimeoutError' })
    await after(1_000)
    expect(stuck.error).toMatchObject({ name: 'TimeoutError' })
    const tried = it.gateway.commands.length
    await after(60_000)
    expect(it.gateway.commands).toHaveLength(tried)
  })

  test('in time has no timeout left', async () => {
    const client = await it.attach()
    const end = watched(client.send(path, { _command: 'create', _corr: 'c1' }, { timeout: 5_000 }).settled)
    FakeEventSource.last.emit('message', id(1), reply('c1'))
    await after(6_000)
    expect(end.error).toBeUndefined()
    expect(end.value).toBeDefined()
  })
})

describe('commands to one instance', () => {
  const names = () => it.gateway.commands.map(({ url, body }) => `${url.pathname.split('/').at(-1)} ${String(body._command)}`)

  test('go one after the other, others do not wait for them', async () => {
    const client = await it.attach()
    const give: (() => void)[] = []
    it.gateway.answer = (asked) =>
      asked.body._command ? new Promise((resolve) => give.push(() => resolve(new Response(null, { status: 202 })))) : undefined
    client.send('board/task/a', { _command: 'one' })
    client.send('board/task/A', { _command: 'two' })
    client.send('board/task/b', { _command: 'three' })
    client.send('board/task/a', { _command: 'four' })
    await settle()
    expect(names()).toEqual(['a one', 'b three'])
    give[0]!()
    await settle()
    expect(names()).toEqual(['a one', 'b three', 'A two'])
    give[2]!()
    await settle()
    expect(names()).toEqual(['a one', 'b three', 'A two', 'a four'])
  })

  test('wait in order while offline, and are sent once, with their ids', async () => {
    const client = await it.attach()
    let down = true
    const arrived: string[] = []
    it.gateway.answer = (asked) => {
      if (down) throw new TypeError('fetch failed')
      if (asked.body._command) arrived.push(`${asked.url.pathname.split('/').at(-1)} ${String(asked.body._corr)}`)
      return undefined
    }
    FakeEventSource.last.onerror!()
    for (const corr of ['c1', 'c2', 'c3']) {
      client.send('board/task/a', { _command: 'x', _corr: corr })
      client.send('board/task/b', { _command: 'x', _corr: corr })
    }
    await after(100_000)
    expect(arrived).toEqual([])
    expect(client.state.name).toBe('retrying')
    down = false
    it.page.dispatchEvent(new Event('online')) // and not some back-off later
    await settle()
    const of = (instance: string) => arrived.filter((line) => line.startsWith(instance))
    expect(of('a')).toEqual(['a c1', 'a c2', 'a c3'])
    expect(of('b')).toEqual(['b c1', 'b c2', 'b c3'])
    await after(100_000)
    expect(arrived).toHaveLength(6)
  })

  test('are tried again at once when the stream is open again', async () => {
    const client = await it.attach()
    let down = true
    it.gateway.answer = () => {
      if (down) throw new TypeError('fetch failed')
      return undefined
    }
    FakeEventSource.last.onerror!()
    const accepted = watched(client.send(path, { _command: 'create' }).accepted.then(() => 'yes'))
    await after(100_000)
    down = false
    client.open()
    await settle()
    expect(accepted).toEqual({})
    FakeEventSource.last.emit('ebb.hello', id(0))
    await settle()
    expect(accepted.value).toBe('yes')
  })

  test('are not sooner than Retry-After for that', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command ? refusal(429, { 'Retry-After': '20' }) : undefined)
    client.send(path, { _command: 'create' })
    await settle()
    FakeEventSource.last.onerror!()
    await after(1_000)
    FakeEventSource.last.emit('ebb.hello', id(0))
    await after(18_000)
    expect(it.gateway.commands).toHaveLength(1)
  })

  test('go on behind one that is refused, or given up', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command === 'bad' ? refusal(400) : asked.body._command === 'stuck' ? refusal(503) : undefined)
    const stop = new AbortController()
    client.send('board/task/a', { _command: 'bad' })
    client.send('board/task/a', { _command: 'stuck' }, { signal: stop.signal })
    client.send('board/task/a', { _command: 'good' })
    await settle()
    expect(names()).toEqual(['a bad', 'a stuck'])
    stop.abort()
    await settle()
    expect(names()).toEqual(['a bad', 'a stuck', 'a good'])
  })

  test('go on behind a reply that is sooner than its 202', async () => {
    const client = await it.attach()
    it.gateway.answer = (asked) => (asked.body._command === 'one' ? new Promise(() => {}) : undefined)
    client.send(path, { _command: 'one', _corr: 'c1' })
    client.send(path, { _command: 'two' })
    await settle()
    expect(names()).toEqual(['7f one'])
    FakeEventSource.last.emit('message', id(1), reply('c1'))
    await settle()
    expect(names()).toEqual(['7f one', '7f two'])
  })

  test('are sent again when there is no answer for 30 s', async () => {
    const client = await it.attach()
    it.gateway.answer = ({ body, signal }) =>
      body._command && it.gateway.commands.length === 1
        ? new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))
        : undefined
    client.send(path, { _command: 'create' })
    await after(29_999)
    expect(it.gateway.commands).toHaveLength(1)
    await after(1_001)
    const [first, second] = it.gateway.commands
    expect(second!.body).toEqual(first!.body)
  })
})
