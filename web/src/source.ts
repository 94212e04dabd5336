import type { Api } from './api.js'
import type { StreamEvent } from './message.js'
import type { Position } from './position.js'

/** ConnectionState says how it stands with the connection, for a page to show. */
export type ConnectionState =
  | { readonly name: 'connecting' }
  /** open: what happens arrives. */
  | { readonly name: 'open' }
  /** retrying at a moment, in milliseconds since 1970; attempt is how many have failed. */
  | { readonly name: 'retrying'; readonly at: number; readonly attempt: number }
  /** stale: nothing was heard since, not even a heartbeat. */
  | { readonly name: 'stale'; readonly since: number }
  | { readonly name: 'closed'; readonly why: Why }

/** Why a connection is closed. Only a replaced one comes back by itself. */
export type Why =
  | 'new' // open was not called yet
  | 'asked' // by close
  | 'replaced' // others have taken over, until this page is wanted again
  | 'unauthenticated' // until the user has logged in, and open is called
  | 'revoked' // the session was ended elsewhere; likewise
  | 'loggedOut' // likewise

/** isClosed tells whether a connection is closed for one of these reasons. */
export function isClosed(state: ConnectionState, ...whys: Why[]): boolean {
  return state.name === 'closed' && whys.includes(state.why)
}

/** SourceHandler hears what a source has to say. */
export interface SourceHandler {
  state(state: ConnectionState): void
  /** event gets what is new, each event once and in order. */
  event(event: StreamEvent): void
  /** log, if there is one, is told what else happens. */
  log?: Log
}

/** Log takes what happens, for people who look for a fault: no token, ticket or proof. */
export type Log = (what: string, facts: Record<string, unknown>) => void

/**
 * Source is where a client's events come from: a stream of its own, or one that
 * it shares with other tabs.
 */
export interface Source {
  readonly state: ConnectionState
  /** open connects now, unless it is open or about to be. */
  open(): void
  /** close ends it until open is called. */
  close(): void
  /** logOut ends its session or, everywhere, all of the user's; then it is closed. */
  logOut(everywhere: boolean): Promise<void>
}

/** OpenSource makes a source, closed until it is opened. It moves the position on. */
export type OpenSource = (api: Api, position: Position, names: readonly string[], handler: SourceHandler) => Source
