import { useSyncExternalStore } from 'react'
import type { Journal } from '../journal.js'

/** TallyView says how the promise stands. */
export function TallyView({ journal }: { journal: Journal }) {
  const { sent, answered, lost, twice } = useSyncExternalStore(journal.subscribe, () => journal.tally)
  const counts = [
    { name: 'sent', words: 'Sent', count: sent },
    { name: 'waiting', words: 'On the way', count: sent - answered },
    { name: 'answered', words: 'Came back', count: answered },
    { name: 'lost', words: 'Lost', count: lost, promised: true },
    { name: 'twice', words: 'Twice', count: twice, promised: true },
  ]
  return (
    <dl className="tally" aria-label="Commands of this window">
      {counts.map(({ name, words, count, promised }) => (
        <div key={name} className={promised ? (count === 0 ? 'kept' : 'broken') : ''}>
          <dt>{words}</dt>
          <dd data-testid={name}>{count}</dd>
        </div>
      ))}
    </dl>
  )
}
