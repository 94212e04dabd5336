/**
 * React: hooks on useSyncExternalStore, safe in strict mode and on a server.
 *
 * A server renders a connection that is closed and collections that are not
 * loaded; the browser hydrates with the same, and goes on from there.
 */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import type { Client, Listener } from './client.js'
import { Collection, type ApplyOptions } from './collection.js'
import type { Sent } from './commands.js'
import type { Complaint, Reply, Stamp } from './message.js'
import type { ConnectionState } from './source.js'
import type { CommandOf, Path, ReplyOf, StateOf, TypeMap } from './types.js'

const lingering = 5_000 // milliseconds that a collection is kept when nobody shows it, so that going back reads nothing

/** useConnection is the connection's state. */
export function useConnection(client: Pick<Client, 'listen' | 'state'>): ConnectionState {
  const subscribe = useCallback((changed: () => void) => client.listen({ state: changed }), [client])
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => unopened,
  )
}

const unopened: ConnectionState = { name: 'closed', why: 'new' }

/** useListen has a component hear what a listener has functions for, as long as it is mounted. */
export function useListen(client: Pick<Client, 'listen'>, listener: Listener): void {
  const latest = useRef(listener)
  useEffect(() => {
    latest.current = listener
  })
  useEffect(
    () =>
      client.listen({
        state: (state) => latest.current.state?.(state),
        event: (event) => latest.current.event?.(event),
        reply: (reply) => latest.current.reply?.(reply),
        reset: (reset) => latest.current.reset?.(reset),
      }),
    [client],
  )
}

/** Shown is a collection as components have it. */
export interface Shown<T extends TypeMap<T>, P extends Path<T>> {
  items: readonly StateOf<T, P>[]
  /** loaded is false until there is a first snapshot. */
  loaded: boolean
  /** error is why the last snapshot was refused. */
  error?: Error
  /** send sends a command to an instance, and shows at once what apply makes of it. */
  send: (id: string, command: CommandOf<T, P>, options?: ApplyOptions<StateOf<T, P>>) => Sent<ReplyOf<T, P>>
}

/** useCollection is all of `<app>/<type>` that the user may see, kept up to date. Components share it. */
export function useCollection<T extends TypeMap<T>, P extends Path<T>>(client: Client<T>, path: P): Shown<T, P> {
  const shared = sharedOf(client, path)
  return useSyncExternalStore(
    shared.subscribe,
    () => shared.shown,
    () => shared.none,
  )
}

/** useInstance is one of them, undefined while there is none. */
export function useInstance<T extends TypeMap<T>, P extends Path<T>>(client: Client<T>, path: P, id: string): StateOf<T, P> | undefined {
  const { items } = useCollection(client, path)
  return useMemo(() => items.find((state) => (state as Stamp)._id === id.toLowerCase()), [items, id])
}

/** Sending is how it stands with what a component sent last. */
export interface Sending<S extends (...args: any[]) => Sent<unknown>> {
  send: (...args: Parameters<S>) => void
  /** busy is true until there is a reply. */
  busy: boolean
  /** errors say what is wrong with the last command; empty if nothing is. */
  errors: readonly Complaint[]
}

/**
 * useSending watches what is sent, so that a refusal can be shown where the command
 * was made: `const { send, busy, errors } = useSending(tasks.send)`.
 */
export function useSending<S extends (...args: any[]) => Sent<any>>(sender: S): Sending<S> {
  const [state, setState] = useState<{ busy: boolean; errors: readonly Complaint[] }>({ busy: false, errors: [] })
  const last = useRef('')
  const send = useCallback(
    (...args: Parameters<S>) => {
      const { corr, settled } = sender(...args)
      last.current = corr
      setState({ busy: true, errors: [] })
      const end = (errors: readonly Complaint[]) => last.current === corr && setState({ busy: false, errors })
      settled.then(
        (reply) => end(complaints(reply as Reply)),
        (error: unknown) => end([{ location: '', message: error instanceof Error ? error.message : String(error) }]),
      )
    },
    [sender],
  )
  return { send, ...state }
}

function complaints({ _error, _outcome, errors = [] }: Reply): readonly Complaint[] {
  if (!_error) return []
  return errors.length > 0 ? errors : [{ location: '', message: `the command was ${_outcome ?? 'refused'}` }]
}

/** SharedCollection is there while somebody shows it, and a little longer. */
class SharedCollection<T extends TypeMap<T>, P extends Path<T>> {
  readonly none: Shown<T, P>
  shown: Shown<T, P>
  #collection?: Collection<T, P>
  #users = new Set<() => void>()
  #ending?: ReturnType<typeof setTimeout>

  constructor(
    private readonly client: Client<T>,
    private readonly path: P,
  ) {
    const send: Shown<T, P>['send'] = (...args) => {
      const sent = this.#open().send(...args)
      this.#leave()
      return sent
    }
    this.shown = this.none = { items: [], loaded: false, send }
  }

  subscribe = (changed: () => void): (() => void) => {
    const use = () => changed()
    this.#users.add(use)
    clearTimeout(this.#ending)
    this.#open()
    return () => {
      this.#users.delete(use)
      this.#leave()
    }
  }

  /** leave closes the collection in a while, if nobody shows it. */
  #leave(): void {
    clearTimeout(this.#ending)
    if (this.#users.size === 0) this.#ending = setTimeout(() => this.#close(), lingering)
  }

  #open(): Collection<T, P> {
    if (this.#collection) return this.#collection
    const collection = (this.#collection = new Collection(this.client, this.path))
    collection.subscribe(() => {
      const { items, loaded, error } = collection
      this.shown = { ...this.none, items, loaded, error }
      for (const use of [...this.#users]) use()
    })
    return collection
  }

  #close(): void {
    this.#collection?.close()
    this.#collection = undefined
    this.shown = this.none
  }
}

const collections = new WeakMap<object, Map<string, SharedCollection<any, any>>>()

function sharedOf<T extends TypeMap<T>, P extends Path<T>>(client: Client<T>, path: P): SharedCollection<T, P> {
  let ofClient = collections.get(client)
  if (!ofClient) collections.set(client, (ofClient = new Map()))
  let shared = ofClient.get(path)
  if (!shared) ofClient.set(path, (shared = new SharedCollection(client, path)))
  return shared
}
