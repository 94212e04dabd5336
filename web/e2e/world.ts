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

const told = new WeakMap<Page, string[]>()

/** errors is what the page's console has complained of. */
export function errors(page: Page): readonly string[] {
  return told.get(page)!
}

/** unreached are complaints of the browser about requests that had no answer, or a 502 to 504. */
export const unreached = /^Failed to load resource: (net::ERR_\w+|the server responded with a status of 50[234])|net::ERR_/

/** tabs returns a function that opens tabs of one browser: for a user, or several, as `ann,bob`. */
export async function tabs(cleanup: Cleanup, url: string): Promise<(users: string) => Promise<Page>> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: flags })
  cleanup.add(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  return async (users) => {
    const page = await context.newPage()
    const complaints: string[] = []
    told.set(page, complaints)
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.goto(`${url}#${users}`)
    for (const user of users.split(',')) await inState(pane(page, user), 'open')
    return page
  }
}

/** pane is a user's board in a window. */
export function pane(page: Page, user: string): Locator {
  return page.getByTestId(`pane-${user}`)
}

/** inState waits until a connection is in one of the states. */
export async function inState(where: Page | Locator, ...states: string[]): Promise<void> {
  const any = states.map((state) => `[data-testid=state][data-state=${state}]`).join()
  await where.locator(any).waitFor()
}

/** task is the card with that title. */
export function task(where: Page | Locator, title: string): Locator {
  return where.getByTestId('task').filter({ has: pageOf(where).getByRole('heading', { name: title, exact: true }) })
}

/** inLane is the card with that title, in a column. */
export function inLane(where: Page | Locator, column: string, title: string): Locator {
  return task(where.getByTestId(`lane-${column}`), title)
}

/** create adds a task and waits until the service has it. */
export async function create(where: Page | Locator, title: string): Promise<Locator> {
  await pageOf(where).bringToFront() // a hidden tab acts slowly
  await where.getByTestId('new-title').fill(title)
  await where.getByTestId('create').click()
  const card = task(where, title)
  await settled(card)
  return card
}

/** settled waits until no command of a card is under way. */
export function settled(card: Locator): Promise<void> {
  return card.and(card.page().locator('[aria-busy=false]')).waitFor()
}

/** share lets another user see a card. */
export async function share(card: Locator, user: string): Promise<void> {
  await card.getByTestId('more').click()
  await card.getByTestId('share-user').fill(user)
  await card.getByTestId('share').click()
  await card.getByText(`with ${user}`).waitFor()
  await settled(card)
  await card.getByTestId('more').click()
}

/** rows are the events of a user's stream that answer the command with that _corr. */
export function rows(where: Page | Locator, corr: string): Locator {
  return where.locator(`[data-testid=event][data-corr="${corr}"]`)
}

function pageOf(where: Page | Locator): Page {
  return 'page' in where ? where.page() : where
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
