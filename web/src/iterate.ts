/**
 * iterate makes an iterator of what start has pushed, from now on: what is not
 * taken waits, without a bound. start returns what stops it.
 */
export function iterate<E>(start: (push: (item: E) => void, end: () => void) => () => void): AsyncIterableIterator<E> {
  const items: E[] = []
  let stop: (() => void) | undefined
  const done = { value: undefined, done: true } as const
  let over = false
  const waiting: (() => void)[] = []

  const wake = () => {
    for (const look of waiting.splice(0)) look()
  }
  const end = () => {
    over = true
    stop?.()
    wake()
  }
  stop = start((item) => {
    items.push(item)
    wake()
  }, end)
  if (over) stop()

  return {
    async next() {
      while (!over && items.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      return items.length > 0 ? { value: items.shift()! } : done
    },
    async return() {
      items.length = 0
      end()
      return done
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
