import type { ConnectionState } from '../src/index.js'
import { Store } from './store.js'

/** Streams is how the connection of each user stands. */
export class Streams extends Store {
  states: ReadonlyMap<string, ConnectionState> = new Map()

  set(user: string, state: ConnectionState | undefined): void {
    const states = new Map(this.states)
    if (state) states.set(user, state)
    else states.delete(user)
    this.states = states
    this.tell()
  }
}
