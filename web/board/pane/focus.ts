import { useEffect, useLayoutEffect, useRef, type RefObject } from 'react'

/**
 * useHeldFocus keeps the focus on a card's button when the card moves: in
 * another lane it is another element, and the one that had the focus is gone.
 */
export function useHeldFocus(board: RefObject<HTMLElement | null>): void {
  const held = useRef('')

  useEffect(() => {
    const all = board.current!
    const stop = new AbortController()
    const { signal } = stop
    all.addEventListener(
      'focusin',
      ({ target }) => {
        const id = target instanceof HTMLElement && target.closest<HTMLElement>('[data-id]')?.dataset.id
        held.current = id ? `[data-id="${CSS.escape(id)}"] [data-control="${(target as HTMLElement).dataset.control}"]` : ''
      },
      { signal },
    )
    addEventListener('focusin', ({ target }) => all.contains(target as Node) || (held.current = ''), { signal })
    addEventListener('pointerdown', ({ target }) => all.contains(target as Node) || (held.current = ''), { signal })
    return () => stop.abort()
  }, [board])

  useLayoutEffect(() => {
    if (!held.current || document.activeElement !== document.body) return
    board.current?.querySelector<HTMLElement>(held.current)?.focus({ preventScroll: true })
  })
}
