/** Stamp is the fields that every state has. */
export interface Stamp {
  _id: string
  /** _type is `<app>-<type>`. */
  _type: string
  /** _seq is the number of the instance's last event. */
  _seq: number
  _deleted?: boolean
}

/** State is what is known of an instance. */
export interface State extends Stamp {
  [field: string]: unknown
}

/** Outcome says how a command went. */
export type Outcome =
  | 'applied'
  | 'unchanged'
  | 'duplicate'
  | 'rejected'
  | 'stale'
  | 'unknown'
  | 'forbidden'
  | 'failed'

/** Complaint says what is wrong with one place of a command. */
export interface Complaint {
  /** location is a JSON pointer into the command. */
  location: string
  code?: string
  message?: string
}

/** Reply is a command's answer: the new state, or with _error what is wrong. */
export interface Reply {
  _id: string
  _type: string
  _corr: string
  _command?: string
  _seq?: number
  _outcome?: Outcome
  _error?: boolean
  _statusCode?: number
  _deleted?: boolean
  /** _truncated says that the state is too large for the stream: get it. */
  _truncated?: boolean
  errors?: Complaint[]
  [field: string]: unknown
}

/** Command asks an instance for something; _corr is set where it is left out. */
export interface Command {
  _command: string
  _corr?: string
  /** _seq, if given, must be the instance's, or the command is stale. */
  _seq?: number
  [field: string]: unknown
}

/** StreamEvent is an event of the stream, an application's or Ebb's own. */
export interface StreamEvent {
  /** name is `message`, one the application gave, or begins with `ebb.`. */
  name: string
  data: string
  /** id is its cursor, without a proof; '' if it has none of its own. */
  id: string
}

/** Reset tells of a gap: the application must read its state again. */
export interface Reset {
  reason?: string
  from?: number
  to?: number
}

/** parseReply reads an event's data, or returns null if it is no reply. */
export function parseReply(data: string): Reply | null {
  const message = parseObject(data)
  const named = ['_id', '_type', '_corr'].every((field) => typeof message[field] === 'string')
  return named ? (message as Reply) : null
}

/** parseObject reads JSON as an object; whatever is none has no fields. */
export function parseObject(data: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(data)) as Record<string, unknown>
  } catch {
    return {} // Ebb's own events may come without data
  }
}
