import { useCallback, useState } from 'react'
import type { Reply } from '../src/index.js'
import type { Backend } from './backend.js'
import type { Journal } from './journal.js'
import { effect, type Command } from './task.js'

/** Send sends a command and resolves with what is wrong with it: nothing, at best. */
export type Send = (id: string, command: Command, auto?: boolean) => Promise<string[]>

/** useSend returns how many commands of each task are under way, and the way to send one. */
export function useSend({ user, client, tasks }: Backend, journal: Journal): [ReadonlyMap<string, number>, Send] {
  const [pending, setPending] = useState<ReadonlyMap<string, number>>(new Map())
  const send = useCallback<Send>(
    async (id, command, auto) => {
      const change = (by: number) => setPending((known) => new Map(known).set(id, (known.get(id) ?? 0) + by))
      const title = 'title' in command ? command.title : (tasks.items.find(({ _id }) => _id === id)?.title ?? '')
      const sent = tasks.send(id, command, { apply: effect(user, command) })
      journal.begin(user, sent.corr, command, title, auto)
      change(+1)
      sent.accepted.then(
        () => journal.accepted(sent.corr),
        () => {}, // settled tells
      )
      try {
        return complaints(await sent.settled)
      } catch (error) {
        if (client.state.name === 'closed') journal.forget(sent.corr)
        else journal.refused(sent.corr)
        return [error instanceof Error ? error.message : String(error)]
      } finally {
        change(-1)
      }
    },
    [user, client, tasks, journal],
  )
  return [pending, send]
}

/** complaints are what a reply finds wrong, in words. */
export function complaints(reply: Reply): string[] {
  if (!reply._error) return []
  const said = (reply.errors ?? []).map(({ code, message }) => message || code || 'Not valid.')
  return said.length > 0 ? said : [`The command was ${reply._outcome ?? 'refused'}.`]
}
