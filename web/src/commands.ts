import { resource, typeOf, type Api } from './api.js'
import { Backoff, pause } from './backoff.js'
import type { Command, Reply } from './message.js'
import { retryIn } from './problem.js'
import { onWake } from './wake.js'

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
  resolve: (reply: Reply) => void
  accept: () => void
  /** safe calls back when it is accepted, by whatever. */
  safe: (then: () => void) => void
  accepted: boolean
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
  #lines = new Map<string, Promise<void>>() // the last of each instance
  #rests = new Set<() => void>()

  constructor(
    private readonly api: Api,
    /** ready resolves when replies can be heard. */
    private readonly ready: (signal: AbortSignal) => Promise<void>,
  ) {}

  /** send posts a command, after those before it. */
  send(path: string, command: Command, { signal, timeout, onAccepted }: SendOptions = {}): Sent {
    const corr = command._corr ?? crypto.randomUUID()
    const over = new AbortController()
    let accept = () => {}
    const accepted = new Promise<void>((resolve, reject) => {
      accept = resolve
      over.signal.addEventListener('abort', () => reject(over.signal.reason))
    })
    const settled = new Promise<Reply>((resolve, reject) => {
      const key = keyOf(typeOf(path), path.split('/')[2] ?? '', corr)
      if (this.#pending.has(key)) throw new Error(`ebb: ${corr} is under way`)
      const pending: Pending = {
        path: resource(path, 3),
        body: JSON.stringify({ ...command, _corr: corr }),
        over,
        resolve: (reply) => {
          accept()
          resolve(reply)
        },
        accept: () => {
          accept()
          onAccepted?.(corr)
        },
        safe: (then) => void accepted.then(then, () => {}),
        accepted: false,
      }
      const abort = () => over.abort(signal!.reason)
      const late = timeout && setTimeout(() => over.abort(new DOMException('ebb: no reply in time', 'TimeoutError')), timeout)
      over.signal.addEventListener('abort', () => {
        signal?.removeEventListener('abort', abort)
        clearTimeout(late || undefined)
        this.#pending.delete(key)
        reject(over.signal.reason)
      })
      this.#pending.set(key, pending)
      signal?.addEventListener('abort', abort)
      if (signal?.aborted) abort()
      else this.#queue(pending)
    })
    settled.catch((error) => over.abort(error)) // also where it did not begin
    accepted.catch(() => {})
    return { corr, accepted, settled }
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

  /** wake tries again now: the way is free. */
  wake(): void {
    for (const rest of [...this.#rests]) rest()
  }

  /** close gives up on what is under way. */
  close(): void {
    for (const { over } of this.#pending.values()) over.abort(new Error('ebb: the client is closed'))
  }

  /** queue posts a command when the one before it, of the same instance, is safe or refused. */
  #queue(pending: Pending): void {
    const key = pending.path.toLowerCase()
    const line = (this.#lines.get(key) ?? Promise.resolve()).then(() => {
      const posted = this.#post(pending)
      return Promise.race([posted, new Promise<void>((resolve) => pending.safe(resolve))])
    })
    this.#lines.set(key, line)
    void line.then(() => this.#lines.get(key) === line && this.#lines.delete(key))
  }

  async #post(pending: Pending): Promise<void> {
    const { path, body, over } = pending
    const backoff = new Backoff()
    while (!over.signal.aborted) {
      try {
        await this.ready(over.signal)
        await this.api.request('POST', path, { body, signal: AbortSignal.timeout(patience) }) // not cut off by its own reply
        if (over.signal.aborted || pending.accepted) return
        pending.accepted = true
        return pending.accept()
      } catch (error) {
        const least = retryIn(error)
        if (least === null) return over.abort(error)
        if (least) await pause(least, over.signal)
        await this.#rest(backoff.next(), over.signal)
      }
    }
  }

  /** rest waits some milliseconds, or until there is a reason to try again. */
  #rest(ms: number, over: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        unhook()
        this.#rests.delete(end)
        over.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      const unhook = onWake((why) => why !== 'leaving' && end())
      this.#rests.add(end)
      over.addEventListener('abort', end)
      if (over.aborted) end()
    })
  }
}

/** keyOf is one for a command and its reply, which has ids in lower case. */
function keyOf(type: string, id: string, corr: string): string {
  return JSON.stringify([type, id.toLowerCase(), corr.toLowerCase()])
}
