import type { Attending, Locks } from './election.js'
import type { Joiner, Meet, Meeting } from './member.js'
import type { Port } from './port.js'

/** WorkerLike is a SharedWorker, as far as it is needed. */
export interface WorkerLike {
  port: Port
  onerror: ((event: ErrorEvent) => void) | null
}

/** meetInWorker has a SharedWorker be the hub; where it does not answer, tabs meet otherwise. */
export function meetInWorker(makeWorker: () => WorkerLike, locks: Locks | undefined, otherwise: Meet): Meet {
  return (joiner) => new WorkerMeeting(makeWorker, locks, otherwise, joiner)
}

const enough = 2 // tries

class WorkerMeeting implements Meeting {
  #instead?: Meeting
  #watch = new AbortController()
  #worker?: WorkerLike
  #tries = 0 // since a worker has said welcome

  constructor(
    private readonly makeWorker: () => WorkerLike,
    private readonly locks: Locks | undefined,
    private readonly otherwise: Meet,
    private readonly joiner: Joiner,
  ) {
    this.#meet()
  }

  welcomed(hub: string): void {
    if (this.#instead) return this.#instead.welcomed(hub)
    this.#tries = 0
    const { signal } = this.#watch
    // It is ours when the worker has crashed: then another one is started.
    this.locks?.request(hub, { mode: 'shared', signal }, () => this.#meet()).catch(() => {})
  }

  suspect(): void {
    if (this.#instead) this.#instead.suspect()
    else if (this.#tries < enough) this.#meet() // it may have crashed before it said anything
    else this.#giveUp()
  }

  leave(): void {
    this.#watch.abort()
    if (this.#worker) this.#worker.onerror = null
    this.#instead?.leave()
  }

  #meet(): void {
    this.#watch.abort()
    this.#watch = new AbortController()
    this.#tries++
    if (this.#worker) this.#worker.onerror = null
    try {
      this.#worker = this.makeWorker()
    } catch {
      return this.#giveUp() // pages may be forbidden to have any
    }
    this.#worker.onerror = () => this.#giveUp()
    this.joiner.log?.('tabs', { hub: 'worker' })
    this.joiner.meet(this.#worker.port)
  }

  #giveUp(): void {
    this.#watch.abort()
    if (this.#worker) this.#worker.onerror = null
    this.#instead = this.otherwise(this.joiner)
  }
}

/** meetAlone has each tab be its own hub. */
export function meetAlone(pair: () => readonly [Port, Port], makeHub: (hub: string) => Attending): Meet {
  return (joiner) => {
    const hub = makeHub('')
    const suspect = () => {
      const [ours, its] = pair()
      hub.attach(its)
      joiner.meet(ours)
    }
    joiner.log?.('tabs', { hub: 'none' })
    suspect()
    return { welcomed() {}, suspect, leave: () => hub.close() }
  }
}
