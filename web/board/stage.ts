import type { Journey } from './journal.js'
import { Store } from './store.js'
import type { Span, Tracer } from './trace.js'

/** Scene is what the flow shows: a command's way, or how a stream was opened. */
export interface Scene {
  key: number
  user: string
  /** corr is the command's; a stream has none. */
  corr?: string
  command?: string
  title: string
  spans: readonly Span[]
}

/** replay is how many milliseconds a scene takes, whatever it took in truth. */
export const replay = 1_600

const rest = 2_400 // milliseconds before another scene that no hand has made
const own = 6_000 // and after one that a hand has made
const kept = 20 // scenes

/** Stage decides what the flow shows: the latest that somebody did, and not too much. */
export class Stage extends Store {
  scenes: readonly Scene[] = []
  /** pinned is the key of a scene that somebody has gone back to, until they do something; the latest if none. */
  pinned?: number
  #count = 0
  #free = 0 // when scenes that no hand has made may come, on the page's clock

  constructor(
    private readonly tracer: Tracer,
    private readonly now = () => performance.now(),
  ) {
    super()
  }

  get scene(): Scene | undefined {
    return this.scenes.find(({ key }) => key === this.pinned) ?? this.scenes[0]
  }

  /** command shows the way that a command went. */
  async command({ corr, user, command, title, auto }: Journey): Promise<void> {
    if (!this.#enters(auto)) return
    if (!auto) this.pinned = undefined
    this.#show({ user, corr, command, title, spans: await this.tracer.command(corr) })
  }

  /** stream shows how a user's stream was opened. */
  async stream(user: string, after: number): Promise<void> {
    if (this.tracer.none || !this.#enters(true)) return
    const spans = await this.tracer.stream(user, after)
    if (spans.length > 0) this.#show({ user, title: 'stream', spans })
  }

  /** look goes from the scene shown to an earlier or later one. */
  look(by: number): void {
    const at = this.scenes.indexOf(this.scene!) + by
    this.pinned = at > 0 ? this.scenes[at]?.key : undefined
    this.tell()
  }

  #enters(auto: boolean): boolean {
    const now = this.now()
    if (auto && now < this.#free) return false
    this.#free = now + (auto ? rest : own)
    return true
  }

  #show(scene: Omit<Scene, 'key'>): void {
    this.scenes = [{ key: ++this.#count, ...scene }, ...this.scenes].slice(0, kept)
    this.tell()
  }
}
