import { useState, type DragEvent } from 'react'
import { Card } from './Card.js'
import type { Column, Task } from './backend.js'
import type { Pending, Run } from './run.js'

interface Props {
  column: Column
  tasks: readonly Task[]
  /** coming are the tasks whose creation is under way. */
  coming: readonly Pending[]
  pending: ReadonlySet<string>
  complaints: ReadonlyMap<string, string[]>
  run: Run
}

const names: Record<Column, string> = { todo: 'To do', doing: 'Doing', done: 'Done' }
const dragged = 'application/x-ebb-task'

/** Lane is a column of cards, and a place to drop one. */
export function Lane({ column, tasks, coming, pending, complaints, run }: Props) {
  const [over, setOver] = useState(false)

  function drag(event: DragEvent) {
    if (!event.dataTransfer.types.includes(dragged)) return
    event.preventDefault()
    setOver(true)
  }
  function drop(event: DragEvent) {
    event.preventDefault()
    setOver(false)
    const id = event.dataTransfer.getData(dragged)
    if (id && !tasks.some(({ _id }) => _id === id)) void run(id, { _command: 'move', column })
  }

  return (
    <section
      className={`lane ${over ? 'over' : ''}`}
      aria-labelledby={`lane-${column}`}
      data-testid={`lane-${column}`}
      onDragOver={drag}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <h2 id={`lane-${column}`}>
        {names[column]} <span className="quiet">{tasks.length}</span>
      </h2>
      <ul>
        {coming.map(({ id, command }) => (
          <li key={id} className="card pending" data-testid="coming">
            <h3>{String(command.title)}</h3>
            <p className="facts quiet coming">on its way…</p>
          </li>
        ))}
        {tasks.map((task) => (
          <Card
            key={task._id}
            task={task}
            pending={pending.has(task._id)}
            complaints={complaints.get(task._id) ?? []}
            names={names}
            onDrag={(event) => event.dataTransfer.setData(dragged, task._id)}
            run={(command) => run(task._id, command)}
          />
        ))}
      </ul>
    </section>
  )
}
