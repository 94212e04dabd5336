import { useEffect, useState, useSyncExternalStore } from 'react'
import { Header } from './Header.js'
import { Lane } from './Lane.js'
import { NewTask } from './NewTask.js'
import { Returns } from './Returns.js'
import { columns, connect, type Task } from './backend.js'
import { useRun } from './run.js'
import type { Session } from './session.js'

interface Props {
  session: Session
  onLeave: (why?: string) => void
}

/** Board is what a user sees of the tasks, and what comes back to them. */
export function Board({ session, onLeave }: Props) {
  const [backend] = useState(() => connect(session, () => onLeave('Your session has ended. Please log in again.')))
  const { client, tasks } = backend
  useEffect(() => {
    client.open()
    return () => {
      tasks.close()
      client.close()
    }
  }, [client, tasks])

  const [pending, run] = useRun(backend)
  const items = useSyncExternalStore(
    (changed) => tasks.subscribe(changed),
    () => tasks.items,
  )
  const [complaints, setComplaints] = useState<ReadonlyMap<string, string[]>>(new Map())
  const runOn = async (id: string, command: { _command: string }) => {
    const about = await run(id, command)
    setComplaints((known) => new Map(known).set(id, about))
    // A moved card is a new element: whoever works by keyboard goes with it.
    if (command._command === 'move') requestAnimationFrame(() => document.getElementById(`task-${id}`)?.focus())
    return about
  }

  const sorted = [...items].sort((a, b) => a.title.localeCompare(b.title) || a._id.localeCompare(b._id))
  const people = new Set(['ann', 'bob', 'carol'])
  for (const { owner, assignee, sharedWith = [] } of items) {
    for (const name of [owner, assignee, ...sharedWith]) if (name) people.add(name)
  }
  const known = new Set(items.map(({ _id }) => _id))
  const coming = [...pending.values()].filter(({ id, command }) => command._command === 'create' && !known.has(id))

  return (
    <>
      <Header backend={backend} user={session.user} onSwitch={() => onLeave()} />
      <div className="layout">
        <main>
          <NewTask run={run} />
          {tasks.error && <p className="complaints">{tasks.error.message}</p>}
          {tasks.loaded && items.length === 0 && coming.length === 0 && (
            <p className="empty" data-testid="empty">
              No tasks yet. Add one above; it appears when its event has come back.
            </p>
          )}
          <div className="lanes">
            {columns.map((column) => (
              <Lane
                key={column}
                column={column}
                tasks={sorted.filter((task: Task) => task.column === column)}
                coming={column === 'todo' ? coming : []}
                pending={new Set([...pending.values()].map(({ id }) => id))}
                complaints={complaints}
                run={runOn}
              />
            ))}
          </div>
          <datalist id="people">
            {[...people].map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </main>
        <Returns feed={backend.feed} />
      </div>
    </>
  )
}
