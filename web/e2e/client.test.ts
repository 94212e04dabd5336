import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import type { Page } from 'puppeteer-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch } from './browsers.js'
import type { Seen } from './client.page.js'
import { Relay } from './relay.js'
import { Cleanup, dev } from './world.js'

// The client in Chromium and in Firefox against `ebb dev`, through a relay that
// cuts its streams at any byte, while the edge is restarted, and while the broker
// is stopped. CUTS is how many there are in each browser at least, STOP for how
// many seconds the broker is stopped.

const cuts = Number(process.env.CUTS ?? 200)
const stop = Number(process.env.STOP ?? 5)
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

/** Running is a page that sends commands and notes what it hears, behind a relay. */
interface Running {
  relay: Relay
  seen(): Promise<Seen>
  /** press asks for one of what `ebb dev` can break. */
  press(button: string): Promise<void>
  /** complete ends the commands and looks whether each event came once, in order. */
  complete(): Promise<Seen>
}

async function run(name: string): Promise<Running> {
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
  return {
    relay,
    seen,
    async press(button) {
      const response = await fetch(`${world.page}dev/${button}`, { method: 'POST' })
      expect(response.status, button).toBe(202)
    },
    async complete() {
      await page.evaluate(() => window.client.stop())
      await expect.poll(async () => (await seen()).states.at(-1), patience).toBe('open')
      const { seqs, answered, states, title } = await seen()
      expect(answered).toEqual(answered.map((_, i) => `${i + 1}`))
      expect(seqs).toEqual(Array.from({ length: answered.length + 1 }, (_, i) => i))
      expect(title).toBe(answered.at(-1))
      console.log(`${name}: ${answered.length} commands, ${states.filter((state) => state === 'open').length} times open`)
      return { seqs, answered, states, title }
    },
  }
}

/** more waits until some more commands were answered. */
async function more({ seen }: Running): Promise<void> {
  const before = (await seen()).answered.length
  await expect.poll(async () => (await seen()).answered.length, patience).toBeGreaterThan(before + 3)
}

test.each(Object.keys(launch))('cut at any byte in %s, nothing is lost and nothing twice', async (name) => {
  const running = await run(name)
  const { relay } = running
  await more(running)
  relay.limit = () => Math.floor(Math.random() * 2000)
  relay.cut()
  const limit = { timeout: 30_000 + cuts * 2_000, interval: 100 }
  await expect.poll(() => relay.cuts.length, limit).toBeGreaterThanOrEqual(cuts)
  relay.limit = () => Infinity
  relay.cut()
  await running.complete()
}, 120_000 + cuts * 3_000)

test.each(Object.keys(launch))('the edge restarts under %s, nothing is lost and nothing twice', async (name) => {
  const running = await run(name)
  await more(running)
  await running.press('edge/restart')
  await more(running)
  await running.press('edge/restart')
  await more(running)
  const { states } = await running.complete()
  expect(states.filter((state) => state === 'open').length).toBeGreaterThan(2)
}, 180_000)

test.each(Object.keys(launch))('the broker stops under %s, nothing is lost and nothing twice', async (name) => {
  const running = await run(name)
  await more(running)
  await running.press(`broker/stop?seconds=${stop}`)
  await more(running)
  await running.complete()
}, 180_000 + stop * 1_000)
