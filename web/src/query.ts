/**
 * TanStack Query: options for its queries, kept up to date by the stream.
 *
 * Nothing of TanStack is needed here: it works with the QueryClient of React,
 * Vue, Solid, Svelte and Angular, version 5.
 */
import { resource, typeOf } from './api.js'
import type { Client } from './client.js'
import type { Reply, State } from './message.js'
import type { CommandOf, Instance, Path, PathOf, ReplyOf, StateOf, TypeMap, Untyped } from './types.js'

/** QueryCache is TanStack's QueryClient, as far as it is needed. */
export interface QueryCache {
  setQueryData(queryKey: QueryKey, updater: (old: any) => any): unknown
  invalidateQueries(filters: { queryKey: QueryKey; exact?: boolean }): Promise<unknown>
}

/** QueryKey is `[<prefix>, '<app>-<type>']` for a list, and one longer for an instance. */
export type QueryKey = readonly [string, ...string[]]

/** QueryOptions are for useQuery and its like. */
export interface QueryOptions<T> {
  queryKey: QueryKey
  queryFn: (context: { signal: AbortSignal }) => Promise<T>
  staleTime: number
}

/** Refused is what a mutation throws when the reply says no. */
export class Refused extends Error {
  override name = 'Refused'

  constructor(readonly reply: Reply) {
    super(reply.errors?.map(({ message, code }) => message || code).join(', ') || `the command was ${reply._outcome ?? 'refused'}`)
  }
}

type States = Map<string, State>

/**
 * Queries reads once and has the stream do the rest: replies change the cache,
 * a gap has everything read again.
 *
 * What comes while a list is being read is newer than that list, by _seq, and
 * is laid over it.
 */
export class Queries<T extends TypeMap<T> = Untyped> {
  #reading = new Set<States>() // what was heard since, for each read under way
  #stop: () => void

  constructor(
    private readonly client: Client<T>,
    private readonly cache: QueryCache,
    /** prefix begins all keys; two clients of one page need different ones. */
    private readonly prefix = 'ebb',
  ) {
    this.#stop = client.listen({
      reply: (reply) => this.#hear(reply),
      reset: () => void this.cache.invalidateQueries({ queryKey: [this.prefix] }),
    })
  }

  /** close stops following. */
  close(): void {
    this.#stop()
  }

  /** list is all of `<app>/<type>` that the user may see. */
  list<P extends Path<T>>(path: P): QueryOptions<readonly StateOf<T, P>[]> {
    resource(path, 2) // throws where it is none
    const type = typeOf(path)
    return this.#options([this.prefix, type], async (heard) => {
      const read = (await this.client.list(path, { fresh: true })) as State[]
      const states: States = new Map(read.map((state) => [state._id, state]))
      for (const state of heard().values()) if (state._type === type) put(states, state)
      return [...states.values()].filter((state) => !state._deleted) as StateOf<T, P>[]
    })
  }

  /** get is the instance at `<app>/<type>/<id>`. */
  get<I extends Instance<T>>(path: I): QueryOptions<StateOf<T, PathOf<T, I>>> {
    resource(path, 3)
    const id = idOf(path)
    return this.#options([this.prefix, typeOf(path), id], async (heard) => {
      const state = await this.client.get(path, { fresh: true })
      const newer = heard().get(keyOf(typeOf(path), id))
      return newer && !newer._deleted && newer._seq > (state as State)._seq ? (newer as typeof state) : state
    })
  }

  /** command is for useMutation: it sends to `<app>/<type>/<id>` and throws Refused where the reply says no. */
  command<I extends Instance<T>>(path: I): { mutationFn: (command: CommandOf<T, PathOf<T, I>>) => Promise<ReplyOf<T, PathOf<T, I>>> } {
    return {
      mutationFn: async (command) => {
        const reply = await this.client.send(path, command).settled
        if ((reply as Reply)._error) throw new Refused(reply as Reply)
        return reply
      },
    }
  }

  #options<T>(queryKey: QueryKey, read: (heard: () => States) => Promise<T>): QueryOptions<T> {
    const queryFn = async ({ signal }: { signal: AbortSignal }) => {
      await this.client.ready(signal)
      const heard: States = new Map()
      this.#reading.add(heard)
      try {
        return await read(() => heard)
      } finally {
        this.#reading.delete(heard)
      }
    }
    return { queryKey, queryFn, staleTime: Infinity } // the stream says when it is not
  }

  #hear({ _outcome = 'applied', _command, ...reply }: Reply): void {
    if (_outcome !== 'applied' || reply._error || typeof reply._seq !== 'number') return
    const state = reply as State
    const list: QueryKey = [this.prefix, state._type]
    const one: QueryKey = [...list, state._id.toLowerCase()]
    if (reply._truncated) return void this.cache.invalidateQueries({ queryKey: list })
    for (const heard of this.#reading) put(heard, state, keyOf(state._type, state._id))
    this.cache.setQueryData(list, (old: readonly State[] | undefined) => old && merged(old, state))
    this.cache.setQueryData(one, (old: State | undefined) => old && (newer(state, old) && !state._deleted ? state : old))
    if (state._deleted) void this.cache.invalidateQueries({ queryKey: one, exact: true }) // and find out that it is gone
  }
}

function newer(state: State, known: State | undefined): boolean {
  return !known || state._seq > known._seq
}

function put(states: States, state: State, key = state._id): void {
  if (newer(state, states.get(key))) states.set(key, state)
}

function merged(old: readonly State[], state: State): readonly State[] {
  const at = old.findIndex(({ _id }) => _id === state._id)
  if (at < 0) return state._deleted ? old : [...old, state]
  if (!newer(state, old[at])) return old
  return state._deleted ? old.filter((_, i) => i !== at) : old.with(at, state)
}

function idOf(path: string): string {
  return path.split('/')[2]!.toLowerCase()
}

function keyOf(type: string, id: string): string {
  return `${type} ${id.toLowerCase()}`
}
