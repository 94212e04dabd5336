import { Client, Collection } from '@ebb-events/client'
import { MockBackend } from '@ebb-events/client/testing'
import { expect, test } from 'vitest'

test('a task is shown before its reply, and stays', async () => {
  const backend = new MockBackend()
  const client = new Client(backend.config)
  const tasks = new Collection(client, 'board/task')
  client.open()
  await client.ready()

  backend.hold() // no reply yet
  const { settled } = tasks.send('1', { _command: 'create', title: 'Buy lemons' }, { apply: () => ({ title: 'Buy lemons' }) })
  expect(tasks.items).toMatchObject([{ title: 'Buy lemons' }])
  backend.release()
  await settled
  expect(tasks.items).toMatchObject([{ title: 'Buy lemons', _seq: 0 }])
  client.close()
})
