import { typeOf, type Fetch } from './api.js'
import { parseCursor } from './cursor.js'
import type { Command, Complaint, Reply, State } from './message.js'
import type { Transport, TransportHandler } from './transport.js'

/** MockStream is one that a client has opened, and whose server is a test. */
export class MockStream {
  /** open is over when the client closes it, or end is called. */
  open = true

  constructor(
    readonly url: string,
    readonly names: readonly string[],
    private readonly handler: TransportHandler,
  ) {}

  /** emit has the client hear an event, even after it closed: nothing may come of that. */
  emit(name: string, data: unknown = '', id = ''): void {
    if (!this.names.includes(name)) return
    this.handler.event({ name, data: typeof data === 'string' ? data : JSON.stringify(data), id })
  }

  /** end is a cut, or whatever else ends a stream. */
  end(): void {
    this.open = false
    this.handler.ended()
  }

  /** close is the client's. */
  close(): void {
    this.open = false
  }
}

/** MockTransport keeps the streams that were opened, the latest last. */
export class MockTransport {
  streams: MockStream[] = []

  /** opened is called with each stream, when the client can hear it. */
  constructor(private readonly opened: (stream: MockStream) => void = () => {}) {}

  get last(): MockStream {
    const last = this.streams.at(-1)
    if (!last) throw new Error('ebb: no stream was opened')
    return last
  }

  readonly transport: Transport = (url, names, handler) => {
    const stream = new MockStream(url, names, handler)
    this.streams.push(stream)
    queueMicrotask(() => stream.open && this.opened(stream))
    return () => stream.close()
  }
}

/**
 * Execute makes the new state of a command: its own fields, undefined to delete
 * it, or complaints to reject it.
 */
export type Execute = (state: State | undefined, command: Command, path: string) => object | Complaint[] | undefined

/** merge is what a mock does if it is not told: the command's fields become the state's. */
const merge: Execute = (state, { _command, _corr, _seq, ...fields }) => (_command === 'delete' ? undefined : { ...state, ...fields })

interface Logged {
  name: string
  data: string
  id: string
}

/**
 * MockBackend is a gateway, an edge and a service in memory, for one user:
 *
 *     const backend = new MockBackend()
 *     const client = new Client({ ...backend.config })
 *
 * Nothing is lost in a cut: the next stream goes on from its cursor.
 */
export class MockBackend {
  /** config is a client's; spread it. */
  readonly config: { api: string; fetch: Fetch; transport: Transport }
  /** received are the commands that came, copies too, as they came. */
  readonly received: { path: string; command: Command }[] = []
  /** states are the instances by `<app>/<type>/<id>`. */
  readonly states = new Map<string, State>()
  readonly streams: MockTransport
  /** down is what it is like offline: nothing is answered. */
  down = false

  #log: Logged[] = []
  #answers = new Map<string, Reply>()
  #held?: (() => void)[]

  constructor(private readonly execute: Execute = merge) {
    this.streams = new MockTransport((stream) => this.#attach(stream))
    this.config = {
      api: 'https://mock.invalid/api',
      transport: this.streams.transport,
      fetch: async (url, init) => this.#answer(new URL(url), init),
    }
  }

  /** put changes an instance as somebody else would. */
  put(path: string, fields: object, corr: string = crypto.randomUUID()): void {
    this.#reply(path, { _corr: corr, ...this.#change(path, fields), _outcome: 'applied' })
  }

  /** emit puts an event on the stream. */
  emit(name: string, data: unknown = ''): void {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    this.#log.push({ name, data: text, id: cursor(this.#log.length) })
    for (const stream of this.streams.streams) if (stream.open) stream.emit(name, text, cursor(this.#log.length - 1))
  }

  /** cut ends the streams. */
  cut(): void {
    for (const stream of this.streams.streams) if (stream.open) stream.end()
  }

  /** offline cuts and answers nothing, until online. */
  offline(): void {
    this.down = true
    this.cut()
  }

  online(): void {
    this.down = false
  }

  /** hold keeps replies back, until release, so that a test can look at what is shown meanwhile. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const tell of held) tell()
  }

  #attach(stream: MockStream): void {
    const asked = parseCursor(new URL(stream.url).searchParams.get('cursor') ?? '')
    const from = asked ? asked.offset + 1 : this.#log.length
    stream.emit('ebb.hello', '', cursor(from - 1))
    for (const { name, data, id } of this.#log.slice(from)) stream.emit(name, data, id)
  }

  async #answer(url: URL, { method, body, signal }: RequestInit): Promise<Response> {
    if (this.down) throw new TypeError('ebb: the mock is down')
    signal?.throwIfAborted()
    const path = url.pathname.replace(/^\/api\//, '').split('/').map(decodeURIComponent).join('/')
    if (path === 'sse' && method === 'POST') return Response.json({ url: `https://mock.invalid/stream${url.search}` })
    if (path.startsWith('sse')) return new Response(null, { status: 204 })
    if (method === 'POST') return this.#command(path, JSON.parse(String(body)) as Command)
    if (path.split('/').length === 3) {
      const state = this.states.get(path)
      return state && !state._deleted ? Response.json(state) : Response.json({ title: 'Not Found' }, { status: 404 })
    }
    const items = [...this.states].filter(([key, state]) => key.startsWith(`${path}/`) && !state._deleted).map(([, state]) => state)
    return Response.json({ items })
  }

  #command(path: string, command: Command): Response {
    this.received.push({ path, command })
    const key = JSON.stringify([path, command._corr])
    let answer = this.#answers.get(key)
    if (answer) answer = { ...answer, _outcome: answer._error ? answer._outcome : 'duplicate' }
    else this.#answers.set(key, (answer = this.#run(path, command)))
    const reply = { ...answer, _corr: command._corr, _command: command._command }
    const tell = () => this.#reply(path, reply)
    if (this.#held) this.#held.push(tell)
    else queueMicrotask(tell)
    return Response.json({ _corr: command._corr }, { status: 202 })
  }

  #run(path: string, command: Command): Reply {
    const state = this.states.get(path)
    const made = this.execute(state?._deleted ? undefined : state, command, path)
    const seq = state?._seq ?? -1
    if (Array.isArray(made)) return { _error: true, _outcome: 'rejected', _statusCode: 422, _seq: seq, errors: made } as unknown as Reply
    return { ...this.#change(path, made), _outcome: 'applied' } as unknown as Reply
  }

  #change(path: string, fields: object | undefined): State {
    const known = this.states.get(path)
    const _seq = (known?._seq ?? -1) + 1
    const state: State = { ...(fields ?? known), ...stamp(path), _seq, _deleted: fields ? undefined : true }
    this.states.set(path, state)
    return state
  }

  #reply(path: string, fields: object): void {
    this.emit('message', { ...fields, ...stamp(path) })
  }
}

function stamp(path: string): { _id: string; _type: string } {
  return { _id: path.split('/')[2]!.toLowerCase(), _type: typeOf(path) }
}

function cursor(offset: number): string {
  return `1.mockmock.0.${offset}.0..`
}
