/** Life is what a tab's part in the browser may bring. */
export interface Life {
  /** wake is called when the tab is seen again, or the network is back. */
  wake(): void
  /** leave is called when the tab is left or frozen, maybe for good. */
  leave(): void
  /** back is called when it was not for good. */
  back(): unknown
}

/** onLife calls these, until its result is called. */
export function onLife({ wake, leave, back }: Life): () => void {
  const stop = new AbortController()
  const listen = (target: Partial<EventTarget> | undefined, name: string, then: () => void) =>
    target?.addEventListener?.(name, then, { signal: stop.signal })
  const { document } = globalThis
  const seen = () => document?.visibilityState !== 'hidden' && wake()

  listen(globalThis, 'pagehide', leave)
  listen(document, 'freeze', leave)
  listen(globalThis, 'pageshow', () => (back(), seen()))
  listen(document, 'resume', () => (back(), seen()))
  listen(document, 'visibilitychange', seen)
  listen(globalThis, 'online', wake)
  return () => stop.abort()
}
