import { vi } from 'vitest'
import { Api, type Token } from '../src/api.js'
import type { StreamEvent } from '../src/message.js'
import { Position } from '../src/position.js'
import type { ConnectionState, OpenSource, Source } from '../src/source.js'
import { Stream } from '../src/stream.js'
import type { Locks } from '../src/tabs/election.js'
import type { Life } from '../src/tabs/life.js'
import type { WorkerLike } from '../src/tabs/meet.js'
import { Member } from '../src/tabs/member.js'
import type { Port } from '../src/tabs/port.js'
import { serve } from '../src/tabs/serve.js'
import { wayTo, type Browser } from '../src/tabs/way.js'
import type { MockBackend } from '../src/testing.js'
import type { Transport } from '../src/transport.js'

/** Agent is a tab or a worker: it can be frozen, and it can die at any moment. */
export class Agent {
  /** current is whose code runs, so that its timers are its own. */
  static current?: Agent
  dead = false
  frozen = false
  #waiting: (() => void)[] = []
  #last: (() => void)[] = []

  /** run does something as the agent, later if it is frozen, never if it is dead. */
  run(task: () => void): void {
    if (this.dead) return
    if (this.frozen) return void this.#waiting.push(task)
    const before = Agent.current
    Agent.current = this
    try {
      task()
    } finally {
      Agent.current = before
    }
  }

