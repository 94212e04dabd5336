import { useState, useSyncExternalStore } from 'react'
import type { ConnectionState, Why } from '../src/index.js'
import { Mark } from './Mark.js'
import type { Backend } from './backend.js'

const words: Record<Exclude<ConnectionState['name'], 'closed'> | Why, string> = {
  connecting: 'Connecting…',
  open: 'Connected',
  retrying: 'Cut off, coming back…',
  stale: 'Nothing heard for a while…',
  new: 'Closed',
  asked: 'Closed',
  replaced: 'Another tab has taken over',
  unauthenticated: 'Logged out',
  revoked: 'Logged out',
  loggedOut: 'Logged out',
}

interface Props {
  backend: Backend
  user: string
  onSwitch: () => void
}

/** Header says who is here and how the stream is, and lets one cut it. */
export function Header({ backend, user, onSwitch }: Props) {
  const { client } = backend
  const connection = useSyncExternalStore(
    (changed) => client.listen({ state: changed }),
    () => client.state,
  )
  const state = connection.name === 'closed' ? connection.why : connection.name
  const [failed, setFailed] = useState(false)
  const cut = () => backend.cut().then(() => setFailed(false), () => setFailed(true))

  return (
    <header>
      <Mark />
      <span className="state" role="status" data-testid="state" data-state={state}>
        <i aria-hidden="true" />
        {words[state]}
      </span>
      {state === 'replaced' && <button onClick={() => client.open()}>Use this tab</button>}
      <button
        data-testid="cut"
        onClick={() => void cut()}
        title="Ends your streams at the edge. Nothing gets lost: watch what comes back."
      >
        Cut my streams
      </button>
      {failed && <span className="complaints">Could not cut.</span>}
      <span className="who">
        <span>
          Logged in as <b data-testid="who">{user}</b>
        </span>
        <button data-testid="switch" onClick={onSwitch}>
          Switch user
        </button>
      </span>
    </header>
  )
}
