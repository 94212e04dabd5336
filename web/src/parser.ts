import type { StreamEvent } from './message.js'

/**
 * Parser reads a text/event-stream as the HTML standard says, in pieces that
 * may be cut anywhere. `retry` is not its business.
 */
export class Parser {
  #decoder = new TextDecoder() // which drops a byte order mark
  #line = '' // as much of it as there is
  #cr = false // the last piece ended with it: a line feed belongs to it
  #name = ''
  #data: string[] = []
  #id = ''

  constructor(private readonly event: (event: StreamEvent) => void) {}

  /** feed takes the next bytes and tells the events that they complete. */
  feed(bytes: Uint8Array): void {
    let text = this.#decoder.decode(bytes, { stream: true })
    if (!text) return
    if (this.#cr && text[0] === '\n') text = text.slice(1)
    this.#cr = text.endsWith('\r')
    const lines = (this.#line + text).split(/\r\n|\r|\n/)
    this.#line = lines.pop()!
    for (const line of lines) this.#take(line)
  }

  #take(line: string): void {
    if (!line) return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#name = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'id' && !value.includes('\0')) this.#id = value
  }

  #dispatch(): void {
    const [name, data] = [this.#name || 'message', this.#data]
    this.#name = ''
    this.#data = []
    if (data.length > 0) this.event({ name, data: data.join('\n'), id: this.#id })
  }
}
