import { resource, typeOf, type Api } from './api.js'
import { Backoff, pause } from './backoff.js'
import type { Command, Reply } from './message.js'
import { retryIn } from './problem.js'

/** SendOptions are what a caller may want of a command. */
export interface SendOptions {
  /** signal gives up waiting; the command may have taken effect. */
  signal?: AbortSignal
  /** onAccepted is called when the command is safe and its reply is due. */
  onAccepted?: (corr: string) => void
}

interface Pending {
  path: string
  body: string
  /** over aborts what waits, with the reason if it went wrong. */
  over: AbortController
  resolve: (reply: Reply) => void
  accept: () => void
  accepted: boolean
}

/**
 * Commands are those under way, from send to the reply on the stream.
 *
 * No answer means unknown, so a command is sent again as it was: its _corr
 * makes sure that it takes effect once.
 */
export class Commands {
  #pending = new Map<string, Pending>()

  constructor(
    private readonly api: Api,
    /** ready resolves when replies can be heard. */
    private readonly ready: (signal: AbortSignal) => Promise<void>,
  ) {}

  /** send posts a command and resolves with its reply. */
  send(path: string, command: Command, options: SendOptions = {}): Promise<Reply> {
    const corr = command._corr ?? crypto.randomUUID()
    const key = keyOf(typeOf(path), path.split('/')[2] ?? '', corr)
    return new Promise((resolve, reject) => {
      if (this.#pending.has(key)) throw new Error(`ebb: ${corr} is under way`)
      const over = new AbortController()
      const pending: Pending = {
        path: resource(path, 3),
        body: JSON.stringify({ ...command, _corr: corr }),
        over,
        resolve,
        accept: () => options.onAccepted?.(corr),
        accepted: false,
      }
      const abort = () => over.abort(options.signal?.reason)
      over.signal.addEventListener('abort', () => {
        options.signal?.removeEventListener('abort', abort)
        this.#pending.delete(key)
        reject(over.signal.reason)
      })
      this.#pending.set(key, pending)
      options.signal?.addEventListener('abort', abort)
      if (options.signal?.aborted) abort()
      else void this.#post(pending)
    })
  }

  /** settle hands a reply to the command that it answers, if that is ours. */
  settle(reply: Reply): void {
    const pending = this.#pending.get(keyOf(reply._type, reply._id, reply._corr))
    if (!pending) return
    pending.resolve(reply)
    pending.over.abort()
  }

  /** resend asks again for the replies that may have been lost in a gap. */
  resend(): void {
    for (const pending of this.#pending.values()) if (pending.accepted) void this.#post(pending)
  }

  /** close gives up on what is under way. */
  close(): void {
    for (const { over } of this.#pending.values()) over.abort(new Error('ebb: the client is closed'))
  }

  async #post(pending: Pending): Promise<void> {
    const { path, body, over } = pending
    const backoff = new Backoff()
    while (!over.signal.aborted) {
      try {
        await this.ready(over.signal)
        await this.api.request('POST', path, { body }) // not cut off by its own reply
        if (over.signal.aborted || pending.accepted) return
        pending.accepted = true
        return pending.accept()
      } catch (error) {
        const least = retryIn(error)
        if (least === null) return over.abort(error)
        await pause(least + backoff.next(), over.signal).catch(() => {})
      }
    }
  }
}

/** keyOf is one for a command and its reply, which has ids in lower case. */
function keyOf(type: string, id: string, corr: string): string {
  return JSON.stringify([type, id.toLowerCase(), corr.toLowerCase()])
}
