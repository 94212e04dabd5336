import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, fetchTransport } from '../src/index.js'
import { launch } from './browsers.js'
import type { Heard } from './pages/tabs.js'
import { site } from './site.js'
import { Cleanup, dev } from './world.js'

const most = { timeout: 60_000, interval: 100 } // milliseconds

const cleanup = new Cleanup()
let url: string
let origin: string
let admin: string

beforeAll(async () => {
  ;({ origin, admin } = await dev(cleanup))
  url = await site(cleanup, 'e2e/pages', ['tabs.html'], origin)
})
afterAll(() => cleanup.run())

/** streams is how many the edge holds. */
async function streams(): Promise<number> {
  const text = await (await fetch(`http://${admin}/metrics`)).text()
  return Number(/^ebb_edge_streams (\d+)/m.exec(text)![1])
}

/** token is one for a user; all a test knows of logging in. */
async function token(user: string): Promise<string> {
  const response = await fetch(`http://${origin}/dev/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

/** User says things from elsewhere, without a stream: who hears them is counted. */
class User {
  said: string[] = []
  #token?: Promise<string>

  constructor(readonly name: string) {}

  get token(): Promise<string> {
    return (this.#token ??= token(this.name))
  }

  async say(title: string): Promise<void> {
    this.said.push(title)
    const response = await fetch(`http://${origin}/api/board/task/${crypto.randomUUID()}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await this.token}`, Prefer: 'wait=20' },
      body: JSON.stringify({ _command: 'create', title }),
    })
    expect(response.status).toBe(200) // it has been done, so that these are in order
  }

  async open(browser: Browser, query: string): Promise<Page> {
    const page = await browser.newPage()
    await page.goto(`${url}tabs.html?user=${this.name}&token=${await this.token}${query}`)
    await expect.poll(() => heard(page).then(({ ready }) => ready), most).toBe(true)
    return page
  }
}

const heard = (page: Page): Promise<Heard> => page.evaluate(() => window.tab)
const titles = async (page: Page): Promise<string[]> => (await heard(page)).titles
const state = (page: Page) => page.evaluate(() => window.shared.state)

