import { Api, resource, type Fetch, type Token } from './api.js'
import { onAbort } from './backoff.js'
import { Commands, type SendOptions, type Sent } from './commands.js'
import { iterate } from './iterate.js'
import { parseObject, parseReply, type Command, type Reply, type Reset, type StreamEvent } from './message.js'
import { Position, type Persistence } from './position.js'
import { isClosed, type ConnectionState, type Log, type OpenSource, type Source } from './source.js'
import { Stream } from './stream.js'
import { eventSource, type Transport } from './transport.js'
import type { CommandOf, Instance, Path, PathOf, ReplyOf, StateOf, TypeMap, Untyped } from './types.js'

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
  /** source is where events come from; a stream of its own if left out. */
  source?: OpenSource
  /** transport opens that stream; the browser's EventSource if left out. */
  transport?: Transport
  /** fetch asks the gateway; the global one if left out. */
  fetch?: Fetch
  /** debug is told what happens, without tokens, tickets and proofs; console.debug is one. */
  debug?: Log
  /** onReset is called after a gap: read the state again. */
  onReset?: (reset: Reset) => void
  /** onUnauthenticated is called when the user must log in; then call open. */
  onUnauthenticated?: () => void
}

/** Listener hears what it has a function for. */
export interface Listener {
  /** state gets the connection's new state. */
  state?: (state: ConnectionState) => void
  /** event gets everything new on the stream, also Ebb's own events. */
  event?: (event: StreamEvent) => void
  /** reply gets the answers to commands, of this page and of others. */
  reply?: (reply: Reply) => void
  /** reset is told of a gap. */
  reset?: (reset: Reset) => void
}

/**
 * Client sends one user's commands and hears what comes of them.
 *
 * It is idle until open is called. Every reply arrives once and in order, or
 * reset comes first.
 */
export class Client<T extends TypeMap<T> = Untyped> {
  #api: Api
  #source: Source
  #commands: Commands
  #listeners = new Set<Listener>()
  #attached = false
  #log?: Log

  constructor(config: Config) {
    this.#log = config.debug
    this.#api = new Api(config)
    const openSource: OpenSource =
      config.source ?? ((...of) => new Stream(...of, config.transport ?? eventSource))
    this.#source = openSource(this.#api, new Position(this.#api.base, config.persist), config.events ?? [], {
      state: (state) => this.#turn(state),
      event: (event) => this.#hear(event),
      log: this.#log,
    })
    this.#commands = new Commands(this.#api, (signal) => this.ready(signal))
    this.listen({
      reset: config.onReset,
      state: (state) => isClosed(state, 'unauthenticated', 'revoked') && config.onUnauthenticated?.(),
    })
  }

  get state(): ConnectionState {
    return this.#source.state
  }

  /** open connects, also after a log in, or where another tab took over. */
  open(): void {
    this.#source.open()
  }

  /** close ends the stream and rejects what is under way. */
  close(): void {
    this.#source.close()
    this.#commands.close()
  }

  /**
   * logOut ends this page's session, or with everywhere all of the user's, on
   * all devices. Their streams end at once; log out where the token is from, too.
   */
  async logOut({ everywhere = false } = {}): Promise<void> {
    await this.#source.logOut(everywhere)
    this.#commands.close()
  }

  /** listen adds a listener and returns a function that removes it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** events is everything new on the stream from now on, until the client is closed or logged out. */
  events({ signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<StreamEvent> {
    return iterate((push, end) => {
      const stop = this.listen({
        event: push,
        state: (state) => isClosed(state, 'asked', 'loggedOut') && end(),
      })
      onAbort(signal, end)
      return () => {
        stop()
        signal?.removeEventListener('abort', end)
      }
    })
  }

  /** ready resolves once the stream's place is known: nothing after is missed. */
  ready(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.listen({ event: ({ name }) => name === 'ebb.hello' && end() })
      const end = () => {
        stop()
        signal?.removeEventListener('abort', end)
        if (signal?.aborted) reject(signal.reason)
        else resolve()
      }
      onAbort(signal, end)
      if (this.#attached) end()
    })
  }

  /**
   * send posts a command to `<app>/<type>/<id>`, after those to the same instance
   * that were sent before. Its reply may say no: see _error.
   */
  send<I extends Instance<T>>(path: I, command: CommandOf<T, PathOf<T, I>>, options?: SendOptions): Sent<ReplyOf<T, PathOf<T, I>>> {
    if (isClosed(this.state, 'replaced')) this.open() // or the reply would come to another tab alone
    return this.#commands.send(path, command as Command, options) as Sent<ReplyOf<T, PathOf<T, I>>>
  }

  /** get reads the state of `<app>/<type>/<id>`; fresh waits for the newest. */
  async get<I extends Instance<T>>(path: I, { fresh = false } = {}): Promise<StateOf<T, PathOf<T, I>>> {
    const response = await this.#api.request('GET', resource(path, 3) + (fresh ? '?fresh' : ''))
    return (await response.json()) as StateOf<T, PathOf<T, I>>
  }

  /** list reads all of `<app>/<type>` that the user may see, page by page. */
  async list<P extends Path<T>>(path: P, { fresh = false } = {}): Promise<StateOf<T, P>[]> {
    return this.#api.list(resource(path, 2), fresh ? '?fresh' : '')
  }

  #turn(state: ConnectionState): void {
    this.#log?.('state', { ...state })
    this.#tell('state', state)
    if (state.name === 'open') this.#commands.wake()
    if (isClosed(state, 'loggedOut')) this.#commands.close() // maybe in another tab
  }

  #hear(event: StreamEvent): void {
    const { name, data, id } = event
    this.#log?.('event', { name, id, length: data.length })
    if (name === 'ebb.hello') this.#attached = true
    this.#tell('event', event)
    if (name === 'ebb.reset') {
      this.#attached = this.state.name === 'open' // else the place is known with the hello to come
      this.#tell('reset', parseObject(data))
      this.#commands.resend()
    }
    const reply = name === 'message' && parseReply(data)
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
