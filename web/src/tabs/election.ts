import type { Joiner, Meeting } from './member.js'
import type { Port } from './port.js'

/** Locks are Web Locks, as far as they are needed. */
export type Locks = Pick<LockManager, 'request'>

/** Place is what tabs have in common, and how they hear one another. */
export interface Place {
  locks: Locks
  /** channel opens a BroadcastChannel. */
  channel: (name: string) => Port
  /** pair makes two ports, as a MessageChannel has them. */
  pair: () => readonly [Port, Port]
}

/** Attending is a hub as an election needs it. */
export interface Attending {
  attach(port: Port): void
  close(): void
}

/** Word is what is said to all tabs. */
type Word =
  | { is: 'who' } // leads?
  | { is: 'lead'; hub: string }
  | { is: 'join'; hub: string; port: string }

const hesitation = 2_000 // milliseconds, at most, before a hub that does not answer is set aside

/**
 * meetByElection has the tab that holds a lock be the hub for all.
 *
 * The lock goes to the next one when a tab ends, however it ends. From one that
 * is frozen, and says nothing, it is taken away.
 */
export function meetByElection(name: string, place: Place, makeHub: (hub: string) => Attending) {
  return (joiner: Joiner): Meeting => new Election(name, place, makeHub, joiner)
}

class Election implements Meeting {
  #all: Port
  #hub = '' // the one we know of
  #mine?: Attending
  #left = false
  #attempt = new AbortController() // for the lock
  #release = () => {}
  #theft?: ReturnType<typeof setTimeout>

  constructor(
    private readonly name: string,
    private readonly place: Place,
    private readonly makeHub: (hub: string) => Attending,
    private readonly joiner: Joiner,
  ) {
    this.#all = place.channel(name)
    this.#all.onmessage = ({ data }) => this.#hear(data as Word)
    this.#run()
    this.#say({ is: 'who' })
  }

  welcomed(): void {}

  suspect(): void {
    if (this.#mine) return this.#joinOwn(this.#mine)
    this.#hub = ''
    this.#say({ is: 'who' })
    this.#theft ??= setTimeout(() => {
      this.#theft = undefined
      if (!this.#hub) this.#run({ steal: true })
    }, Math.random() * hesitation)
  }

  leave(): void {
    this.#left = true
    clearTimeout(this.#theft)
    this.#attempt.abort()
    this.#mine?.close()
    this.#all.onmessage = null
    this.#all.close()
    this.#release()
  }

  /** run waits for the lock, or takes it; then it is ours until we leave. */
  #run(options: LockOptions = { signal: this.#attempt.signal }): void {
    if (options.steal) this.#attempt.abort() // we stand in the queue no more
    let over = false // maybe before it has begun, in a tab that was frozen meanwhile
    const lead = () => {
      if (this.#left || over) return
      return new Promise<void>((release) => this.#lead(release))
    }
    this.place.locks.request(this.name, options, lead).catch((error: unknown) => {
      over = true
      if (this.#left || options.signal?.aborted) return
      if ((error as Error).name === 'AbortError') this.#deposed()
      else this.#lead(() => {}) // no locks here, so alone
    })
  }

  #lead(release: () => void): void {
    this.#release = release
    const hub = (this.#hub = `${this.name} ${crypto.randomUUID()}`)
    this.joiner.log?.('tabs', { hub: 'this tab' })
    this.#mine = this.makeHub(hub)
    this.#joinOwn(this.#mine)
    this.#say({ is: 'lead', hub })
  }

  #joinOwn(hub: Attending): void {
    const [ours, its] = this.place.pair()
    hub.attach(its)
    this.joiner.meet(ours)
  }

  /** deposed is called when another tab has taken the lock, since we were frozen. */
  #deposed(): void {
    this.#mine?.close()
    this.#mine = undefined
    this.#hub = ''
    this.#attempt = new AbortController()
    this.#run()
    this.#say({ is: 'who' })
  }

  #hear(word: Word): void {
    if (word.is === 'lead') {
      if (this.#mine || word.hub === this.#hub) return
      this.#hub = word.hub
      const port = `${this.name} ${crypto.randomUUID()}`
      this.joiner.log?.('tabs', { hub: 'another tab' })
      this.joiner.meet(this.place.channel(port))
      this.#say({ is: 'join', hub: word.hub, port })
    } else if (!this.#mine) {
      return
    } else if (word.is === 'who') {
      this.#say({ is: 'lead', hub: this.#hub })
    } else if (word.hub === this.#hub) {
      this.#mine.attach(this.place.channel(word.port))
    }
  }

  #say(word: Word): void {
    this.#all.postMessage(word)
  }
}
