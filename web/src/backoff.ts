const base = 1_000 // milliseconds
const cap = 30_000 // milliseconds

/** jitter is a random part of some milliseconds, so that no crowd comes back at once. */
export function jitter(most: number): number {
  return Math.random() * most
}

/** Backoff spreads tries: full jitter, doubling from 1 s to 30 s. */
export class Backoff {
  /** tries is how many there were since the last reset. */
  tries = 0

  /** next returns how many milliseconds to wait before another try. */
  next(): number {
    return jitter(Math.min(cap, base * 2 ** this.tries++))
  }

  reset(): void {
    this.tries = 0
  }
}

/** pause waits some milliseconds, or until the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
