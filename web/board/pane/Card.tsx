import { useRef, useState, type KeyboardEvent } from 'react'
import { flushSync } from 'react-dom'
import { Avatar } from '../Avatar.js'
import { columns, members, names, type Command, type Task } from '../task.js'
import { CardMenu } from './CardMenu.js'

interface Props {
  task: Task
  /** pending tells that a command of this page is under way. */
  pending: boolean
  complaints: readonly string[]
  others: readonly string[]
  onDrag: () => void
  onDragEnd: () => void
  send: (command: Command) => Promise<string[]>
  onDismiss: () => void
}

/** Card is a task and everything that can be done with it. */
export function Card({ task, pending, complaints, others, onDrag, onDragEnd, send, onDismiss }: Props) {
  const [more, setMore] = useState(false)
  const opener = useRef<HTMLButtonElement>(null)
  const { title, column, assignee } = task
  const all = members(task)
  const at = columns.indexOf(column)
  const move = (by: number) => {
    const to = columns[at + by]
    if (to) void send({ _command: 'move', column: to })
  }

  function close() {
    flushSync(() => setMore(false))
    opener.current?.focus()
  }
  function keys(event: KeyboardEvent) {
    const by = { ArrowLeft: -1, ArrowRight: +1 }[event.key]
    if (!by) return
    event.preventDefault()
    move(by)
  }

  return (
    <li
      className={`card ${pending ? 'pending' : ''} ${complaints.length > 0 ? 'refused' : ''}`}
      data-testid="task"
      data-id={task._id}
      aria-busy={pending}
      draggable={!more}
      onDragStart={(event) => {
        event.dataTransfer.setData('text/plain', title) // Firefox drags nothing without
        event.dataTransfer.effectAllowed = 'move'
        onDrag()
      }}
      onDragEnd={onDragEnd}
    >
      <div className="head">
        <button
          className="grip"
          data-testid="grip"
          data-control="grip"
          aria-label={`${title}, in ${names[column]}`}
          aria-describedby="keys"
          aria-keyshortcuts="ArrowLeft ArrowRight"
          onKeyDown={keys}
        >
          <svg viewBox="0 0 10 16" aria-hidden="true">
            <path d="M2.5 3h0M7.5 3h0M2.5 8h0M7.5 8h0M2.5 13h0M7.5 13h0" />
          </svg>
        </button>
        <h4>{title}</h4>
      </div>
      <div className="foot">
        <span className="people">
          {all.map((name) => (
            <Avatar key={name} user={name} title={name} />
          ))}
          <span className="unseen">
            {`by ${task.owner}`}
            {(task.sharedWith ?? []).map((name) => ` with ${name}`).join('')}
          </span>
        </span>
        {assignee && <span className="chip">for {assignee}</span>}
        {others
          .filter((name) => !all.includes(name))
          .map((name) => (
            <button
              key={name}
              className="chip share"
              data-testid={`share-${name}`}
              data-control={`share-${name}`}
              aria-label={`Share ${title} with ${name}`}
              onClick={() => void send({ _command: 'share', user: name })}
            >
              + {name}
            </button>
          ))}
        <span className="buttons">
          {columns.map((to, i) =>
            i === at ? null : (
              <button
                key={to}
                className="icon"
                data-testid={`move-${to}`}
                data-control={i < at ? 'left' : 'right'}
                data-far={Math.abs(i - at) > 1 || undefined}
                aria-label={`Move ${title} to ${names[to]}`}
                title={`To ${names[to]}`}
                onClick={() => void send({ _command: 'move', column: to })}
              >
                <svg viewBox="0 0 16 16" aria-hidden="true">
                  <path d={i < at ? 'M10 3L5 8l5 5' : 'M6 3l5 5-5 5'} />
                </svg>
              </button>
            ),
          )}
          <button
            ref={opener}
            className="icon"
            data-testid="more"
            data-control="more"
            aria-label={`More about ${title}`}
            aria-expanded={more}
            onClick={() => setMore(!more)}
          >
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path className="dots" d="M3 8h0M8 8h0M13 8h0" />
            </svg>
          </button>
        </span>
      </div>
      {more && <CardMenu title={title} send={send} onEnd={close} />}
      <div role="alert" className="complaints" data-testid="complaints">
        {complaints.length > 0 && (
          <>
            {complaints.map((text) => (
              <p key={text}>{text}</p>
            ))}
            <button className="small" data-control="dismiss" onClick={onDismiss}>
              All right
            </button>
          </>
        )}
      </div>
    </li>
  )
}
