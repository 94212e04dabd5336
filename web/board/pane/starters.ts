import type { Send } from '../send.js'
import type { Column } from '../task.js'

const few: [title: string, column: Column][] = [
  ['Chart the sandbank', 'todo'],
  ['Mend the nets', 'todo'],
  ['Paint the boat', 'doing'],
  ['Book the harbour', 'done'],
]

/** starters makes a few tasks, for all in the window to see. */
export async function starters(send: Send, others: readonly string[]): Promise<void> {
  for (const [title, column] of few) {
    const id = crypto.randomUUID()
    void send(id, { _command: 'create', title })
    for (const user of others) void send(id, { _command: 'share', user })
    if (column !== 'todo') void send(id, { _command: 'move', column })
  }
}
