import { useSyncExternalStore } from 'react'
import { Avatar } from '../Avatar.js'
import type { Journal } from '../journal.js'
import { replay, type Stage } from '../stage.js'
import { opening, round, side } from './steps.js'
import { ms, scale, slower } from './times.js'

interface Props {
  stage: Stage
  journal: Journal
  onReplay: () => void
}

/** Timeline says in words and bars what the picture lights: how long each step took. */
export function Timeline({ stage, journal, onReplay }: Props) {
  const scene = useSyncExternalStore(stage.subscribe, () => stage.scene)
  const journeys = useSyncExternalStore(journal.subscribe, () => journal.journeys)
  if (!scene) {
    return (
      <div className="timeline">
        <p className="hint" data-testid="hint">
          Move a task, and watch its way through the machine.
        </p>
      </div>
    )
  }
  const { user, corr, command, title, spans } = scene
  const journey = corr === undefined ? undefined : journeys.get(corr)
  const { start, total } = scale(spans)
  const at = stage.scenes.indexOf(scene)
  return (
    <div className="timeline" data-testid="timeline" data-corr={corr}>
      <div className="what">
        <Avatar user={user} />
        <p>
          <b>{user}</b>: {command ?? 'a stream is opened'} {command && title && <q>{title}</q>}
        </p>
        <span className="walk">
          <button className="icon" aria-label="Earlier" data-testid="earlier" disabled={at >= stage.scenes.length - 1} onClick={() => stage.look(+1)}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M10 3L5 8l5 5" />
            </svg>
          </button>
          <button className="icon" aria-label="Show it again" data-testid="replay" onClick={onReplay}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M12.5 5.5A5.2 5.2 0 1 0 13.2 9M13 2.5v3.2H9.8" />
            </svg>
          </button>
          <button className="icon" aria-label="Later" data-testid="later" disabled={at <= 0} onClick={() => stage.look(-1)}>
            <svg viewBox="0 0 16 16" aria-hidden="true">
              <path d="M6 3l5 5-5 5" />
            </svg>
          </button>
        </span>
      </div>
      {spans.length > 0 && (
        <ol>
          {(corr === undefined ? opening : round).map(({ number, says }) => {
            const of = spans.filter(({ step }) => step === number)
            return (
              <li key={number} data-testid={`step-${number}`} className={side(number)}>
                <span className="number">{number}</span>
                <span className="says">{says}</span>
                <span className="bars" aria-hidden="true">
                  {of.map((span, i) => (
                    <i key={i} style={{ left: `${((span.start - start) / total) * 100}%`, width: `${(span.ms / total) * 100}%` }} />
                  ))}
                </span>
                <span className="ms">{of.length > 0 ? ms(Math.max(...of.map((span) => span.ms))) : ''}</span>
              </li>
            )
          })}
        </ol>
      )}
      <p className="sum">
        {spans.length > 0 && (
          <>
            <b>{ms(total)}</b> in all, shown {slower(total, replay)}.{' '}
          </>
        )}
        {journey && (
          <span data-testid="seen">
            Seen from this page: <b className={journey.outcome === 'applied' ? '' : 'bad'}>{journey.outcome}</b>
            {journey.accepted !== undefined && <>, 202 after {ms(journey.accepted)}</>}
            {journey.heard.map(({ user, ms: after }) => (
              <span key={user}>
                , at {user}’s after <b>{ms(after)}</b>
              </span>
            ))}
            .
          </span>
        )}
      </p>
    </div>
  )
}
