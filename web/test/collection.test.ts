import { describe, expect, test, vi } from 'vitest'
import { Collection } from '../src/index.js'
import { after, FakeEventSource, id, json, refusal, settle, world } from './fakes.js'

const it = world()
const state = (_id: string, _seq: number, title: string) => ({ _id, _type: 'board-task', _seq, title })
let offset = 1
const say = (fields: object) =>
  FakeEventSource.last.emit('message', id(offset++), { _corr: 'c', _command: 'x', _outcome: 'applied', ...fields })
const titles = (tasks: Collection) => tasks.items.map(({ title }) => title)

/** snapshot answers lists with what a test changes in it. */
function snapshot(...items: object[]) {
  const all = { items }
  it.gateway.answer = ({ method }) => (method === 'GET' ? json(all) : undefined)
  return all
}

test('the snapshot is asked for after hello, and fresh', async () => {
  snapshot(state('1', 3, 'Tea'))
  const client = it.start()
  const tasks = new Collection(client, 'board/task')
  await settle()
  expect(it.gateway.lists).toHaveLength(0)
  FakeEventSource.last.emit('ebb.hello', id(0))
  await settle()
  expect(it.gateway.lists[0]!.url.href).toBe('https://app.test/api/board/task?fresh')
  expect(titles(tasks)).toEqual(['Tea'])
  expect(tasks.loaded).toBe(true)
})

test('the snapshot is all pages, and what is heard meanwhile', async () => {
  const pages: Record<string, object> = {
    '?fresh': { items: [state('1', 0, 'Tea')], next: '/api/board/task?after=1&fresh=' },
    '?after=1&fresh=': { items: [state('3', 0, 'Milk')], next: '/elsewhere/api/board/task?after=3&fresh=&%2Fa=%3F' },
    '?after=3&fresh=&%2Fa=%3F': { items: [state('4', 0, 'Sugar')] },
  }
  it.gateway.answer = ({ method, url }) => {
    if (method !== 'GET') return undefined
    if (url.search.startsWith('?after=3')) say(state('0', 0, 'too late for its page'))
    return json(pages[url.search])
  }
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  expect(it.gateway.lists.map(({ url }) => url.href)).toEqual(
    Object.keys(pages).map((query) => `https://app.test/api/board/task${query}`),
  )
  expect(titles(tasks).sort()).toEqual(['Milk', 'Sugar', 'Tea', 'too late for its page'])
})

test('a page that cannot be had begins the snapshot again', async () => {
  it.gateway.answer = ({ method, url }) => {
    if (method !== 'GET') return undefined
    if (url.searchParams.has('after')) return it.gateway.lists.length < 4 ? refusal(503) : json({ items: [state('2', 0, 'Milk')] })
    return json({ items: [state('1', 0, 'Tea')], next: '/api/board/task?after=1' })
  }
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  expect(tasks.loaded).toBe(false)
  await after(60_000)
  expect(titles(tasks)).toEqual(['Tea', 'Milk'])
})

test('replies change it by _seq: lower or equal is old news', async () => {
  snapshot(state('1', 3, 'Tea'))
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  say(state('1', 2, 'older'))
  say(state('1', 3, 'equal'))
  expect(titles(tasks)).toEqual(['Tea'])
  say(state('1', 4, 'Coffee'))
  say(state('2', 0, 'Milk'))
  expect(titles(tasks)).toEqual(['Coffee', 'Milk'])
  expect(tasks.items[0]).toEqual({ ...state('1', 4, 'Coffee'), _corr: 'c' })
})

test('a reply that overtakes the snapshot wins', async () => {
  let give = (_: Response) => {}
  it.gateway.answer = ({ method }) => (method === 'GET' ? new Promise((resolve) => (give = resolve)) : undefined)
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  say(state('1', 4, 'newer'))
  say({ ...state('2', 7, 'gone'), _deleted: true })
  say(state('3', 0, 'made meanwhile'))
  give(json({ items: [state('1', 3, 'older'), state('2', 6, 'not yet gone')] }))
  await settle()
  expect(titles(tasks)).toEqual(['newer', 'made meanwhile'])
})

