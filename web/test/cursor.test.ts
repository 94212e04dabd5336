import { expect, test } from 'vitest'
import { parseCursor, withoutProof } from '../src/cursor.js'

const proof = 'abcdefghijklmnopqrst-_'
const whole = { generation: 'AbC-_019', partition: 11, offset: 42, epoch: 7, src: 'abcdefgh-_12' }

test.each([
  ['every field', `1.AbC-_019.11.42.7.abcdefgh-_12.${proof}`, whole],
  ['no proof', '1.AbC-_019.11.42.7.abcdefgh-_12.', whole],
  ['no src', `1.AbC-_019.11.42.7..${proof}`, { ...whole, src: '' }],
  ['neither', '1.AbC-_019.11.42.7..', { ...whole, src: '' }],
  ['nothing accounted for', '1.AbC-_019.0.-1.-1..', { ...whole, partition: 0, offset: -1, epoch: -1, src: '' }],
  ['largest exact offset', '1.AbC-_019.11.9007199254740991.7..', { ...whole, offset: 2 ** 53 - 1, src: '' }],
  ['empty', '', null],
  ['another version', '2.AbC-_019.11.42.7..', null],
  ['no dot before the proof', '1.AbC-_019.11.42.7.', null],
  ['a field too many', '1.AbC-_019.11.42.7...', null],
  ['short generation', '1.AbC-_01.11.42.7..', null],
  ['generation not base64url', '1.AbC+/019.11.42.7..', null],
  ['no partition', '1.AbC-_019..42.7..', null],
  ['negative partition', '1.AbC-_019.-1.42.7..', null],
  ['offset below -1', '1.AbC-_019.11.-2.7..', null],
  ['offset with a leading zero', '1.AbC-_019.11.042.7..', null],
  ['offset in hex', '1.AbC-_019.11.0x2a.7..', null],
  ['short src', `1.AbC-_019.11.42.7.abc.${proof}`, null],
  ['short proof', '1.AbC-_019.11.42.7..abc', null],
  ['line end after it', '1.AbC-_019.11.42.7..\n', null],
  ['space before it', ' 1.AbC-_019.11.42.7..', null],
  ['over 128 bytes', `1.AbC-_019.11.${'9'.repeat(120)}.7..`, null],
])('a cursor with %s', (_, id, want) => {
  expect(parseCursor(id)).toEqual(want)
})

test('a stored cursor keeps everything but the proof', () => {
  expect(withoutProof(`1.AbC-_019.11.42.7.abcdefgh-_12.${proof}`)).toBe('1.AbC-_019.11.42.7.abcdefgh-_12.')
})

test('a stored cursor is stored as it is', () => {
  expect(withoutProof('1.AbC-_019.11.42.7..')).toBe('1.AbC-_019.11.42.7..')
})
