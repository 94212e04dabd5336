import { useId, useState, type FormEvent } from 'react'
import type { Command } from '../task.js'

interface Props {
  title: string
  send: (command: Command) => Promise<string[]>
  onEnd: () => void
}

/** Rename gives a task another title. */
export function Rename({ title, send, onEnd }: Props) {
  const [text, setText] = useState(title)
  const id = useId()

  async function submit(event: FormEvent) {
    event.preventDefault()
    if ((await send({ _command: 'rename', title: text })).length === 0) onEnd()
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <label htmlFor={id}>Title</label>
      <div className="row">
        <input
          id={id}
          data-testid="rename-title"
          value={text}
          onChange={(event) => setText(event.target.value)}
          autoComplete="off"
          autoFocus
        />
        <button data-testid="rename-save">Rename</button>
      </div>
    </form>
  )
}
