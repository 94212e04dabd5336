import { Collection } from '@ebb-events/client'
import { connection, items } from '@ebb-events/client/observable'
import { combineLatest, from, fromEvent, map } from 'rxjs'
import { client } from './board.js'

const form = document.querySelector('form')!
const tasks = new Collection(client, 'board/task')

combineLatest([from(connection(client)), from(items(tasks))])
  .pipe(map(([{ name }, all]) => ({ name, titles: all.map(({ title }) => title) })))
  .subscribe(({ name, titles }) => {
    document.querySelector('output')!.value = name
    document.querySelector('ul')!.replaceChildren(
      ...titles.map((title) => Object.assign(document.createElement('li'), { textContent: title })),
    )
  })
client.open()

fromEvent(form, 'submit').subscribe((event) => {
  event.preventDefault()
  const title = String(new FormData(form).get('title'))
  tasks.send(crypto.randomUUID(), { _command: 'create', title })
})
