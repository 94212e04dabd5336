import { parseCursor, withoutProof, type Cursor } from './cursor.js'

/** Store keeps strings, as sessionStorage does. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>

/** Persistence says where a cursor outlives the page. */
export interface Persistence {
  storage: Store
  /** user owns the cursor: it is worth nothing to another one. */
  user: string
}

const remembered = 1024 // srcs

/**
 * Position is how far a client has come, and what it has seen on the way.
 *
 * Offsets tell repeats within one log. The srcs tell those that the log itself
 * holds twice, farther apart than a server remembers.
 */
export class Position {
  #id = ''
  #last: Cursor | null = null
  #srcs = new Set<string>()
  #key: string

  constructor(
    api: string,
    private readonly persist?: Persistence,
  ) {
    this.#key = `ebb.cursor ${api} ${persist?.user}`
    this.#set(persist?.storage.getItem(this.#key) ?? '')
  }

  /** stored is the cursor to resume from, without a proof; '' if none. */
  get stored(): string {
    return this.#id
  }

  /** take moves on to an event and tells whether it is seen the first time. */
  take(id: string): boolean {
    const next = parseCursor(id)
    return !next || (this.#move(next, id) && this.#unheard(next.src))
  }

  /** advance moves on to a mark, never back. */
  advance(id: string): void {
    const next = parseCursor(id)
    if (next) this.#move(next, id)
  }

  /** reset goes where the stream goes on after a gap, maybe back. What lost records may use their srcs again. */
  reset(id: string): void {
    this.#srcs.clear()
    this.#set(id)
  }

  /** save writes the position down, once all before it has been handled. */
  save(): void {
    try {
      this.persist?.storage.setItem(this.#key, this.#id)
    } catch {
      // A full or forbidden storage costs the next page its cursor, not this one.
    }
  }

  /** move goes to a cursor, and tells whether it is not accounted for. */
  #move(next: Cursor, id: string): boolean {
    const last = this.#last
    if (last?.generation === next.generation && last.partition === next.partition && next.offset <= last.offset) return false
    this.#set(id)
    return true
  }

  #set(id: string): void {
    this.#last = parseCursor(id)
    this.#id = this.#last ? withoutProof(id) : ''
  }

  #unheard(src: string): boolean {
    if (!src) return true
    const known = this.#srcs.delete(src) // to the end of the order
    this.#srcs.add(src)
    if (this.#srcs.size > remembered) this.#srcs.delete(this.#srcs.values().next().value!)
    return !known
  }
}
