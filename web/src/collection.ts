import { typeOf } from './api.js'
import type { Client } from './client.js'
import type { SendOptions, Sent } from './commands.js'
import type { Reply, State } from './message.js'
import { retry } from './problem.js'
import type { CommandOf, Path, ReplyOf, StateOf, TypeMap, Untyped } from './types.js'

/** Layer is a command that is not settled, and what it shows over the real state. */
interface Layer {
  corr: string
  apply?: (state: State | undefined) => object | undefined
}

/** ApplyOptions are those of sending, and what to show meanwhile. */
export interface ApplyOptions<S> extends SendOptions {
  /** apply returns what the command will make of a state; undefined is none, as before a create or after a delete. */
  apply?: (state: S | undefined) => Partial<S> | undefined
}

/**
 * Collection mirrors all instances of a type that the user may see.
 *
 * It takes a snapshot once the stream is attached and after every reset, and
 * applies replies by _seq, so it does not matter which of the two is sooner.
 */
export class Collection<T extends TypeMap<T> = Untyped, P extends Path<T> = Path<T>> {
  /** items are the instances, none deleted; another array after a change. */
  items: readonly StateOf<T, P>[] = []
  /** loaded tells whether a snapshot has been taken. */
  loaded = false
  /** error is why the last snapshot was refused, if it was. */
  error?: Error

  #states = new Map<string, State>() // the deleted too, or a late snapshot would bring them back
  #layers = new Map<string, Layer[]>() // the first sent first
  #shown = new Map<string, State>()
  #heard = new Set<string>() // since the snapshot was asked for
  #changed = new Set<() => void>()
  #loading?: AbortController
  #failed = false // the last try of a snapshot
  #stop: () => void

  constructor(
    private readonly client: Client<T>,
    /** path is `<app>/<type>`. */
    readonly path: P,
  ) {
    this.#stop = client.listen({
      reply: (reply) => this.#apply(reply),
      reset: () => void this.load(),
      event: ({ name }) => name === 'ebb.hello' && this.#failed && void this.load(),
    })
    void this.load()
  }

  /** subscribe calls back after every change; the result ends that. */
  subscribe(changed: () => void): () => void {
    this.#changed.add(changed)
    return () => void this.#changed.delete(changed)
  }

  /**
   * send sends a command to an instance. What apply makes of it is shown at once,
   * over every state that comes, until the command is settled.
   */
  send(id: string, command: CommandOf<T, P>, { apply, ...options }: ApplyOptions<StateOf<T, P>> = {}): Sent<ReplyOf<T, P>> {
    const key = id.toLowerCase()
    const layer = { corr: '', apply } as Layer
    layer.apply?.(this.#shown.get(key)) // throws here, if it does
    const sent = this.client.send(`${this.path}/${id}` as never, command as never, options)
    layer.corr = sent.corr.toLowerCase()
    this.#layers.set(key, [...(this.#layers.get(key) ?? []), layer])
    this.#show(key)
    this.#tell()
    const drop = () => this.#drop(key, layer.corr) && this.#tell()
    sent.settled.then(drop, drop)
    return sent as Sent<ReplyOf<T, P>>
  }

  /** pending tells whether a command to an instance, sent from here, is not settled. */
  pending(id: string): boolean {
    return this.#layers.has(id.toLowerCase())
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
    await retry(signal, async () => {
      await this.client.ready(signal)
      this.#heard.clear()
      this.#failed = false
      const items = await this.client.list(this.path, { fresh: true }).catch((error) => {
        this.#failed = true
        throw error
      })
      if (!signal.aborted) this.#replace(items as State[])
    }).catch((error: Error) => {
      if (signal.aborted) return
      this.error = error
      this.#tell()
    })
  }

  #replace(items: State[]): void {
    for (const id of this.#states.keys()) if (!this.#heard.has(id)) this.#states.delete(id)
    for (const state of items) this.#put(state)
    for (const id of [...this.#shown.keys(), ...this.#states.keys()]) this.#show(id)
    this.loaded = true
    this.error = undefined
    this.#tell()
  }

  #apply({ _outcome = 'applied', _command, ...state }: Reply): void {
    const { _type, _id, _corr, _seq } = state
    if (_type !== typeOf(this.path)) return
    let changed = this.#drop(_id, _corr.toLowerCase()) // its own state, or none, takes its place
    if (_outcome === 'applied' && !state._error && typeof _seq === 'number') {
      if (state._truncated) void this.load()
      else {
        this.#heard.add(_id)
        if (this.#put(state as State)) changed = true
      }
    }
    if (!changed) return
    this.#show(_id)
    this.#tell()
  }

  /** put keeps a state if it is newer and tells whether it is. */
  #put(state: State): boolean {
    const known = this.#states.get(state._id)
    if (known && known._seq >= state._seq) return false
    this.#states.set(state._id, state)
    return true
  }

  /** drop takes away what a command showed, and tells whether it did. */
  #drop(id: string, corr: string): boolean {
    const layers = this.#layers.get(id) ?? []
    const left = layers.filter((layer) => layer.corr !== corr)
    if (left.length > 0) this.#layers.set(id, left)
    else this.#layers.delete(id)
    if (left.length === layers.length) return false
    this.#show(id)
    return true
  }

  /** show makes anew what is seen of an instance: its state, and what is applied to it in order. */
  #show(id: string): void {
    const real = this.#states.get(id)
    let state = real?._deleted ? undefined : real
    for (const { apply } of this.#layers.get(id) ?? []) {
      try {
        const next = apply ? apply(state) : state
        state = next && ({ ...next, _id: id, _type: typeOf(this.path), _seq: real?._seq ?? -1 } as State)
      } catch {
        // It was made for another state than that which came meanwhile.
      }
    }
    if (state) this.#shown.set(id, state)
    else this.#shown.delete(id)
  }

  #tell(): void {
    this.items = [...this.#shown.values()] as StateOf<T, P>[]
    for (const changed of [...this.#changed]) changed()
  }
}
