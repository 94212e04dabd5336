import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type axe from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cleanup, create, dev, errors, inLane, pane, tabs, task } from './world.js'

// The page as it looks, for people to look at, and as assistive technology sees it.

const out = fileURLToPath(new URL('out/', import.meta.url))
const checks = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const cleanup = new Cleanup()
let page: Page

const desktop = { width: 1440, height: 900 }
const phone = { width: 390, height: 844 }

beforeAll(async () => {
  mkdirSync(out, { recursive: true })
  const { page: url } = await dev(cleanup)
  const open = await tabs(cleanup, url)
  page = await open('ann,bob')
})
afterAll(() => cleanup.run())

/** violations is what axe-core finds wrong, each with where. */
async function violations(): Promise<string[]> {
  await page.evaluate(checks) // by the debugger: the page's policy holds for the page
  const found = await page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run()
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`)
  })
  return found
}

/** still waits until nothing moves any more, for a picture. */
async function still(): Promise<void> {
  await page.evaluate(() => Promise.all(document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().iterations !== Infinity).map(({ finished }) => finished)))
}

test('a board without tasks, and one with them, by day', async () => {
  await page.screenshot({ path: `${out}empty.png` })
  expect(await violations()).toEqual([])
  await pane(page, 'ann').getByTestId('starters').click()
  await inLane(pane(page, 'bob'), 'done', 'Book the harbour').waitFor()
  await create(pane(page, 'ann'), 'Buy lemons')
  await task(pane(page, 'bob'), 'Book the harbour').getByTestId('move-doing').click()
  await pane(page, 'bob').getByText('Only ann').waitFor()
  await page.getByTestId('timeline').filter({ hasText: 'rejected' }).waitFor()
  await still()
  await page.screenshot({ path: `${out}board.png` })
  expect(await violations()).toEqual([])
})

test('by night, with everything open', async () => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await task(pane(page, 'ann'), 'Mend the nets').getByTestId('more').click()
  await pane(page, 'bob').getByTestId('returns').locator('summary').click()
  await page.getByTestId('add-user').click()
  await still()
  await page.screenshot({ path: `${out}board-dark.png`, fullPage: true })
  expect(await violations()).toEqual([])
  await page.keyboard.press('Escape')
})

test('on a phone, by night and day', async () => {
  await page.setViewportSize(phone)
  await still()
  await page.screenshot({ path: `${out}board-dark-phone.png`, fullPage: true })
  expect(await violations()).toEqual([])
  await page.emulateMedia({ colorScheme: 'light' })
  await still()
  await page.screenshot({ path: `${out}board-phone.png`, fullPage: true })
  expect(await violations()).toEqual([])
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(wider, 'pixels to scroll to the side').toBeLessThanOrEqual(0)
  await page.setViewportSize(desktop)
})

test('whoever wants no motion gets none, and sees the same', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await task(pane(page, 'ann'), 'Buy lemons').getByTestId('move-doing').click()
  await inLane(pane(page, 'ann'), 'doing', 'Buy lemons').waitFor()
  await page.getByTestId('timeline').filter({ hasText: 'Buy lemons' }).waitFor()
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0)
  expect(await page.getByTestId('light-12').count()).toBe(1)
  await page.screenshot({ path: `${out}board-calm.png` })
})

test('the focus is seen wherever it goes', async () => {
  const visible = () =>
    page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement!)
      return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2
    })
  await page.locator('h1').click()
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab')
    const [tag, html] = await page.evaluate(() => [document.activeElement!.tagName, document.activeElement!.outerHTML.slice(0, 200)])
    if (tag !== 'BODY') expect(await visible(), html).toBe(true) // that is the browser's own
  }
})

test('no console error or warning in all that', () => {
  expect(errors(page)).toEqual([])
})
