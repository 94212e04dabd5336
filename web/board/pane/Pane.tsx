import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import type { World } from '../App.js'
import { Avatar } from '../Avatar.js'
import { voice } from '../announce.js'
import { connect } from '../backend.js'
import { sender, type Send } from '../send.js'
import { columns, names } from '../task.js'
import { Connection } from './Connection.js'
import { Lane } from './Lane.js'
import { NewTask } from './NewTask.js'
import { Returns } from './Returns.js'
import { useHeldFocus } from './focus.js'
import { useSlide } from './slide.js'
import { starters } from './starters.js'

interface Props {
  user: string
  world: World
  everybody: readonly string[]
}

/** Pane is what one user sees of the tasks, with a stream of their own. */
export function Pane({ user, world, everybody }: Props) {
  const { journal, ferries, people, stage, streams } = world
  const [failed, setFailed] = useState('')
  const [backend] = useState(() => connect(user, journal, setFailed))
  const { client, tasks } = backend
  useEffect(() => {
    let began = 0
    const heard = () => {
      streams.set(user, client.state)
      if (client.state.name === 'connecting') began = Date.now()
      if (client.state.name === 'open') void stage.stream(user, began)
    }
    const stop = client.listen({ state: heard })
    client.open()
    return () => {
      stop()
      streams.set(user, undefined)
      tasks.close()
      client.close()
    }
  }, [user, client, tasks, stage, streams])

  const [send] = useState(() => sender(backend, journal))
  useEffect(() => ferries.board({ backend, send }), [ferries, backend, send])
  const items = useSyncExternalStore(
    (changed) => tasks.subscribe(changed),
    () => tasks.items,
  )
  const [complaints, setComplaints] = useState<ReadonlyMap<string, string[]>>(new Map())
  const complain = (id: string, about: string[]) => setComplaints((known) => new Map(known).set(id, about))
  const sendOn: Send = async (id, command) => {
    complain(id, [])
    const about = await send(id, command)
    complain(id, about)
    if (command._command === 'move') voice.say(told(items.find(({ _id }) => _id === id)?.title, names[command.column], about))
    return about
  }

  const board = useRef<HTMLDivElement>(null)
  useSlide(board)
  useHeldFocus(board)
  const sorted = [...items].sort((a, b) => a.title.localeCompare(b.title) || a._id.localeCompare(b._id))

  return (
    <section className="pane" aria-label={`${user}'s board`} data-testid={`pane-${user}`}>
      <div className="bar">
        <Avatar user={user} />
        <h2 data-testid="who">{user}</h2>
        <Connection client={client} />
        <button
          className="icon"
          data-testid="leave"
          aria-label={`Log ${user} out`}
          title={`Log ${user} out`}
          onClick={() => void client.logOut().catch(() => {}).then(() => people.remove(user))}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 4l8 8M12 4l-8 8" />
          </svg>
        </button>
      </div>
      <NewTask user={user} send={send} />
      <div role="alert" className="complaints">
        {failed && <p>No log in: {failed}</p>}
        {tasks.error && <p>{tasks.error.message}</p>}
      </div>
      <div className="lanes" ref={board}>
        {columns.map((column) => (
          <Lane
            key={column}
            user={user}
            column={column}
            tasks={sorted.filter((task) => task.column === column)}
            pending={(id) => tasks.pending(id)}
            complaints={complaints}
            others={everybody.filter((name) => name !== user)}
            send={sendOn}
            dismiss={(id) => complain(id, [])}
          />
        ))}
      </div>
      {tasks.loaded && items.length === 0 && (
        <div className="empty" data-testid="empty">
          <p>{user} has no tasks yet. Add one above, or</p>
          <button data-testid="starters" onClick={() => void starters(send, everybody.filter((name) => name !== user))}>
            start with a few
          </button>
        </div>
      )}
      <Returns user={user} feed={backend.feed} />
    </section>
  )
}

/** told is a move in words. */
function told(title = 'The task', name: string, about: readonly string[]): string {
  return about.length > 0 ? `${title} is not moved to ${name}. ${about.join(' ')}` : `${title} is in ${name}.`
}
