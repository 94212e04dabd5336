import { Parser } from './parser.js'
import type { Transport } from './transport.js'

/** fetchTransport reads streams with fetch, where there is no EventSource: in Node, say, or React Native. */
export const fetchTransport: Transport = (url, names, { event, ended }) => {
  const stop = new AbortController()
  const { signal } = stop

  async function read(): Promise<void> {
    const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal })
    if (!response.ok || !/^text\/event-stream *(;|$)/i.test(response.headers.get('Content-Type') ?? '')) return
    const parser = new Parser((e) => !signal.aborted && names.includes(e.name) && event(e))
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) return
      parser.feed(value)
    }
  }

  void read()
    .catch(() => {}) // whatever went wrong: it is over
    .then(() => {
      if (signal.aborted) return
      stop.abort() // also lets go of what was not read
      ended()
    })
  return () => stop.abort()
}
