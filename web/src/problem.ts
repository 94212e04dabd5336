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

  /** passing tells whether the same request may work a little later. */
  get passing(): boolean {
    return [429, 502, 503, 504].includes(this.status)
  }
}

/** retryIn is the least milliseconds to wait before another try, null if none is of use. */
export function retryIn(error: unknown): number | null {
  if (error instanceof ProblemError) return error.passing ? error.retryAfter : null
  const { name } = error as Error
  return name === 'TypeError' || name === 'TimeoutError' ? 0 : null // what fetch throws when there is no answer
}

/** problem reads what a response that is not ok complains of. */
export async function problem(response: Response): Promise<ProblemError> {
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  let body: Record<string, unknown> = {}
  try {
    const json: unknown = await response.json()
    if (typeof json === 'object' && json) body = json as Record<string, unknown>
  } catch {
    // A proxy's page of HTML is no problem+json: the status has to do.
  }
  return new ProblemError(
    response.status,
    text(body.type) || 'about:blank',
    text(body.title) || response.statusText,
    text(body.detail),
    retryAfter(response.headers.get('Retry-After')),
  )
}

function retryAfter(header: string | null): number {
  if (!header) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return ms > 0 ? ms : 0
}
