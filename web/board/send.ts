import type { Reply } from '../src/index.js'
import type { Backend } from './backend.js'
import type { Journal } from './journal.js'
import { effect, type Command } from './task.js'

/** Send sends a command and resolves with what is wrong with it: nothing, at best. */
export type Send = (id: string, command: Command, auto?: boolean) => Promise<string[]>

/** sender returns the way to send a user's commands, each shown at once and noted in the journal. */
export function sender({ user, client, tasks }: Backend, journal: Journal): Send {
  return async (id, command, auto) => {
    const title = 'title' in command ? command.title : (tasks.items.find(({ _id }) => _id === id)?.title ?? '')
    const sent = tasks.send(id, command, { apply: effect(user, command) })
    journal.begin(user, sent.corr, command, title, auto)
    try {
      return complaints(await sent.settled)
    } catch (error) {
      if (client.state.name === 'closed') journal.forget(sent.corr)
      else journal.refused(sent.corr)
      return [error instanceof Error ? error.message : String(error)]
    }
  }
}

/** complaints are what a reply finds wrong, in words. */
export function complaints(reply: Reply): string[] {
  if (!reply._error) return []
  const said = (reply.errors ?? []).map(({ code, message }) => message || code || 'Not valid.')
  return said.length > 0 ? said : [`The command was ${reply._outcome ?? 'refused'}.`]
}
