import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import type { Page } from 'puppeteer-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch } from './browsers.js'
import type { Seen } from './client.page.js'
import { Relay } from './relay.js'
import { Cleanup, dev } from './world.js'

// The client in Chromium and in Firefox against `ebb dev`, through a relay that
// cuts its streams at any byte. CUTS is how many there are of each at least.

const cuts = Number(process.env.CUTS ?? 200)
const cleanup = new Cleanup()
const patience = { timeout: 60_000, interval: 50 } // milliseconds

declare global {
  interface Window {
    start(user: string): Promise<void>
    client: { seen(): Seen; stop(): Promise<void> }
  }
}

let code: string
beforeAll(async () => {
  const input = fileURLToPath(new URL('client.page.ts', import.meta.url))
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, modulePreload: { polyfill: false }, rolldownOptions: { input, output: { format: 'iife' } } },
  })
  code = (built as { output: { code: string }[] }).output[0]!.code
})
afterAll(() => cleanup.run())

test.each(Object.keys(launch))('cut at any byte in %s, nothing is lost and nothing twice', async (name) => {
  const relay = new Relay()
  cleanup.add(() => relay.close())
  const world = await dev(cleanup, ['--edge-url', `http://${await relay.listen()}`])
  relay.target = world.edge
  const browser = await launch[name]!()
  cleanup.add(() => browser.close())
  const page: Page = await browser.newPage()
  await page.goto(`${world.page}dev/login`) // a page of the API's origin without scripts
  await page.evaluate(code)
  await page.evaluate((user) => window.start(user), name)
  const seen = () => page.evaluate(() => window.client.seen())
  await expect.poll(async () => (await seen()).answered.length, patience).toBeGreaterThan(3)

  relay.limit = () => Math.floor(Math.random() * 2000)
  relay.cut()
  const limit = { timeout: 30_000 + cuts * 2_000, interval: 100 }
  await expect.poll(() => relay.cuts.length, limit).toBeGreaterThanOrEqual(cuts)
  relay.limit = () => Infinity
  relay.cut()
  await page.evaluate(() => window.client.stop())
  await expect.poll(async () => (await seen()).states.at(-1), patience).toBe('open')

  const { seqs, answered, states, title } = await seen()
  console.log(`${name}: ${relay.cuts.length} cuts, ${answered.length} commands, ${states.filter((state) => state === 'open').length} times open`)
  expect(answered).toEqual(answered.map((_, i) => `${i + 1}`))
  expect(seqs).toEqual(Array.from({ length: answered.length + 1 }, (_, i) => i))
  expect(title).toBe(answered.at(-1))
}, 120_000 + cuts * 3_000)
