import type { Reply } from '../src/index.js'
import { Store } from './store.js'

/** Journey is a command, on its way through all boxes and back. */
export interface Journey {
  readonly corr: string
  readonly user: string
  readonly command: string
  /** title is the task's. */
  readonly title: string
  /** auto tells that no hand has made it. */
  readonly auto: boolean
  /** begun is when it was sent, on the page's clock. */
  readonly begun: number
  /** accepted is how many milliseconds later the 202 was there. */
  readonly accepted?: number
  /** heard says on whose streams its effect came, and how many milliseconds later. */
  readonly heard: readonly Heard[]
  /** outcome is what the answer says, or `refused` if it was no 202. */
  readonly outcome?: string
}

export interface Heard {
  user: string
  ms: number
}

/** Tally is how the promise stands: nothing lost, nothing twice. */
export interface Tally {
  /** sent are the commands of this window; each must be answered once. */
  sent: number
  answered: number
  /** lost are events that a later one of the same instance shows to be missing. */
  lost: number
  /** twice are events, and answers, that came again. */
  twice: number
}

const kept = 60 // journeys that have ended
const remembered = 10_000 // answers

/**
 * Journal follows all commands of a window, and checks what comes back.
 *
 * Every event of an instance has the next _seq: a gap is a loss, and one that
 * does not rise a repeat, on each stream for itself.
 */
export class Journal extends Store {
  journeys: ReadonlyMap<string, Journey> = new Map()
  tally: Tally = { sent: 0, answered: 0, lost: 0, twice: 0 }
  /** onBack is told of a journey whose 202 and whose answer are there. */
  onBack?: (journey: Journey) => void

  #seqs = new Map<string, number>() // by user and instance
  #answers = new Set<string>()

  constructor(private readonly now = () => performance.now()) {
    super()
  }

  /** begin notes a command that is sent. */
  begin(user: string, corr: string, { _command }: { _command: string }, title: string, auto = false): void {
    this.#put({ corr, user, command: _command, title, auto, begun: this.now(), heard: [] })
    this.#count({ sent: this.tally.sent + 1 })
  }

  /** accepted notes a 202; the answer may have come before it. */
  accepted(corr: string): void {
    const journey = this.journeys.get(corr)
    if (!journey || journey.accepted !== undefined) return
    const now = { ...journey, accepted: this.now() - journey.begun }
    this.#put(now)
    this.tell()
    if (now.outcome !== undefined) this.onBack?.(now)
  }

  /** refused notes that the gateway did not take a command; that is an answer. */
  refused(corr: string): void {
    const journey = this.journeys.get(corr)
    if (!journey || journey.outcome) return
    this.#put({ ...journey, outcome: 'refused' })
    this.#count({ answered: this.tally.answered + 1 })
  }

  /** forget takes a command back that nobody waits for any more. */
  forget(corr: string): void {
    const journey = this.journeys.get(corr)
    if (!journey || journey.outcome) return
    this.journeys = new Map([...this.journeys].filter(([other]) => other !== corr))
    this.#count({ sent: this.tally.sent - 1 })
  }

  /** heard checks and notes what came on a user's stream. */
  heard(user: string, reply: Reply): void {
    this.#check(user, reply)
    const journey = this.journeys.get(reply._corr)
    if (!journey) return
    const own = journey.user === user
    const again = reply._outcome === 'duplicate' // the answer to a command that was sent again
    const first = own && journey.outcome === undefined
    if (own && !first && again) return
    const heard = [...journey.heard, { user, ms: this.now() - journey.begun }]
    const now = { ...journey, heard, outcome: own ? (reply._outcome ?? 'applied') : journey.outcome }
    this.#put(now)
    this.#count(first ? { answered: this.tally.answered + 1 } : {})
    if (first && now.accepted !== undefined) this.onBack?.(now)
  }

  /** reset forgets how far a user's stream had come: there was a gap, and it said so. */
  reset(user: string): void {
    for (const key of this.#seqs.keys()) if (key.startsWith(`${JSON.stringify(user)} `)) this.#seqs.delete(key)
  }

  #check(user: string, { _type, _id, _corr, _seq, _outcome = 'applied', _error }: Reply): void {
    const instance = `${JSON.stringify(user)} ${_type} ${_id}`
    if (_outcome === 'applied' && !_error && typeof _seq === 'number') {
      const last = this.#seqs.get(instance)
      this.#seqs.set(instance, Math.max(_seq, last ?? -1))
      if (last !== undefined && _seq <= last) this.#count({ twice: this.tally.twice + 1 })
      else if (last !== undefined && _seq > last + 1) this.#count({ lost: this.tally.lost + _seq - last - 1 })
    } else if (_outcome !== 'duplicate') {
      const answer = `${instance} ${_corr}`
      if (this.#answers.has(answer)) this.#count({ twice: this.tally.twice + 1 })
      this.#answers.add(answer)
      if (this.#answers.size > remembered) this.#answers.delete(this.#answers.values().next().value!)
    }
  }

  #put(journey: Journey): void {
    const all = new Map(this.journeys).set(journey.corr, journey)
    let ended = [...all.values()].filter(({ outcome }) => outcome !== undefined).length
    for (const { corr, outcome } of all.values()) {
      if (ended <= kept) break
      if (outcome !== undefined && all.delete(corr)) ended--
    }
    this.journeys = all
  }

  #count(change: Partial<Tally>): void {
    this.tally = { ...this.tally, ...change }
    this.tell()
  }
}
