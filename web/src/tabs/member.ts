import type { Api } from '../api.js'
import { parseCursor } from '../cursor.js'
import { parseObject, type StreamEvent } from '../message.js'
import type { Position } from '../position.js'
import type { ConnectionState, Source, SourceHandler, Why } from '../source.js'
import type { Life } from './life.js'
import { earlier, strangers } from './past.js'
import { asError, told, type Errand, type FromHub, type Numbered, type Port, type ToHub } from './port.js'

const quiet = 25_000 // milliseconds without a word, after which the hub is asked whether it lives
const patience = 5_000 // milliseconds for it to answer
const look = 5_000 // milliseconds between looks at the clock

/** Meet finds the hub of a browser and a user, or makes one, again and again until it is left. */
export type Meet = (joiner: Joiner) => Meeting

/** Joiner is who looks for a hub. */
export interface Joiner {
  /** meet gets a port on which a hub will say welcome; one from before is worth nothing then. */
  meet(port: Port): void
  log?: SourceHandler['log']
}

/** Meeting is how a tab is connected with a hub. */
export interface Meeting {
  /** welcomed tells which hub it is: the name of a lock that it holds. */
  welcomed(hub: string): void
  /** suspect says that the hub does not answer: find another one. */
  suspect(): void
  leave(): void
}

/**
 * Member is a tab's part of a stream that all tabs share.
 *
 * It keeps its own position, drops what it has had, and joins whatever hub there
 * is with it.
 */
export class Member implements Source {
  #state: ConnectionState = { name: 'closed', why: 'new' }
  #meeting?: Meeting
  #port?: Port
  #next = 0 // the number of the message that is due
  #wanted = false // open was called
  #greeted = false
  #heard = 0 // when, in milliseconds since 1970
  #asked = 0 // when the hub was, 0 if it need not answer
  #watch?: ReturnType<typeof setInterval>
  #life?: () => void
  #outs = new Map<number, Out>()
  #count = 0

  constructor(
    private readonly api: Api,
    private readonly position: Position,
    private readonly names: readonly string[],
    private readonly handler: SourceHandler,
    private readonly findHub: Meet,
    private readonly onLife: (life: Life) => () => void,
  ) {}

  get state(): ConnectionState {
    return this.#state
  }

  open(): void {
    const { name } = this.#state
    if (name !== 'closed' && name !== 'retrying') return
    this.#wanted = true
    if (name === 'closed') this.#enter({ name: 'connecting' })
    this.#attend()
    this.#join()
  }

  close(): void {
    this.#end('asked')
  }

