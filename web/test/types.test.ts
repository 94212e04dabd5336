import { expectTypeOf, test } from 'vitest'
import { Client, Collection, type Reply, type Sent, type State } from '../src/index.js'

interface Task {
  title: string
  column: 'todo' | 'doing' | 'done'
}

interface Types {
  'board/task': { state: Task; commands: { create: { title: string }; move: { column: Task['column'] }; delete: {} } }
  'shop/order': { state: { total: number }; commands: { pay: { cents: number } } }
}

// What is wrong must not compile: npm run check fails on an expected error that is none.
test('one map types states and commands', () => {
  const client = new Client<Types>({ api: 'https://app.test/api', fetch: () => Promise.reject(new TypeError()) })
  const id = '1'
  const wrong = () => {
    // @ts-expect-error no such type
    client.send('board/log/1', { _command: 'create', title: 'x' })
    // @ts-expect-error no such command
    client.send('board/task/1', { _command: 'pay', cents: 1 })
    // @ts-expect-error a field of another type
    client.send('board/task/1', { _command: 'move', column: 'gone' })
    // @ts-expect-error a field is missing
    client.send(`board/task/${id}`, { _command: 'create' })
    // @ts-expect-error no such field
    client.send(`board/task/${id}`, { _command: 'delete', titel: 'x' })
    // @ts-expect-error no such type
    new Collection(client, 'board/log')
  }
  void wrong
  const right = () => {
    const sent = client.send(`board/task/${id}`, { _command: 'move', column: 'done', _seq: 3 })
    expectTypeOf(sent.settled).resolves.toExtend<Reply & Partial<Task>>()
    client.send('shop/order/7', { _command: 'pay', cents: 1, _corr: 'mine' })
    void client.get('shop/order/7').then((order) => {
      expectTypeOf(order.total).toBeNumber()
      expectTypeOf(order._seq).toBeNumber()
      // @ts-expect-error no such field
      return order.totl
    })
    const tasks = new Collection(client, 'board/task')
    expectTypeOf(tasks.items[0]!.column).toEqualTypeOf<Task['column']>()
    tasks.send(id, { _command: 'create', title: 'x' }, { apply: () => ({ title: 'x', column: 'todo' }) })
    tasks.send(id, { _command: 'move', column: 'done' }, { apply: (task) => task && { ...task, column: 'done' } })
    // @ts-expect-error a command of another type
    tasks.send(id, { _command: 'pay', cents: 1 })
    // @ts-expect-error a state of another type
    tasks.send(id, { _command: 'delete' }, { apply: () => ({ column: 'gone' }) })
  }
  void right
})

test('without a map anything goes', () => {
  const use = (client: Client, path: string) => {
    expectTypeOf(client.send(path, { _command: 'any', thing: 1 })).toEqualTypeOf<Sent>()
    expectTypeOf(new Collection(client, path).items).toEqualTypeOf<readonly State[]>()
    expectTypeOf(client.get(path)).resolves.toEqualTypeOf<State>()
  }
  void use
})