  thaw(): void {
    this.frozen = false
    for (const task of this.#waiting.splice(0)) this.run(task)
  }

  /** atDeath is for what a browser does then. */
  atDeath(then: () => void): void {
    this.#last.push(then)
  }

  die(): void {
    this.dead = true
    for (const then of this.#last) then()
  }
}

/** ownTimers has timers stand still while the agent that set them is frozen, and end with it. */
export function ownTimers(): void {
  const { setTimeout, setInterval } = globalThis
  vi.stubGlobal('setTimeout', (then: () => void, ms: number) => {
    const agent = Agent.current
    return setTimeout(agent ? () => agent.run(then) : then, ms)
  })
  vi.stubGlobal('setInterval', (then: () => void, ms: number) => {
    const agent = Agent.current
    return setInterval(agent ? () => agent.frozen || agent.run(then) : then, ms)
  })
}

/** later does something as nobody: what was posted arrives, whatever becomes of who posted it. */
function later(then: () => void, ms: number): void {
  const before = Agent.current
  Agent.current = undefined
  setTimeout(then, ms)
  Agent.current = before
}

/** TestPort delivers in order, a little later, what can be cloned. */
class TestPort implements Port {
  #onmessage: Port['onmessage'] = null
  #early: unknown[] = []
  #due = 0
  closed = false

  constructor(
    private readonly browser: TestBrowser,
    private readonly owner: Agent,
    private readonly others: () => TestPort[],
    private readonly keeps: boolean, // what comes before somebody listens
  ) {}

  get onmessage() {
    return this.#onmessage
  }
  set onmessage(hear) {
    this.#onmessage = hear
    if (hear) for (const data of this.#early.splice(0)) this.#deliver(data)
  }

  postMessage(message: unknown): void {
    const data: unknown = structuredClone(message)
    if (this.closed && !this.keeps) throw new DOMException('the channel is closed', 'InvalidStateError')
    if (!this.closed) this.owner.run(() => this.others().forEach((port) => port.#receive(data)))
  }

  close(): void {
    this.closed = true
  }

  #receive(data: unknown): void {
    this.#due = Math.max(this.#due, Date.now() + this.browser.delay())
    later(() => this.owner.run(() => this.#deliver(data)), this.#due - Date.now())
  }

  #deliver(data: unknown): void {
    if (this.closed) return
    if (this.browser.losing > 0 && (data as { is?: string }).is === 'event') return void this.browser.losing--
    if (this.#onmessage) this.#onmessage({ data } as MessageEvent)
    else if (this.keeps) this.#early.push(data)
  }
}

interface Request {
  owner: Agent
  shared: boolean
  held: boolean
  grant: () => void
  fail: (error: Error) => void
}

/** TestBrowser has what tabs share: locks, channels and workers. */
export class TestBrowser {
  tabs: Tab[] = []
  worker?: Agent
  /** losing is how many of the next events will not arrive at a tab. */
  losing = 0
  /** delay is of messages, in milliseconds. */
  delay = () => 1

  #locks = new Map<string, Request[]>()
  #channels = new Map<string, TestPort[]>()
  #scopes = new Map<string, { agent: Agent; scope: { onconnect: ((event: MessageEvent) => void) | null } }>()

  constructor(
    private readonly has: { worker?: boolean; locks?: boolean; channel?: boolean },
    private readonly backendOf: (user: string) => MockBackend,
  ) {}

  /** open opens a tab, with a cursor from before it was loaded if there is one. */
  open(user = 'ann', { cursor = '', token = (() => `token of ${user}`) as Token, names = [] as string[] } = {}): Tab {
    const agent = new Agent()
    const tab = new Tab(agent, user, this.#facilities(agent, user), { cursor, token, names }, this.backendOf(user), (of) => this.openSource(agent, user, of))
    this.tabs.push(tab)
    agent.run(() => tab.source.open())
    return tab
  }

  openSource(agent: Agent, user: string, of: Parameters<OpenSource>): Source {
    const transport: Transport = (url, names, handler) => {
      if (agent.dead) return () => {}
      const close = this.backendOf(user).config.transport(url, names, {
        event: (event) => agent.run(() => handler.event(event)),
        ended: () => agent.run(() => handler.ended()),
      })
      agent.atDeath(close)
      return close
    }
    return new Stream(...of, transport)
  }

  #facilities(agent: Agent, user: string): Browser {
    return {
      pair: () => this.pair(agent, agent),
      locks: this.has.locks ? this.locks(agent) : undefined,
      channel: this.has.channel ? (name) => this.#channel(name, agent) : undefined,
      worker: this.has.worker ? (name) => this.#connect(name, agent, user) : undefined,
    }
  }

  pair(one: Agent, other: Agent): [TestPort, TestPort] {
    const ports: [TestPort, TestPort] = [
      new TestPort(this, one, () => [ports[1]], true),
      new TestPort(this, other, () => [ports[0]], true),
    ]
    return ports
  }

  #channel(name: string, owner: Agent): TestPort {
    const all = this.#channels.get(name) ?? []
    this.#channels.set(name, all)
    const port: TestPort = new TestPort(this, owner, () => all.filter((other) => other !== port && !other.closed), false)
    all.push(port)
    return port
  }

  #connect(name: string, tab: Agent, user: string): WorkerLike {
    let running = this.#scopes.get(name)
    if (!running || running.agent.dead) {
      const agent = (this.worker = new Agent())
      running = { agent, scope: { onconnect: null } }
      this.#scopes.set(name, running)
      serve(running.scope, this.has.locks ? this.locks(agent) : undefined, (...of) => this.openSource(agent, user, of))
    }
    const { agent, scope } = running
    const [ours, its] = this.pair(tab, agent)
    agent.run(() => scope.onconnect!({ ports: [its] } as unknown as MessageEvent))
    return { port: ours, onerror: null }
  }

  /** locks are Web Locks as an agent has them. */
  locks(owner: Agent): Locks {
    const request = (name: string, ...rest: unknown[]) => {
      const run = rest.at(-1) as () => unknown
      const { mode, steal, signal } = (rest.length > 1 ? rest[0] : {}) as LockOptions
      return new Promise<unknown>((resolve, reject) => {
        owner.run(() => {
          const all = this.#locks.get(name) ?? []
          this.#locks.set(name, all)
          const end = () => {
            if (all.includes(mine)) all.splice(all.indexOf(mine), 1)
            this.#grant(name)
          }
          const mine: Request = {
            owner,
            shared: mode === 'shared',
            held: false,
            grant: () =>
              owner.run(async () => {
                if (signal?.aborted) return end()
                resolve(await run())
                end()
              }),
            fail: (error) => owner.run(() => reject(error)),
          }
          owner.atDeath(end)
          signal?.addEventListener('abort', () => {
            if (mine.held) return
            end()
            reject(new DOMException('', 'AbortError'))
          })
          if (steal) {
            for (const other of all.filter(({ held }) => held)) {
              all.splice(all.indexOf(other), 1)
              other.fail(new DOMException('', 'AbortError'))
            }
            all.unshift(mine)
          } else all.push(mine)
          this.#grant(name)
        })
      })
    }
    return { request } as Locks
  }

  #grant(name: string): void {
    const [first, ...others] = this.#locks.get(name) ?? []
    if (!first) return
    const grant = (request: Request) => {
      if (request.held) return
      request.held = true
      later(() => request.grant(), this.delay())
    }
    grant(first)
    if (first.shared) for (const other of others) if (other.shared) grant(other)
  }
}

interface Opened {
  cursor: string
  token: Token
  names: string[]
}

/** Tab is a page with a member, and what it has heard. */
export class Tab {
  readonly source: Source
  events: StreamEvent[] = []
  states: ConnectionState[] = []
  readonly position: Position
  #life?: Life

  constructor(
    readonly agent: Agent,
    readonly user: string,
    browser: Browser,
    { cursor, token, names }: Opened,
    backend: MockBackend,
    openSource: (of: Parameters<OpenSource>) => Source,
  ) {
    const { api, fetch } = backend.config
    this.position = new Position(api, { storage: { getItem: () => cursor, setItem() {} }, user })
    const handler = {
      state: (state: ConnectionState) => void this.states.push(state),
      event: (event: StreamEvent) => void this.events.push(event),
    }
    const way = wayTo(`${api} ${user}`, browser, (...of) => openSource(of))
    this.source = new Member(new Api({ api, token, fetch }), this.position, names, handler, way, (life) => {
      this.#life = life
      return () => (this.#life = undefined)
    })
  }

  /** messages are the data of what is not Ebb's own. */
  get messages(): string[] {
    return this.events.filter(({ name }) => !name.startsWith('ebb.')).map(({ data }) => data)
  }

  own(name: string): StreamEvent[] {
    return this.events.filter((event) => event.name === name)
  }

  /** freeze stops it, with a word before or without. */
  freeze(told: boolean): void {
    if (told) this.agent.run(() => this.#life?.leave())
    this.agent.frozen = true
  }

  thaw(): void {
    this.agent.thaw()
    this.agent.run(() => {
      this.#life?.back()
      this.#life?.wake()
    })
  }

  /** leave is what a tab does that is closed, or shows another page. */
  leave(): void {
    this.agent.run(() => this.#life?.leave())
    setTimeout(() => this.agent.die(), 5)
  }

  wake(): void {
    this.agent.run(() => this.#life?.wake())
  }
}

/** after lets milliseconds pass. */
export const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)