describe.each(Object.keys(launch))('%s', (name) => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launch[name]!()
  })
  afterAll(() => browser.close())

  test('tabs that may have no worker elect one of them', async () => {
    const user = new User(`${name}-policy`)
    const pages: Page[] = []
    for (let i = 0; i < 2; i++) pages.push(await user.open(browser, `&policy=${encodeURIComponent("worker-src 'none'")}`))
    await expect.poll(streams, most).toBe(1)
    await user.say('one')
    for (const page of pages) await expect.poll(() => titles(page), most).toEqual(['one'])
    expect((await Promise.all(pages.map(heard))).map(({ hub }) => hub)).toEqual(['this tab', 'another tab'])
    for (const page of pages) await page.close()
    await expect.poll(streams, most).toBe(0)
  })

  describe.each([
    ['a worker', ''],
    ['an elected tab', '&elect'],
  ])('six tabs and %s', (_, query) => {
    const user = new User(`${name}-${query ? 'elect' : 'worker'}`)
    const pages: Page[] = []
    afterAll(async () => {
      for (const page of pages) if (!page.isClosed()) await page.close()
    })

    /** hear waits until each tab has heard all that was said since the first, once and in order. */
    const hear = async (of: Page[]) => {
      for (const page of of) await expect.poll(() => titles(page), most).toEqual(user.said)
      for (const page of of) expect((await heard(page)).resets).toBe(0)
    }

    test('have one connection', async () => {
      for (let i = 0; i < 6; i++) pages.push(await user.open(browser, query))
      await expect.poll(streams, most).toBe(1)
      const hubs = await Promise.all(pages.map(async (page) => (await heard(page)).hub))
      if (query) expect(hubs.filter((hub) => hub === 'this tab')).toHaveLength(1)
      else expect(hubs).toEqual(pages.map(() => 'worker'))
      await user.say('one')
      await user.say('two')
      await hear(pages)
    })

    test('another user beside them has one more, and they hear nothing of each other', async () => {
      const other = new User(`${user.name}-other`)
      const page = await other.open(browser, query)
      await expect.poll(streams, most).toBe(2)
      await other.say('secret')
      await user.say('three')
      await expect.poll(() => titles(page), most).toEqual(['secret'])
      await hear(pages)
      await page.close()
      await expect.poll(streams, most).toBe(1)
    })

    test('go on when the holder is gone, and miss nothing', async () => {
      if (query) {
        const hubs = await Promise.all(pages.map(async (page) => (await heard(page)).hub))
        const [leader] = pages.splice(hubs.indexOf('this tab'), 1)
        const closed = leader!.close()
        await user.say('four')
        await closed
      } else if (name === 'chromium') {
        const worker = browser.targets().find((target) => target.type() === 'shared_worker')!
        const session = await browser.target().createCDPSession()
        await session.send('Target.closeTarget', { targetId: (worker as unknown as { _targetId: string })._targetId })
        await user.say('four')
        for (const page of pages) await expect.poll(() => heard(page).then(({ meetings }) => meetings), most).toBe(2) // with another worker
      } else {
        await pages.shift()!.close() // Firefox lets nobody end a worker: the tab that began it goes
        await user.say('four')
      }
      await user.say('five')
      await hear(pages)
      await expect.poll(streams, most).toBe(1)
    })

    if (name === 'chromium') test('go on when the holder is frozen, and it hears all when it thaws', async () => {
      const hubs = await Promise.all(pages.map(async (page) => (await heard(page)).hub))
      const frozen = pages[Math.max(0, hubs.indexOf('this tab'))]!
      const session = await frozen.createCDPSession()
      await session.send('Page.setWebLifecycleState', { state: 'frozen' })
      await user.say('six')
      await hear(pages.filter((page) => page !== frozen))
      await session.send('Page.setWebLifecycleState', { state: 'active' })
      await hear(pages)
      await expect.poll(streams, most).toBe(1)
    })

    if (name === 'chromium' && query) test('go on when the process of the holder crashes', async () => {
      const hubs = await Promise.all(pages.map(async (page) => (await heard(page)).hub))
      const [leader] = pages.splice(hubs.indexOf('this tab'), 1)
      void leader!.goto('chrome://crash').catch(() => {})
      await user.say('seven')
      await hear(pages)
      await expect.poll(streams, most).toBe(1)
    })

    // Firefox kept no page here.
    if (name === 'chromium') test('a page that is left and shown again as it was hears what it missed', async () => {
      const hubs = await Promise.all(pages.map(async (page) => (await heard(page)).hub))
      const page = pages[Math.max(0, hubs.indexOf('this tab'))]! // the holder, where it is a tab
      await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => (window.tab.persisted = persisted)))
      await page.goto(`${url}tabs.html?user=nobody&token=none`)
      await user.say('away')
      await hear(pages.filter((other) => other !== page))
      await page.goBack()
      expect((await heard(page)).persisted).toBe(true)
      await hear(pages)
      await expect.poll(streams, most).toBe(1)
    })

    test('a reload reads on, and the others do not notice', async () => {
      const page = pages[0]!
      await page.reload()
      await expect.poll(() => heard(page).then(({ ready }) => ready), most).toBe(true)
      await user.say('eight')
      await expect.poll(() => titles(page), most).toEqual(['eight'])
      await hear(pages.slice(1))
    })

    test('log out in one is log out in all', async () => {
      await pages[1]!.evaluate(() => window.shared.logOut())
      for (const page of pages) await expect.poll(() => state(page), most).toEqual({ name: 'closed', why: 'loggedOut' })
      await expect.poll(streams, most).toBe(0)
    })
  })
})

test('a script in Node has a stream of its own', async () => {
  const user = `script-${crypto.randomUUID()}`
  const access = await token(user)
  const client = new Client({ api: `http://${origin}/api`, token: () => access, transport: fetchTransport })
  client.open()
  await client.ready()
  await expect.poll(streams, most).toBe(1)
  client.close()
})
