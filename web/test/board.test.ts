import { expect, test } from 'vitest'
import { scale, slower, ms } from '../board/flow/times.js'
import { read } from '../board/people.js'
import { complaints } from '../board/send.js'
import { Stage } from '../board/stage.js'
import { effect, type Task } from '../board/task.js'
import type { Tracer } from '../board/trace.js'

const milk: Task = { _id: '1', _type: 'board-task', _seq: 3, title: 'Milk', column: 'todo', owner: 'ann', sharedWith: ['bob'] }

test('who is in a window is in its address', () => {
  expect(read('')).toEqual(['ann', 'bob'])
  expect(read('#carol')).toEqual(['carol'])
  expect(read('#ann,%C3%89mile%2C%20jr.,ann,%')).toEqual(['ann', 'Émile, jr.', '%'])
  expect(read('#,')).toEqual([])
  expect(read('#a,b,c,d,e')).toEqual(['a', 'b', 'c', 'd'])
})

test('what a command will do shows at once, as the service would do it', () => {
  expect(effect('ann', { _command: 'create', title: ' Milk ' })!(undefined)).toEqual({ title: 'Milk', column: 'todo', owner: 'ann' })
  expect(effect('ann', { _command: 'move', column: 'done' })!(milk)).toEqual({ ...milk, column: 'done' })
  expect(effect('ann', { _command: 'rename', title: 'Bread' })!(milk)).toEqual({ ...milk, title: 'Bread' })
  expect(effect('ann', { _command: 'share', user: 'bob' })!(milk)).toEqual(milk)
  expect(effect('ann', { _command: 'assign', user: 'carol' })!(milk)).toEqual({ ...milk, assignee: 'carol', sharedWith: ['bob', 'carol'] })
  expect(effect('ann', { _command: 'move', column: 'done' })!(undefined)).toBeUndefined()
  expect(effect('ann', { _command: 'delete' })).toBeUndefined()
})

test('what is wrong is said in words', () => {
  const reply = { _id: '1', _type: 'board-task', _corr: 'c' }
  expect(complaints({ ...reply, _outcome: 'applied' })).toEqual([])
  expect(complaints({ ...reply, _error: true, _outcome: 'stale' })).toEqual(['The command was stale.'])
  expect(complaints({ ...reply, _error: true, errors: [{ location: '/title', code: 'X', message: 'No.' }, { location: '', code: 'Y' }] })).toEqual(['No.', 'Y'])
})

test('times are as people read them', () => {
  expect([0.042, 7.25, 250.4, 12_345].map(ms)).toEqual(['0.04 ms', '7.3 ms', '250 ms', '12.3 s'])
  expect(scale([{ step: 7, name: '', start: 10, ms: 2 }, { step: 8, name: '', start: 11, ms: 5 }])).toEqual({ start: 10, total: 6 })
  expect([slower(8, 1_600), slower(400, 1_600), slower(5_000, 1_600)]).toEqual(['200 times slower', '4.0 times slower', 'no slower than it was'])
})

test('the stage shows what a hand has done at once, and what no hand has done if there is time', async () => {
  let now = 0
  const spans = [{ step: 12, name: '', start: 1, ms: 1 }]
  const stage = new Stage({ none: false, command: async () => spans, stream: async () => spans } as unknown as Tracer, () => now)
  const go = (corr: string, auto: boolean) => stage.command({ corr, user: 'ann', command: 'move', title: '', auto, begun: 0, heard: [] })
  await go('a', true)
  await go('b', true)
  expect(stage.scene?.corr).toBe('a')
  await go('c', false)
  expect(stage.scene?.corr).toBe('c')
  now = 3_000
  await go('d', true)
  expect(stage.scene?.corr).toBe('c')
  now = 7_000
  await go('e', true)
  expect(stage.scene?.corr).toBe('e')
  stage.look(+1)
  now = 20_000
  await go('f', true)
  expect(stage.scene?.corr).toBe('c') // somebody looks at it
  stage.look(-1)
  expect(stage.scene?.corr).toBe('e')
  await go('g', false)
  expect(stage.scene?.corr).toBe('g')
})
