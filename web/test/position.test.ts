import { expect, test } from 'vitest'
import { Position } from '../src/position.js'
import { id, stored } from './fakes.js'

const src = (n: number) => String(n).padStart(12, '0')

test('an event at or below the last offset is a repeat', () => {
  const position = new Position('/api')
  expect([4, 5, 5, 4, 6].map((offset) => position.take(id(offset)))).toEqual([true, true, false, false, true])
})

test('an event of another generation is new whatever its offset', () => {
  const position = new Position('/api')
  position.take(id(9))
  expect(position.take(id(2, { generation: 'BBBBBBBB' }))).toBe(true)
})

test('an event whose src was seen is a repeat, and moves the position on', () => {
  const position = new Position('/api')
  position.take(id(1, { src: src(1) }))
  expect(position.take(id(2, { src: src(1) }))).toBe(false)
  expect(position.stored).toBe(`1.AAAAAAAA.3.2.0.${src(1)}.`)
})

test('1,024 srcs are remembered, the least recently heard goes first', () => {
  const position = new Position('/api')
  let offset = 0
  const take = (n: number) => position.take(id(offset++, { src: src(n) }))
  for (let n = 0; n < 1024; n++) take(n)
  expect(take(0)).toBe(false) // heard again: not the oldest now
  expect(take(1024)).toBe(true) // pushes 1 out
  expect(take(0)).toBe(false)
  expect(take(1)).toBe(true)
})

test('events without a src are never told apart by it', () => {
  const position = new Position('/api')
  expect([1, 2].map((offset) => position.take(id(offset)))).toEqual([true, true])
})

test('what has no cursor is new', () => {
  const position = new Position('/api')
  expect([position.take(''), position.take('')]).toEqual([true, true])
})

test('a mark moves forward, never back', () => {
  const position = new Position('/api')
  position.advance(id(5))
  position.advance(id(3))
  expect(position.stored).toBe(stored(5))
})

test('a reset moves back, and what follows it is new', () => {
  const position = new Position('/api')
  position.take(id(9))
  position.reset(id(2))
  expect(position.stored).toBe(stored(2))
  expect(position.take(id(3))).toBe(true)
})

test('after a reset a source may use its offsets again', () => {
  const position = new Position('/api')
  position.take(id(1, { src: src(1) }))
  position.reset(id(2))
  expect(position.take(id(3, { src: src(1) }))).toBe(true)
})

test('a persisted cursor is kept per user and without the proof', () => {
  const kept = new Map<string, string>()
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  }
  const position = new Position('/api', { storage, user: 'ann' })
  position.take(id(7))
  position.save()
  expect([...kept.values()]).toEqual([stored(7)])
  expect(new Position('/api', { storage, user: 'ann' }).stored).toBe(stored(7))
  expect(new Position('/api', { storage, user: 'bob' }).stored).toBe('')
})

test('a storage that is full costs no event', () => {
  const storage = {
    getItem: () => 'no cursor',
    setItem: () => {
      throw new Error('full')
    },
    removeItem: () => {},
  }
  const position = new Position('/api', { storage, user: 'ann' })
  expect(position.stored).toBe('')
  position.take(id(1))
  expect(() => position.save()).not.toThrow()
})
