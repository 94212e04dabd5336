import type { Command, Reply, Stamp, State } from './message.js'

/**
 * TypeMap, an interface of one's own, says what a client knows: each `<app>/<type>`, its
 * state, and its commands with their fields.
 *
 *     interface Types {
 *       'board/task': { state: Task; commands: { create: { title: string }; delete: {} } }
 *     }
 */
export type TypeMap<T> = { [P in keyof T]: { state: object; commands: object } }

/** Untyped is the map of a client that was not told one: anything goes. */
export interface Untyped {
  [path: string]: { state: State; commands: Record<string, Record<string, unknown>> }
}

/** Path is `<app>/<type>`. */
export type Path<T> = keyof T & string

/** Instance is `<app>/<type>/<id>`. */
export type Instance<T> = string extends keyof T ? string : `${Path<T>}/${string}`

/** PathOf is the `<app>/<type>` of an instance. */
export type PathOf<T, I> = string extends keyof T ? Path<T> : { [P in Path<T>]: I extends `${P}/${string}` ? P : never }[Path<T>]

/** StateOf is what an instance of a path is. */
export type StateOf<T, P> = string extends keyof T ? State : P extends keyof T ? (T[P] extends { state: infer S } ? Stamp & S : never) : never

/** CommandOf is any of the commands of a path. */
export type CommandOf<T, P> = string extends keyof T ? Command : P extends keyof T ? (T[P] extends { commands: infer C } ? Named<C> : never) : never

/** ReplyOf is the answer to a command of a path. */
export type ReplyOf<T, P> = string extends keyof T ? Reply : Reply & Partial<StateOf<T, P>>

type Named<C> = { [N in keyof C & string]: { _command: N; _corr?: string; _seq?: number } & C[N] }[keyof C & string]
