import { useSyncExternalStore } from 'react'
import type { Client, ConnectionState } from '../../src/index.js'
import { useSecondsTo } from '../clock.js'
import type { Types } from '../task.js'

/** Connection says how a user's stream is, and when it will be tried again. */
export function Connection({ client }: { client: Client<Types> }) {
  const state = useSyncExternalStore(
    (changed) => client.listen({ state: changed }),
    () => client.state,
  )
  const seconds = useSecondsTo(state.name === 'retrying' ? state.at : undefined)
  return (
    <>
      <span className="state" data-testid="state" data-state={state.name}>
        <i aria-hidden="true" />
        <span role="status">{words(state)}</span>
        {state.name === 'retrying' && (
          <span aria-hidden="true" data-testid="retry">
            {seconds > 0 ? `in ${seconds} s` : 'now'}
          </span>
        )}
      </span>
      {(state.name === 'retrying' || state.name === 'closed') && (
        <button className="small" data-testid="open" onClick={() => client.open()}>
          {state.name === 'retrying' ? 'Now' : 'Open again'}
        </button>
      )}
    </>
  )
}

const closed: Record<string, string> = {
  replaced: 'Another tab has taken over',
  unauthenticated: 'Logged out',
  revoked: 'Logged out elsewhere',
  loggedOut: 'Logged out',
}

function words(state: ConnectionState): string {
  switch (state.name) {
    case 'connecting':
      return 'Connecting'
    case 'open':
      return 'Connected'
    case 'retrying':
      return state.attempt > 1 ? `Cut off, try ${state.attempt}` : 'Cut off, back'
    case 'stale':
      return 'Silent'
    case 'closed':
      return closed[state.why] ?? 'Closed'
  }
}
