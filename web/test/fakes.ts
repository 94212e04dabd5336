import { afterEach, beforeEach, vi } from 'vitest'
import { Client, type Config } from '../src/index.js'

/** FakeEventSource is one that a test plays the server of. */
export class FakeEventSource {
  static all: FakeEventSource[] = []
  static get last(): FakeEventSource {
    return FakeEventSource.all.at(-1)!
  }

  onerror: (() => void) | null = null
  closed = false
  #listeners = new Map<string, (event: MessageEvent) => void>()

  constructor(readonly url: string) {
    FakeEventSource.all.push(this)
  }

  addEventListener(name: string, listener: (event: MessageEvent) => void): void {
    this.#listeners.set(name, listener)
  }

  close(): void {
    this.closed = true
  }

  /** emit sends an event, to a closed one too: the client must not listen. */
  emit(name: string, id: string, data: unknown = ''): void {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    this.#listeners.get(name)?.({ data: text, lastEventId: id } as MessageEvent)
  }
}

/** Asked is a request as the fake gateway got it. */
export interface Asked {
  method: string
  url: URL
  headers: Headers
  credentials?: RequestCredentials
  body: Record<string, unknown>
  signal?: AbortSignal | null
}

/** Gateway answers fetch: tickets by itself, the rest as a test says. */
export class Gateway {
  asked: Asked[] = []
  /** answer returns what is to be said to a request, ticket or not. */
  answer: (asked: Asked) => Response | Promise<Response> | undefined = () => undefined

  get tickets(): Asked[] {
    return this.asked.filter(({ url }) => url.pathname === '/api/sse')
  }

  get commands(): Asked[] {
    return this.asked.filter(({ method, url }) => method === 'POST' && url.pathname !== '/api/sse')
  }

  get lists(): Asked[] {
    return this.asked.filter(({ method }) => method === 'GET')
  }

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    init.signal?.throwIfAborted()
    const asked: Asked = {
      method: init.method!,
      url: new URL(url),
      headers: new Headers(init.headers),
      credentials: init.credentials,
      signal: init.signal,
      body: init.body ? JSON.parse(init.body as string) : {},
    }
    this.asked.push(asked)
    const answer = await this.answer(asked)
    if (answer) return answer
    const ticket = this.tickets.length
    if (asked.url.pathname === '/api/sse') return json({ url: `https://edge.test/sse-setup?u=${ticket}`, expires: 0 })
    return asked.method === 'GET' ? json({ items: [] }) : new Response(null, { status: 202 })
  }
}

export function json(body: unknown, init?: ResponseInit): Response {
  return new Response(JSON.stringify(body), init)
}

/** refusal is a problem+json answer. */
export function refusal(status: number, headers: HeadersInit = {}): Response {
  const body = { type: 'https://ebb.test/no', title: 'No', status, detail: `not ${status}` }
  return json(body, { status, headers: { 'Content-Type': 'application/problem+json', ...headers } })
}

/** id is a cursor as the edge writes it, with a proof. */
export function id(offset: number, { generation = 'AAAAAAAA', src = '' } = {}): string {
  return `1.${generation}.3.${offset}.0.${src}.PPPPPPPPPPPPPPPPPPPPPP`
}

export const stored = (offset: number) => id(offset).replace(/P+$/, '')

/** settle lets everything run that waits for no timer. */
export const settle = () => vi.advanceTimersByTimeAsync(0)

/** after lets some milliseconds pass, and what they bring about. */
export const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** world puts the fakes in place around each test of a file. */
export function world() {
  const it = { gateway: new Gateway(), page: new EventTarget(), document: new EventTarget(), clients: [] as Client[] }
  const start = (config: Partial<Config> = {}): Client => {
    const client = new Client({ api: 'https://app.test/api', ...config })
    it.clients.push(client)
    client.open()
    return client
  }
  /** attach opens a client whose stream has said hello at offset 0. */
  const attach = async (config: Partial<Config> = {}): Promise<Client> => {
    const client = start(config)
    await settle()
    FakeEventSource.last.emit('ebb.hello', id(0))
    return client
  }

  beforeEach(() => {
    vi.useFakeTimers()
    Object.assign(it, { gateway: new Gateway(), page: new EventTarget(), document: new EventTarget(), clients: [] })
    FakeEventSource.all = []
    vi.spyOn(Math, 'random').mockReturnValue(0.999)
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const late = new AbortController() // the real one knows no fake time
      setTimeout(() => late.abort(new DOMException('', 'TimeoutError')), ms)
      return late.signal
    })
    vi.stubGlobal('EventSource', FakeEventSource)
    vi.stubGlobal('fetch', (url: string, init: RequestInit) => it.gateway.fetch(url, init))
    vi.stubGlobal('document', it.document)
    vi.stubGlobal('addEventListener', it.page.addEventListener.bind(it.page))
  })
  afterEach(() => {
    for (const client of it.clients) client.close()
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
    vi.useRealTimers()
  })
  return Object.assign(it, { start, attach })
}
