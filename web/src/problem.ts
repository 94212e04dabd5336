import { backoff, pause } from './backoff.js'

/** ProblemError is an answer that says no, as RFC 9457 writes it. */
export class ProblemError extends Error {
  override name = 'ProblemError'

  constructor(
    readonly status: number,
    readonly type: string,
    readonly title: string,
    readonly detail: string,
    /** retryAfter is how many milliseconds the server wants us to wait. */
    readonly retryAfter: number,
  ) {
    super(detail || title || `status ${status}`)
  }
}

/** retryIn is the least milliseconds to wait before another try, null if none is of use. */
function retryIn(error: unknown): number | null {
  const { name, status, retryAfter = 0 } = error as Partial<ProblemError>
  // Or fetch has no answer, or none in time.
  return /^(429|50[234]|TypeError|TimeoutError)$/.test(`${status ?? name}`) ? retryAfter : null
}

/**
 * retry tries until it is done, refused for good, or the signal is aborted. What
 * woken returns ends a wait that nobody has asked for.
 */
export async function retry(signal: AbortSignal, work: () => Promise<void>, woken = () => signal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      return await work()
    } catch (error) {
      const least = retryIn(error)
      if (signal.aborted || least === null) throw error
      await pause(least + backoff(tries), signal, least ? signal : woken())
    }
  }
}

/** problem reads what a response that is not ok complains of. */
export async function problem(response: Response): Promise<ProblemError> {
  // A proxy's page of HTML is no problem+json: the status has to do.
  const body = (await response.json().catch(() => null)) as Record<string, unknown> | null
  const text = (field: string, other: string) => (typeof body?.[field] === 'string' ? (body[field] as string) : '') || other
  return new ProblemError(
    response.status,
    text('type', 'about:blank'),
    text('title', response.statusText),
    text('detail', ''),
    retryAfter(response.headers.get('Retry-After') ?? ''),
  )
}

/** retryAfter reads seconds or a date as milliseconds from now. */
function retryAfter(header: string): number {
  const ms = Number(header) * 1_000 || Date.parse(header) - Date.now()
  return ms > 0 ? ms : 0
}
