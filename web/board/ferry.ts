import type { Backend } from './backend.js'
import { columns, type Task } from './task.js'
import { Store } from './store.js'
import type { Send } from './send.js'

/** Aboard is a user whose ferry may go. */
export interface Aboard {
  backend: Backend
  send: Send
}

const pause = 350 // milliseconds between two commands
const most = 24 // under way at once, for each user

/**
 * Ferries keep commands going while one breaks things: each user has a task
 * that goes from column to column, for all to see.
 */
export class Ferries extends Store {
  running = false
  #aboard = new Map<string, Aboard>()
  #under = new Map<string, number>()
  #timer?: ReturnType<typeof setInterval>
  #turn = 0

  /** board lets a user's ferry go; the result takes them off again. */
  board(aboard: Aboard): () => void {
    const { user } = aboard.backend
    this.#aboard.set(user, aboard)
    return () => void this.#aboard.delete(user)
  }

  toggle = (): void => {
    this.running = !this.running
    clearInterval(this.#timer)
    if (this.running) this.#timer = setInterval(() => this.#go(), pause)
    this.tell()
  }

  #go(): void {
    const all = [...this.#aboard.values()]
    const next = all[this.#turn++ % all.length]
    if (next) void this.#move(next, all.map(({ backend }) => backend.user))
  }

  async #move({ backend, send }: Aboard, everybody: string[]): Promise<void> {
    const { user, tasks } = backend
    const under = this.#under.get(user) ?? 0
    if (!tasks.loaded || under >= most) return
    const title = `${user}'s ferry`
    const ferry = tasks.items.find((task) => task.owner === user && task.title === title)
    const other = everybody.find((name) => name !== user && !ferry?.sharedWith?.includes(name))
    this.#under.set(user, under + 1)
    try {
      if (!ferry) await send(crypto.randomUUID(), { _command: 'create', title }, true)
      else if (other) await send(ferry._id, { _command: 'share', user: other }, true)
      else await send(ferry._id, { _command: 'move', column: after(ferry) }, true)
    } finally {
      this.#under.set(user, this.#under.get(user)! - 1)
    }
  }
}

function after({ column }: Task) {
  return columns[(columns.indexOf(column) + 1) % columns.length]!
}
