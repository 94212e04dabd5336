import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Client, Collection, type Config } from '../src/index.js'
import { MockTransport } from '../src/testing.js'
import { id, json } from './fakes.js'

// Whatever the order of commands, answers, changes by others and snapshots: what
// is shown is the newest state that is known, with all that is not settled applied
// to it in the order it was sent.

/** Text is a state to which order matters: each command adds its letter. */
type Text = { text?: string; [field: string]: unknown }

type Step =
  | { do: 'send'; on: number }
  | { do: 'answer'; rejected: boolean } // the next command in the service's queue
  | { do: 'other'; on: number } // a change by somebody else
  | { do: 'hear' } // the next event on the stream
  | { do: 'reset' } // a gap: what is on its way is lost, a snapshot is taken
  | { do: 'give up'; which: number }

const on = fc.nat(1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), on }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), rejected: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('other' as const), on }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('hear' as const) }) },
  fc.record({ do: fc.constant('reset' as const) }),
  fc.record({ do: fc.constant('give up' as const), which: fc.nat(5) }),
)

const ran = async () => {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}
const add = (letter: string) => (state: Text | undefined) => ({ text: (state?.text ?? '') + letter })

test('what is shown is what is known and what is not settled, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const real = new Map<string, { text: string; seq: number }>() // at the service
      const known = new Map<string, { text: string; seq: number }>() // to the page
      const queue: { on: string; corr: string; letter: string }[] = []
      const events: { on: string; text: string; seq: number; corr: string; error?: true }[] = []
      let open: { on: string; corr: string; letter: string; stop: AbortController }[] = []
      let letters = 0
      let offset = 0

      const streams = new MockTransport()
      const row = ([_id, { text, seq }]: [string, { text: string; seq: number }]) => ({ _id, _type: 'board-task', _seq: seq, text })
      const fetch: Config['fetch'] = async (url, { method }) => {
        if (method === 'GET') return json({ items: [...real].map(row) })
        return url.endsWith('/sse') ? json({ url: 'https://edge.test/' }) : json({}, { status: 202 })
      }
      const client = new Client({ api: 'https://app.test/api', fetch, transport: streams.transport })
      const tasks = new Collection(client, 'board/task')
      client.open()
      await ran()
      streams.last.emit('ebb.hello', '', id(offset++))
      await ran()

      const change = (on: string, letter: string) => {
        const { text, seq } = real.get(on) ?? { text: '', seq: -1 }
        const next = { text: text + letter, seq: seq + 1 }
        real.set(on, next)
        return next
      }
      const take = async (step: Step) => {
        const letter = String.fromCharCode(97 + (letters % 26))
        if (step.do === 'send') {
          letters++
          const stop = new AbortController()
          const { corr } = tasks.send(`${step.on}`, { _command: 'add', letter }, { apply: add(letter), signal: stop.signal })
          open.push({ on: `${step.on}`, corr, letter, stop })
          queue.push({ on: `${step.on}`, corr, letter })
        }
        if (step.do === 'answer') {
          const next = queue.shift()
          if (!next) return
          const { on, corr } = next
          if (step.rejected) events.push({ on, corr, text: '', seq: real.get(on)?.seq ?? -1, error: true })
          else events.push({ on, corr, ...change(on, next.letter) })
        }
        if (step.do === 'other') {
          letters++
          events.push({ on: `${step.on}`, corr: `other ${letters}`, ...change(`${step.on}`, letter.toUpperCase()) })
        }
        if (step.do === 'hear') {
          const event = events.shift()
          if (!event) return
          const { on, corr, text, seq, error } = event
          open = open.filter((sent) => sent.corr !== corr)
          if (!error && seq > (known.get(on)?.seq ?? -1)) known.set(on, { text, seq })
          const outcome = error ? { _error: true, _outcome: 'rejected' } : { _outcome: 'applied', text }
          streams.last.emit('message', { _id: on, _type: 'board-task', _corr: corr, _seq: seq, ...outcome }, id(offset++))
        }
        if (step.do === 'reset') {
          events.length = 0
          for (const [on, state] of real) known.set(on, state)
          streams.last.emit('ebb.reset', { reason: 'distance' }, id(offset++))
        }
        if (step.do === 'give up' && open.length > 0) {
          const [sent] = open.splice(step.which % open.length, 1)
          sent!.stop.abort()
        }
        await ran()
      }

      try {
        for (const step of steps) {
          await take(step)
          const want: Record<string, string> = {}
          for (const on of ['0', '1']) {
            const layers = open.filter((sent) => sent.on === on).map(({ letter }) => letter)
            if (known.has(on) || layers.length > 0) want[on] = (known.get(on)?.text ?? '') + layers.join('')
          }
          expect(Object.fromEntries(tasks.items.map(({ _id, text }) => [_id, text]))).toEqual(want)
          for (const on of ['0', '1']) expect(tasks.pending(on)).toBe(open.some((sent) => sent.on === on))
        }
      } finally {
        client.close()
        tasks.close()
      }
    }),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 300) },
  )
}, 60_000)
