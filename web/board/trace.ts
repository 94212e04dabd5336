/** Span is what one box did for a command or a stream: real times. */
export interface Span {
  /** step is its number in the round trip, 1 to 12. */
  step: number
  name: string
  /** start is in milliseconds since 1970, with fractions. */
  start: number
  ms: number
}

const tries = [20, 60, 150, 400, 1_000, 2_000] // milliseconds between

/** Tracer reads what `ebb dev` has traced; elsewhere there is nothing. */
export class Tracer {
  /** none tells that this server keeps no traces. */
  none = false

  constructor(
    /** offered tells whether there can be traces, or nobody is asked. */
    private readonly offered: Promise<boolean>,
  ) {}

  /** command returns the spans of a command, once it is on a stream. */
  command(corr: string): Promise<readonly Span[]> {
    return this.#read(`corr=${encodeURIComponent(corr)}`, (spans) => spans.some(({ step }) => step === 12))
  }

  /** stream returns the spans of a user's last opening, if it began after some time. */
  stream(user: string, after: number): Promise<readonly Span[]> {
    const whole = (spans: readonly Span[]) => spans.some(({ step, start }) => step === 6 && start > after)
    return this.#read(`user=${encodeURIComponent(user)}`, whole)
  }

  /** read asks until the spans are whole, and is content with less at last. */
  async #read(query: string, whole: (spans: readonly Span[]) => boolean): Promise<readonly Span[]> {
    let spans: readonly Span[] = []
    if (!(await this.offered)) this.none = true
    for (const wait of tries) {
      if (this.none) return []
      await new Promise((resolve) => setTimeout(resolve, wait))
      spans = (await this.#ask(query)) ?? spans
      if (whole(spans)) break
    }
    return [...spans].sort((a, b) => a.start - b.start || a.step - b.step)
  }

  async #ask(query: string): Promise<readonly Span[] | undefined> {
    try {
      const response = await fetch(`/dev/trace?${query}`)
      const json = response.headers.get('Content-Type')?.includes('json')
      if (!json) this.none = response.status === 404 || response.status === 405 || response.ok // another server's page
      return response.ok && json ? ((await response.json()) as { spans: Span[] }).spans : undefined
    } catch {
      return undefined
    }
  }
}
