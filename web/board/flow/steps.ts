/** Step is one of the twelve of a round trip. */
export interface Step {
  number: number
  /** says is what happens. */
  says: string
}

const all = [
  'The browser asks for a stream',
  'It is sent on with a ticket',
  'It connects to the edge',
  'The edge asks whose stream it is',
  'The gateway opens the ticket',
  'The edge holds the stream',
  'A command comes in',
  'It is in Kafka: 202',
  'The service takes it',
  'Its effect goes out',
  'The connector carries it on',
  'The edge sends it down the stream',
]

/** opening are the steps of a stream, round those of a command. */
export const opening = steps(1, 6)
export const round = steps(7, 12)

function steps(first: number, last: number): readonly Step[] {
  return all.slice(first - 1, last).map((says, i) => ({ number: first + i, says }))
}
