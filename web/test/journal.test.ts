import { expect, test, vi } from 'vitest'
import { Journal } from '../board/journal.js'

const reply = (fields: object) => ({ _id: '1', _type: 'board-task', _corr: 'c', _outcome: 'applied' as const, _seq: 1, ...fields })

function journal(): { journal: Journal; pass: (ms: number) => void } {
  let now = 0
  return { journal: new Journal(() => now), pass: (ms) => void (now += ms) }
}

test('a command is sent, accepted, and comes back to all, once', () => {
  const { journal: j, pass } = journal()
  j.onBack = vi.fn()
  j.begin('ann', 'c', { _command: 'move' }, 'Milk')
  expect(j.tally).toEqual({ sent: 1, answered: 0, lost: 0, twice: 0 })
  pass(3)
  j.accepted('c')
  pass(2)
  j.heard('bob', reply({}))
  expect(j.tally.answered).toBe(0) // it is ann who waits
  pass(1)
  j.heard('ann', reply({}))
  expect(j.tally).toEqual({ sent: 1, answered: 1, lost: 0, twice: 0 })
  const heard = [
    { user: 'bob', ms: 5 },
    { user: 'ann', ms: 6 },
  ]
  expect(j.journeys.get('c')).toMatchObject({ accepted: 3, outcome: 'applied', heard })
  expect(j.onBack).toHaveBeenCalledOnce()
})

test('an answer may come before the 202: both are waited for', () => {
  const { journal: j, pass } = journal()
  j.onBack = vi.fn()
  j.begin('ann', 'c', { _command: 'move' }, 'Milk')
  pass(4)
  j.heard('ann', reply({}))
  expect(j.tally.answered).toBe(1)
  expect(j.onBack).not.toHaveBeenCalled()
  pass(1)
  j.accepted('c')
  j.accepted('c') // sent again
  expect(j.onBack).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ accepted: 5, outcome: 'applied' }))
})

test('a gap between the events of an instance is a loss, on the stream that has it', () => {
  const { journal: j } = journal()
  for (const _seq of [4, 5, 8]) j.heard('ann', reply({ _seq, _corr: `c${_seq}` }))
  for (const _seq of [4, 5, 6, 7, 8]) j.heard('bob', reply({ _seq, _corr: `c${_seq}` }))
  j.heard('ann', reply({ _id: '2', _seq: 1 }))
  expect(j.tally).toMatchObject({ lost: 2, twice: 0 })
})

test('a gap that a reset has told of is none', () => {
  const { journal: j } = journal()
  j.heard('ann', reply({ _seq: 1 }))
  j.reset('ann')
  j.heard('ann', reply({ _seq: 9 }))
  expect(j.tally.lost).toBe(0)
})

test('an event, an answer, and an effect that come again are counted', () => {
  const { journal: j } = journal()
  j.begin('ann', 'c', { _command: 'move' }, 'Milk')
  j.heard('ann', reply({}))
  j.heard('ann', reply({})) // the same event
  expect(j.tally).toMatchObject({ answered: 1, twice: 1 })
  const no = reply({ _outcome: 'rejected', _error: true, _corr: 'd' })
  j.heard('ann', no)
  j.heard('ann', no)
  expect(j.tally.twice).toBe(2)
  j.heard('ann', reply({ _outcome: 'duplicate' })) // it was sent again, and had no effect
  expect(j.tally).toMatchObject({ answered: 1, twice: 2, lost: 0 })
})

test('what the gateway does not take has been answered, what nobody waits for is forgotten', () => {
  const { journal: j } = journal()
  j.begin('ann', 'c', { _command: 'move' }, 'Milk')
  j.begin('ann', 'd', { _command: 'move' }, 'Milk')
  j.refused('c')
  expect(j.journeys.get('c')?.outcome).toBe('refused')
  j.forget('c') // has been answered
  j.forget('d')
  expect(j.tally).toMatchObject({ sent: 1, answered: 1 })
})

test('the last 60 journeys are kept, and all that are under way', () => {
  const { journal: j } = journal()
  j.begin('ann', 'first', { _command: 'move' }, 'Milk')
  for (let n = 0; n < 100; n++) {
    j.begin('ann', `c${n}`, { _command: 'move' }, 'Milk')
    j.heard('ann', reply({ _seq: n, _corr: `c${n}` }))
  }
  expect(j.journeys.size).toBe(61)
  expect(j.journeys.has('first')).toBe(true)
  expect(j.journeys.has('c99')).toBe(true)
  expect(j.tally).toMatchObject({ sent: 101, answered: 100, lost: 0, twice: 0 })
})
