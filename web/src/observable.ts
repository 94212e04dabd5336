/**
 * Observables that RxJS and others take: `from(replies(client)).pipe(...)`.
 *
 * They carry `Symbol.observable`, so nothing of RxJS is needed here.
 */
import type { Client } from './client.js'
import type { Reply, StreamEvent } from './message.js'
import type { ConnectionState } from './source.js'

declare global {
  interface SymbolConstructor {
    readonly observable: symbol
  }
}

/** Observer takes values; none of ours end or fail by themselves. */
export interface Observer<T> {
  next?: (value: T) => void
}

/** Subscription ends with unsubscribe. */
export interface Subscription {
  unsubscribe(): void
}

/** Observable tells each subscriber what comes from then on. */
export interface Observable<T> {
  subscribe(observer: Observer<T> | ((value: T) => void)): Subscription
  [Symbol.observable](): Observable<T>
}

/** Heard is a client, of whatever types. */
export type Heard = Pick<Client, 'listen' | 'state'>

/** events are all that is new on the stream, or those of one name. */
export function events(client: Heard, name?: string): Observable<StreamEvent> {
  return observable((next) => client.listen({ event: (event) => (name ?? event.name) === event.name && next(event) }))
}

/** replies are the answers to commands, of this page and of others. */
export function replies(client: Heard): Observable<Reply> {
  return observable((next) => client.listen({ reply: next }))
}

/** connection is the connection's state, first as it is. */
export function connection(client: Heard): Observable<ConnectionState> {
  return observable((next) => {
    const stop = client.listen({ state: next })
    next(client.state)
    return stop
  })
}

/** items are the instances of a collection, first as they are. */
export function items<S>(collection: { readonly items: readonly S[]; subscribe(changed: () => void): () => void }): Observable<readonly S[]> {
  return observable((next) => {
    const stop = collection.subscribe(() => next(collection.items))
    next(collection.items)
    return stop
  })
}

function observable<T>(start: (next: (value: T) => void) => () => void): Observable<T> {
  const self = {
    subscribe(observer: Observer<T> | ((value: T) => void)): Subscription {
      let over = false // a first value may end it, as take(1) does
      let stop: (() => void) | undefined
      const next = typeof observer === 'function' ? observer : observer.next?.bind(observer)
      const unsubscribe = () => {
        over = true
        stop?.()
      }
      stop = start((value) => over || next?.(value))
      if (over) stop()
      return { unsubscribe }
    },
    '@@observable': () => self, // where nobody has made the symbol, and for those who looked before somebody did
  }
  if (Symbol.observable) Object.assign(self, { [Symbol.observable]: () => self })
  return self as unknown as Observable<T>
}
