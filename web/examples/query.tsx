import { Queries } from '@ebb-events/client/query'
import { QueryClient, QueryClientProvider, useMutation, useQuery } from '@tanstack/react-query'
import { createRoot } from 'react-dom/client'
import { client } from './board.js'

const cache = new QueryClient()
const ebb = new Queries(client, cache) // keeps the cache up to date from the stream

function Tasks() {
  const { data = [] } = useQuery(ebb.list('board/task'))
  const create = useMutation({
    mutationFn: (title: string) => ebb.command(`board/task/${crypto.randomUUID()}`).mutationFn({ _command: 'create', title }),
  })
  return (
    <>
      <form action={(data) => create.mutate(String(data.get('title')))}>
        <input name="title" aria-label="Title" />
        <button>Add</button>
      </form>
      <output>{create.error?.message ?? create.status}</output>
      <ul>
        {data.map(({ _id, title }) => (
          <li key={_id}>{title}</li>
        ))}
      </ul>
    </>
  )
}

client.open()
createRoot(document.querySelector('main')!).render(
  <QueryClientProvider client={cache}>
    <Tasks />
  </QueryClientProvider>,
)
