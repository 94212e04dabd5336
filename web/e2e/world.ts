import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Locator, type Page } from 'playwright-core'
import { address, ebb, type Ebb } from './process.js'

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Cleanup collects what has to be undone, the last first. */
export class Cleanup {
  #steps: (() => unknown)[] = []

  add(step: () => unknown): void {
    this.#steps.unshift(step)
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0)) await step()
  }
}

/** Dev is a running `ebb dev` and where its parts listen. */
export interface Dev {
  /** page is the URL of the task board. */
  page: string
  /** origin, edge, admin and kafka are host:port. */
  origin: string
  edge: string
  admin: string
  kafka: string
}

/** dev starts every box in one process, in a folder of its own. */
export async function dev(cleanup: Cleanup, extra: string[] = [], env: Record<string, string> = {}): Promise<Dev> {
  const data = mkdtempSync(join(tmpdir(), 'ebb-e2e-'))
  cleanup.add(() => rmSync(data, { recursive: true, force: true }))
  const flag = { addr: '', 'edge-addr': '', 'control-addr': '', 'admin-addr': '', 'kafka-addr': '' }
  for (const name of Object.keys(flag) as (keyof typeof flag)[]) flag[name] = await address()
  const args = Object.entries(flag).flatMap(([name, value]) => [`--${name}`, value])
  const process: Ebb = await ebb(['dev', ...args, '--data', data, ...extra], env)
  cleanup.add(() => process.end())
  const page = /http:\S+/.exec(process.ready)?.[0]
  if (!page) throw new Error(`no URL in ready ${process.ready}`)
  return { page, origin: flag.addr, edge: flag['edge-addr'], admin: flag['admin-addr'], kafka: flag['kafka-addr'] }
}

/** tabs returns a function that opens tabs of one browser, each another user's. */
export async function tabs(cleanup: Cleanup, url: string): Promise<(user: string) => Promise<Page>> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags })
  cleanup.add(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 } })
  return async (user) => {
    const page = await context.newPage()
    await page.goto(url)
    await page.getByTestId('login-name').fill(user)
    await page.getByTestId('login').click()
    await inState(page, 'open')
    return page
  }
}

/** inState waits until the page's connection is in one of the states. */
export async function inState(page: Page, ...states: string[]): Promise<void> {
  const any = states.map((state) => `[data-testid=state][data-state=${state}]`).join()
  await page.locator(any).waitFor()
}

/** task is the card with that title. */
export function task(page: Page, title: string): Locator {
  return page.getByTestId('task').filter({ has: page.getByRole('heading', { name: title, exact: true }) })
}

/** create adds a task and waits for its card. */
export async function create(page: Page, title: string): Promise<Locator> {
  await page.bringToFront() // a hidden tab acts slowly
  await page.getByTestId('new-title').fill(title)
  await page.getByTestId('create').click()
  const card = task(page, title)
  await card.waitFor()
  return card
}

/** share lets another user see a card. */
export async function share(card: Locator, user: string): Promise<void> {
  await card.getByTestId('more').click()
  await card.getByTestId('share-user').fill(user)
  await card.getByTestId('share').click()
  await card.getByText(`with ${user}`).waitFor()
}

/** rows are those of "what comes back" that answer the command with that _corr. */
export function rows(page: Page, corr: string): Locator {
  return page.locator(`[data-testid=event][data-corr="${corr}"]`)
}

/** sender returns a function that sends commands over HTTP, without a page. */
export async function sender(page: Page, user: string): Promise<(id: string, command: object) => Promise<string>> {
  const { url, api } = await page.evaluate(() => ({
    url: document.baseURI,
    api: document.querySelector<HTMLMetaElement>('meta[name=ebb-api]')!.content,
  }))
  const post = async (path: string, body: object, headers = {}) => {
    const response = await fetch(new URL(path, url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const { access_token } = (await (await post('/dev/login', { user })).json()) as { access_token: string }
  return async (id, command) => {
    const _corr = crypto.randomUUID()
    await post(`${api}/board/task/${id}`, { ...command, _corr }, { Authorization: `Bearer ${access_token}` })
    return _corr
  }
}
