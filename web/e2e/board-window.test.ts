import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cleanup, create, dev, errors, inLane, inState, pane, settled, share, tabs, task } from './world.js'

// Two users side by side in one window, each with a stream of their own.

const cleanup = new Cleanup()
let url: string
let page: Page
const anns = () => pane(page, 'ann')
const bobs = () => pane(page, 'bob')

beforeAll(async () => {
  ;({ page: url } = await dev(cleanup))
  const open = await tabs(cleanup, url)
  page = await open('ann,bob')
})
afterAll(() => cleanup.run())

/** count is a number of the tally. */
async function count(name: string): Promise<number> {
  return Number(await page.getByTestId(name).textContent())
}

test('a few tasks to start with are on both boards', async () => {
  await anns().getByTestId('starters').click()
  for (const board of [anns(), bobs()]) {
    await inLane(board, 'todo', 'Mend the nets').waitFor()
    await inLane(board, 'doing', 'Paint the boat').waitFor()
    await inLane(board, 'done', 'Book the harbour').waitFor()
  }
  await expect.poll(() => count('waiting')).toBe(0)
  expect(await count('answered')).toBe(await count('sent'))
})

test('what is not shared is for nobody else, a click shares it', async () => {
  const card = await create(anns(), 'A secret')
  expect(await task(bobs(), 'A secret').count()).toBe(0)
  await card.getByTestId('share-bob').click()
  await task(bobs(), 'A secret').waitFor()
})

test('a move shows at once, before the service has heard of it', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  await page.route('**/api/board/task/*', async (route) => {
    await held
    await route.continue()
  })
  await task(anns(), 'Mend the nets').getByTestId('move-doing').click()
  const moved = inLane(anns(), 'doing', 'Mend the nets')
  await moved.waitFor()
  expect(await moved.getAttribute('aria-busy')).toBe('true')
  expect(await inLane(bobs(), 'todo', 'Mend the nets').count()).toBe(1) // it has not happened
  release()
  await inLane(bobs(), 'doing', 'Mend the nets').waitFor()
  await settled(moved)
  await page.unroute('**/api/board/task/*')
})

test('a move that the service refuses is taken back, and the card says why', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  await page.route('**/api/board/task/*', async (route) => {
    await held
    await route.continue()
  })
  await task(bobs(), 'Book the harbour').getByTestId('move-doing').click()
  await inLane(bobs(), 'doing', 'Book the harbour').waitFor()
  release()
  const card = inLane(bobs(), 'done', 'Book the harbour')
  await card.getByText('Only ann, the owner').waitFor()
  expect(await inLane(bobs(), 'doing', 'Book the harbour').count()).toBe(0)
  expect(await inLane(anns(), 'done', 'Book the harbour').getByTestId('complaints').textContent()).toBe('') // not made there
  await expect.poll(() => page.getByTestId('said').textContent()).toMatch(/Book the harbour is not moved to Doing/)
  await card.getByRole('button', { name: 'All right' }).click()
  await expect.poll(() => card.getByTestId('complaints').textContent()).toBe('')
  await page.unroute('**/api/board/task/*')
})

test('a task moves by keys, keeps the focus, and is announced', async () => {
  const grip = (column: string) => inLane(anns(), column, 'Chart the sandbank').getByTestId('grip')
  await grip('todo').focus()
  await page.keyboard.press('ArrowRight')
  await expect.poll(() => page.getByTestId('said').textContent()).toMatch('Chart the sandbank is in Doing.')
  await page.keyboard.press('ArrowRight')
  await inLane(bobs(), 'done', 'Chart the sandbank').waitFor()
  await expect.poll(() => page.getByTestId('said').textContent()).toMatch('Chart the sandbank is in Done.')
  expect(await grip('done').evaluate((element) => element === document.activeElement)).toBe(true)
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  await inLane(bobs(), 'todo', 'Chart the sandbank').waitFor()
})

test('a card moves by mouse, and into the hands of another', async () => {
  await task(anns(), 'Paint the boat').dragTo(anns().getByTestId('lane-todo'))
  await inLane(bobs(), 'todo', 'Paint the boat').waitFor()
  await create(anns(), 'Given away')
  await task(anns(), 'Given away').dragTo(bobs().getByTestId('lane-todo'))
  await task(bobs(), 'Given away').waitFor()
})

