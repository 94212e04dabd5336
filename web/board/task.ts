import type { CommandOf, Stamp } from '../src/index.js'

/** Task is a card's state. */
export interface Task extends Stamp {
  title: string
  column: Column
  owner: string
  assignee?: string
  sharedWith?: string[]
}

/** Types is what the client knows: tasks, and what can be done with them. */
export interface Types {
  [type]: {
    state: Task
    commands: {
      create: { title: string }
      rename: { title: string }
      move: { column: Column }
      assign: { user: string }
      share: { user: string }
      delete: object
    }
  }
}

/** Command is one for a task. */
export type Command = CommandOf<Types, typeof type>

/** Column is where a task stands. */
export type Column = 'todo' | 'doing' | 'done'

export const columns: readonly Column[] = ['todo', 'doing', 'done']
export const names: Record<Column, string> = { todo: 'To do', doing: 'Doing', done: 'Done' }

/** type is the path of all tasks. */
export const type = 'board/task'

/** members are all who see a task, its owner first. */
export function members({ owner, sharedWith = [] }: Task): string[] {
  return [owner, ...sharedWith]
}

/**
 * effect is what a command will make of a task if the service agrees: shown
 * at once, and taken back if it does not.
 */
export function effect(user: string, command: Command): ((task: Task | undefined) => Partial<Task> | undefined) | undefined {
  const on = (change: (task: Task) => Partial<Task>) => (task: Task | undefined) => task && { ...task, ...change(task) }
  const share = (name: string) => (task: Task) =>
    members(task).includes(name) ? {} : { sharedWith: [...(task.sharedWith ?? []), name] }
  switch (command._command) {
    case 'create':
      return () => ({ title: command.title.trim(), column: 'todo', owner: user })
    case 'rename':
      return on(() => ({ title: command.title.trim() }))
    case 'move':
      return on(() => ({ column: command.column }))
    case 'share':
      return on(share(command.user))
    case 'assign':
      return on((task) => ({ ...share(command.user)(task), assignee: command.user }))
    case 'delete':
      return undefined // stays until it is gone
  }
}
