import { useSyncExternalStore } from 'react'
import { useSecondsTo } from '../clock.js'
import type { Ferries } from '../ferry.js'
import type { Machine } from '../machine.js'

const seconds = 10 // that the broker is stopped

/** Breakers break parts of the machine, so that one sees nothing lost. */
export function Breakers({ machine, ferries }: { machine: Machine; ferries: Ferries }) {
  const status = useSyncExternalStore(machine.subscribe, () => machine.status)
  const failed = useSyncExternalStore(machine.subscribe, () => machine.failed)
  const running = useSyncExternalStore(ferries.subscribe, () => ferries.running)
  const back = useSecondsTo(status?.broker === 'stopped' ? (status.back ?? 0) : undefined)
  return (
    <div className="breakers">
      <button
        className={running ? 'on' : ''}
        data-testid="ferries"
        aria-pressed={running}
        title="Each user has a ferry that moves by itself: watch it while you break things."
        onClick={ferries.toggle}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d={running ? 'M5 3v10M11 3v10' : 'M4 3l9 5-9 5z'} />
        </svg>
        Keep commands going
      </button>
      {status && (
        <>
          <button data-testid="cut" title="Resets every stream, as a bad network does." onClick={() => void machine.cut()}>
            Cut all streams
          </button>
          <button
            data-testid="restart"
            aria-disabled={status.edge !== 'up'}
            title="Kills the edge and starts another one, with an empty memory."
            onClick={() => status.edge === 'up' && void machine.restart()}
          >
            {status.edge === 'up' ? 'Restart the edge' : 'Edge restarting…'}
          </button>
          <button
            data-testid="stop"
            aria-disabled={status.broker !== 'up'}
            title={`Stops Kafka for ${seconds} seconds. Commands wait; none is lost.`}
            onClick={() => status.broker === 'up' && void machine.stop(seconds)}
          >
            {status.broker === 'up' ? `Stop Kafka for ${seconds} s` : `Kafka is back in ${back} s`}
          </button>
        </>
      )}
      <p role="alert" className="complaints" data-testid="breaker-failed">
        {failed}
      </p>
    </div>
  )
}