test('a third user comes, and goes', async () => {
  await page.getByTestId('add-user').click()
  await page.getByTestId('user-name').fill('carol')
  await page.getByTestId('log-in').click()
  await inState(pane(page, 'carol'), 'open')
  expect(new URL(page.url()).hash).toBe('#ann,bob,carol')
  await share(task(anns(), 'A secret'), 'carol')
  await task(pane(page, 'carol'), 'A secret').waitFor()
  await pane(page, 'carol').getByTestId('leave').click()
  await pane(page, 'carol').waitFor({ state: 'detached' })
  await page.reload()
  await task(bobs(), 'A secret').waitFor()
  expect(await pane(page, 'carol').count()).toBe(0)
})

test('a command lights its way, with the times that the boxes have measured', async () => {
  await task(anns(), 'Mend the nets').getByTestId('move-done').focus()
  await page.keyboard.press('Enter')
  const timeline = page.getByTestId('timeline').filter({ hasText: 'Mend the nets' })
  await timeline.getByTestId('step-12').waitFor()
  const corr = (await timeline.getAttribute('data-corr'))!
  const response = await fetch(new URL(`/dev/trace?corr=${corr}`, url))
  const { spans } = (await response.json()) as { spans: { step: number; start: number; ms: number }[] }
  for (let step = 7; step <= 12; step++) {
    const first = spans.find((span) => span.step === step)!
    const time = await page.getByTestId(`time-${step}`).textContent()
    const shown = parseFloat(time!)
    expect(time, `step ${step}`).toMatch(/^[\d.]+\sms$/)
    expect(Math.abs(shown - first.ms), `step ${step}: ${time}, ${first.ms}`).toBeLessThan(0.5)
    expect(await page.getByTestId(`light-${step}`).count()).toBe(1)
  }
  expect(await page.getByTestId('light-1').count()).toBe(0)
  expect(await timeline.getByTestId('seen').textContent()).toMatch(/applied, 202 after [\d.]+ ms, at \w+’s after [\d.]+ ms/)
  await page.getByTestId('earlier').click()
  await page.getByTestId('timeline').filter({ hasNotText: 'Mend the nets' }).waitFor()
})

test('the flow shows what a trace says, and lights nothing without one', async () => {
  const spans = [
    { step: 7, name: 'a', start: 1_000, ms: 4.25 },
    { step: 8, name: 'b', start: 1_001, ms: 3 },
    { step: 12, name: 'c', start: 1_150, ms: 0.125 },
    { step: 12, name: 'c', start: 1_151, ms: 9 },
  ]
  await page.route('**/dev/trace?*', (route) => route.fulfill({ json: { spans } }))
  await task(anns(), 'Mend the nets').getByTestId('move-todo').focus()
  await page.keyboard.press('Enter')
  const timeline = page.getByTestId('timeline').filter({ hasText: '160 ms in all' })
  await timeline.waitFor()
  const shown = await page.locator('[data-testid^=time-]').allTextContents()
  expect(shown.map((text) => text.replace(/\s/, ' '))).toEqual(['4.3 ms', '3.0 ms', '0.13 ms'])
  expect(await page.locator('[data-testid^=light-]').count()).toBe(3)
  expect(await timeline.getByTestId('step-12').textContent()).toContain('9.0 ms') // the longest of two
  expect(await timeline.textContent()).toContain('shown 10 times slower')
  await page.unroute('**/dev/trace?*')
  await page.route('**/dev/trace?*', (route) => route.fulfill({ json: { spans: [] } }))
  await task(anns(), 'Mend the nets').getByTestId('move-doing').focus()
  await page.keyboard.press('Enter')
  await page.getByTestId('timeline').filter({ hasNotText: 'in all' }).waitFor({ timeout: 10_000 })
  expect(await page.locator('[data-testid^=light-]').count()).toBe(0)
  await page.unroute('**/dev/trace?*')
})

test('no console error or warning in all that', () => {
  expect(errors(page)).toEqual([])
})
