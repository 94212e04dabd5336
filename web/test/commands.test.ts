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
  await expect(client.send(bad, { _command: 'create' }).settled).rejects.toThrow(TypeError)
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
  await expect(client.send(path, { _command: 'create', _corr: 'c1' }).settled).rejects.toThrow('under way')
})
