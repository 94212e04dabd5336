const tasks = new Map()

function hear(event) {
  const task = JSON.parse(event.data) // a reply: the new state, or what is wrong
  if (task._type !== 'board-task' || task._outcome !== 'applied') return
  if (tasks.get(task._id)?._seq >= task._seq) return // known from the list already
  tasks.set(task._id, task)
  show()
}

async function read() {
  const before = new Map(tasks)
  const listed = new Set()
  for (let path = '/api/board/task?fresh'; path; ) {
    const { items, next } = await (await fetch(path)).json()
    for (const task of items) {
      listed.add(task._id)
      if (!(tasks.get(task._id)?._seq >= task._seq)) tasks.set(task._id, task) // or it was heard meanwhile
    }
    path = next
  }
  for (const [id, task] of before) if (!listed.has(id) && tasks.get(id) === task) tasks.delete(id)
  show()
}

function listen(cursor = '') {
  const source = new EventSource(`/api/sse?cursor=${encodeURIComponent(cursor)}`)
  source.addEventListener('message', (event) => {
    cursor = event.lastEventId
    hear(event)
  })
  source.addEventListener('ebb.mark', (event) => (cursor = event.lastEventId)) // a heartbeat
  source.addEventListener('ebb.hello', read) // attached: nothing is missed from here on
  source.addEventListener('ebb.reset', read) // a gap: what was missed shows in the list
  source.addEventListener('error', () => {
    // Browsers come back by themselves, but not after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 1000 + Math.random() * 4000, cursor)
  })
}

document.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const title = new FormData(event.target).get('title')
  const response = await fetch(`/api/board/task/${crypto.randomUUID()}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ _command: 'create', _corr: crypto.randomUUID(), title }),
  })
  document.querySelector('output').value = response.ok ? 'on its way' : `refused: ${response.status}`
})

function show() {
  const titles = [...tasks.values()].filter((task) => !task._deleted).map(({ title }) => title)
  document.querySelector('ul').replaceChildren(
    ...titles.map((title) => Object.assign(document.createElement('li'), { textContent: title })),
  )
}

listen()
