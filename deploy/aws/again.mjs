// Shows the replies that wait in one of the stack's queues, and sends them to
// notify again, oldest first. docs/aws.md says when. It calls the AWS command line.
//
//   node again.mjs --queue URL                          what waits, and why
//   node again.mjs --queue URL --function NAME --send   sends it again, and takes it off the queue
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values: said } = parseArgs({ options: { queue: { type: 'string' }, function: { type: 'string' }, send: { type: 'boolean' } } })
if (!said.queue || (said.send && !said.function)) {
  console.error('usage: node again.mjs --queue URL [--function NAME --send]')
  process.exit(2)
}

const aws = (...args) => JSON.parse(execFileSync('aws', [...args, '--output', 'json'], { encoding: 'utf8', maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'inherit'] }) || '{}')
const queue = ['--queue-url', said.queue]

const waiting = receive().sort((a, b) => a.at.localeCompare(b.at))
for (const { at, ids, why } of waiting) console.log(`${at}  ${ids.join(' ')}  ${why}`)
if (said.send) {
  send(waiting)
} else {
  for (const { handle } of waiting) aws('sqs', 'change-message-visibility', ...queue, '--receipt-handle', handle, '--visibility-timeout', '0')
}
console.log(`${waiting.length} ${said.send ? 'sent again' : 'waiting'}`)

/** receive takes all there is. It comes back by itself after three minutes. */
function receive() {
  const all = new Map()
  for (;;) {
    const { Messages = [] } = aws('sqs', 'receive-message', ...queue, '--max-number-of-messages', '10', '--visibility-timeout', '180', '--wait-time-seconds', '1')
    if (Messages.length === 0) return [...all.values()]
    for (const m of Messages) all.set(m.MessageId, { handle: m.ReceiptHandle, ...read(JSON.parse(m.Body)) })
  }
}

/** read finds the event of a message: of Lambda's failure destination, or of SNS. */
function read(body) {
  const event = body.requestPayload ?? (body.Records ? body : { Records: [{ EventSource: 'aws:sns', EventVersion: '1.0', Sns: body }] })
  const records = event.Records.map((r) => r.Sns)
  return {
    event,
    ids: records.map((r) => r.MessageId),
    at: records[0].Timestamp,
    why: body.responsePayload?.errorMessage ?? body.requestContext?.condition ?? 'SNS could not deliver it',
  }
}

/** send gives each to the function, which has its own time for it, and forgets it where Lambda has it. */
function send(all) {
  const dir = mkdtempSync(join(tmpdir(), 'ebb-again-'))
  const payload = join(dir, 'event.json')
  try {
    for (const { event, handle } of all) {
      writeFileSync(payload, JSON.stringify(event))
      const { StatusCode } = aws('lambda', 'invoke', '--function-name', said.function, '--invocation-type', 'Event', '--payload', `fileb://${payload}`, join(dir, 'answer'))
      if (StatusCode !== 202) throw new Error(`again: lambda answers ${StatusCode}; the rest is in the queue still`)
      aws('sqs', 'delete-message', ...queue, '--receipt-handle', handle)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
