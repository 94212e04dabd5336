import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cleanup, dev, sender, tabs } from './world.js'

interface Heard {
  corr: string
  id: string
}

declare global {
  interface Window {
    heard: Heard[]
    hellos: number
  }
}

const cleanup = new Cleanup()
let page: Page

beforeAll(async () => {
  const { page: url } = await dev(cleanup)
  page = await (await tabs(cleanup, url))('somebody else')
})
afterAll(() => cleanup.run())

test("the browser's own EventSource resumes, with a cookie and no library", async () => {
  await page.evaluate(async () => {
    await fetch('/dev/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"user":"ann"}' })
    window.heard = []
    window.hellos = 0
    const source = new EventSource('/api/sse')
    source.addEventListener('ebb.hello', () => window.hellos++)
    source.onmessage = (e) => window.heard.push({ corr: (JSON.parse(e.data) as { _corr: string })._corr, id: e.lastEventId })
  })
  const hellos = (n: number) => expect.poll(() => page.evaluate(() => window.hellos), { timeout: 30_000 }).toBe(n)
  await hellos(1)
  const send = await sender(page, 'ann')
  const create = () => send(crypto.randomUUID(), { _command: 'create', title: 'Native' })
  const corrs = [await create()]
  for (let cut = 1; cut <= 3; cut++) {
    await page.evaluate(() => fetch('/dev/cut', { method: 'POST' }))
    corrs.push(await create(), await create()) // while nobody hears
    await hellos(cut + 1)
    corrs.push(await create())
  }
  const heard = () => page.evaluate(() => window.heard)
  await expect.poll(async () => (await heard()).length, { timeout: 30_000 }).toBe(corrs.length)
  expect((await heard()).map(({ corr }) => corr).sort()).toEqual([...corrs].sort())
  for (const { id } of await heard()) expect(id).toMatch(/^1\.[\w.-]{1,126}$/)
})
