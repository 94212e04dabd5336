// @vitest-environment happy-dom
import { act, StrictMode, useState } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Client } from '../src/index.js'
import { useCollection, useConnection, useInstance, useListen, useSending } from '../src/react.js'
import { MockBackend } from '../src/testing.js'

interface Types {
  'board/task': { state: { title: string }; commands: { create: { title: string }; rename: { title: string }; refuse: object } }
}

let backend: MockBackend
let client: Client<Types>
let root: Root | undefined
let page: HTMLElement
let lists = 0

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  backend = new MockBackend((state, { _command, _corr, ...fields }) =>
    _command === 'refuse' ? [{ location: '/title', message: 'too long' }] : { ...state, ...fields },
  )
  lists = 0
  client = new Client<Types>({
    ...backend.config,
    fetch: (url, init) => {
      if (init.method === 'GET') lists++
      return backend.config.fetch(url, init)
    },
  })
  page = document.createElement('div')
})
afterEach(async () => {
  await act(async () => root?.unmount())
  root = undefined
  client.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function Board() {
  const { name } = useConnection(client)
  const { items, loaded } = useCollection(client, 'board/task')
  return (
    <p>
      {name} {loaded ? items.map(({ title }) => title).join() : 'loading'}
    </p>
  )
}

const render = async (what: React.ReactNode) => {
  root = createRoot(page)
  await act(async () => root!.render(what))
}
/** shows waits until the page has that text. */
const shows = (text: string) => vi.waitUntil(async () => (await act(async () => {}), page.textContent === text), { timeout: 3_000 })

test('a component shows connection and collection, and what changes', async () => {
  backend.put('board/task/1', { title: 'One' })
  await render(<Board />)
  expect(page.textContent).toBe('closed loading')
  await act(async () => client.open())
  await shows('open One')
  await act(async () => backend.put('board/task/2', { title: 'Two' }))
  await shows('open One,Two')
})

test('strict mode reads once, and so do several components', async () => {
  client.open()
  await render(
    <StrictMode>
      <Board />
      <Board />
    </StrictMode>,
  )
  await shows('open open ')
  expect(lists).toBe(1)
})

test('a collection lingers for who comes back soon, and is closed for good later', async () => {
  client.open()
  let show: (is: boolean) => void = () => {}
  function Page() {
    const [shown, setShown] = useState(true)
    show = setShown
    return shown ? <Board /> : null
  }
  await render(<Page />)
  await shows('open ')
  vi.useFakeTimers()
  await act(async () => show(false))
  await act(async () => vi.advanceTimersByTimeAsync(1_000))
  await act(async () => show(true))
  expect(page.textContent).toBe('open ')
  await act(async () => vi.advanceTimersByTimeAsync(10_000))
  expect(lists).toBe(1)
  await act(async () => show(false))
  await act(async () => vi.advanceTimersByTimeAsync(10_000))
  await act(async () => show(true))
  await act(async () => vi.advanceTimersByTimeAsync(10))
  expect(lists).toBe(2)
})

test('a server renders it, without a connection, and the browser goes on from there', async () => {
  const open = vi.spyOn(client, 'open')
  const html = renderToString(<Board />)
  expect(html).toContain('loading')
  expect(lists).toBe(0)
  expect(open).not.toHaveBeenCalled()
  backend.put('board/task/1', { title: 'One' })
  page.innerHTML = html
  const warned = vi.spyOn(console, 'error')
  client.open()
  await act(async () => (root = hydrateRoot(page, <Board />)))
  await shows('open One')
  expect(warned).not.toHaveBeenCalled()
})

test('an instance is found by its id, and is gone when it is', async () => {
  function Task() {
    return <b>{useInstance(client, 'board/task', 'A')?.title ?? 'none'}</b>
  }
  client.open()
  await render(<Task />)
  await shows('none')
  await act(async () => backend.put('board/task/a', { title: 'One' }))
  await shows('One')
})

test('a refusal is shown where the command was made', async () => {
  let press: () => void = () => {}
  function Form() {
    const tasks = useCollection(client, 'board/task')
    const { send, busy, errors } = useSending(tasks.send)
    press = () => send('1', { _command: 'refuse' }, { apply: () => ({ title: 'Hoped for' }) })
    return (
      <p>
        {busy ? 'busy' : 'idle'} {tasks.items.map(({ title }) => title).join()} {errors.map(({ message }) => message).join()}
      </p>
    )
  }
  client.open()
  await render(<Form />)
  await shows('idle  ')
  backend.hold()
  await act(async () => press())
  await shows('busy Hoped for ')
  await act(async () => backend.release())
  await shows('idle  too long')
})

test('a listener hears with its latest functions, while it is mounted', async () => {
  const heard: string[] = []
  let rename: (name: string) => void = () => {}
  function Log() {
    const [name, setName] = useState('first')
    rename = setName
    useListen(client, { reply: ({ _id }) => heard.push(`${name} ${_id}`) })
    return null
  }
  client.open()
  await render(<Log />)
  await act(async () => client.ready())
  backend.put('board/task/1', {})
  await act(async () => rename('second'))
  backend.put('board/task/2', {})
  await act(async () => root!.unmount())
  backend.put('board/task/3', {})
  expect(heard).toEqual(['first 1', 'second 2'])
})
