import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cleanup, dev, errors, inState, pane, rows, sender, tabs, task, unreached } from './world.js'

// The buttons that break parts of the machine, while both users' ferries send
// commands: the tally on the page says that nothing is lost and nothing twice.

const out = fileURLToPath(new URL('out/', import.meta.url))
const cleanup = new Cleanup()
const patience = { timeout: 60_000, interval: 100 } // milliseconds
const stop = Number(process.env.STOP ?? 10) // seconds that the broker is stopped; 30 with STOP=30
let url: string
let page: Page

beforeAll(async () => {
  ;({ page: url } = await dev(cleanup))
  const open = await tabs(cleanup, url)
  page = await open('ann,bob')
})
afterAll(() => cleanup.run())

async function count(name: string): Promise<number> {
  return Number(await page.getByTestId(name).textContent())
}

/** moreAnswers waits until more commands have come back, and there is no harm. */
async function moreAnswers(): Promise<void> {
  const before = await count('answered')
  await expect.poll(() => count('answered'), patience).toBeGreaterThan(before + 5)
  expect([await count('lost'), await count('twice')]).toEqual([0, 0])
}

async function bothOpen(): Promise<void> {
  for (const user of ['ann', 'bob']) await inState(pane(page, user), 'open')
}

test('each user has a ferry, and all see them go', async () => {
  await page.getByTestId('ferries').click()
  for (const user of ['ann', 'bob']) await task(pane(page, user), "bob's ferry").waitFor()
  await moreAnswers()
})

test('streams that are cut say when they come back, and lose nothing', async () => {
  await page.getByTestId('cut').click()
  await inState(pane(page, 'ann'), 'retrying', 'connecting')
  await bothOpen()
  await moreAnswers()
})

test('an edge that is restarted loses nothing', async () => {
  await page.getByTestId('restart').click()
  await inState(pane(page, 'ann'), 'retrying', 'connecting')
  await bothOpen()
  await moreAnswers()
})

test('a broker that is stopped loses nothing', async () => {
  if (stop !== 10) await page.route('**/dev/broker/stop?*', (route) => route.continue({ url: route.request().url().replace(/\d+$/, String(stop)) }))
  const began = Date.now()
  await page.getByTestId('stop').click()
  await page.getByTestId('stop').getByText('Kafka is back in').waitFor()
  await expect.poll(() => count('waiting'), patience).toBeGreaterThan(5) // they pile up
  await page.screenshot({ path: `${out}stopped.png` })
  await page.getByTestId('stop').getByText('Stop Kafka').waitFor({ timeout: (stop + 30) * 1_000 })
  expect(Date.now() - began).toBeGreaterThan(stop * 900)
  await bothOpen()
  await moreAnswers()
})

test('a tab that sleeps while its streams are cut and others go on, catches up', async () => {
  const send = await sender(page, 'ann')
  const id = (await task(pane(page, 'ann'), "ann's ferry").getAttribute('data-id'))!
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' }) // no script of the page runs now
  await fetch(new URL('/dev/cut', url), { method: 'POST' })
  const corrs: string[] = []
  for (const user of ['bob', 'eve', 'bob']) corrs.push(await send(id, { _command: 'assign', user }))
  await devtools.send('Page.setWebLifecycleState', { state: 'active' })
  await bothOpen()
  await moreAnswers()
  for (const user of ['ann', 'bob'])
    for (const corr of corrs) await expect.poll(() => rows(pane(page, user), corr).count(), patience).toBe(1)
})

test('without a network commands wait, the page says when it tries again, and all are sent once', async () => {
  const context = page.context()
  await context.setOffline(true)
  await fetch(new URL('/dev/cut', url), { method: 'POST' }) // streams that are open stay so, offline or not
  const ann = pane(page, 'ann')
  await expect.poll(() => ann.getByTestId('retry').textContent({ timeout: 1_000 }).catch(() => ''), patience).toMatch(/^in [1-9]\d* s$/)
  await expect.poll(() => count('waiting'), patience).toBeGreaterThan(5)
  await page.screenshot({ path: `${out}offline.png` })
  await context.setOffline(false)
  await bothOpen()
  await moreAnswers()
})

test('in the end every command has come back, once', async () => {
  await page.getByTestId('ferries').click()
  await expect.poll(() => count('waiting'), patience).toBe(0)
  expect(await count('sent')).toBeGreaterThan(30)
  expect(await count('answered')).toBe(await count('sent'))
  expect([await count('lost'), await count('twice')]).toEqual([0, 0])
  for (const user of ['ann', 'bob']) expect(await pane(page, user).locator('[data-outcome="ebb.reset"]').count()).toBe(0)
  expect(errors(page).filter((text) => !unreached.test(text))).toEqual([])
})
