const base = 1_000 // milliseconds
const cap = 30_000 // milliseconds

/** jitter is a random part of some milliseconds, so that no crowd comes back at once. */
export function jitter(most: number): number {
  return Math.random() * most
}

/** backoff is how many milliseconds to wait after so many tries: full jitter, doubling from 1 s to 30 s. */
export function backoff(tries: number): number {
  return jitter(Math.min(cap, base * 2 ** tries))
}

/** onAbort calls back when a signal is aborted, or has been, until another is over. */
export function onAbort(signal: AbortSignal | undefined, then: () => void, over?: AbortController): void {
  signal?.addEventListener('abort', then, over)
  if (signal?.aborted) then()
}

/** pause waits some milliseconds, or until a signal is aborted or the network is back. */
export function pause(ms: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController()
    const end = () => {
      clearTimeout(timer)
      over.abort()
      resolve()
    }
    const timer = setTimeout(end, ms)
    for (const signal of signals) onAbort(signal, end, over)
    globalThis.addEventListener?.('online', end, over)
  })
}
