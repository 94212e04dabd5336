import { useSyncExternalStore } from 'react'
import type { Feed } from './feed.js'

/** Returns is the panel of what came back on the stream. */
export function Returns({ feed }: { feed: Feed }) {
  const rows = useSyncExternalStore(feed.subscribe, () => feed.rows)
  return (
    <aside className="returns sheet" aria-labelledby="returns">
      <h2 id="returns">What comes back</h2>
      <p className="quiet">The last 50 events of your stream, newest first. Each comes once, whatever gets cut.</p>
      {rows.length === 0 && <p className="empty">Nothing yet.</p>}
      {rows.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="Events">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Outcome</th>
                <th scope="col">Command</th>
                <th scope="col">Type</th>
                <th scope="col">Seq</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ key, time, outcome, command, type, seq, corr, bad }) => (
                <tr key={key} data-testid="event" data-outcome={outcome} data-corr={corr} className={bad ? 'bad' : ''}>
                  <td>{time.toLocaleTimeString()}</td>
                  <td>{outcome}</td>
                  <td>{command}</td>
                  <td>{type}</td>
                  <td>{seq}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </aside>
  )
}
