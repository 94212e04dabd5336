import { useState } from 'react'
import type { Command } from '../task.js'
import { Person } from './Person.js'
import { Rename } from './Rename.js'

interface Props {
  title: string
  send: (command: Command) => Promise<string[]>
  onEnd: () => void
}

/** CardMenu is what one does more rarely with a task. */
export function CardMenu({ title, send, onEnd }: Props) {
  const [deleting, setDeleting] = useState(false)
  return (
    <div className="menu" role="group" aria-label={`More about ${title}`} onKeyDown={(event) => event.key === 'Escape' && onEnd()}>
      <Rename title={title} send={send} onEnd={onEnd} />
      <Person label="Assign to" test="assign" send={(name) => send({ _command: 'assign', user: name })} />
      <Person label="Share with" test="share" send={(name) => send({ _command: 'share', user: name })} />
      {deleting ? (
        <div className="row">
          <button className="danger" data-testid="delete-really" onClick={() => void send({ _command: 'delete' })} autoFocus>
            Delete for good
          </button>
          <button onClick={() => setDeleting(false)}>Keep</button>
        </div>
      ) : (
        <button className="plain danger" data-testid="delete" onClick={() => setDeleting(true)}>
          Delete…
        </button>
      )}
    </div>
  )
}
