import { useId, useState, type FormEvent } from 'react'
import type { Send } from '../send.js'
import { Complaints } from './Complaints.js'

/** NewTask creates a task, and leaves it to the service what a title is. */
export function NewTask({ user, send }: { user: string; send: Send }) {
  const [title, setTitle] = useState('')
  const [errors, setErrors] = useState<string[]>([])
  const id = useId()

  async function submit(event: FormEvent) {
    event.preventDefault()
    setErrors([])
    setTitle('') // its card is there at once
    const about = await send(crypto.randomUUID(), { _command: 'create', title })
    setErrors(about)
    if (about.length > 0) setTitle((now) => now || title)
  }

  return (
    <form className="new" onSubmit={(event) => void submit(event)}>
      <label htmlFor={id} className="unseen">
        New task of {user}
      </label>
      <input
        id={id}
        data-testid="new-title"
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        placeholder="What is to be done?"
        autoComplete="off"
      />
      <button className="primary" data-testid="create">
        Add
      </button>
      <Complaints about={errors} />
    </form>
  )
}
