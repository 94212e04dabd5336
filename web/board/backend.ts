import { Client, Collection } from '../src/index.js'
import { tabs } from '../src/tabs.js'
import { Feed } from './feed.js'
import type { Journal } from './journal.js'
import { tokens } from './session.js'
import { type, type Types } from './task.js'

/** Backend is one user's view of it: what they send, have, and hear. */
export interface Backend {
  user: string
  client: Client<Types>
  tasks: Collection<Types, typeof type>
  feed: Feed
}

/** connect prepares a user's backend; open its client to start. failed is told why there is no log in. */
export function connect(user: string, journal: Journal, failed: (why: string) => void): Backend {
  const base = document.querySelector<HTMLMetaElement>('meta[name=ebb-api]')?.content ?? ''
  const client = new Client<Types>({
    api: new URL(base, document.baseURI).href,
    token: tokens(user, failed),
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      // The client does not tell of a 202 that comes after the event; the flow shows both.
      if (response.status === 202 && typeof init?.body === 'string') journal.accepted((JSON.parse(init.body) as { _corr: string })._corr)
      return response
    },
    persist: { storage: sessionStorage, user },
    source: tabs({ user }), // a browser opens six connections to a host: many windows would use them up
    onReset: () => journal.reset(user),
  })
  client.listen({ reply: (reply) => journal.heard(user, reply) })
  return { user, client, tasks: new Collection<Types, typeof type>(client, type), feed: new Feed(client) }
}
