import { useSyncExternalStore } from 'react'
import type { Journal } from '../journal.js'
import type { Machine } from '../machine.js'
import { hue } from '../people.js'
import { replay, type Scene } from '../stage.js'
import type { Streams } from '../streams.js'
import { narrow, wide, type Arrow, type Box, type Layout } from './layout.js'
import { side } from './steps.js'
import { ms, scale } from './times.js'

interface Props {
  scene: Scene | undefined
  names: readonly string[]
  streams: Streams
  machine: Machine
  journal: Journal
}

/** Light is when a step shines in the replay, and the time that it took. */
interface Light {
  at: number
  for: number
  time: string
}

const small = matchMedia('(max-width: 44rem)')

function watchSmall(changed: () => void): () => void {
  small.addEventListener('change', changed)
  return () => small.removeEventListener('change', changed)
}

/** Picture is the machine, in which a command lights its way with its real times. */
export function Picture({ scene, names, streams, machine, journal }: Props) {
  const layout = useSyncExternalStore(watchSmall, () => small.matches) ? narrow : wide
  const states = useSyncExternalStore(streams.subscribe, () => streams.states)
  const status = useSyncExternalStore(machine.subscribe, () => machine.status)
  const journeys = useSyncExternalStore(journal.subscribe, () => journal.journeys)
  const lights = lit(scene)
  const heard = scene?.corr === undefined ? [scene?.user] : journeys.get(scene.corr)?.heard.map(({ user }) => user)
  const down = (box: Box) => (status?.broker === 'stopped' && box.kind === 'log') || (status?.edge === 'restarting' && box.name === 'Edge')

  return (
    <svg
      className={`picture ${Object.values(layout.boxes).some(down) ? 'broken' : ''}`}
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      textAnchor="middle"
      role="img"
      aria-label="Commands go from the browser to the gateway, into Kafka and to the service. Their effects come back through Kafka, the connector, Kafka and the edge, down the stream to the browser."
      data-testid="picture"
      data-lit={lights.size}
    >
      <marker id="head" className="head" viewBox="0 0 9 9" refX="8" refY="4.5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
        <path d="M0 0L9 4.5L0 9z" />
      </marker>
      <g className="arrows">
        {layout.arrows.map(({ step, path }) => (
          <path key={step} d={path} markerEnd="url(#head)" />
        ))}
      </g>
      <g className="lights">
        {layout.arrows.map((arrow) => {
          const light = lights.get(arrow.step)
          return (
            light && (
              <path
                key={arrow.step}
                className={side(arrow.step)}
                d={arrow.path}
                pathLength="1"
                data-testid={`light-${arrow.step}`}
                style={{ animationDelay: `${light.at}ms`, animationDuration: `${light.for}ms` }}
              />
            )
          )
        })}
      </g>
      {Object.values(layout.boxes).map((box, i) => (
        <BoxView key={i} box={box} down={down(box)} />
      ))}
      {layout.captions.map(({ way, says, x, y }) => (
        <text key={way} className={`caption ${way}`} x={x} y={y}>
          {says}
        </text>
      ))}
      <Faces layout={layout} names={names} open={(name) => states.get(name)?.name === 'open'} heard={heard ?? []} arrives={(lights.get(12) ?? lights.get(6))?.at ?? 0} />
      {layout.arrows.map((arrow) => (
        <Badge key={arrow.step} arrow={arrow} light={lights.get(arrow.step)} />
      ))}
    </svg>
  )
}

function BoxView({ box: { name, says, kind, x, y, w, h }, down }: { box: Box; down: boolean }) {
  const middle = kind === 'browser' || kind === 'service' ? (h > 100 ? -6 : 0) : -8
  return (
    <g className={`box ${kind} ${down ? 'down' : ''}`} data-testid={down ? 'down' : undefined}>
      <rect x={x - w / 2} y={y - h / 2} width={w} height={h} rx="12" />
      {kind === 'browser' ? (
        <text x={h > 100 ? x : x - w / 2 + 16} y={h > 100 ? y - h / 2 + 24 : y + 5} textAnchor={h > 100 ? 'middle' : 'start'} className="name">
          {name}
        </text>
      ) : (
        <>
          <text x={x} y={y + middle} className="name">
            {name}
          </text>
          <text x={x} y={y + middle + 16} className="says">
            {down ? 'down' : says}
          </text>
        </>
      )}
      {kind === 'log' &&
        [-2, -1, 0, 1, 2].map((cell) => <rect key={cell} className="cell" x={x + cell * 15 - 6} y={y + h / 2 - 15} width="12" height="6" rx="2" />)}
    </g>
  )
}

interface FacesProps {
  layout: Layout
  names: readonly string[]
  open: (name: string) => boolean
  heard: readonly (string | undefined)[]
  /** arrives is when the replay reaches them, in milliseconds. */
  arrives: number
}

/** Faces are the users of this window, in the browser's box. */
function Faces({ layout, names, open, heard, arrives }: FacesProps) {
  const { x, y, w, h } = layout.boxes.browser
  const upright = h > w
  return names.map((name, i) => {
    const off = i - (names.length - 1) / 2
    const [cx, cy] = upright ? [x, y + 10 + off * 44] : [x + 40 + off * 44, y]
    return (
      <g key={name} className={`face hue-${hue(name)} ${open(name) ? 'open' : 'off'} ${heard.includes(name) ? 'heard' : ''}`}>
        <circle className="ring" cx={cx} cy={cy} r="17" style={{ animationDelay: `${arrives}ms` }} />
        <circle cx={cx} cy={cy} r="14" />
        <text x={cx} y={cy + 5}>
          {[...name][0]?.toUpperCase()}
        </text>
      </g>
    )
  })
}

function Badge({ arrow, light }: { arrow: Arrow; light?: Light }) {
  const [x, y] = arrow.badge
  const [tx, ty, anchor] = arrow.time
  const after = light && { animationDelay: `${light.at}ms` }
  return (
    <g className={`badge ${side(arrow.step)} ${light ? 'lit' : ''}`}>
      <circle cx={x} cy={y} r="9" style={after} />
      <text x={x} y={y + 3.8} style={after}>
        {arrow.step}
      </text>
      {light && (
        <text className="time" x={tx} y={ty} textAnchor={anchor ?? (ty === y + 4 ? 'start' : 'middle')} style={after} data-testid={`time-${arrow.step}`}>
          {light.time}
        </text>
      )}
    </g>
  )
}

/** lit spreads the real times over the replay, each step for as long as it can be seen. */
function lit(scene: Scene | undefined): ReadonlyMap<number, Light> {
  const lights = new Map<number, Light>()
  if (!scene || scene.spans.length === 0) return lights
  const { start, total } = scale(scene.spans)
  for (const span of scene.spans) {
    const at = ((span.start - start) / total) * replay
    const known = lights.get(span.step)
    if (known && known.at <= at) continue
    lights.set(span.step, { at, for: Math.max(220, (span.ms / total) * replay), time: ms(span.ms).replace(' ', '\u202f') }) // narrow: the arrow would show through
  }
  return lights
}
