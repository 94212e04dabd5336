import { Unauthenticated, type Api } from './api.js'
import { Backoff, jitter } from './backoff.js'
import { parseObject, type StreamEvent } from './message.js'
import type { Position } from './position.js'
import { ProblemError } from './problem.js'
import { onWake, type Wake } from './wake.js'

/** StreamState says how it stands with the connection. */
export type StreamState =
  | 'closed' // not wanted
  | 'connecting'
  | 'open' // attached: what happens arrives
  | 'waiting' // for the next try
  | 'replaced' // another tab has taken over
  | 'unauthenticated' // until open is called

/** StreamHandler hears what a stream has to say. */
export interface StreamHandler {
  state(state: StreamState): void
  /** event gets what is new, each event once and in order. */
  event(event: StreamEvent): void
}

const silence = 50_000 // milliseconds; heartbeats come every 15 to 20 s
const look = 5_000 // milliseconds between looks at the clock
const away = 600_000 // milliseconds that a replaced stream stays away
const renewal = 30_000 // milliseconds, of the minute that an expiring session has
const drained = 2_000 // milliseconds, if the server does not say

const own = ['ebb.hello', 'ebb.mark', 'ebb.reset', 'ebb.expiring', 'ebb.bye']

/**
 * Stream keeps an EventSource open, from the position on.
 *
 * It never lets the browser reconnect: engines differ, and an answer that is
 * no stream ends an EventSource for good. So on any error it closes, asks the
 * gateway for a new ticket with its own cursor, and opens another.
 */
export class Stream {
  #state: StreamState = 'closed'
  #source?: EventSource
  #attempt?: AbortController
  #timer?: ReturnType<typeof setTimeout>
  #watchdog?: ReturnType<typeof setInterval>
  #id = '' // the last one of the source
  #heard = 0 // when, in milliseconds since 1970
  #backoff = new Backoff()
  #asleep?: () => void

  constructor(
    private readonly api: Api,
    private readonly position: Position,
    private readonly names: readonly string[],
    private readonly handler: StreamHandler,
  ) {}

  get state(): StreamState {
    return this.#state
  }

  /** open connects now, unless it is open or about to be. */
  open(): void {
    if (this.#state === 'open' || this.#state === 'connecting') return
    this.#asleep ??= onWake((why) => this.#wake(why))
    this.#backoff.reset()
    void this.#connect()
  }

  /** close ends the stream until open is called. */
  close(): void {
    this.#asleep?.()
    this.#asleep = undefined
    this.#stop('closed')
  }

  /** logOut ends its session or, everywhere, all of the user's; then it is closed. */
  async logOut(everywhere: boolean): Promise<void> {
    const id = this.#id
    if (everywhere || id) await this.api.logOut(everywhere ? undefined : id)
    this.close()
  }

  async #connect(): Promise<void> {
    this.#drop()
    const attempt = (this.#attempt = new AbortController())
    this.#heard = Date.now()
    this.#watchdog = setInterval(() => this.#silent() && this.#again(), look)
    this.#enter('connecting')
    try {
      const url = await this.api.ticket(this.position.stored, attempt.signal)
      if (!attempt.signal.aborted) this.#listen(new EventSource(url))
    } catch (error) {
      if (attempt.signal.aborted) return
      const refused = error instanceof ProblemError
      if (error instanceof Unauthenticated || (refused && error.status === 401)) this.#stop('unauthenticated')
      else this.#again(refused ? error.retryAfter : 0)
    }
  }

  #listen(source: EventSource): void {
    this.#source = source
    this.#id = ''
    source.onerror = () => {
      if (source === this.#source) this.#again()
    }
    for (const name of new Set(['message', ...own, ...this.names])) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (source === this.#source) this.#hear(source, name, event)
      })
    }
  }

  #hear(source: EventSource, name: string, { data, lastEventId: id }: MessageEvent<string>): void {
    this.#heard = Date.now()
    const inherited = id === this.#id // it has none: browsers repeat the one before
    this.#id = id
    if (name === 'ebb.reset') this.position.reset(id)
    else if (own.includes(name)) this.position.advance(id)
    else if (!inherited && !this.position.take(id)) return

    if (name === 'ebb.hello') {
      this.#backoff.reset()
      this.#enter('open')
    }
    this.handler.event({ name, data })
    this.position.save()
    if (source !== this.#source) return // closed by a handler
    if (name === 'ebb.expiring') this.#later(jitter(renewal), () => this.#renew()) // and goes on meanwhile
    if (name === 'ebb.bye') this.#leave(parseObject(data))
  }

  #leave({ reason, retry }: Record<string, unknown>): void {
    if (reason === 'revoked') this.#stop('unauthenticated')
    else if (reason === 'replaced') this.#stop('replaced', away)
    else if (reason === 'draining') this.#stop('waiting', jitter(typeof retry === 'number' ? retry : drained))
    else this.#again()
  }

  /** renew has the session go on with a fresh token, or another stream where it cannot. */
  async #renew(): Promise<void> {
    const source = this.#source
    if (this.api.renews && this.#attempt) {
      try {
        await this.api.renew(this.#id, this.#attempt.signal)
        return
      } catch {
        if (source !== this.#source) return // it has ended meanwhile
      }
    }
    await this.#connect()
  }

  #wake(why: Wake): void {
    const due =
      this.#state === 'waiting' ||
      (this.#state === 'replaced' && why === 'visible') ||
      ((this.#state === 'open' || this.#state === 'connecting') && this.#silent())
    if (due) void this.#connect()
  }

  #silent(): boolean {
    return Date.now() - this.#heard > silence
  }

  #again(atLeast = 0): void {
    this.#stop('waiting', atLeast + this.#backoff.next())
  }

  #later(ms: number, then = () => this.#connect()): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void then(), ms)
  }

  /** stop ends what runs and, if told when, comes back; handlers hear it last. */
  #stop(state: StreamState, back?: number): void {
    this.#drop()
    if (back !== undefined) this.#later(back)
    this.#enter(state)
  }

  #drop(): void {
    this.#attempt?.abort()
    this.#source?.close()
    this.#source = undefined
    clearTimeout(this.#timer)
    clearInterval(this.#watchdog)
  }

  #enter(state: StreamState): void {
    if (state === this.#state) return
    this.#state = state
    this.handler.state(state)
  }
}
