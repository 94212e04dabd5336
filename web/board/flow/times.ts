import type { Span } from '../trace.js'

/** Scale is when the first span began and how long all took, in milliseconds. */
export interface Scale {
  start: number
  total: number
}

export function scale(spans: readonly Span[]): Scale {
  const start = Math.min(...spans.map((span) => span.start))
  const end = Math.max(...spans.map((span) => span.start + span.ms))
  return { start, total: Math.max(end - start, 0.001) }
}

/** ms is a time as people read it. */
export function ms(time: number): string {
  if (time >= 10_000) return `${(time / 1_000).toFixed(1)} s`
  if (time >= 100) return `${Math.round(time)} ms`
  return `${time.toFixed(time < 1 ? 2 : 1)} ms`
}

/** slower says how a replay's speed is to the truth's. */
export function slower(total: number, replay: number): string {
  const times = replay / total
  return times > 1.5 ? `${times < 10 ? times.toFixed(1) : Math.round(times)} times slower` : 'no slower than it was'
}