test('the deleted are removed, and stay so', async () => {
  snapshot(state('1', 3, 'Tea'))
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  say({ ...state('1', 4, 'Tea'), _deleted: true })
  say(state('1', 4, 'Tea'))
  expect(titles(tasks)).toEqual([])
})

test('a state too large for the stream is read', async () => {
  const all = snapshot(state('1', 3, 'Tea'))
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  all.items = [state('1', 4, 'Coffee')]
  say({ _id: '1', _type: 'board-task', _seq: 4, _truncated: true })
  await settle()
  expect(titles(tasks)).toEqual(['Coffee'])
})

test('replies of the elder family, without an outcome, count', async () => {
  snapshot()
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  say({ ...state('1', 0, 'Tea'), _outcome: undefined })
  expect(titles(tasks)).toEqual(['Tea'])
})

test('what says no, and other types, change nothing', async () => {
  snapshot(state('1', 3, 'Tea'))
  const tasks = new Collection(await it.attach(), 'board/task')
  const changed = vi.fn()
  await settle()
  tasks.subscribe(changed)
  say({ ...state('1', 9, 'x'), _error: true, _outcome: 'rejected' })
  say({ ...state('1', 9, 'x'), _type: 'board-log' })
  say({ _id: '2', _type: 'board-task', _seq: 9, _outcome: 'duplicate' }) // no state: it may not be read by now
  say({ _id: '1', _type: 'board-task' })
  expect(changed).not.toHaveBeenCalled()
})

test('a reset takes a new snapshot and forgets what is not in it', async () => {
  const all = snapshot(state('1', 3, 'Tea'), state('2', 1, 'Milk'))
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  all.items = [state('1', 5, 'Coffee')]
  FakeEventSource.last.emit('ebb.reset', id(100), { reason: 'gap' })
  await settle()
  expect(titles(tasks)).toEqual(['Coffee'])
})

test('a resumed stream needs no new snapshot', async () => {
  snapshot()
  new Collection(await it.attach(), 'board/task')
  await settle()
  FakeEventSource.last.onerror!()
  await after(1_000)
  FakeEventSource.last.emit('ebb.hello', id(0))
  await settle()
  expect(it.gateway.lists).toHaveLength(1)
})

test('a snapshot that fails for a while is tried again', async () => {
  it.gateway.answer = ({ method }) =>
    method === 'GET' ? (it.gateway.lists.length < 3 ? refusal(503) : json({ items: [state('1', 0, 'Tea')] })) : undefined
  const tasks = new Collection(await it.attach(), 'board/task')
  await after(3_000)
  expect(titles(tasks)).toEqual(['Tea'])
})

test('one that is refused is an error, until the next hello', async () => {
  it.gateway.answer = ({ method }) => (method === 'GET' ? refusal(403) : undefined)
  const tasks = new Collection(await it.attach(), 'board/task')
  await after(60_000)
  expect(tasks.error).toMatchObject({ status: 403 })
  expect(it.gateway.lists).toHaveLength(1)
  snapshot(state('1', 0, 'Tea'))
  FakeEventSource.last.emit('ebb.hello', id(0))
  await settle()
  expect(tasks.error).toBeUndefined()
  expect(titles(tasks)).toEqual(['Tea'])
})

test('items are the same array until they change', async () => {
  snapshot(state('1', 3, 'Tea'))
  const tasks: Collection = new Collection(await it.attach(), 'board/task')
  await settle()
  const before = tasks.items
  say(state('1', 3, 'Tea'))
  expect(tasks.items).toBe(before)
  say(state('1', 4, 'Tea'))
  expect(tasks.items).not.toBe(before)
})

