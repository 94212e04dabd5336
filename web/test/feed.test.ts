import { expect, test, vi } from 'vitest'
import { Feed } from '../board/feed.js'
import { FakeEventSource, id, world } from './fakes.js'

const it = world()
const say = (offset: number, fields: object) =>
  FakeEventSource.last.emit('message', id(offset), { _id: '1', _type: 'board-task', _corr: `c${offset}`, ...fields })

test('the panel shows what a reply says, and what was wrong as such', async () => {
  const feed = new Feed(await it.attach())
  say(1, { _command: 'create', _outcome: 'applied', _seq: 0 })
  say(2, { _command: 'rename', _outcome: 'rejected', _error: true })
  expect(feed.rows).toMatchObject([
    { outcome: 'rejected', command: 'rename', title: '', corr: 'c2', bad: true },
    { outcome: 'applied', command: 'create', title: '', corr: 'c1', seq: 0, bad: false },
  ])
})

test('the panel keeps the last 50, the newest first', async () => {
  const feed = new Feed(await it.attach())
  for (let n = 1; n <= 60; n++) say(n, { _outcome: 'applied' })
  expect(feed.rows.map(({ corr }) => corr)).toEqual(Array.from({ length: 50 }, (_, i) => `c${60 - i}`))
})

test("the panel shows Ebb's own events, but no heartbeats", async () => {
  const feed = new Feed(await it.attach())
  const changed = vi.fn()
  feed.subscribe(changed)
  FakeEventSource.last.emit('ebb.mark', id(1))
  expect(changed).not.toHaveBeenCalled()
  FakeEventSource.last.emit('ebb.reset', id(2), { reason: 'gap' })
  expect(feed.rows.map(({ outcome }) => outcome)).toEqual(['ebb.reset'])
})
