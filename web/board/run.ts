import { useCallback, useState } from 'react'
import type { Command, Reply } from '../src/index.js'
import { type Backend, type } from './backend.js'

/** Pending is a command from its 202 until its reply. */
export interface Pending {
  id: string
  command: Command
}

/** Run sends a command and resolves with what is wrong with it: nothing, at best. */
export type Run = (id: string, command: Command) => Promise<string[]>

/** useRun returns the commands under way and the way to send one. */
export function useRun({ client }: Backend): [ReadonlyMap<string, Pending>, Run] {
  const [pending, setPending] = useState<ReadonlyMap<string, Pending>>(new Map())
  const run = useCallback(
    async (id: string, command: Command) => {
      const corr = crypto.randomUUID()
      const onAccepted = () => setPending((known) => new Map(known).set(corr, { id, command }))
      try {
        return complaints(await client.send(`${type}/${id}`, { ...command, _corr: corr }, { onAccepted }).settled)
      } catch (error) {
        return [error instanceof Error ? error.message : String(error)]
      } finally {
        setPending((known) => new Map([...known].filter(([key]) => key !== corr)))
      }
    },
    [client],
  )
  return [pending, run]
}

function complaints(reply: Reply): string[] {
  if (!reply._error) return []
  const said = (reply.errors ?? []).map(({ location, code, message }) => {
    const what = message || code || 'not valid'
    return location ? `${location.replace(/^\//, '')}: ${what}` : what
  })
  return said.length > 0 ? said : [`The command was ${reply._outcome ?? 'refused'}.`]
}
