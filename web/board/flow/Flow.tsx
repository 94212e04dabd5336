import { useState, useSyncExternalStore } from 'react'
import type { World } from '../App.js'
import { Breakers } from './Breakers.js'
import { Picture } from './Picture.js'
import { TallyView } from './TallyView.js'
import { Timeline } from './Timeline.js'

/** Flow shows the round trip: where commands go and what comes back of them. */
export function Flow({ world, names }: { world: World; names: readonly string[] }) {
  const { stage, journal, machine, streams, ferries } = world
  const scene = useSyncExternalStore(stage.subscribe, () => stage.scene)
  const [again, setAgain] = useState(0)
  return (
    <section className="flow" aria-labelledby="flow">
      <h2 id="flow" className="unseen">
        The round trip
      </h2>
      <Picture key={`${scene?.key} ${again}`} scene={scene} names={names} streams={streams} machine={machine} journal={journal} />
      <Timeline stage={stage} journal={journal} onReplay={() => setAgain(again + 1)} />
      <div className="deck">
        <Breakers machine={machine} ferries={ferries} />
        <TallyView journal={journal} />
      </div>
    </section>
  )
}
