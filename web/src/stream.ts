import type { Api } from './api.js'
import { backoff, jitter } from './backoff.js'
import { withoutProof } from './cursor.js'
import { parseObject, type StreamEvent } from './message.js'
import type { Position } from './position.js'
import type { ProblemError } from './problem.js'
import { isClosed, type ConnectionState, type Source, type SourceHandler, type Why } from './source.js'
import type { Transport } from './transport.js'
import { onWake, type Wake } from './wake.js'

const quiet = 25_000 // milliseconds; heartbeats come every 15 to 20 s
const silence = 50_000 // milliseconds
const look = 5_000 // milliseconds between looks at the clock
const away = 600_000 // milliseconds that a replaced stream stays away
const renewal = 30_000 // milliseconds, of the minute that an expiring session has
const drained = 2_000 // milliseconds, if the server does not say

const own = ['ebb.hello', 'ebb.mark', 'ebb.reset', 'ebb.expiring', 'ebb.bye']

/**
 * Stream keeps one stream open, from the position on.
 *
 * A transport never reconnects: on any end the stream asks the gateway for a new
 * ticket with its own cursor, and opens another.
 */
export class Stream implements Source {
  #state: ConnectionState = { name: 'closed', why: 'new' }
  #close?: () => void // what is open now
  #attempt?: AbortController // made anew with each connection
  #timer?: ReturnType<typeof setTimeout>
  #watchdog?: ReturnType<typeof setInterval>
  #id = '' // the last one, with the proof
  #taken?: string // the event that moved the position
  #heard = 0 // when, in milliseconds since 1970
  #greeted = false // there was a hello
  #tries = 0 // since it was open
  #asleep?: () => void

  constructor(
    private readonly api: Api,
    private readonly position: Position,
    private readonly names: readonly string[],
    private readonly handler: SourceHandler,
    private readonly transport: Transport,
  ) {}

  get state(): ConnectionState {
    return this.#state
  }

  open(): void {
    const { name } = this.#state
    if (name !== 'retrying' && name !== 'closed') return
    this.#asleep ??= onWake((why) => this.#wake(why))
    this.#tries = 0
    void this.#connect()
  }

  close(): void {
    this.#end('asked')
  }

  async logOut(everywhere: boolean): Promise<void> {
    const id = this.#id
    if (everywhere || id) await this.api.logOut(everywhere ? undefined : id)
    this.#end('loggedOut')
  }

  #end(why: Why): void {
    this.#asleep?.()
    this.#asleep = undefined
    this.#stop({ name: 'closed', why })
  }

  async #connect(): Promise<void> {
    this.#drop()
    const { signal } = (this.#attempt = new AbortController())
    this.#heard = Date.now()
    this.#watchdog = setInterval(() => this.#watch(), look)
    this.#enter({ name: 'connecting' })
    try {
      const cursor = this.position.stored
      const url = await this.api.ticket(cursor, signal)
      if (!signal.aborted) this.#listen(url, cursor, signal)
    } catch (error) {
      if (signal.aborted) return
      const { status, retryAfter = 0 } = error as Partial<ProblemError>
      if (status === 401) this.#stop({ name: 'closed', why: 'unauthenticated' })
      else this.#again(retryAfter)
    }
  }

  #listen(url: string, cursor: string, signal: AbortSignal): void {
    this.#id = ''
    this.#close = this.transport(url, [...new Set(['message', ...own, ...this.names])], {
      ended: () => signal.aborted || this.#again(),
      event: (event) => signal.aborted || this.#hear(event, cursor, signal),
    })
    if (signal.aborted) this.#close() // by an event that came at once
  }

  #hear(event: StreamEvent, cursor: string, signal: AbortSignal): void {
    const { name, data, id } = event
    const inherited = id === this.#id // it has none: browsers repeat the one before
    this.#id = id
    this.#heard = Date.now()
    if (this.#state.name === 'stale') this.#enter({ name: 'open' })

    const place = withoutProof(id)
    const text = place + name + data
    const mine = own.includes(name)
    if (name === 'ebb.reset') this.position.reset(id)
    else if (mine) this.position.advance(id)
    else if (!inherited) {
      const fresh = this.position.take(id)
      if (place === this.position.stored) this.#taken = text
      if (!fresh) return
    } else if (text === this.#taken) return // it had this id of its own before

    const tell = (name: string, data: string, id = place) => this.handler.event({ name, data, id })
    if (name === 'ebb.hello') {
      this.#tries = 0
      if (this.#greeted && !cursor) tell('ebb.reset', '{"reason":"new"}') // it begins anew, behind a gap
      this.#greeted = true
      this.#enter({ name: 'open' })
    }
    tell(name, data, inherited && !mine ? '' : place)
    this.position.save()
    if (signal.aborted) return // closed by a handler
    if (name === 'ebb.expiring') this.#later(jitter(renewal), () => this.#renew()) // and goes on meanwhile
    if (name === 'ebb.bye') this.#leave(parseObject(data))
  }

  #leave({ reason, retry }: Record<string, unknown>): void {
    const replaced = reason === 'replaced'
    if (replaced || reason === 'revoked') this.#stop({ name: 'closed', why: reason }, replaced ? away : undefined)
    else if (reason === 'draining') this.#retry(jitter(typeof retry === 'number' ? retry : drained))
    else this.#again()
  }

  /** renew has the session go on with a fresh token, or another stream where it cannot. */
  async #renew(): Promise<void> {
    const { signal } = this.#attempt!
    if (this.api.renews) {
      try {
        return await this.api.renew(this.#id, signal)
      } catch {
        if (signal.aborted) return // it has ended meanwhile
      }
    }
    await this.#connect()
  }

  #wake(why: Wake): void {
    const { name } = this.#state
    if (why === 'pagehide') {
      if (name !== 'closed') this.#retry(1_000) // held streams keep a page from being kept
    } else if (
      name === 'retrying' ||
      (why !== 'online' && isClosed(this.#state, 'replaced')) ||
      (name !== 'closed' && this.#silent() > silence)
    ) {
      void this.#connect()
    }
  }

  #watch(): void {
    if (this.#silent() > silence) this.#again()
    else if (this.#state.name === 'open' && this.#silent() > quiet) this.#enter({ name: 'stale', since: this.#heard })
  }

  #silent(): number {
    return Date.now() - this.#heard
  }

  #again(atLeast = 0): void {
    this.#retry(atLeast + backoff(this.#tries++))
  }

  #retry(ms: number): void {
    this.#stop({ name: 'retrying', at: Date.now() + ms, attempt: this.#tries }, ms)
  }

  #later(ms: number, then = () => this.#connect()): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void then(), ms)
  }

  /** stop ends what runs and, if told when, comes back; handlers hear it last. */
  #stop(state: ConnectionState, back?: number): void {
    this.#drop()
    if (back !== undefined) this.#later(back)
    this.#enter(state)
  }

  #drop(): void {
    this.#attempt?.abort()
    this.#close?.()
    this.#close = undefined
    clearTimeout(this.#timer)
    clearInterval(this.#watchdog)
  }

  #enter(state: ConnectionState): void {
    if (state.name === this.#state.name && state.name !== 'retrying' && state.name !== 'closed') return
    this.#state = state
    this.handler.state(state)
  }
}
