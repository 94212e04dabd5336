import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Tab, type Heard } from './browsers.js'
import { address, ebb, type Ebb } from './process.js'
import { Relay } from './relay.js'
import { Cleanup, dev } from './world.js'

// The browsers' own EventSource, in Chromium and Firefox at once, with a cookie
// and no library: through a relay to one of two edges.

const cleanup = new Cleanup()
const keys = { EBB_GRIP_KEY: randomBytes(32).toString('hex'), EBB_PUBLISH_KEY: randomBytes(32).toString('hex') }
const relay = new Relay()
const patience = { timeout: 30_000, interval: 50 } // milliseconds
const firstUse = Number(process.env.FIRST_USE ?? 5) // seconds, for browsers on busy machines; a minute, as it is by itself, with FIRST_USE=60

/** Edge is a process, and where it takes streams and what is published. */
interface Edge {
  addr: string
  control: string
  process: Ebb
}

let origin: string
let kafka: string
let edges: Edge[]
let tabs: Tab[]
let told: string[] // to each user, in order

async function edge(flags: string[] = []): Promise<Edge> {
  const [addr, control] = [await address(), await address()]
  const listen = ['--addr', addr, '--control-addr', control, '--admin-addr', await address()]
  const process = await ebb(['edge', '--origin', `http://${origin}`, '--kafka', kafka, ...listen, ...flags], keys)
  cleanup.add(() => process.end())
  return { addr, control, process }
}

beforeAll(async () => {
  cleanup.add(() => relay.close())
  const front = `http://${await relay.listen()}`
  const world = await dev(cleanup, ['--edge-url', front, '--first-use', `${firstUse}s`], keys)
  ;({ origin, kafka } = world)
  edges = [await edge(), await edge()]
  relay.target = edges[0]!.addr
  tabs = await Tab.tabs(cleanup, world.page)
  told = []
})
afterAll(() => cleanup.run())

/** tell publishes to every user, through an edge. */
async function tell(text: string, through = edges[0]!): Promise<void> {
  told.push(text)
  const items = tabs.map(({ user }) => ({ channel: user, formats: { 'http-stream': { content: `data: ${text}\n\n` } } }))
  const response = await fetch(`http://${through.control}/publish/`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${keys.EBB_PUBLISH_KEY}` },
    body: JSON.stringify({ items }),
  })
  expect(response.status).toBe(200)
}

/** all asks each stream of each browser, by name. */
async function all<T>(ask: (heard: Heard) => T): Promise<Record<string, T>> {
  const answers = await Promise.all(tabs.map(async (tab) => (await tab.heard()).map((heard, i) => [`${tab.user} ${i}`, ask(heard)])))
  return Object.fromEntries(answers.flat())
}

/** hellos waits until each stream was attached so often. */
async function hellos(n: number): Promise<void> {
  await expect.poll(async () => Object.values(await all(({ own }) => (own['ebb.hello'] ?? 0) >= n)), patience).not.toContain(false)
}

/** complete says for each stream whether it has told what was told, or never will. */
async function complete(): Promise<boolean[]> {
  return Object.values(await all(({ from, messages, closed }) => closed || from + messages.length >= told.length))
}

/** heardAll waits until each stream has told what was told, and no more. */
async function heardAll(): Promise<void> {
  await expect.poll(complete, patience).not.toContain(false)
  for (const [stream, heard] of Object.entries(await all((heard) => heard))) {
    expect(heard.closed, `${stream} is closed for good`).toBe(false)
    expect(heard.own, stream).not.toHaveProperty('ebb.reset')
    expect(heard.messages, stream).toEqual(told.slice(heard.from))
    for (const id of heard.ids) expect(id, stream).toMatch(/^1\.[\w.-]{1,126}$/)
  }
}

const firefox = /^User-Agent: .*Firefox/im
const header = (request: string, name: string) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(request)?.[1]

test('comes back long after the first use of its ticket', async () => {
  await Promise.all(tabs.map((tab) => tab.listen(0)))
  await hellos(1)
  await tell('before')
  await heardAll()
  const before = await all(({ ids }) => ids.at(-1)!) // which prove the session
  const firsts = relay.requests.splice(0)
  const used = Date.now()
  const late = { timeout: firstUse * 1000 + 30_000, interval: 50 }
  await expect.poll(() => Date.now() - used, late).toBeGreaterThan(firstUse * 1000 + 500)
  // Whoever has found the URL has nothing: not by itself, nor with an id in it.
  for (const request of firsts) {
    const leaked = `http://${edges[0]!.addr}${/^GET (\S+)/.exec(request)![1]}`
    for (const proof of ['', ...Object.values(before).map((id) => `&cursor=${id}`)]) {
      const response = await fetch(leaked + proof, { headers: { Accept: 'text/event-stream' } })
      expect(response.status, `a leaked URL${proof && ' with a cursor'}`).toBe(403)
      await response.body?.cancel()
    }
  }
  relay.cut()
  await tell('while nobody hears')
  await hellos(2)
  await tell('after')
  await heardAll()
  const ids = relay.requests.map((request) => header(request, 'Last-Event-ID'))
  expect(ids.sort()).toEqual(Object.values(before).sort())
  // Firefox gets a new ticket. Chromium comes with its first, which is what this is about.
  const url = (requests: string[]) => /^GET \S+/.exec(requests.find((request) => !firefox.test(request))!)![0]
  expect(url(relay.requests)).toBe(url(firsts))
}, 120_000 + firstUse * 1000)