  logOut(everywhere: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const n = this.#count++
      this.#outs.set(n, { everywhere, resolve, reject })
      this.#attend()
      this.#post({ is: 'logOut', n, everywhere })
    })
  }

  /** attend goes to where the hub is, if it is not there. */
  #attend(): void {
    this.#life ??= this.onLife({
      wake: () => this.#wake(),
      leave: () => this.#leave(),
      back: () => (this.#wanted || this.#outs.size > 0) && this.#attend(),
    })
    if (this.#meeting) return
    let early: Port | undefined // one may be had at once
    const meeting = this.findHub({
      meet: (port) => (this.#meeting ? this.#meet(port) : (early = port)),
      log: this.handler.log,
    })
    this.#meeting = meeting
    this.#watch = setInterval(() => this.#look(), look)
    this.#asked = Date.now()
    if (early) this.#meet(early)
  }

  #meet(port: Port): void {
    this.#drop()
    this.#port = port
    this.#next = 0
    this.#asked = this.#heard = Date.now()
    port.onmessage = ({ data }) => port === this.#port && this.#hear(data as Numbered)
    if (this.#wanted && this.#state.name !== 'connecting') this.#enter({ name: 'connecting' })
  }

  #hear({ i, ...message }: Numbered): void {
    this.#heard = Date.now()
    this.#asked = 0
    if (i !== this.#next) return this.#suspect() // something is missing
    this.#next++
    if (message.is === 'welcome') this.#welcome(message.hub)
    else if (message.is === 'state') this.#turn(message.state)
    else if (message.is === 'event') this.#take(message.event)
    else if (message.is === 'errand') void this.#run(message)
    else if (message.is === 'loggedOut') this.#loggedOut(message)
  }

  #welcome(hub: string): void {
    this.#meeting?.welcomed(hub)
    this.#join()
    for (const [n, { everywhere }] of this.#outs) this.#post({ is: 'logOut', n, everywhere })
  }

  #join(): void {
    if (!this.#wanted) return
    const { names, position, api } = this
    this.#post({ is: 'join', cursor: position.stored, names, renews: api.renews, greeted: this.#greeted })
  }

  #turn(state: ConnectionState): void {
    if (state.name === 'closed' && state.why === 'asked') return // that is a hub's own affair
    this.#wanted = state.name !== 'closed' || state.why === 'replaced'
    if (state.name === 'closed' && state.why === 'loggedOut' && this.#outs.size === 0) this.#end('loggedOut')
    else this.#enter(state)
  }

  #take(event: StreamEvent): void {
    const { name, data, id } = event
    if (name === 'ebb.reset') {
      if (this.#isBeyond(id) && /^(distance|retention)$/.test(String(parseObject(data).reason))) return // a gap of others, who came less far
      this.position.reset(id)
    } else if (name.startsWith('ebb.')) this.position.advance(id)
    else if (id && !this.position.take(id)) return
    if (name === 'ebb.hello') this.#greeted = true
    this.handler.event(event)
    this.position.save()
  }

  /** isBeyond tells whether we have come as far as that, or farther. */
  #isBeyond(id: string): boolean {
    const { stored } = this.position
    return stored !== '' && parseCursor(id) !== null && !strangers(stored, id) && !earlier(stored, id)
  }

  async #run({ n, errand }: FromHub & { is: 'errand' }): Promise<void> {
    const port = this.#port
    const done = await this.#answer(errand).then(
      (url) => ({ url }),
      (error: unknown) => ({ error: told(error) }),
    )
    if (port === this.#port) this.#post({ is: 'done', n, ...done })
  }

  async #answer(errand: Errand): Promise<string | undefined> {
    const { signal } = new AbortController()
    if (errand.what === 'ticket') return this.api.ticket(errand.cursor, signal)
    if (errand.what === 'renew') await this.api.renew(errand.id, signal)
    else await this.api.logOut(errand.id)
  }

  #loggedOut({ n, error }: FromHub & { is: 'loggedOut' }): void {
    if (!error) return this.#end('loggedOut')
    this.#outs.get(n)?.reject(asError(error))
    this.#outs.delete(n)
    if (!this.#wanted) this.#leave()
  }

  #look(): void {
    const now = Date.now()
    if (this.#state.name === 'retrying' && now > this.#state.at + look) this.#wake() // its timers are slow: a hidden tab's
    if (this.#asked) {
      if (now - this.#asked >= patience) this.#suspect()
    } else if (now - this.#heard > quiet) {
      this.#asked = now
      this.#post({ is: 'ping' })
    }
  }

  /** suspect has nothing more to do with a hub that does not answer, or loses messages. */
  #suspect(): void {
    this.#drop()
    this.#asked = Date.now()
    this.#meeting?.suspect()
  }

  #wake(): void {
    this.#post({ is: 'wake' })
  }

  /** leave lets others have the hub, until attend. */
  #leave(): void {
    const meeting = this.#meeting
    if (!meeting) return
    this.#meeting = undefined
    clearInterval(this.#watch)
    this.#drop()
    meeting.leave()
  }

  #drop(): void {
    if (!this.#port) return
    this.#port.postMessage({ is: 'leave' } satisfies ToHub)
    this.#port.onmessage = null
    this.#port.close()
    this.#port = undefined
  }

  #end(why: Why): void {
    this.#wanted = false
    this.#life?.()
    this.#life = undefined
    this.#leave()
    this.#enter({ name: 'closed', why })
    for (const { resolve, reject } of this.#outs.values()) {
      if (why === 'loggedOut') resolve()
      else reject(new Error('ebb: the client is closed'))
    }
    this.#outs.clear()
  }

  /** post tells a hub that listens; one that does not yet will say welcome. */
  #post(message: ToHub): void {
    if (this.#next > 0) this.#port?.postMessage(message)
  }

  #enter(state: ConnectionState): void {
    const { name } = this.#state
    if (state.name === name && name !== 'retrying' && name !== 'closed') return
    this.#state = state
    this.handler.state(state)
  }
}

interface Out {
  everywhere: boolean
  resolve: () => void
  reject: (error: Error) => void
}
