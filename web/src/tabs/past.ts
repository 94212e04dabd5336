import { parseCursor, type Cursor } from '../cursor.js'
import type { StreamEvent } from '../message.js'

const most = 1_000 // events
const heaviest = 1_048_576 // characters of data

/** earlier tells whether a cursor is before another one of the same log. */
export function earlier(cursor: string, than: string): boolean {
  const [a, b] = [parseCursor(cursor), parseCursor(than)]
  return a !== null && b !== null && sameLog(a, b) && a.offset < b.offset
}

/** strangers tells whether two cursors are of different logs, so that neither is before the other. */
export function strangers(one: string, other: string): boolean {
  const [a, b] = [parseCursor(one), parseCursor(other)]
  return a !== null && b !== null && !sameLog(a, b)
}

function sameLog(a: Cursor, b: Cursor): boolean {
  return a.generation === b.generation && a.partition === b.partition
}

/** Past keeps the last events of a stream, for tabs that join a little later. */
export class Past {
  #events: StreamEvent[] = []
  #weight = 0

  constructor(private start: string) {} // after which it has everything

  /** begin says where, if it was not known. */
  begin(id: string): void {
    this.start ||= id
  }

  add(event: StreamEvent): void {
    if (!parseCursor(event.id)) return
    this.#events.push(event)
    this.#weight += event.data.length
    while (this.#events.length > most || this.#weight > heaviest) {
      const { id, data } = this.#events.shift()!
      this.#weight -= data.length
      this.start = id
    }
  }

  /** since returns what came after a cursor, or null where that is not kept. */
  since(cursor: string): readonly StreamEvent[] | null {
    if (cursor !== this.start && !earlier(this.start, cursor)) return null
    return this.#events.filter(({ id }) => earlier(cursor, id))
  }
}