test('an edge that takes no streams keeps it alive', async () => {
  const full = await edge(['--origin', 'http://127.0.0.1:1']) // it has nobody to ask
  relay.target = full.addr
  relay.cut()
  const before = await all(({ own }) => own['ebb.hello'])
  await tell('while it is sent away')
  const sentAway = async () => Object.values(await all(({ own, closed }) => closed || (own['ebb.bye'] ?? 0) >= 2))
  await expect.poll(sentAway, patience).not.toContain(false)
  expect(await all(({ own }) => own['ebb.hello'])).toEqual(before)
  relay.target = edges[0]!.addr
  relay.cut()
  await heardAll()
})

test('a full edge keeps it alive', async () => {
  const full = await edge(['--streams', '1']) // for two browsers
  relay.target = full.addr
  const before = await all(({ own }) => own['ebb.bye'] ?? 0)
  relay.cut()
  const sentAway = async () => Object.entries(await all(({ own }) => own['ebb.bye'] ?? 0)).filter(([stream, n]) => n > before[stream]!)
  await expect.poll(async () => (await sentAway()).length, patience).toBe(1)
  await tell('while one of them is sent away')
  relay.target = edges[0]!.addr
  relay.cut()
  await heardAll()
})

test('an edge that ends sends it to another, and nothing is lost', async () => {
  const ending = await edge(['--grace', '4s'])
  relay.target = ending.addr
  relay.cut()
  await tell('before it ends', ending)
  await heardAll()
  const before = await all(({ own }) => own['ebb.bye'] ?? 0)
  const ended = ending.process.end('SIGTERM')
  await tell('while it ends')
  const byes = () => all(({ own }) => own['ebb.bye'] ?? 0)
  await expect.poll(async () => Object.entries(await byes()).every(([stream, n]) => n > before[stream]!), patience).toBe(true)
  relay.target = edges[1]!.addr // nobody comes back within a second
  await ended
  await tell('after it has ended')
  await heardAll()
})

test('cut at any byte, twenty times, nothing is lost and nothing twice', async () => {
  for (let streams = 1; streams < 5; streams++) await Promise.all(tabs.map((tab) => tab.listen(told.length)))
  await hellos(1)
  // What is cut before the first byte of a chunk, Firefox closes for good: docs/proxies.md.
  relay.limit = () => 10 + Math.floor(Math.random() * 1000) // the first event has 100 bytes
  relay.holds = true
  relay.cut()
  const cutHeld = async () => {
    const settled = Object.values(await all(({ open, closed }) => open || closed))
    if (!settled.includes(false)) relay.cutHeld()
  }
  const fewest = async () => {
    await tell(`event ${told.length}`)
    await cutHeld()
    const firefoxes = relay.cuts.filter((request) => firefox.test(request)).length
    return Math.min(firefoxes, relay.cuts.length - firefoxes)
  }
  await expect.poll(fewest, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(20)
  relay.limit = () => Infinity
  await expect.poll(() => cutHeld().then(complete), patience).not.toContain(false)
  await heardAll()
})
