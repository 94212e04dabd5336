import { useId, useState, type DragEvent } from 'react'
import type { Send } from '../send.js'
import { names, type Column, type Task } from '../task.js'
import { Card } from './Card.js'

interface Props {
  user: string
  column: Column
  tasks: readonly Task[]
  /** pending tells whether commands for a task are under way. */
  pending: (id: string) => boolean
  complaints: ReadonlyMap<string, string[]>
  /** others are in the window, too. */
  others: readonly string[]
  send: Send
  dismiss: (id: string) => void
}

/** dragged is the card in the hand, and whose it is: a drag does not say before its drop. */
let dragged: { id: string; user: string; share: (user: string) => void } | undefined

/** Lane is a column of cards, and a place to drop one. */
export function Lane({ user, column, tasks, pending, complaints, others, send, dismiss }: Props) {
  const [over, setOver] = useState(false)
  const heading = useId()

  function drag(event: DragEvent) {
    if (!dragged) return
    event.preventDefault()
    setOver(true)
  }
  function drop(event: DragEvent) {
    event.preventDefault()
    setOver(false)
    if (!dragged) return
    if (dragged.user !== user) dragged.share(user) // from another's board: let them see it
    else if (!tasks.some(({ _id }) => _id === dragged!.id)) void send(dragged.id, { _command: 'move', column })
    dragged = undefined
  }

  return (
    <div
      role="group"
      className={`lane ${over ? 'over' : ''}`}
      aria-labelledby={heading}
      data-testid={`lane-${column}`}
      onDragOver={drag}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <h3 id={heading}>
        {names[column]} <span className="quiet">{tasks.length}</span>
      </h3>
      <ul>
        {tasks.map((task) => (
          <Card
            key={task._id}
            task={task}
            pending={pending(task._id)}
            complaints={complaints.get(task._id) ?? []}
            others={others}
            onDrag={() => {
              dragged = { id: task._id, user, share: (other) => void send(task._id, { _command: 'share', user: other }) }
            }}
            onDragEnd={() => (dragged = undefined)}
            send={(command) => send(task._id, command)}
            onDismiss={() => dismiss(task._id)}
          />
        ))}
      </ul>
    </div>
  )
}