test('a closed collection follows nothing', async () => {
  snapshot()
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  tasks.close()
  say(state('1', 0, 'Tea'))
  FakeEventSource.last.emit('ebb.reset', id(100), {})
  await settle()
  expect(titles(tasks)).toEqual([])
  expect(it.gateway.lists).toHaveLength(1)
})

test('one instance is read by its path', async () => {
  const client = await it.attach()
  it.gateway.answer = ({ url }) => (url.pathname === '/api/board/task/1' ? json(state('1', 3, 'Tea')) : undefined)
  expect(await client.get('board/task/1')).toEqual(state('1', 3, 'Tea'))
  await client.get('board/task/1', { fresh: true })
  expect(it.gateway.lists.map(({ url }) => url.search)).toEqual(['', '?fresh'])
})

describe('a command shown before it is settled', () => {
  type Counted = { n?: number; [field: string]: unknown }
  const plus = (by: number) => (state: Counted | undefined) => ({ ...state, n: (state?.n ?? 0) + by })
  const numbers = (tasks: Collection) => Object.fromEntries(tasks.items.map(({ _id, n }) => [_id, n]))
  const counter = (_seq: number, n: number) => ({ _id: '1', _type: 'board-task', _seq, n })

  async function counting(n = 0) {
    snapshot(counter(0, n))
    const tasks = new Collection(await it.attach(), 'board/task')
    await settle()
    return tasks
  }

  test('is there at once, and tells so', async () => {
    const tasks = await counting(1)
    const changed = vi.fn()
    tasks.subscribe(changed)
    tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    expect(numbers(tasks)).toEqual({ 1: 2 })
    expect(tasks.items[0]).toMatchObject({ _id: '1', _type: 'board-task', _seq: 0 })
    expect(tasks.pending('1')).toBe(true)
    expect(changed).toHaveBeenCalledTimes(1)
  })

  test('gives way to the real state in one step', async () => {
    const tasks = await counting(1)
    const seen: unknown[] = []
    tasks.subscribe(() => seen.push(tasks.items[0]!.n))
    const { corr } = tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    say({ ...counter(1, 5), _corr: corr })
    await settle()
    expect(seen).toEqual([2, 5]) // never 6: not applied over its own effect
    expect(tasks.pending('1')).toBe(false)
  })

  test.each(['rejected', 'stale', 'forbidden', 'unknown', 'failed'])('is rolled back where it is %s', async (outcome) => {
    const tasks = await counting(1)
    const { corr, settled } = tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    say({ ...counter(0, 1), _corr: corr, _outcome: outcome, _error: true })
    expect(numbers(tasks)).toEqual({ 1: 1 })
    await expect(settled).resolves.toMatchObject({ _outcome: outcome })
  })

  test.each(['unchanged', 'duplicate'])('is gone where it is %s', async (outcome) => {
    const tasks = await counting(1)
    const { corr } = tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    say({ _id: '1', _type: 'board-task', _corr: corr, _outcome: outcome })
    expect(numbers(tasks)).toEqual({ 1: 1 })
  })

  test('is rolled back where it cannot be sent, or is given up', async () => {
    const tasks = await counting(1)
    it.gateway.answer = ({ body }) => (body._command === 'bad' ? refusal(400) : undefined)
    const stop = new AbortController()
    tasks.send('1', { _command: 'bad' }, { apply: plus(1) })
    tasks.send('1', { _command: 'add' }, { apply: plus(10), signal: stop.signal })
    expect(numbers(tasks)).toEqual({ 1: 12 })
    await settle()
    expect(numbers(tasks)).toEqual({ 1: 11 })
    stop.abort()
    await settle()
    expect(numbers(tasks)).toEqual({ 1: 1 })
    expect(tasks.pending('1')).toBe(false)
  })

  test('is one of several, applied in order over whatever is real', async () => {
    const tasks = await counting(1)
    const double = (state: Counted | undefined) => ({ ...state, n: state!.n! * 2 })
    const one = tasks.send('1', { _command: 'add' }, { apply: plus(3) })
    const two = tasks.send('1', { _command: 'double' }, { apply: double })
    const three = tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    expect(numbers(tasks)).toEqual({ 1: 9 })
    say({ ...counter(1, 100), _corr: 'somebody else' })
    expect(numbers(tasks)).toEqual({ 1: 207 })
    say({ ...counter(2, 103), _corr: one.corr })
    expect(numbers(tasks)).toEqual({ 1: 207 })
    say({ ...counter(2, 103), _corr: two.corr, _outcome: 'rejected', _error: true })
    expect(numbers(tasks)).toEqual({ 1: 104 }) // the third, over the real state
    say({ ...counter(3, 104), _corr: three.corr })
    expect(tasks.items[0]).toMatchObject({ n: 104, _seq: 3 })
  })

  test('may be a create, and a delete', async () => {
    const tasks = await counting(1)
    const create = tasks.send('2', { _command: 'create', n: 7 }, { apply: () => ({ n: 7 }) })
    expect(tasks.items[1]).toEqual({ _id: '2', _type: 'board-task', _seq: -1, n: 7 })
    const remove = tasks.send('1', { _command: 'delete' }, { apply: () => undefined })
    expect(numbers(tasks)).toEqual({ 2: 7 })
    say({ _id: '1', _type: 'board-task', _corr: remove.corr, _outcome: 'rejected', _error: true })
    say({ _id: '2', _type: 'board-task', _corr: create.corr, _outcome: 'rejected', _error: true })
    expect(numbers(tasks)).toEqual({ 1: 1 })
  })

  test('stays over a new snapshot', async () => {
    const tasks = await counting(1)
    tasks.send('1', { _command: 'add' }, { apply: plus(1) })
    snapshot(counter(8, 50))
    FakeEventSource.last.emit('ebb.reset', id(100), {})
    await settle()
    expect(numbers(tasks)).toEqual({ 1: 51 })
  })

  test('shows a delete by others, and what it makes of that', async () => {
    const tasks = await counting(1)
    tasks.send('1', { _command: 'rename' }, { apply: (state: Counted | undefined) => state && { ...state, n: 9 } })
    say({ ...counter(1, 1), _deleted: true, _corr: 'else' })
    expect(numbers(tasks)).toEqual({})
  })

  test('that cannot be applied is not sent', async () => {
    const tasks = await counting(1)
    const apply = () => {
      throw new Error('no')
    }
    expect(() => tasks.send('1', { _command: 'add' }, { apply })).toThrow('no')
    await settle()
    expect(it.gateway.commands).toHaveLength(0)
    expect(tasks.pending('1')).toBe(false)
  })

  test('that cannot be applied to what came meanwhile shows nothing', async () => {
    const tasks = await counting(1)
    const apply = (state: Counted | undefined) => ({ n: state!.n! + 1 })
    tasks.send('1', { _command: 'add' }, { apply })
    say({ ...counter(1, 1), _deleted: true, _corr: 'else' })
    expect(numbers(tasks)).toEqual({})
  })

  test('without anything to show is pending all the same', async () => {
    const tasks = await counting(1)
    const { corr } = tasks.send('1', { _command: 'add' })
    expect([numbers(tasks), tasks.pending('1')]).toEqual([{ 1: 1 }, true])
    say({ ...counter(1, 2), _corr: corr })
    expect([numbers(tasks), tasks.pending('1')]).toEqual([{ 1: 2 }, false])
  })
})

test('a snapshot that waits for its next try is had with the next hello', async () => {
  it.gateway.answer = ({ method }) => (method === 'GET' ? refusal(503, { 'Retry-After': '600' }) : undefined)
  const tasks = new Collection(await it.attach(), 'board/task')
  await settle()
  snapshot(state('1', 0, 'Tea'))
  FakeEventSource.last.emit('ebb.hello', id(0))
  await settle()
  expect(titles(tasks)).toEqual(['Tea'])
})
