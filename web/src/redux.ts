/**
 * Redux: a middleware that dispatches what comes back and sends what is asked
 * for, and a reducer that keeps it.
 *
 * Nothing of Redux is needed here: it works with Redux, Redux Toolkit and
 * whatever else has middleware of that form. All actions can be serialized.
 */
import type { Client } from './client.js'
import type { Command, Complaint, Reply, Reset, Stamp } from './message.js'
import type { ConnectionState } from './source.js'

/** EbbState is what the reducer keeps; put it into the store under a name of your choice. */
export interface EbbState {
  connection: ConnectionState
  /** collections are the instances followed, by `<app>/<type>`. */
  collections: Readonly<Record<string, Followed>>
  /** commands are those that have not been applied, by _corr. */
  commands: Readonly<Record<string, SentCommand>>
}

/** Followed is a collection as the store has it. */
export interface Followed<S extends Stamp = Stamp> {
  items: readonly S[]
  loaded: boolean
  /** error is why the last snapshot was refused, '' if it was not. */
  error: string
}

/** SentCommand is a command under way, or one that came to nothing. */
export interface SentCommand {
  path: string
  command: Command
  /** status is `refused` where a reply said no, `failed` where there can be none. */
  status: 'sent' | 'accepted' | 'refused' | 'failed'
  error: string
  errors: readonly Complaint[]
}

/** EbbAction is what the middleware dispatches and takes. */
export type EbbAction =
  | { type: 'ebb/connection'; payload: ConnectionState }
  | { type: 'ebb/collection'; payload: Followed & { path: string } }
  | { type: 'ebb/reply'; payload: Reply }
  | { type: 'ebb/reset'; payload: Reset }
  | { type: 'ebb/send'; payload: { path: string; command: Command & { _corr: string } } }
  | { type: 'ebb/accepted'; payload: { corr: string } }
  | { type: 'ebb/settled'; payload: { corr: string; reply: Reply } }
  | { type: 'ebb/failed'; payload: { corr: string; error: string } }
  | { type: 'ebb/forget'; payload: { corr: string } }

/** send asks for a command; the reducer has it under its _corr until it is applied. */
export function send(path: string, command: Command): EbbAction & { type: 'ebb/send' } {
  return { type: 'ebb/send', payload: { path, command: { ...command, _corr: command._corr ?? crypto.randomUUID() } } }
}

/** forget drops a command that was refused or failed, once the user has seen it. */
export function forget(corr: string): EbbAction {
  return { type: 'ebb/forget', payload: { corr } }
}

const initial: EbbState = { connection: { name: 'closed', why: 'new' }, collections: {}, commands: {} }

/** reducer keeps connection, collections and commands. */
export function reducer(state: EbbState = initial, unknown: { type: string }): EbbState {
  const action = unknown as EbbAction
  switch (action.type) {
    case 'ebb/connection':
      return { ...state, connection: action.payload }
    case 'ebb/collection': {
      const { path, ...followed } = action.payload
      return { ...state, collections: { ...state.collections, [path]: followed } }
    }
    case 'ebb/send': {
      const { path, command } = action.payload
      const sent: SentCommand = { path, command, status: 'sent', error: '', errors: [] }
      return { ...state, commands: { ...state.commands, [command._corr]: sent } }
    }
    case 'ebb/accepted':
      return change(state, action.payload.corr, { status: 'accepted' })
    case 'ebb/settled': {
      const { corr, reply } = action.payload
      if (!reply._error) return without(state, corr)
      const error = reply._outcome ?? 'refused'
      return change(state, corr, { status: 'refused', error, errors: reply.errors ?? [] })
    }
    case 'ebb/failed':
      return change(state, action.payload.corr, { status: 'failed', error: action.payload.error })
    case 'ebb/forget':
      return without(state, action.payload.corr)
    default:
      return state
  }
}

/** followed is a collection as the store has it, with its types. */
export function followed<S extends Stamp>(state: EbbState, { path }: { readonly path: string; readonly items: readonly S[] }): Followed<S> {
  return (state.collections[path] ?? none) as Followed<S>
}

const none: Followed<never> = { items: [], loaded: false, error: '' }

function change(state: EbbState, corr: string, news: Partial<SentCommand>): EbbState {
  const known = state.commands[corr]
  return known ? { ...state, commands: { ...state.commands, [corr]: { ...known, ...news } } } : state
}

function without(state: EbbState, corr: string): EbbState {
  const { [corr]: _, ...commands } = state.commands
  return { ...state, commands }
}

/** Middleware is Redux's, as far as it is needed. */
export type Middleware = (store: {
  dispatch: (action: any) => unknown // eslint-disable-line -- every store has another type for it
}) => (next: (action: unknown) => unknown) => (action: unknown) => unknown

/** Follows is a Collection, of whatever types. */
export interface Follows {
  readonly path: string
  readonly items: readonly Stamp[]
  readonly loaded: boolean
  readonly error?: Error
  subscribe(changed: () => void): () => void
}

/**
 * middleware connects a store and a client, and puts collections into the store
 * after every change. Dispatching `send(...)` returns the command's handle.
 */
export function middleware(client: Pick<Client<any>, 'listen' | 'state' | 'send'>, ...collections: readonly Follows[]): Middleware {
  return ({ dispatch: raw }) => {
    const dispatch = (action: EbbAction) => raw(action)
    queueMicrotask(() => {
      // A middleware must not dispatch while its store is being made.
      client.listen({
        state: (payload) => dispatch({ type: 'ebb/connection', payload }),
        reply: (payload) => dispatch({ type: 'ebb/reply', payload }),
        reset: (payload) => dispatch({ type: 'ebb/reset', payload }),
      })
      dispatch({ type: 'ebb/connection', payload: client.state })
      for (const collection of collections) {
        const tell = () => {
          const { path, items, loaded, error } = collection
          dispatch({ type: 'ebb/collection', payload: { path, items, loaded, error: error?.message ?? '' } })
        }
        collection.subscribe(tell)
        tell()
      }
    })
    return (next) => (action) => {
      const asked = action as EbbAction
      if (asked?.type !== 'ebb/send') return next(action)
      next(action)
      const { path, command } = asked.payload
      const corr = command._corr
      const sent = client.send(path, command)
      const failed = (error: unknown) => dispatch({ type: 'ebb/failed', payload: { corr, error: message(error) } })
      sent.accepted.then(() => dispatch({ type: 'ebb/accepted', payload: { corr } }), () => {}) // settled says why
      sent.settled.then((reply) => dispatch({ type: 'ebb/settled', payload: { corr, reply } }), failed)
      return sent
    }
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
