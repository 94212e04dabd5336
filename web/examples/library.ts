import { Collection } from '@ebb-events/client'
import { client } from './board.js'

const form = document.querySelector('form')!
const output = document.querySelector('output')!
const list = document.querySelector('ul')!

const tasks = new Collection(client, 'board/task')
tasks.subscribe(() => {
  list.replaceChildren(
    ...tasks.items.map(({ title }) => Object.assign(document.createElement('li'), { textContent: title })),
  )
})

client.listen({ state: ({ name }) => (output.value = name) })
client.open()

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const title = String(new FormData(form).get('title'))
  const create = tasks.send(
    crypto.randomUUID(),
    { _command: 'create', title },
    { apply: () => ({ title, column: 'todo' }) }, // shown at once, and taken back if it is refused
  )
  await create.accepted // safe in Kafka
  const reply = await create.settled // done, or refused
  output.value = reply._error ? reply.errors!.map(({ message }) => message).join() : 'done'
})
