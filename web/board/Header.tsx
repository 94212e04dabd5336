import { useState, useSyncExternalStore } from 'react'
import type { StreamState } from '../src/index.js'
import { Mark } from './Mark.js'
import type { Backend } from './backend.js'

const words: Record<StreamState, string> = {
  closed: 'Closed',
  connecting: 'Connecting…',
  open: 'Connected',
  waiting: 'Cut off, coming back…',
  replaced: 'Another tab has taken over',
  unauthenticated: 'Logged out',
}

interface Props {
  backend: Backend
  user: string
  onSwitch: () => void
}

/** Header says who is here and how the stream is, and lets one cut it. */
export function Header({ backend, user, onSwitch }: Props) {
  const { client } = backend
  const state = useSyncExternalStore(
    (changed) => client.listen({ state: changed }),
    () => client.state,
  )
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
