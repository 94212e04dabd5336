import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fetchTransport, type StreamEvent } from '../src/index.js'

let answer: (init: RequestInit) => Response | Promise<Response>
let asked: { url: string; init: RequestInit }[]
beforeEach(() => {
  asked = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push({ url, init })
    return answer(init)
  })
})
afterEach(() => void vi.unstubAllGlobals())

/** stream is a body that a test writes. */
function stream(type = 'text/event-stream') {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const cancelled = vi.fn()
  const body = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c), cancel: cancelled })
  answer = ({ signal }) => {
    signal!.addEventListener('abort', () => controller.error(signal!.reason))
    return new Response(body, { headers: { 'Content-Type': type } })
  }
  return {
    write: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close(),
    cut: () => controller.error(new TypeError('cut')),
  }
}

/** open opens a transport and returns what it tells. */
function open(names = ['message']) {
  const told = { events: [] as StreamEvent[], ended: 0, close: () => {} }
  told.close = fetchTransport('https://edge.test/?u=1', names, { event: (e) => told.events.push(e), ended: () => told.ended++ })
  return told
}

/** ran waits until everything has run that waits for nothing. */
const ran = () => new Promise((resolve) => setImmediate(resolve))

test('events come as they are written, those of the names asked for', async () => {
  const server = stream('text/event-stream; charset=utf-8')
  const told = open(['message', 'price'])
  await ran()
  server.write('id: 1\ndata: a\n\nevent: price\ndata: 7\n\nevent: other\ndata: x\n\nda')
  await ran()
  server.write('ta: b\n\n')
  await ran()
  expect(told.events).toEqual([
    { name: 'message', data: 'a', id: '1' },
    { name: 'price', data: '7', id: '1' },
    { name: 'message', data: 'b', id: '1' },
  ])
  expect(told.ended).toBe(0)
  expect(new Headers(asked[0]!.init.headers).get('Accept')).toBe('text/event-stream')
  expect(new Headers(asked[0]!.init.headers).has('Last-Event-ID')).toBe(false) // no preflight
})

test.each(['end', 'cut'] as const)('its %s is told once', async (how) => {
  const server = stream()
  const told = open()
  await ran()
  server.write('data: a\n\ndata: lost')
  await ran()
  server[how]()
  await ran()
  expect(told).toMatchObject({ events: [{ data: 'a' }], ended: 1 })
  told.close()
  await ran()
  expect(told.ended).toBe(1)
})

test.each([
  ['a refusal', () => new Response('', { status: 403, headers: { 'Content-Type': 'text/event-stream' } })],
  ['204', () => new Response(null, { status: 204 })],
  ['another type', () => new Response('data: a\n\n', { headers: { 'Content-Type': 'text/html' } })],
  ['almost the type', () => new Response('data: a\n\n', { headers: { 'Content-Type': 'text/event-stream-x' } })],
  ['no answer', () => Promise.reject(new TypeError('fetch failed'))],
])('%s is the end, too', async (_, how) => {
  answer = how
  const told = open()
  await ran()
  expect(told).toMatchObject({ events: [], ended: 1 })
})

test('closed it is silent, also about what was on its way', async () => {
  const server = stream()
  const told = open()
  await ran()
  server.write('data: a\n\n')
  told.close()
  await ran()
  expect(asked[0]!.init.signal!.aborted).toBe(true)
  expect(told).toMatchObject({ events: [], ended: 0 })
})

test('closed by a handler, nothing of the same piece comes', async () => {
  const server = stream()
  const events: string[] = []
  const close = fetchTransport('https://edge.test/', ['message'], {
    event: ({ data }) => {
      events.push(data)
      close()
    },
    ended: () => events.push('ended'),
  })
  await ran()
  server.write('data: a\n\ndata: b\n\n')
  await ran()
  expect(events).toEqual(['a'])
})
