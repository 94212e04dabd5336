/** Step is one of the twelve of a round trip. */
export interface Step {
  number: number
  /** says is what happens. */
  says: string
}

const all = [
  'Asks for a stream',
  'Sent on with a ticket',
  'Connects to the edge',
  'The edge asks whose',
  'The ticket is opened',
  'The edge holds it',
  'A command comes in',
  'In Kafka: 202',
  'The service takes it',
  'Its effect goes out',
  'Carried to the channel',
  'Sent down the stream',
]

/** opening are the steps of a stream, round those of a command. */
export const opening = steps(1, 6)
export const round = steps(7, 12)

function steps(first: number, last: number): readonly Step[] {
  return all.slice(first - 1, last).map((says, i) => ({ number: first + i, says }))
}

/** side is which way a step goes: in, back, or neither, for a stream. */
export function side(step: number): 'open' | 'in' | 'back' {
  return step < 7 ? 'open' : step < 10 ? 'in' : 'back'
}
