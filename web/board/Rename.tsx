import { useState, type FormEvent } from 'react'
import type { Command } from '../src/index.js'

interface Props {
  title: string
  run: (command: Command) => Promise<string[]>
  onEnd: () => void
}

/** Rename edits a title in its place; Escape leaves it as it was. */
export function Rename({ title, run, onEnd }: Props) {
  const [text, setText] = useState(title)

  async function submit(event: FormEvent) {
    event.preventDefault()
    if ((await run({ _command: 'rename', title: text })).length === 0) onEnd()
  }

  return (
    <form className="row" onSubmit={(event) => void submit(event)}>
      <input
        data-testid="rename-title"
        aria-label={`New title of ${title}`}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && onEnd()}
        autoComplete="off"
        autoFocus
      />
      <button className="primary" data-testid="rename-save">
        Save
      </button>
      <button type="button" onClick={onEnd}>
        Cancel
      </button>
    </form>
  )
}
