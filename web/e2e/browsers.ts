import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import type { Cleanup } from './world.js'

/** launch starts a browser, by name. */
export const launch: Record<string, () => Promise<Browser>> = {
  chromium: () => puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic'] }),
  firefox: () => puppeteer.launch({ browser: 'firefox', executablePath: '/usr/bin/firefox-esr' }),
}

/** Heard is what one EventSource of a page has told. */
export interface Heard {
  /** from is how many messages there were before it. */
  from: number
  messages: string[]
  ids: string[]
  /** own counts Ebb's own events by name. */
  own: Record<string, number>
  open: boolean
  closed: boolean
}

declare global {
  interface Window {
    heard: Heard[]
  }
}

/** Tab is a page in a real browser, with nothing but its own EventSource. */
export class Tab {
  readonly #page: Page

  private constructor(
    readonly user: string,
    page: Page,
  ) {
    this.#page = page
  }

  /** tabs opens one in each browser. Each has a user of the browser's name. */
  static tabs(cleanup: Cleanup, url: string): Promise<Tab[]> {
    return Promise.all(
      Object.entries(launch).map(async ([user, start]) => {
        const browser = await start()
        cleanup.add(() => browser.close())
        const page = await browser.newPage()
        await page.goto(`${url}dev/login`) // a page of the API's origin without scripts
        await page.evaluate(async (user) => {
          window.heard = []
          await fetch('/dev/login', {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ user }),
          })
        }, user)
        return new Tab(user, page)
      }),
    )
  }

  /** listen opens an EventSource, after so many messages. */
  listen(from: number): Promise<void> {
    return this.#page.evaluate((from) => {
      const heard: Heard = { from, messages: [], ids: [], own: {}, open: false, closed: false }
      window.heard.push(heard)
      const source = new EventSource('/api/sse')
      source.onmessage = (e) => {
        heard.messages.push(e.data as string)
        heard.ids.push(e.lastEventId)
      }
      source.onopen = source.onerror = () => {
        heard.open = source.readyState === EventSource.OPEN
        heard.closed = source.readyState === EventSource.CLOSED
      }
      for (const name of ['ebb.hello', 'ebb.mark', 'ebb.bye', 'ebb.reset'])
        source.addEventListener(name, () => (heard.own[name] = (heard.own[name] ?? 0) + 1))
    }, from)
  }

  /** heard is what all its EventSources have told. */
  heard(): Promise<Heard[]> {
    return this.#page.evaluate(() => window.heard)
  }
}
