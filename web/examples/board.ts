import { Client } from '@ebb-events/client'
import { tabs } from '@ebb-events/client/tabs'

export interface Task {
  title: string
  column: 'todo' | 'doing' | 'done'
}

/** Types is all that this page knows of the back end: each state, and its commands. */
export interface Types {
  'board/task': {
    state: Task
    commands: {
      create: { title: string }
      move: { column: Task['column'] }
      delete: object
    }
  }
}

const user = new URLSearchParams(location.search).get('user') ?? 'ann'

export const client = new Client<Types>({
  api: '/api', // with cookies; or else give it a token: () => accessToken()
  source: tabs({ user }), // one stream for all tabs of this user
  persist: { storage: sessionStorage, user }, // a reload goes on where it was
  onUnauthenticated: () => location.assign('/login'),
})
