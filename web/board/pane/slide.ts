import { useLayoutEffect, useRef, type RefObject } from 'react'

const calm = matchMedia('(prefers-reduced-motion: reduce)')

/** useSlide lets cards slide to where they are now, forth or back. */
export function useSlide(board: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, readonly [x: number, y: number]>())
  useLayoutEffect(() => {
    const now = new Map<string, readonly [x: number, y: number]>()
    for (const card of board.current!.querySelectorAll<HTMLElement>('[data-id]')) {
      const place = [card.offsetLeft, card.offsetTop] as const // scrolling and slides do not change them
      now.set(card.dataset.id!, place)
      const [x, y] = places.current.get(card.dataset.id!) ?? place
      if ((x === place[0] && y === place[1]) || calm.matches) continue
      const from = `translate(${x - place[0]}px, ${y - place[1]}px)`
      card.animate([{ transform: from, zIndex: 2 }, { transform: 'none', zIndex: 2 }], { duration: 280, easing: 'cubic-bezier(.2,.7,.2,1)' })
    }
    places.current = now
  })
}
