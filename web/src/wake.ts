/** Wake is the event for which a look at the connection is due. */
export type Wake = 'visibilitychange' | 'resume' | 'pageshow' | 'pagehide' | 'online'

/**
 * onWake calls back when a page is seen again, the network is back, or the page
 * is left (pagehide), maybe to be shown again as it was.
 *
 * Timers of a hidden page run once a minute, those of a frozen page or a sleeping
 * machine not at all. Returns a function that stops it.
 */
export function onWake(wake: (why: Wake) => void): () => void {
  const stop = new AbortController()
  const { document } = globalThis
  const look = ({ type }: Event) => {
    if (type === 'pagehide' || type === 'online' || document?.visibilityState !== 'hidden') wake(type as Wake)
  }
  for (const name of ['visibilitychange', 'resume']) document?.addEventListener(name, look, stop)
  for (const name of ['pageshow', 'pagehide', 'online']) globalThis.addEventListener?.(name, look, stop)
  return () => stop.abort()
}
