import type { StreamEvent } from './message.js'

/** TransportHandler hears one stream. */
export interface TransportHandler {
  /** event gets each event, with the last id that there was. */
  event(event: StreamEvent): void
  /** ended is told once that nothing more will come; close ends silently. */
  ended(): void
}

/**
 * Transport opens one stream at a URL and returns what closes it. It hears these
 * names, and does not come back by itself when the stream has ended.
 */
export type Transport = (url: string, names: readonly string[], handler: TransportHandler) => () => void

/** eventSource is the browser's own, but for its coming back: engines differ in that. */
export const eventSource: Transport = (url, names, handler) => {
  const source = new EventSource(url)
  source.onerror = () => {
    source.close()
    handler.ended()
  }
  for (const name of names) {
    source.addEventListener(name, ({ data, lastEventId: id }: MessageEvent<string>) => handler.event({ name, data, id }))
  }
  return () => source.close()
}
