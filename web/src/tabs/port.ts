import { Unauthenticated } from '../api.js'
import type { StreamEvent } from '../message.js'
import { ProblemError } from '../problem.js'
import type { ConnectionState } from '../source.js'

/** Port is one end between a tab and a hub: a MessagePort, or a BroadcastChannel of their own. */
export interface Port {
  postMessage(message: unknown): void
  onmessage: ((event: MessageEvent) => void) | null
  close(): void
}

/** Errand is what a hub has a tab do, since tabs alone have tokens. */
export type Errand =
  | { what: 'ticket'; cursor: string }
  | { what: 'renew'; id: string }
  | { what: 'logOut'; id?: string }

/** FromHub is what a hub tells a tab. */
export type FromHub =
  /** welcome says that the hub listens, and which lock it holds while it lives. */
  | { is: 'welcome'; hub: string }
  | { is: 'state'; state: ConnectionState }
  | { is: 'event'; event: StreamEvent }
  | { is: 'errand'; n: number; errand: Errand }
  | { is: 'loggedOut'; n: number; error?: Told }
  | { is: 'pong' }

/** ToHub is what a tab tells a hub. */
export type ToHub =
  | Join
  | { is: 'wake' }
  | { is: 'done'; n: number; url?: string; error?: Told }
  | { is: 'logOut'; n: number; everywhere: boolean }
  | { is: 'ping' }
  | { is: 'leave' }

/** Join says how far a tab has come, and that it wants to hear what comes after. */
export interface Join {
  is: 'join'
  cursor: string
  names: readonly string[]
  /** renews tells whether it can have a fresh token. */
  renews: boolean
  /** greeted tells whether it was attached before, maybe by another hub. */
  greeted: boolean
}

/** Numbered is a hub's message with its place in the order, so that a missing one shows. */
export type Numbered = FromHub & { i: number }

/** Told is an error as it goes through a port. */
export interface Told {
  name: string
  message: string
  problem?: [status: number, type: string, title: string, detail: string, retryAfter: number]
}

/** told writes an error down. */
export function told(error: unknown): Told {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message } = error
  if (!(error instanceof ProblemError)) return { name, message }
  return { name, message, problem: [error.status, error.type, error.title, error.detail, error.retryAfter] }
}

/** asError makes of it what it was. */
export function asError({ name, message, problem }: Told): Error {
  if (problem) return new ProblemError(...problem)
  if (name === 'Unauthenticated') return new Unauthenticated(message)
  if (name === 'TypeError') return new TypeError(message) // what fetch throws when there is no answer
  return new Error(message)
}
