import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client, fetchTransport } from '../src/index.js'
import { bundle, site } from './site.js'
import { Cleanup, dev } from './world.js'

const pages = ['eventsource.html', 'library.html', 'react.html', 'query.html', 'redux.html', 'rxjs.html']

const cleanup = new Cleanup()
let url: string
let origin: string
let context: BrowserContext

beforeAll(async () => {
  ;({ origin } = await dev(cleanup))
  url = await site(cleanup, 'examples', pages, origin)
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu'] })
  cleanup.add(() => browser.close())
  context = await browser.newContext()
})
afterAll(() => cleanup.run())

/** add types a title and waits until it is in the list, once. */
async function add(page: Page, title: string): Promise<void> {
  await page.locator('input[name=title]').fill(title)
  await page.locator('button').click()
  await page.locator('li', { hasText: title }).waitFor()
}

test('node.ts sends a command from a script', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-node-'))
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }))
  await bundle('examples/node.ts', folder)
  const { access_token } = (await (await context.request.post(`${url}dev/login`, { data: { user: 'node' } })).json()) as { access_token: string }
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'node.js'), `http://${origin}/api`, access_token], { timeout: 30_000 })
  expect(stdout).toBe('applied From a script\n')
})

test.each(pages)('%s sends a command, and shows what comes back and what others do', async (name) => {
  const user = name.replace('.html', '')
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(`${message.text()} ${message.location().url}`))
  const loggedIn = await context.request.post(`${url}dev/login`, { data: { user } }) // a cookie, and a token for the other
  const { access_token } = (await loggedIn.json()) as { access_token: string }
  await page.goto(`${url}${name}?user=${user}`)
  await add(page, 'Mine')

  const other = new Client({ api: `http://${origin}/api`, token: () => access_token, transport: fetchTransport })
  other.open()
  await other.send(`board/task/${crypto.randomUUID()}`, { _command: 'create', title: 'From elsewhere' }).settled
  other.close()
  await page.locator('li', { hasText: 'From elsewhere' }).waitFor()
  expect((await page.locator('li').allTextContents()).sort()).toEqual(['From elsewhere', 'Mine'])

  await page.reload()
  await page.locator('li', { hasText: 'Mine' }).waitFor()

  const second = await context.newPage() // of the same user, on the same stream where it is shared
  await second.goto(`${url}${name}?user=${user}`)
  await second.locator('li', { hasText: 'Mine' }).waitFor()
  await add(second, 'In the second tab')
  await page.locator('li', { hasText: 'In the second tab' }).waitFor()
  for (const tab of [page, second]) expect(await tab.locator('li').count()).toBe(3)
  expect(errors).toEqual([])
  await page.close()
  await second.close()
})
