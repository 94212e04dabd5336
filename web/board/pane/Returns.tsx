import { useSyncExternalStore } from 'react'
import type { Feed } from '../feed.js'

/** Returns is what came back on a user's stream. */
export function Returns({ user, feed }: { user: string; feed: Feed }) {
  const rows = useSyncExternalStore(feed.subscribe, () => feed.rows)
  return (
    <details className="returns" data-testid="returns">
      <summary>
        {user}'s stream <span className="quiet">{feed.count === 1 ? '1 event' : `${feed.count} events`}</span>
      </summary>
      <div className="scroll" tabIndex={0} role="region" aria-label={`The last events of ${user}'s stream`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Outcome</th>
              <th scope="col">Command</th>
              <th scope="col">Task</th>
              <th scope="col">Seq</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, time, outcome, command, title, seq, corr, bad }) => (
              <tr key={key} data-testid="event" data-outcome={outcome} data-corr={corr} className={bad ? 'bad' : ''}>
                <td>{time.toLocaleTimeString()}</td>
                <td>{outcome}</td>
                <td>{command}</td>
                <td>{title}</td>
                <td>{seq}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
