import { parseCursor } from '../cursor.js'
import type { StreamEvent } from '../message.js'
import { Position } from '../position.js'
import type { ConnectionState, OpenSource, Source } from '../source.js'
import { Errands, type Runner } from './errands.js'
import { Past, earlier, strangers } from './past.js'
import { told, type FromHub, type Join, type Port, type ToHub } from './port.js'

const gather = 100 // milliseconds in which tabs that had another hub find this one

/** Tab is one as the hub knows it. */
interface Tab {
  port: Port
  /** i is the number of the next message. */
  i: number
  joined: boolean
  /** cursor is how far it has come, or will when it has heard all that was posted. */
  cursor: string
  names: readonly string[]
  renews: boolean
  greeted: boolean
  /** lost tells that the stream does not go on where it was. */
  lost: boolean
}

/**
 * Hub holds the one stream of a browser and a user, and tells all tabs what comes.
 *
 * A tab says how far it has come. The stream begins at the earliest of these
 * places, and again where a tab comes from farther back than is kept; what a tab
 * has already, it drops itself. So whoever becomes the hub, and whenever, nothing
 * is missing in any tab.
 */
export class Hub {
  #tabs = new Map<Port, Tab>() // the one last heard of is the last
  #source?: Source
  #position?: Position
  #names = new Set<string>()
  #past = new Past('')
  #greeting = '' // the data of the last hello
  #gathering?: ReturnType<typeof setTimeout>
  #first?: Tab // to be sent on errands
  #errands = new Errands(() => this.#runners())

  constructor(
    private readonly openSource: OpenSource,
    /** name is that of a lock that is held as long as the hub lives. */
    private readonly name: string,
  ) {}

  /** attach takes a tab in, and then its port is the hub's. */
  attach(port: Port): void {
    const tab = { port, i: 0, joined: false, cursor: '', names: [], renews: false, greeted: false, lost: false }
    this.#tabs.set(port, tab)
    port.onmessage = ({ data }) => this.#hear(tab, data as ToHub)
    this.#post(tab, { is: 'welcome', hub: this.name })
  }

  /** close ends everything; tabs find another hub. */
  close(): void {
    for (const tab of [...this.#tabs.values()]) this.#detach(tab)
  }

  #hear(tab: Tab, message: ToHub): void {
    if (!this.#tabs.delete(tab.port)) return
    this.#tabs.set(tab.port, tab)
    if (message.is === 'join') this.#join(tab, message)
    else if (message.is === 'wake') this.#wake()
    else if (message.is === 'done') this.#errands.done(message)
    else if (message.is === 'logOut') void this.#logOut(tab, message.n, message.everywhere)
    else if (message.is === 'ping') this.#post(tab, { is: 'pong' })
    else this.#detach(tab)
  }

  #join(tab: Tab, { cursor, names, renews, greeted }: Join): void {
    Object.assign(tab, { joined: true, cursor, names, renews, greeted })
    if (this.#gathering !== undefined) return
    const place = this.#position?.stored ?? ''
    if (!this.#source) {
      if (greeted) this.#gathering = setTimeout(() => this.#begin(), gather)
      else this.#begin()
    } else if (names.some((name) => !this.#names.has(name))) {
      this.#begin()
    } else if (this.#attached) {
      this.#catchUp(tab, place)
    } else if (earlier(cursor, place) || (cursor && !place)) {
      this.#begin()
    } else {
      tab.lost = lost(tab, place)
      this.#source.open()
      this.#post(tab, { is: 'state', state: this.#source.state })
    }
  }

  /** catchUp brings a tab to where the stream is. */
  #catchUp(tab: Tab, place: string): void {
    const behind = earlier(tab.cursor, place)
    const missed = behind ? this.#past.since(tab.cursor) : []
    if (!missed) return this.#begin()
    this.#post(tab, { is: 'state', state: this.#source!.state })
    if (lost(tab, place)) this.#tell(tab, reset(place))
    this.#tell(tab, { name: 'ebb.hello', data: this.#greeting, id: behind ? tab.cursor : place })
    for (const event of missed) this.#tell(tab, event)
  }

  /** begin opens a stream where the tab is that has come least far. */
  #begin(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    const old = this.#source
    this.#source = undefined
    old?.close()

    const tabs = this.#joined
    const start = tabs.map(({ cursor }) => cursor).reduce((least, cursor) => (!least || earlier(cursor, least) ? cursor : least), '')
    for (const tab of tabs) tab.lost = lost(tab, start)
    this.#names = new Set(tabs.flatMap(({ names }) => names))
    this.#past = new Past(start)
    this.#position = new Position('', { storage: { getItem: () => start, setItem() {} }, user: '' })
    const source = this.openSource(this.#errands, this.#position, [...this.#names], {
      state: (state) => source === this.#source && this.#enter(state),
      event: (event) => source === this.#source && this.#pass(event),
    })
    this.#source = source
    source.open()
  }

