import { useRef, useState, type DragEvent } from 'react'
import { flushSync } from 'react-dom'
import type { Command } from '../src/index.js'
import { Complaints } from './Complaints.js'
import { Rename } from './Rename.js'
import { Person } from './Person.js'
import { columns, type Column, type Task } from './backend.js'

interface Props {
  task: Task
  /** pending tells that a command is accepted whose reply is not back. */
  pending: boolean
  complaints: readonly string[]
  names: Record<Column, string>
  onDrag: (event: DragEvent) => void
  run: (command: Command) => Promise<string[]>
}

/** Card is a task and everything that can be done with it. */
export function Card({ task, pending, complaints, names, onDrag, run }: Props) {
  const [renaming, setRenaming] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const rename = useRef<HTMLButtonElement>(null)
  const { title, owner, assignee, sharedWith = [] } = task

  function endRenaming() {
    flushSync(() => setRenaming(false))
    rename.current?.focus()
  }

  return (
    <li
      id={`task-${task._id}`}
      tabIndex={-1}
      className={`card ${pending ? 'pending' : ''}`}
      data-testid="task"
      data-id={task._id}
      aria-busy={pending}
      draggable={!renaming}
      onDragStart={onDrag}
    >
      {renaming ? (
        <Rename title={title} run={run} onEnd={endRenaming} />
      ) : (
        <div className="head">
          <h3>{title}</h3>
          <button
            ref={rename}
            className="plain"
            data-testid="rename"
            aria-label={`Rename ${title}`}
            onClick={() => setRenaming(true)}
          >
            Rename
          </button>
        </div>
      )}
      <p className="facts quiet">
        by {owner}
        {assignee && <span className="chip assignee">for {assignee}</span>}
        {sharedWith.map((user) => (
          <span key={user} className="chip">
            with {user}
          </span>
        ))}
        {pending && (
          <span className="coming" data-testid="pending">
            on its way…
          </span>
        )}
      </p>
      <div className="row">
        {columns.map(
          (column) =>
            column !== task.column && (
              <button
                key={column}
                data-testid={`move-${column}`}
                aria-label={`Move ${title} to ${names[column]}`}
                onClick={() => void run({ _command: 'move', column })}
              >
                {columns.indexOf(column) < columns.indexOf(task.column) ? `← ${names[column]}` : `${names[column]} →`}
              </button>
            ),
        )}
      </div>
      <details>
        <summary data-testid="more">People and more</summary>
        <Person label="Assign to" test="assign" run={(user) => run({ _command: 'assign', user })} />
        <Person label="Share with" test="share" run={(user) => run({ _command: 'share', user })} />
        {deleting ? (
          <div className="row">
            <button className="danger" data-testid="delete-really" onClick={() => void run({ _command: 'delete' })}>
              Delete for good
            </button>
            <button onClick={() => setDeleting(false)}>Keep</button>
          </div>
        ) : (
          <button className="plain danger" data-testid="delete" onClick={() => setDeleting(true)}>
            Delete…
          </button>
        )}
      </details>
      <Complaints about={complaints} />
    </li>
  )
}
