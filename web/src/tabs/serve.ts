import type { OpenSource } from '../source.js'
import type { Locks } from './election.js'
import { Hub } from './hub.js'

/** serve has a SharedWorker be the hub of those who connect. */
export function serve(scope: { onconnect: ((event: MessageEvent) => void) | null }, locks: Locks | undefined, openSource: OpenSource): void {
  const lock = `ebb ${crypto.randomUUID()}`
  const hub = new Hub(openSource, lock)
  // Tabs wait for the same lock, and have it when this worker has crashed.
  const held = new Promise<void>((resolve) => {
    if (!locks) return resolve()
    locks.request(lock, () => (resolve(), new Promise(() => {}))).catch(() => resolve())
  })
  scope.onconnect = ({ ports: [port] }) => void (port && held.then(() => hub.attach(port)))
}
