import { meetByElection, type Locks } from './election.js'
import { Hub } from './hub.js'
import { meetAlone, meetInWorker, type WorkerLike } from './meet.js'
import type { Meet } from './member.js'
import type { OpenSource } from '../source.js'
import type { Port } from './port.js'

/** Browser is what a tab finds there. */
export interface Browser {
  /** worker starts the SharedWorker of that name, or connects with it. */
  worker?: (name: string) => WorkerLike
  locks?: Locks
  /** channel opens a BroadcastChannel. */
  channel?: (name: string) => Port
  /** pair makes two ports, as a MessageChannel has them. */
  pair: () => readonly [Port, Port]
}

/** wayTo is the best way to a hub of that name that a browser has. */
export function wayTo(name: string, { worker, locks, channel, pair }: Browser, openSource: OpenSource): Meet {
  const makeHub = (lock: string) => new Hub(openSource, lock)
  const alone = meetAlone(pair, makeHub)
  const elected = locks && channel ? meetByElection(name, { locks, channel, pair }, makeHub) : alone
  return worker ? meetInWorker(() => worker(name), locks, elected) : elected
}
