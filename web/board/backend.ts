import { Client, Collection, type State } from '../src/index.js'
import { Feed } from './feed.js'
import type { Session } from './session.js'

/** Task is a card's state. */
export interface Task extends State {
  title: string
  column: Column
  owner: string
  assignee?: string
  sharedWith?: string[]
}

/** Types says what the client knows. */
export interface Types {
  'board/task': { state: Task; commands: Record<string, Record<string, unknown>> }
}

/** Column is where a task stands. */
export type Column = 'todo' | 'doing' | 'done'

export const columns: readonly Column[] = ['todo', 'doing', 'done']

/** type is the path of all tasks. */
export const type = 'board/task' as const

/** Backend is one user's view of it: what they send, have, and hear. */
export interface Backend {
  client: Client<Types>
  tasks: Collection<Types, typeof type>
  feed: Feed
  /** cut ends this user's streams at the edge, as a bad network would. */
  cut(): Promise<void>
}

/** connect prepares a user's backend; open its client to start. */
export function connect({ token }: Session, onUnauthenticated: () => void): Backend {
  const base = document.querySelector<HTMLMetaElement>('meta[name=ebb-api]')?.content ?? ''
  const client = new Client<Types>({
    api: new URL(base, document.baseURI).href,
    token: () => token,
    onUnauthenticated,
  })
  return {
    client,
    tasks: new Collection(client, type),
    feed: new Feed(client),
    async cut() {
      await fetch('/dev/cut', { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    },
  }
}
