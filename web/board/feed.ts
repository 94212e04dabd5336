import type { Client, StreamEvent } from '../src/index.js'
import { parseReply } from '../src/message.js'
import { Store } from './store.js'

/** Row is an event of the stream as the page shows it. */
export interface Row {
  key: number
  time: Date
  /** outcome is a reply's, or the name of an event that is Ebb's own. */
  outcome: string
  command: string
  title: string
  seq?: number
  corr?: string
  bad: boolean
}

const most = 50 // rows

/** Feed keeps the last events of a stream, the newest first. */
export class Feed extends Store {
  rows: readonly Row[] = []
  /** count is how many events there were. */
  count = 0

  constructor(client: Pick<Client, 'listen'>) {
    super()
    client.listen({ event: (event) => this.#add(event) })
  }

  #add(event: StreamEvent): void {
    if (event.name === 'ebb.mark') return // a heartbeat would push out what people did
    this.rows = [{ key: this.count++, time: new Date(), ...describe(event) }, ...this.rows].slice(0, most)
    this.tell()
  }
}

function describe({ name, data }: StreamEvent): Omit<Row, 'key' | 'time'> {
  const reply = name === 'message' && parseReply(data)
  if (!reply) return { outcome: name, command: '', title: '', bad: name === 'ebb.reset' }
  return {
    outcome: reply._outcome ?? '',
    command: reply._command ?? '',
    title: typeof reply.title === 'string' ? reply.title : '',
    seq: reply._seq,
    corr: reply._corr,
    bad: reply._error === true,
  }
}
