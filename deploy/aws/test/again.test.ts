import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { here } from './world.ts'

const sns = (id: string, at: string) => ({ Type: 'Notification', MessageId: id, TopicArn: 'arn:aws:sns:eu-west-1:123456789012:Replies', Message: `{"n":"${id}"}`, Timestamp: at })
const event = (id: string, at: string) => ({ Records: [{ EventSource: 'aws:sns', EventVersion: '1.0', Sns: sns(id, at) }] })

// As Lambda's failure destination, SNS for a function, and SNS for others write them; not in order.
const bodies = [
  { version: '1.0', requestContext: { condition: 'RetriesExhausted' }, requestPayload: event('c', '2026-11-23T03:00:03.000Z'), responsePayload: { errorMessage: 'notify: 1 of 1 records not published: c: 503' } },
  event('b', '2026-11-23T03:00:02.000Z'),
  sns('a', '2026-11-23T03:00:01.000Z'),
  { version: '1.0', requestContext: { condition: 'EventAgeExceeded' }, requestPayload: event('d', '2026-11-23T03:00:04.000Z') },
]

/** stub is a command line with a queue, two messages at a time, and a function that may refuse. */
function stub(refused = '') {
  const dir = mkdtempSync(join(tmpdir(), 'ebb-aws-'))
  const state = join(dir, 'state.json')
  writeFileSync(state, JSON.stringify({ queue: bodies.map((b, i) => ({ MessageId: `m${i}`, ReceiptHandle: `h${i}`, Body: JSON.stringify(b) })), hidden: [], invoked: [] }))
  writeFileSync(
    join(dir, 'aws'),
    `#!${process.execPath}
const fs = require('node:fs')
const s = JSON.parse(fs.readFileSync(${JSON.stringify(state)}))
const [, , service, action, ...rest] = process.argv
const of = (name) => rest[rest.indexOf(name) + 1]
let out = ''
if (service === 'sqs' && of('--queue-url') !== 'https://queue') process.exit(255)
if (action === 'receive-message') {
  const some = s.queue.filter((m) => !s.hidden.includes(m.ReceiptHandle)).slice(0, 2)
  s.hidden.push(...some.map((m) => m.ReceiptHandle))
  if (some.length) out = JSON.stringify({ Messages: some })
} else if (action === 'change-message-visibility') s.hidden = s.hidden.filter((h) => h !== of('--receipt-handle'))
else if (action === 'delete-message') s.queue = s.queue.filter((m) => m.ReceiptHandle !== of('--receipt-handle'))
else if (action === 'invoke' && of('--invocation-type') === 'Event' && of('--function-name') === 'notify') {
  const event = JSON.parse(fs.readFileSync(of('--payload').slice('fileb://'.length)))
  if (event.Records[0].Sns.MessageId === ${JSON.stringify(refused)}) process.exit(254)
  s.invoked.push(event)
  out = JSON.stringify({ StatusCode: 202 })
} else process.exit(252)
fs.writeFileSync(${JSON.stringify(state)}, JSON.stringify(s))
process.stdout.write(out)
`,
    { mode: 0o755 },
  )
  const again = (...args: string[]) => spawnSync(process.execPath, [fileURLToPath(here('again.mjs')), ...args], { encoding: 'utf8', env: { PATH: dir } })
  return { again, now: () => JSON.parse(readFileSync(state, 'utf8')) as { queue: { MessageId: string }[]; hidden: string[]; invoked: unknown[] } }
}

test('what waits is shown with its reason, oldest first, and stays', () => {
  const { again, now } = stub()
  const { stdout, status } = again('--queue', 'https://queue')
  expect(stdout.split('\n')).toEqual([
    '2026-11-23T03:00:01.000Z  a  SNS could not deliver it',
    '2026-11-23T03:00:02.000Z  b  SNS could not deliver it',
    '2026-11-23T03:00:03.000Z  c  notify: 1 of 1 records not published: c: 503',
    '2026-11-23T03:00:04.000Z  d  EventAgeExceeded',
    '4 waiting',
    '',
  ])
  expect(status).toBe(0)
  expect(now()).toMatchObject({ queue: { length: 4 }, hidden: [], invoked: [] })
})

test('what is sent again is the event as it was, in order, and then off the queue', () => {
  const { again, now } = stub()
  const { stdout } = again('--queue', 'https://queue', '--function', 'notify', '--send')
  expect(stdout).toContain('4 sent again')
  expect(now().queue).toEqual([])
  expect(now().invoked).toEqual(['a', 'b', 'c', 'd'].map((id, i) => event(id, `2026-11-23T03:00:0${i + 1}.000Z`)))
})

test('what Lambda does not take stays in the queue, and what is behind it', () => {
  const { again, now } = stub('c')
  const { status, stdout } = again('--queue', 'https://queue', '--function', 'notify', '--send')
  expect(status).not.toBe(0)
  expect(stdout).not.toContain('sent again')
  expect(now().queue.map((m) => m.MessageId)).toEqual(['m0', 'm3'])
})

test('without a queue it says how it is called', () => {
  const { status, stderr } = stub().again('--send')
  expect([status, stderr]).toEqual([2, 'usage: node again.mjs --queue URL [--function NAME --send]\n'])
})
