import { typeOf } from './api.js'
import { Backoff, pause } from './backoff.js'
import type { Client } from './client.js'
import type { Reply, State } from './message.js'
import { retryIn } from './problem.js'

/**
 * Collection mirrors all instances of a type that the user may see.
 *
 * It takes a snapshot once the stream is attached and after every reset, and
 * applies replies by _seq, so it does not matter which of the two is sooner.
 */
export class Collection<S extends State = State> {
  /** items are the instances, none deleted; another array after a change. */
  items: readonly S[] = []
  /** loaded tells whether a snapshot has been taken. */
  loaded = false
  /** error is why the last snapshot was refused, if it was. */
  error?: Error

  #states = new Map<string, State>() // the deleted too, or a late snapshot would bring them back
  #heard = new Set<string>() // since the snapshot was asked for
  #changed = new Set<() => void>()
  #loading?: AbortController
  #stop: () => void

  constructor(
    private readonly client: Client,
    /** path is `<app>/<type>`. */
    private readonly path: string,
  ) {
    this.#stop = client.listen({
      reply: (reply) => this.#apply(reply),
      reset: () => void this.load(),
      event: ({ name }) => name === 'ebb.hello' && this.error && void this.load(),
    })
    void this.load()
  }

  /** subscribe calls back after every change; the result ends that. */
  subscribe(changed: () => void): () => void {
    this.#changed.add(changed)
    return () => void this.#changed.delete(changed)
  }

  /** close stops following. */
  close(): void {
    this.#stop()
    this.#loading?.abort()
  }

  /** load takes a new snapshot, again until there is one. */
  async load(): Promise<void> {
    this.#loading?.abort()
    const { signal } = (this.#loading = new AbortController())
    const backoff = new Backoff()
    while (!signal.aborted) {
      try {
        await this.client.ready(signal)
        this.#heard.clear()
        const items = await this.client.list<S>(this.path, { fresh: true })
        if (!signal.aborted) this.#replace(items)
        return
      } catch (error) {
        if (signal.aborted) return
        const least = retryIn(error)
        if (least === null) return this.#fail(error)
        await pause(least + backoff.next(), signal).catch(() => {})
      }
    }
  }

  #replace(items: S[]): void {
    for (const id of this.#states.keys()) if (!this.#heard.has(id)) this.#states.delete(id)
    for (const state of items) this.#put(state)
    this.loaded = true
    this.error = undefined
    this.#tell()
  }

  #fail(error: unknown): void {
    this.error = error instanceof Error ? error : new Error(String(error))
    this.#tell()
  }

  #apply({ _outcome = 'applied', _command, ...state }: Reply): void {
    if (state._type !== typeOf(this.path) || _outcome !== 'applied') return
    if (state._error || typeof state._seq !== 'number') return
    if (state._truncated) return void this.load()
    this.#heard.add(state._id)
    if (this.#put(state as State)) this.#tell()
  }

  /** put keeps a state if it is newer and tells whether it is. */
  #put(state: State): boolean {
    const known = this.#states.get(state._id)
    if (known && known._seq >= state._seq) return false
    this.#states.set(state._id, state)
    return true
  }

  #tell(): void {
    this.items = [...this.#states.values()].filter((state) => !state._deleted) as S[]
    for (const changed of [...this.#changed]) changed()
  }
}
