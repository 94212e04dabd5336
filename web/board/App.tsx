import { useEffect, useState, useSyncExternalStore } from 'react'
import { voice } from './announce.js'
import { Header } from './Header.js'
import { Ferries } from './ferry.js'
import { Flow } from './flow/Flow.js'
import { Journal } from './journal.js'
import { Machine } from './machine.js'
import { Pane } from './pane/Pane.js'
import { People } from './people.js'
import { Stage } from './stage.js'
import { Tracer } from './trace.js'
import { Streams } from './streams.js'

/** World is what the panes of a window share. */
export interface World {
  people: People
  journal: Journal
  machine: Machine
  stage: Stage
  ferries: Ferries
  streams: Streams
}

function world(): World {
  const machine = new Machine()
  const stage = new Stage(new Tracer(machine.offered))
  const journal = new Journal()
  journal.onBack = (journey) => void stage.command(journey)
  return { people: new People(), journal, machine, stage, ferries: new Ferries(), streams: new Streams() }
}

/** App is the flow, and below it a board for each user of this window. */
export function App() {
  const [all] = useState(world)
  const { people, machine } = all
  const names = useSyncExternalStore(people.subscribe, () => people.names)
  useEffect(() => void machine.look(), [machine])
  useEffect(() => {
    document.title = [names.join(' and '), 'Ebb'].filter(Boolean).join(' · ')
  }, [names])

  return (
    <>
      <Header people={people} />
      <main>
        <Flow world={all} names={names} />
        <div className="panes" data-count={names.length}>
          {names.map((user) => (
            <Pane key={user} user={user} world={all} everybody={names} />
          ))}
          {names.length === 0 && <p className="empty">Nobody is here. Add a user above.</p>}
        </div>
      </main>
      <datalist id="people">
        {[...new Set([...names, 'ann', 'bob', 'carol'])].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <p id="keys" hidden>
        Move with the left and right arrow keys.
      </p>
      <Announcer />
    </>
  )
}

function Announcer() {
  const text = useSyncExternalStore(voice.subscribe, () => voice.text)
  return (
    <p className="unseen" role="status" aria-live="polite" data-testid="said">
      {text}
    </p>
  )
}
