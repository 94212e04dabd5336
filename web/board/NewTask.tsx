import { useState, type FormEvent } from 'react'
import { Complaints } from './Complaints.js'
import type { Run } from './run.js'

/** NewTask creates a task, and leaves it to the service what a title is. */
export function NewTask({ run }: { run: Run }) {
  const [title, setTitle] = useState('')
  const [busy, setBusy] = useState(false)
  const [errors, setErrors] = useState<string[]>([])

  async function submit(event: FormEvent) {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    const about = await run(crypto.randomUUID(), { _command: 'create', title })
    setErrors(about)
    if (about.length === 0) setTitle((now) => (now === title ? '' : now))
    setBusy(false)
  }

  return (
    <form className="new sheet" onSubmit={(event) => void submit(event)}>
      <label htmlFor="title">New task</label>
      <div className="row">
        <input
          id="title"
          data-testid="new-title"
          value={title}
          onChange={(event) => setTitle(event.target.value)}
          placeholder="What is to be done?"
          aria-describedby="title-rule"
          autoComplete="off"
        />
        <button className="primary" data-testid="create" aria-disabled={busy}>
          {busy ? 'Adding…' : 'Add'}
        </button>
      </div>
      <p id="title-rule" className="quiet">
        1 to 200 characters. The service decides, this page does not check: try it.
      </p>
      <Complaints about={errors} />
    </form>
  )
}
