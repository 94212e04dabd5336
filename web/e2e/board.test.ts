import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cleanup, create, dev, errors, inLane, rows, sender, settled, share, tabs, task, unreached } from './world.js'

const cleanup = new Cleanup()
let ann: Page
let bob: Page

beforeAll(async () => {
  const { page } = await dev(cleanup)
  const open = await tabs(cleanup, page)
  ann = await open('ann')
  bob = await open('bob')
})
afterAll(() => cleanup.run())

test('a user without tasks is told so', async () => {
  await bob.getByTestId('empty').waitFor()
})

test('what ann shares bob sees, what bob moves ann sees, without a reload', async () => {
  const card = await create(ann, 'Book the harbour house')
  expect(await task(bob, 'Book the harbour house').count()).toBe(0)
  await share(card, 'bob')
  const his = task(bob, 'Book the harbour house')
  await his.waitFor()
  await bob.bringToFront()
  await his.getByTestId('move-doing').click()
  await inLane(ann, 'doing', 'Book the harbour house').waitFor()
  await inLane(bob, 'doing', 'Book the harbour house').waitFor()
})

test('a card is renamed in its place, assigned, dragged and deleted', async () => {
  const card = await create(ann, 'By lemons')
  const id = (await card.getAttribute('data-id'))!
  await card.getByTestId('more').click()
  await card.getByTestId('rename-title').fill('Buy lemons')
  await card.getByTestId('rename-save').click()
  const lemons = task(ann, 'Buy lemons')
  await settled(lemons)
  expect(await lemons.getAttribute('data-id')).toBe(id)
  await lemons.getByTestId('more').click()
  await lemons.getByTestId('assign-user').fill('carol')
  await lemons.getByTestId('assign').click()
  await lemons.getByText('for carol').waitFor()
  await lemons.getByTestId('more').click()
  await lemons.dragTo(ann.getByTestId('lane-done'))
  await settled(inLane(ann, 'done', 'Buy lemons'))
  await lemons.getByTestId('more').click()
  await lemons.getByTestId('delete').click()
  await lemons.getByTestId('delete-really').click()
  await lemons.waitFor({ state: 'detached' })
})

test('a title that the service refuses shows why beside the form, and stays there', async () => {
  const title = 'x'.repeat(201)
  await ann.bringToFront()
  await ann.getByTestId('new-title').fill(title)
  await ann.getByTestId('create').click()
  const why = ann.locator('form.new').getByTestId('complaints')
  await expect.poll(() => why.textContent(), { timeout: 30_000 }).toMatch(/200/)
  expect(await ann.getByTestId('new-title').inputValue()).toBe(title)
  await ann.locator('[data-testid=event][data-outcome=rejected]').first().waitFor({ state: 'attached' })
  expect(await task(ann, title).count()).toBe(0) // it was shown until the service said no
  await ann.getByTestId('new-title').fill('')
})

test('markup in a title is text', async () => {
  const title = '<img src=x onerror="document.title=1"><b>bold</b>'
  const card = await create(ann, title)
  expect(await card.locator('h4 *').count()).toBe(0)
  expect(await ann.title()).toMatch(/ann/)
})

test('a reload finds the user and the tasks again', async () => {
  await bob.reload()
  await task(bob, 'Book the harbour house').waitFor()
  expect(await bob.getByTestId('who').textContent()).toBe('bob')
})

test('a stream that is cut loses nothing and repeats nothing', async () => {
  const id = (await task(ann, 'Book the harbour house').getAttribute('data-id'))!
  const send = await sender(ann, 'ann')
  const hellos = ann.locator('[data-outcome="ebb.hello"]')
  const before = await hellos.count()
  const cut = ann.getByTestId('cut').click()
  const corrs = [await send(id, { _command: 'rename', title: 'Tide 1' }), await send(id, { _command: 'rename', title: 'Tide 2' })]
  await cut
  await expect.poll(() => hellos.count(), { timeout: 60_000 }).toBeGreaterThan(before)
  corrs.push(await send(id, { _command: 'rename', title: 'Tide 3' }))
  for (const page of [ann, bob]) {
    await task(page, 'Tide 3').waitFor()
    for (const corr of corrs) expect(await rows(page, corr).count()).toBe(1)
  }
})

test('neither page has complained, but for what was cut', () => {
  for (const page of [ann, bob]) expect(errors(page).filter((text) => !unreached.test(text))).toEqual([])
})
