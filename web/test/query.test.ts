import { QueryClient, QueryObserver, type QueryKey } from '@tanstack/react-query'
import { afterEach, expect, test, vi } from 'vitest'
import { Client, type Fetch } from '../src/index.js'
import { Queries, Refused } from '../src/query.js'
import { MockBackend } from '../src/testing.js'

interface Task {
  title: string
}
interface Types {
  'board/task': { state: Task; commands: { create: { title: string }; rename: { title: string }; refuse: object; delete: object } }
}

const undo: (() => void)[] = []
afterEach(() => undo.splice(0).forEach((step) => step()))

function start(ask: (fetch: Fetch) => Fetch = (fetch) => fetch) {
  const backend = new MockBackend((state, { _command, _corr, ...fields }) => {
    if (_command === 'delete') return undefined
    return _command === 'refuse' ? [{ location: '', message: 'never' }] : { ...state, ...fields }
  })
  const client = new Client<Types>({ ...backend.config, fetch: ask(backend.config.fetch) })
  const cache = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const ebb = new Queries(client, cache)
  client.open()
  undo.push(() => (ebb.close(), client.close(), cache.clear()))
  return { backend, client, cache, ebb }
}

function observe<T>(cache: QueryClient, options: { queryKey: QueryKey; queryFn: (context: { signal: AbortSignal }) => Promise<T>; staleTime: number }) {
  const observer = new QueryObserver<T>(cache, options as never)
  undo.push(observer.subscribe(() => {}))
  return () => observer.getCurrentResult()
}

test('a list is read once and then follows the stream', async () => {
  const { backend, client, cache, ebb } = start()
  backend.put('board/task/1', { title: 'One' })
  const list = observe(cache, ebb.list('board/task'))
  await vi.waitUntil(() => list().isSuccess)
  await client.send('board/task/2', { _command: 'create', title: 'Two' }).settled
  await client.send('board/task/1', { _command: 'rename', title: 'Won' }).settled
  expect(list().data!.map(({ title }) => title)).toEqual(['Won', 'Two'])
  await client.send('board/task/1', { _command: 'delete' }).settled
  expect(list().data!.map(({ title }) => title)).toEqual(['Two'])
})

test('what comes while a list is being read is not lost under it', async () => {
  let held: (() => void) | undefined
  const { backend, cache, ebb } = start((fetch) => async (url, init) => {
    const response = await fetch(url, init)
    if (init.method === 'GET') await new Promise<void>((resolve) => (held = resolve)) // an old answer, on a slow line
    return response
  })
  backend.put('board/task/1', { title: 'One' })
  backend.put('board/task/2', { title: 'Two' })
  const list = observe(cache, ebb.list('board/task'))
  await vi.waitUntil(() => held)
  backend.put('board/task/1', { title: 'Newer' })
  backend.put('board/task/2', undefined as never) // deleted
  backend.put('board/task/3', { title: 'Three' })
  held!()
  await vi.waitUntil(() => list().isSuccess)
  expect(list().data!.map(({ title }) => title)).toEqual(['Newer', 'Three'])
})

test('an instance follows too, whatever letters its id is asked with', async () => {
  const { backend, client, cache, ebb } = start()
  backend.put('board/task/a', { title: 'One' })
  backend.states.set('board/task/A', backend.states.get('board/task/a')!)
  const one = observe(cache, ebb.get('board/task/A'))
  await vi.waitUntil(() => one().isSuccess)
  await client.send('board/task/a', { _command: 'rename', title: 'Won' }).settled
  expect(one().data!.title).toBe('Won')
  backend.states.delete('board/task/A')
  await client.send('board/task/a', { _command: 'delete' }).settled
  await vi.waitUntil(() => one().isError) // 404
})

test('a gap has everything read again', async () => {
  const { backend, cache, ebb } = start()
  const list = observe(cache, ebb.list('board/task'))
  await vi.waitUntil(() => list().isSuccess)
  backend.states.set('board/task/1', { _id: '1', _type: 'board-task', _seq: 7, title: 'Missed' })
  backend.streams.last.emit('ebb.reset', { reason: 'retention' }, '')
  await vi.waitUntil(() => list().data!.length === 1)
})

test('a state too large for the stream is read', async () => {
  const { backend, cache, ebb } = start()
  backend.put('board/task/1', { title: 'One' })
  const list = observe(cache, ebb.list('board/task'))
  await vi.waitUntil(() => list().isSuccess)
  backend.states.set('board/task/1', { _id: '1', _type: 'board-task', _seq: 1, title: 'Large' })
  backend.emit('message', { _id: '1', _type: 'board-task', _corr: 'c', _seq: 1, _outcome: 'applied', _truncated: true })
  await vi.waitUntil(() => list().data![0]!.title === 'Large')
})

test('a mutation fails when the reply says no', async () => {
  const { cache, ebb } = start()
  const { mutationFn } = ebb.command('board/task/9')
  expect(await mutationFn({ _command: 'create', title: 'Nine' })).toMatchObject({ _outcome: 'applied' })
  await expect(mutationFn({ _command: 'refuse' })).rejects.toBeInstanceOf(Refused)
  await expect(mutationFn({ _command: 'refuse' })).rejects.toThrow('never')
  cache.clear()
})

test('nothing is followed after close', async () => {
  const { backend, cache, ebb } = start()
  const list = observe(cache, ebb.list('board/task'))
  await vi.waitUntil(() => list().isSuccess)
  ebb.close()
  backend.put('board/task/1', { title: 'One' })
  expect(list().data).toEqual([])
})
