/**
 * One stream for all tabs of a browser.
 *
 *     new Client({ api, token, source: tabs({ user }) })
 *
 * A SharedWorker holds it; where there is none, the tab that holds a Web Lock
 * does, and talks with the others over BroadcastChannels; without these each tab
 * has its own. Log out in one tab, and all are logged out.
 */
import type { OpenSource } from './source.js'
import { Stream } from './stream.js'
import { onLife } from './tabs/life.js'
import type { WorkerLike } from './tabs/meet.js'
import { Member } from './tabs/member.js'
import { wayTo, type Browser } from './tabs/way.js'
import { eventSource, type Transport } from './transport.js'

/** Sharing says whose stream it is, and how it is shared. */
export interface Sharing {
  /** user is whose events these are: tabs of different users share nothing. */
  user: string
  /**
   * worker starts the SharedWorker of that name, where the bundler does not find
   * its file by itself; false does without one.
   */
  worker?: ((name: string) => SharedWorker) | false
  /** transport opens the stream; with one, a tab holds it and no worker. */
  transport?: Transport
}

const version = 1 // of what tabs say to one another

/** tabs shares a user's stream between all tabs that do the same. */
export function tabs({ user, worker = makeWorker, transport }: Sharing): OpenSource {
  return (api, position, names, handler) => {
    const name = `ebb.${version} ${api.base} ${user}`
    const openSource: OpenSource = (...of) => new Stream(...of, transport ?? eventSource)
    // Looked at when it is opened: a server, which has none of this, opens nothing.
    return new Member(api, position, names, handler, (joiner) => wayTo(name, browser(transport ? false : worker), openSource)(joiner), onLife)
  }
}

function browser(worker: Sharing['worker']): Browser {
  const { SharedWorker, BroadcastChannel, MessageChannel, navigator } = globalThis as Partial<typeof globalThis>
  return {
    worker: SharedWorker && worker ? (name) => worker(name) as WorkerLike : undefined,
    locks: navigator?.locks,
    channel: BroadcastChannel && ((name) => new BroadcastChannel(name)),
    pair: () => {
      const { port1, port2 } = new MessageChannel!()
      return [port1, port2]
    },
  }
}

function makeWorker(name: string): SharedWorker {
  return new SharedWorker(new URL('./tabs/worker.js', import.meta.url), { type: 'module', name })
}
