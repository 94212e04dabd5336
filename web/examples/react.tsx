import { useCollection, useConnection, useSending } from '@ebb-events/client/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { client } from './board.js'

function Tasks() {
  const connection = useConnection(client)
  const tasks = useCollection(client, 'board/task')
  const { send, busy, errors } = useSending(tasks.send)

  const create = (data: FormData) => {
    const title = String(data.get('title'))
    send(crypto.randomUUID(), { _command: 'create', title }, { apply: () => ({ title, column: 'todo' }) })
  }
  return (
    <>
      <form action={create}>
        <input name="title" aria-label="Title" />
        <button>Add</button>
      </form>
      <output>{errors.map(({ message }) => message).join() || (busy ? 'sending' : connection.name)}</output>
      <ul>
        {tasks.items.map(({ _id, title }) => (
          <li key={_id}>{title}</li>
        ))}
      </ul>
    </>
  )
}

client.open()
createRoot(document.querySelector('main')!).render(
  <StrictMode>
    <Tasks />
  </StrictMode>,
)
