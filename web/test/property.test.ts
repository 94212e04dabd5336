import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Client, fetchTransport, type Config } from '../src/index.js'
import { MockTransport, type MockStream } from '../src/testing.js'
import { id, json } from './fakes.js'

// Whatever a network does to streams, the application hears each event once and
// in order. A connection is TCP: its own bytes stay in order, up to a cut at any
// of them. Everything else is up to the generator: when tickets are answered and
// in which order, what is repeated, which of several connections, old ones too,
// speaks next, and how much of the log is there twice.

const runs = Number(process.env.PROPERTY_RUNS ?? 1000)
const limit = 10_000 + runs * 20 // milliseconds

/** Entry is a record of the channel log; a copy has another's src and text. Not all have a src. */
interface Entry {
  src: string
  text: string
}

const srcOf = (n: number) => String(n).padStart(12, '0')
const offsetOf = (cursor: string) => Number(cursor.split('.')[3])

/** once is what the log says, without its copies. */
function once(log: readonly Entry[]): string[] {
  return [...new Map(log.map(({ src, text }, offset) => [src || offset, text])).values()]
}

/** Step is what the network does next; numbers choose among what there is. */
type Step =
  | { do: 'append'; gap: number; src: boolean }
  | { do: 'copy'; of: number }
  | { do: 'answer'; which: number; fail: boolean }
  | { do: 'deliver'; which: number; events: number }
  | { do: 'repeat'; which: number; back: number }
  | { do: 'mark'; which: number }
  | { do: 'end'; which: number }
  | { do: 'wait'; ms: number }
  | { do: 'online' }

const n = fc.nat(50)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), gap: fc.nat(3), src: fc.boolean() }) },
  fc.record({ do: fc.constant('copy' as const), of: n }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('answer' as const), which: n, fail: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), which: n, events: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const), which: n, back: fc.nat(5) }) },
  fc.record({ do: fc.constant('mark' as const), which: n }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), which: n }) },
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60_000 }) }),
  fc.record({ do: fc.constant('online' as const) }),
)

let page: EventTarget
beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random')
  page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** dice makes Math.random the same when a run is run again. */
function dice(seed: number): void {
  vi.mocked(Math.random).mockImplementation(() => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31)
}

const settle = () => vi.advanceTimersByTimeAsync(0)

/** Line is a connection as its server sees it. */
interface Line {
  stream: MockStream
  /** next is the offset that is written next. */
  next: number
  greeted: boolean
  said: { name: string; data: string; id: string }[]
}

/** Network is a log, a gateway and an edge between which and the client anything may happen. */
class Network {
  log: Entry[] = [] // by offset; one of another channel has no text
  tickets: ((ok: boolean) => void)[] = []
  lines: Line[] = []
  heard: string[] = []
  texts = 0
  transport = new MockTransport((stream) => {
    const cursor = new URL(stream.url).searchParams.get('cursor')
    this.lines.push({ stream, next: cursor ? offsetOf(cursor) + 1 : 0, greeted: false, said: [] })
  })

  fetch: Config['fetch'] = (url) =>
    new Promise((resolve, reject) => {
      const { search } = new URL(url)
      this.tickets.push((ok) => (ok ? resolve(json({ url: `https://edge.test/${search}` })) : reject(new TypeError('cut'))))
    })

  say(line: Line, name: string, data: string, id: string): void {
    line.said.push({ name, data, id })
    line.stream.emit(name, data, id)
  }

  /** deliver writes so many events of a line, first of all its hello. */
  deliver(line: Line, events: number): void {
    if (!line.greeted) this.say(line, 'ebb.hello', '', id(line.next - 1))
    line.greeted = true
    for (; events > 0 && line.next < this.log.length; events--) {
      const entry = this.log[line.next]!
      if (entry.text) this.say(line, 'message', entry.text, id(line.next, { src: entry.src }))
      line.next++
    }
  }

