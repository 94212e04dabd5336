import { describe, expect, test } from 'vitest'
import type { StreamEvent } from '../src/index.js'
import { Parser } from '../src/parser.js'

// The table follows the HTML standard, "Parsing an event stream" and
// "Interpreting an event stream", section by section.

const message = (data: string, id = '', name = 'message') => ({ name, data, id })

/** parse feeds text in the given pieces. */
function parse(...pieces: (string | Uint8Array)[]): StreamEvent[] {
  const events: StreamEvent[] = []
  const parser = new Parser((event) => events.push(event))
  for (const piece of pieces) parser.feed(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece)
  return events
}

const table: [name: string, text: string, want: StreamEvent[]][] = [
  // The examples of the standard.
  ['the stocks', 'data: YHOO\ndata: +2\ndata: 10\n\n', [message('YHOO\n+2\n10')]],
  [
    'the four blocks',
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    [message('first event', '1'), message('second event', ''), message(' third event', '')],
  ],
  ['the two empty ones, and one that is discarded', 'data\n\ndata\ndata\n\ndata:', [message(''), message('\n')]],
  ['a space after the colon or none', 'data:test\n\ndata: test\n\n', [message('test'), message('test')]],
  // Lines.
  ['LF', 'data: a\n\n', [message('a')]],
  ['CR', 'data: a\r\r', [message('a')]],
  ['CRLF', 'data: a\r\n\r\n', [message('a')]],
  ['CRLF is one line end, not two', 'data: a\r\ndata: b\r\n\r\n', [message('a\nb')]],
  ['LF CR is two', 'data: a\n\rdata: b\n\r', [message('a'), message('b')]],
  ['all mixed', 'data: a\rdata: b\ndata: c\r\n\r', [message('a\nb\nc')]],
  ['CR, then CRLF', 'data: a\r\r\ndata: b\r\r\n', [message('a'), message('b')]],
  ['other line ends of Unicode are none', 'data: a\u2028b\u0085c\u000bd\n\n', [message('a\u2028b\u0085c\u000bd')]],
  ['blank lines alone', '\n\n\r\r\r\n\r\n', []],
  // The byte order mark.
  ['a mark at the start is dropped', '\ufeffdata: a\n\n', [message('a')]],
  ['one mark only', '\ufeff\ufeffdata: a\n\n', []],
  ['a mark later is text', 'data: a\n\n\ufeffdata: b\n\ndata: \ufeffc\n\n', [message('a'), message('\ufeffc')]],
  // Comments and colons.
  ['a comment', ': data: a\n\n', []],
  ['a comment within a block', 'data: a\n:\ndata: b\n\n', [message('a\nb')]],
  ['a value with colons', 'data: a: b:c\n\n', [message('a: b:c')]],
  ['a value that is a colon', 'data::\n\n', [message(':')]],
  ['one space is dropped, no more', 'data:  a \n\n', [message(' a ')]],
  ['a tab is none', 'data:\ta\n\n', [message('\ta')]],
  ['a space before the colon is part of the name', 'data : a\n\n', []],
  ['a space before the name, too', ' data: a\n\n', []],
  ['names in another case', 'Data: a\nDATA: b\n\n', []],
  ['an unknown field', 'foo: x\ndata: a\nbar\n\n', [message('a')]],
  // data
  ['an empty line of data', 'data\n\n', [message('')]],
  ['an empty value', 'data:\n\n', [message('')]],
  ['three empty lines', 'data\ndata:\ndata: \n\n', [message('\n\n')]],
  ['no data, no event', 'event: x\nid: 1\n\n', []],
  ['data that is not ended', 'data: a\n\ndata: b\n', [message('a')]],
  ['data without any line end', 'data: a', []],
  ['a NUL in data', 'data: a\0b\n\n', [message('a\0b')]],
  ['a lone surrogate cannot be, four bytes can', 'data: 🍋 lemon\n\n', [message('🍋 lemon')]],
  // event
  ['a name', 'event: x\ndata: a\n\n', [message('a', '', 'x')]],
  ['a name after the data', 'data: a\nevent: x\n\n', [message('a', '', 'x')]],
  ['the last name', 'event: x\nevent: y\ndata: a\n\n', [message('a', '', 'y')]],
  ['an empty name is a message', 'event: x\nevent\ndata: a\n\n', [message('a')]],
  ['a name does not outlive its block', 'event: x\n\ndata: a\n\n', [message('a')]],
  ['nor one with data', 'event: x\ndata: a\n\ndata: b\n\n', [message('a', '', 'x'), message('b')]],
  ['a name keeps its spaces but one', 'event:  x \ndata: a\n\n', [message('a', '', ' x ')]],
  // id
  ['an id', 'id: 1\ndata: a\n\n', [message('a', '1')]],
  ['an id outlives its block', 'id: 1\ndata: a\n\ndata: b\n\n', [message('a', '1'), message('b', '1')]],
  ['an id without data does, too', 'id: 1\n\ndata: a\n\n', [message('a', '1')]],
  ['an empty id is none', 'id: 1\ndata: a\n\nid\ndata: b\n\n', [message('a', '1'), message('b')]],
  ['the last id', 'id: 1\nid: 2\ndata: a\n\n', [message('a', '2')]],
  ['an id with NUL is ignored', 'id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n', [message('a', '1'), message('b', '1')]],
  ['an id with spaces and colons', 'id:  1: 2 \ndata: a\n\n', [message('a', ' 1: 2 ')]],
  // retry
  ['retry is no event', 'retry: 1000\n\n', []],
  ['retry beside data', 'retry: x\ndata: a\nretry\n\n', [message('a')]],
]

test.each(table)('%s', (_, text, want) => {
  expect(parse(text)).toEqual(want)
})

describe('it makes no difference where it is cut', () => {
  test.each(table)('%s', (_, text, want) => {
    const bytes = new TextEncoder().encode(text)
    for (let at = 0; at <= bytes.length; at++) expect(parse(bytes.slice(0, at), bytes.slice(at)), `at ${at}`).toEqual(want)
    expect(parse(...[...bytes].map((byte) => Uint8Array.of(byte))), 'byte by byte').toEqual(want)
  })
})

test('an event is told with its last line end, a CR too', () => {
  expect(parse('data: a\r\r')).toEqual([message('a')])
  expect(parse('data: a\n', '\n')).toEqual([message('a')])
})

test('bytes that are no UTF-8 are replaced', () => {
  const bytes = Uint8Array.from([...new TextEncoder().encode('data: a'), 0xff, 0xc3, ...new TextEncoder().encode('b\n\n')])
  expect(parse(bytes)).toEqual([message('a\ufffd\ufffdb')])
})

test('a megabyte in small pieces is one event', () => {
  const data = 'x'.repeat(1 << 20)
  const text = `data: ${data}\n\n`
  const pieces: string[] = []
  for (let at = 0; at < text.length; at += 16_384) pieces.push(text.slice(at, at + 16_384))
  expect(parse(...pieces)).toEqual([message(data)])
})
