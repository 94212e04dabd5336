import { Collection } from '@ebb-events/client'
import { followed, middleware, reducer, send } from '@ebb-events/client/redux'
import { applyMiddleware, combineReducers, createStore } from 'redux'
import { client } from './board.js'

const form = document.querySelector('form')!
const tasks = new Collection(client, 'board/task')
const store = createStore(combineReducers({ ebb: reducer }), applyMiddleware(middleware(client, tasks)))

store.subscribe(() => {
  const { ebb } = store.getState()
  const { connection, commands } = ebb
  const refused = Object.values(commands).flatMap(({ errors }) => errors)
  document.querySelector('output')!.value = refused.map(({ message }) => message).join() || connection.name
  document.querySelector('ul')!.replaceChildren(
    ...followed(ebb, tasks).items.map(({ title }) => Object.assign(document.createElement('li'), { textContent: title })),
  )
})
client.open()

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const title = String(new FormData(form).get('title'))
  store.dispatch(send(`board/task/${crypto.randomUUID()}`, { _command: 'create', title }))
})
