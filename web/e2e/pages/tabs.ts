import { Client } from '@ebb-events/client'
import { tabs } from '@ebb-events/client/tabs'

/** Heard is what a tab has heard, and how it stands. */
export interface Heard {
  titles: string[]
  resets: number
  ready: boolean
  /** hub is where the stream is held: worker, this tab, another tab, none. */
  hub: string
  /** meetings is how often it looked for one. */
  meetings: number
  /** persisted tells whether the page was kept when it was left. */
  persisted?: boolean
}

declare global {
  interface Window {
    tab: Heard
    shared: Client
  }
}

const asked = new URLSearchParams(location.search)
const user = asked.get('user')!
const token = asked.get('token')
const tab: Heard = { titles: [], resets: 0, ready: false, hub: '', meetings: 0 }

const client = new Client({
  api: '/api',
  token: token === null ? undefined : () => token,
  source: tabs({ user, worker: asked.has('elect') ? false : undefined }),
  debug: (what, facts) => {
    if (what !== 'tabs') return
    tab.hub = String(facts.hub)
    tab.meetings++
  },
})
client.listen({
  reply: ({ title }) => tab.titles.push(String(title)),
  reset: () => tab.resets++,
})
void client.ready().then(() => (tab.ready = true))
client.open()
Object.assign(window, { tab, shared: client })