  async take(step: Step): Promise<void> {
    const pick = <T>(from: readonly T[], which: number): T | undefined => from[which % (from.length || 1)]
    switch (step.do) {
      case 'append':
        for (let i = 0; i < step.gap; i++) this.log.push({ src: '', text: '' })
        this.log.push({ src: step.src ? srcOf(this.texts) : '', text: `text ${this.texts++ % 7}` }) // texts do not tell repeats
        return
      case 'copy': {
        const entry = pick(this.log.filter(({ src }) => src), step.of)
        if (entry) this.log.push({ ...entry })
        return
      }
      case 'answer': {
        const [answer] = this.tickets.splice(step.which % (this.tickets.length || 1), 1)
        answer?.(!step.fail)
        return void (await settle())
      }
      case 'wait':
        return void (await vi.advanceTimersByTimeAsync(step.ms))
      case 'online':
        page.dispatchEvent(new Event('online'))
        return void (await settle())
    }
    const line = pick(this.lines, step.which) // an old one, too
    if (!line) return
    if (step.do === 'deliver') this.deliver(line, step.events)
    if (step.do === 'mark' && line.greeted) this.say(line, 'ebb.mark', '', id(line.next - 1))
    if (step.do === 'end') line.stream.end()
    if (step.do === 'repeat') {
      for (const { name, data, id } of line.said.slice(-1 - step.back)) line.stream.emit(name, data, id)
    }
    await settle()
  }

  /** heal lets everything through until nothing is left to be said. */
  async heal(): Promise<void> {
    for (let passed = 0; passed < 120_000; passed += 5_000) {
      await vi.advanceTimersByTimeAsync(5_000) // for a minute silence is waited out, or the longest of waits
      for (const answer of this.tickets.splice(0)) answer(true)
      await settle()
      for (const line of this.lines) this.deliver(line, Infinity)
    }
  }
}

describe('each event comes once and in order', () => {
  test('whatever a network does to streams', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), fc.nat(), async (steps, seed) => {
        dice(seed)
        const network = new Network()
        const client = new Client({ api: 'https://app.test/api', fetch: network.fetch, transport: network.transport.transport })
        client.listen({ event: ({ name, data }) => name === 'message' && network.heard.push(data) })
        try {
          client.open()
          await settle()
          for (const step of steps) await network.take(step)
          await network.heal()
        } finally {
          client.close()
        }
        expect(network.heard).toEqual(once(network.log.filter(({ text }) => text)))
      }),
      { numRuns: runs },
    )
  }, limit)

  test('wherever its bytes are cut, and across reloads of the page', async () => {
    const cut = fc.record({ bytes: fc.nat(400), piece: fc.integer({ min: 1, max: 60 }), reload: fc.boolean(), end: fc.constantFrom('end', 'reset') })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(6), { maxLength: 25, size: 'max' }), fc.array(cut, { maxLength: 12, size: 'max' }), fc.nat(), async (log, cuts, seed) => {
        dice(seed)
        const kept = new Map<string, string>()
        const storage = {
          getItem: (key: string) => kept.get(key) ?? null,
          setItem: (key: string, value: string) => void kept.set(key, value),
          removeItem: (key: string) => void kept.delete(key),
        }
        const left = [...cuts]
        let reload = false
        const fetch: Config['fetch'] = async (url) => json({ url: `https://edge.test/${new URL(url).search}` })
        vi.stubGlobal('fetch', async (url: string) => {
          const cursor = new URL(url).searchParams.get('cursor')
          const from = cursor ? offsetOf(cursor) + 1 : 0
          let text = `retry: 1000\nevent: ebb.hello\ndata:\nid: ${id(from - 1)}\n\n`
          log.slice(from).forEach((n, i) => (text += `data: ${n} 🍋\r\nid: ${id(from + i, { src: srcOf(from + i) })}\r\n\r\n`))
          const cut = left.shift()
          reload = cut?.reload ?? false
          const bytes = new TextEncoder().encode(text).slice(0, cut?.bytes)
          const body = new ReadableStream<Uint8Array>({
            start(controller) {
              for (let at = 0; at < bytes.length; at += cut?.piece ?? 1000) controller.enqueue(bytes.slice(at, at + (cut?.piece ?? 1000)))
              if (cut?.end === 'end') controller.close()
              else if (cut) setTimeout(() => controller.error(new TypeError('reset')), 10)
            },
          })
          return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
        })

        const heard: string[] = []
        const load = () => {
          const client = new Client({ api: 'https://app.test/api', fetch, transport: fetchTransport, persist: { storage, user: 'ann' } })
          client.listen({ event: ({ name, data }) => name === 'message' && heard.push(data) })
          client.open()
          return client
        }
        let client = load()
        try {
          while (left.length > 0) {
            const { length } = left
            while (left.length === length) await vi.advanceTimersByTimeAsync(1_000)
            await vi.advanceTimersByTimeAsync(20)
            if (!reload) continue
            client.close()
            client = load()
          }
          await vi.advanceTimersByTimeAsync(60_000)
        } finally {
          client.close()
        }
        expect(heard).toEqual(log.map((n) => `${n} 🍋`))
      }),
      { numRuns: runs / 5 },
    )
  }, limit)
})
