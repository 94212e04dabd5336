/** Wake is why a look at the connection is due. */
export type Wake = 'visible' | 'online' | 'leaving'

/**
 * onWake calls back when a page is seen again, the network is back, or the page
 * is left, maybe to be shown again as it was.
 *
 * Timers of a hidden page run once a minute, those of a frozen page or a sleeping
 * machine not at all. Returns a function that stops it.
 */
export function onWake(wake: (why: Wake) => void): () => void {
  const stop = new AbortController()
  const listen = (target: Partial<EventTarget> | undefined, name: string, then: () => void) =>
    target?.addEventListener?.(name, then, { signal: stop.signal })

  const seen = () => {
    if (globalThis.document?.visibilityState !== 'hidden') wake('visible')
  }
  listen(globalThis.document, 'visibilitychange', seen)
  listen(globalThis.document, 'resume', seen)
  listen(globalThis, 'pageshow', seen)
  listen(globalThis, 'pagehide', () => wake('leaving'))
  listen(globalThis, 'online', () => wake('online'))
  return () => stop.abort()
}
