import { Api, resource, type Token } from './api.js'
import { Commands, type SendOptions } from './commands.js'
import { parseObject, parseReply, type Command, type Reply, type Reset, type State, type StreamEvent } from './message.js'
import { Position, type Persistence } from './position.js'
import { Stream, type StreamState } from './stream.js'

/** Config says where the gateway is and who the user is. */
export interface Config {
  /** api is the gateway's URL, for example `https://api.example.com`. */
  api: string
  /** token is asked at every request; cookies are sent if it is left out. */
  token?: Token
  /** events are further names on the stream to hear, besides `message`. */
  events?: readonly string[]
  /** persist keeps the cursor beyond the page; nowhere if left out. */
  persist?: Persistence
  /** onReset is called after a gap: read the state again. */
  onReset?: (reset: Reset) => void
  /** onUnauthenticated is called when the user must log in; then call open. */
  onUnauthenticated?: () => void
}

/** Listener hears what it has a function for. */
export interface Listener {
  /** state gets the connection's new state. */
  state?: (state: StreamState) => void
  /** event gets everything new on the stream, also Ebb's own events. */
  event?: (event: StreamEvent) => void
  /** reply gets the answers to commands, of this page and of others. */
  reply?: (reply: Reply) => void
  /** reset is told of a gap. */
  reset?: (reset: Reset) => void
}

/**
 * Client sends commands and hears what comes of them.
 *
 * It is idle until open is called. Every reply arrives once and in order, or
 * reset comes first.
 */
export class Client {
  #api: Api
  #stream: Stream
  #commands: Commands
  #listeners = new Set<Listener>()
  #attached = false

  constructor(config: Config) {
    this.#api = new Api(config.api, config.token)
    const position = new Position(this.#api.base, config.persist)
    this.#stream = new Stream(this.#api, position, config.events ?? [], {
      state: (state) => this.#tell('state', state),
      event: (event) => this.#hear(event),
    })
    this.#commands = new Commands(this.#api, (signal) => this.ready(signal))
    this.listen({
      reset: config.onReset,
      state: (state) => state === 'unauthenticated' && config.onUnauthenticated?.(),
    })
  }

  get state(): StreamState {
    return this.#stream.state
  }

  /** open connects, also after a log in, or where another tab took over. */
  open(): void {
    this.#stream.open()
  }

  /** close ends the stream and rejects what is under way. */
  close(): void {
    this.#stream.close()
    this.#commands.close()
  }

  /**
   * logOut ends this page's session, or with everywhere all of the user's, on
   * all devices. Their streams end at once; log out where the token is from, too.
   */
  async logOut({ everywhere = false } = {}): Promise<void> {
    await this.#stream.logOut(everywhere)
    this.close()
  }

  /** listen adds a listener and returns a function that removes it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** ready resolves once the stream's place is known: nothing after is missed. */
  ready(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#attached) return resolve()
      const end = () => {
        stop()
        signal?.removeEventListener('abort', end)
        if (signal?.aborted) reject(signal.reason)
        else resolve()
      }
      const stop = this.listen({ event: ({ name }) => name === 'ebb.hello' && end() })
      signal?.addEventListener('abort', end)
    })
  }

  /**
   * send posts a command to `<app>/<type>/<id>` and resolves with its reply,
   * which may say no: see _error. It rejects where there can be no reply.
   */
  send(path: string, command: Command, options?: SendOptions): Promise<Reply> {
    if (this.state === 'replaced') this.open() // or the reply would come to another tab alone
    return this.#commands.send(path, command, options)
  }

  /** get reads the state of `<app>/<type>/<id>`; fresh waits for the newest. */
  async get<S extends State>(path: string, { fresh = false } = {}): Promise<S> {
    const response = await this.#api.request('GET', resource(path, 3) + (fresh ? '?fresh' : ''))
    return (await response.json()) as S
  }

  /** list reads all of `<app>/<type>` that the user may see, page by page. */
  async list<S extends State>(path: string, { fresh = false } = {}): Promise<S[]> {
    return this.#api.list<S>(resource(path, 2), fresh ? '?fresh' : '')
  }

  #hear(event: StreamEvent): void {
    if (event.name === 'ebb.hello') this.#attached = true
    this.#tell('event', event)
    if (event.name === 'ebb.reset') {
      this.#attached = this.state === 'open' // else the place is known with the hello to come
      this.#tell('reset', parseObject(event.data))
      this.#commands.resend()
    }
    const reply = event.name === 'message' && parseReply(event.data)
    if (reply) {
      this.#tell('reply', reply)
      this.#commands.settle(reply)
    }
  }

  #tell<K extends keyof Listener>(what: K, about: Parameters<NonNullable<Listener[K]>>[0]): void {
    for (const listener of [...this.#listeners]) {
      try {
        ;(listener[what] as ((about: unknown) => void) | undefined)?.(about)
      } catch (error) {
        queueMicrotask(() => {
          throw error // to the page's error handler; the others must still hear
        })
      }
    }
  }
}
