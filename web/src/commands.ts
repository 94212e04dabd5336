import { resource, typeOf, type Api } from './api.js'
import { onAbort } from './backoff.js'
import type { Command, Reply } from './message.js'
import { retry } from './problem.js'

/** SendOptions are what a caller may want of a command. */
export interface SendOptions {
  /** signal gives up waiting; the command may have taken effect. */
  signal?: AbortSignal
  /** timeout is after how many milliseconds to give up; never if left out. */
  timeout?: number
  /** onAccepted is called when the command is safe and its reply is due. */
  onAccepted?: (corr: string) => void
}

/** Sent is a command on its way. Nobody has to wait for its promises. */
export interface Sent<R = Reply> {
  /** corr names it, and is in its reply. */
  readonly corr: string
  /** accepted resolves when the command is safe, by its 202 or its reply. */
  readonly accepted: Promise<void>
  /** settled resolves with the reply, which may say no: see _error. It rejects where there can be none. */
  readonly settled: Promise<R>
}

interface Pending {
  path: string
  body: string
  /** over aborts what waits, with the reason if it went wrong. */
  over: AbortController
  accepted: Later<void>
  settled: Later<Reply>
  /** safe tells that there was a 202, and the reply is due. */
  safe: boolean
  onAccepted(): void
}

const patience = 30_000 // milliseconds for an answer to a POST

/**
 * Commands are those under way, from send to the reply on the stream.
 *
 * No answer means unknown, so a command is sent again as it was: its _corr
 * makes sure that it takes effect once. Those of an instance go one after the
 * other, each when the one before is safe.
 */
export class Commands {
  #pending = new Map<string, Pending>()
  #lines = new Map<string, Promise<unknown>>() // the last of each instance
  #woken = new AbortController()

  constructor(
    private readonly api: Api,
    /** ready resolves when replies can be heard. */
    private readonly ready: (signal: AbortSignal) => Promise<void>,
  ) {}

  /** send posts a command, after those before it. It throws where there is nothing to send. */
  send(path: string, command: Command, { signal, timeout, onAccepted }: SendOptions = {}): Sent {
    const corr = command._corr ?? crypto.randomUUID()
    const key = keyOf(typeOf(path), path.split('/')[2]!, corr)
    const over = new AbortController()
    const pending: Pending = {
      path: resource(path, 3),
      body: JSON.stringify({ ...command, _corr: corr }),
      over,
      accepted: later(),
      settled: later(),
      safe: false,
      onAccepted: () => onAccepted?.(corr),
    }
    const { accepted, settled } = pending
    if (this.#pending.has(key)) throw new Error(`ebb: ${corr} is under way`)
    this.#pending.set(key, pending)

    over.signal.addEventListener('abort', () => {
      this.#pending.delete(key)
      accepted.reject(over.signal.reason)
      settled.reject(over.signal.reason)
    })
    for (const end of [signal, timeout ? AbortSignal.timeout(timeout) : undefined]) {
      onAbort(end, () => over.abort(end!.reason), over)
    }
    this.#queue(pending)
    return { corr, accepted: accepted.promise, settled: settled.promise }
  }

  /** settle hands a reply to the command that it answers, if that is ours. */
  settle(reply: Reply): void {
    const pending = this.#pending.get(keyOf(reply._type, reply._id, reply._corr))
    pending?.accepted.resolve()
    pending?.settled.resolve(reply)
    pending?.over.abort()
  }

  /** resend asks again for the replies that may have been lost in a gap. */
  resend(): void {
    for (const pending of this.#pending.values()) if (pending.safe) void this.#post(pending)
  }

  /** wake tries again now: the way is free. */
  wake(): void {
    this.#woken.abort()
    this.#woken = new AbortController()
  }

  /** close gives up on what is under way. */
  close(): void {
    for (const { over } of this.#pending.values()) over.abort(new Error('ebb: the client is closed'))
  }

  /** queue posts a command when the one before it, of the same instance, is safe or refused. */
  #queue(pending: Pending): void {
    const key = pending.path.toLowerCase()
    const before = this.#lines.get(key) ?? Promise.resolve()
    const line = before.then(() => {
      const posted = this.#post(pending)
      return pending.accepted.promise.catch(() => posted) // a request of one that was given up may still arrive
    })
    this.#lines.set(key, line)
    void line.then(() => this.#lines.get(key) === line && this.#lines.delete(key))
  }

  async #post(pending: Pending): Promise<void> {
    const { path, body, over } = pending
    const { signal } = over
    await retry(
      signal,
      async () => {
        await this.ready(signal)
        await this.api.request('POST', path, { body, signal: AbortSignal.timeout(patience) }) // not cut off by its own reply
        if (signal.aborted || pending.safe) return
        pending.safe = true
        pending.accepted.resolve()
        pending.onAccepted()
      },
      () => this.#woken.signal,
    ).catch((error) => over.abort(error))
  }
}

/** Later is a promise that is settled elsewhere, and that nobody has to wait for. */
interface Later<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

function later<T>(): Later<T> {
  const it = {} as Later<T>
  it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }))
  it.promise.catch(() => {})
  return it
}

/** keyOf is one for a command and its reply, which has ids in lower case. */
function keyOf(type: string, id: string, corr: string): string {
  return `${type}/${id}/${corr}`.toLowerCase()
}