  #enter(state: ConnectionState): void {
    for (const tab of this.#joined) this.#post(tab, { is: 'state', state })
  }

  #pass(event: StreamEvent): void {
    const { name, data, id } = event
    if (name === 'ebb.reset') this.#past = new Past(id)
    else if (!name.startsWith('ebb.')) this.#past.add(event)
    if (name === 'ebb.hello') {
      this.#greeting = data
      this.#past.begin(id)
    }
    for (const tab of this.#joined) {
      if (name === 'ebb.hello' && tab.lost) this.#tell(tab, reset(id))
      this.#tell(tab, event)
    }
  }

  /** tell has a tab hear of an event, and knows how far it is then. */
  #tell(tab: Tab, event: StreamEvent): void {
    const { name, id } = event
    if (name === 'ebb.hello') tab.greeted = true
    if (name === 'ebb.reset') {
      tab.cursor = parseCursor(id) ? id : ''
      tab.lost = false
    } else if (tab.cursor ? earlier(tab.cursor, id) : parseCursor(id)) tab.cursor = id
    this.#post(tab, { is: 'event', event })
  }

  #wake(): void {
    const state = this.#source?.state
    if (state?.name === 'retrying' || (state?.name === 'closed' && state.why === 'replaced')) this.#source?.open()
  }

  async #logOut(tab: Tab, n: number, everywhere: boolean): Promise<void> {
    this.#first = tab
    try {
      const state = this.#source?.state
      const out = state?.name === 'closed' && state.why === 'loggedOut'
      if (this.#source && !out) await this.#source.logOut(everywhere)
      else if (everywhere) await this.#errands.logOut()
      this.#post(tab, { is: 'loggedOut', n })
      this.#enter({ name: 'closed', why: 'loggedOut' })
    } catch (error) {
      this.#post(tab, { is: 'loggedOut', n, error: told(error) })
    } finally {
      this.#first = undefined
    }
  }

  #detach(tab: Tab): void {
    if (!this.#tabs.delete(tab.port)) return
    tab.port.onmessage = null
    tab.port.close()
    if (this.#joined.length > 0) return
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    const source = this.#source
    this.#source = undefined
    source?.close()
  }

  #post(tab: Tab, message: FromHub): void {
    if (this.#tabs.has(tab.port)) tab.port.postMessage({ ...message, i: tab.i++ })
  }

  get #joined(): Tab[] {
    return [...this.#tabs.values()].filter(({ joined }) => joined)
  }

  get #attached(): boolean {
    return this.#source?.state.name === 'open' || this.#source?.state.name === 'stale'
  }

  /** runners are the tabs, the one that is to be sent and the last heard of first. */
  #runners(): Runner[] {
    const tabs = [...this.#tabs.values()].reverse().sort((a, b) => Number(b === this.#first) - Number(a === this.#first))
    return tabs.map((tab) => ({
      renews: tab.renews,
      send: (n, errand) => this.#post(tab, { is: 'errand', n, errand }),
      silent: () => {
        if (this.#tabs.has(tab.port)) this.#tabs = new Map([[tab.port, tab], ...this.#tabs])
      },
    }))
  }
}

/** lost tells whether a stream that begins at a place leaves out what a tab waits for. */
function lost({ cursor, greeted }: Tab, place: string): boolean {
  return cursor ? !place || strangers(cursor, place) : greeted
}

function reset(id: string): StreamEvent {
  return { name: 'ebb.reset', data: '{"reason":"new"}', id }
}
