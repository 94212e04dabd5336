import { Duration } from 'aws-cdk-lib'

/** Time is one that the stacks set, or count on. docs/aws.md has them as a table. */
export interface Time {
  seconds: number
  of: string
  why: string
}

/** times are all of them: templates are made of these, and the table is tested against them. */
export const times = {
  connect: { seconds: 10, of: '`connect`, `command`: time-out of the function', why: 'fetching the issuer’s keys is in it, at a cold start' },
  setup: { seconds: 5, of: '`setup`: time-out of the function', why: 'an edge waits 5 s for its set-up call' },
  notify: { seconds: 30, of: '`notify`: time-out of the function', why: 'an edge that is away is tried again until 5 s are left of it' },
  eventAge: { seconds: 540, of: '`notify`: longest age of an event that is tried again', why: 'less than the ten minutes for which an edge knows a repeat by its id' },
  visibility: { seconds: 180, of: 'queues: visibility time-out', why: 'six times the time-out of `notify`, as for a queue that feeds a function' },
  kept: { seconds: 1_209_600, of: 'queues: what failed is kept', why: '14 days, the longest there is' },
  secrets: { seconds: 300, of: 'secrets: kept by the extension', why: 'the function keeps them as long again, so a changed key is in use after twice this' },
  secretsWait: { seconds: 2, of: 'secrets: longest wait of the extension', why: 'a function waits 3 s for its keys, and a set-up call has 5 s in all' },
  originRead: { seconds: 10, of: 'CloudFront, or HTTP API: time-out of the API', why: 'no function answers later' },
  originConnect: { seconds: 3, of: 'CloudFront: origin connection time-out, two attempts', why: 'a function’s URL answers at once or not at all' },
  errors: { seconds: 0, of: 'CloudFront: error caching minimum TTL', why: 'the default, 10 s, gives one user’s 503 to all' },
  heartbeat: { seconds: 20, of: 'edge: longest silence on a stream', why: 'a heartbeat comes every 15 to 20 s, at random' },
  idle: { seconds: 60, of: 'ALB: idle time-out', why: 'three heartbeats; an HTTP/2 PING does not count, a byte does' },
  originIdle: { seconds: 75, of: 'edge: idle connection from the ALB', why: 'longer than the ALB’s, or a request may meet a closing connection' },
  health: { seconds: 10, of: 'ALB: interval of health checks (`/readyz`), two decide', why: 'an edge that drains says no, and gets no new streams' },
  deregister: { seconds: 10, of: 'ALB: deregistration delay', why: 'ECS waits for this before it says SIGTERM; streams do not end by themselves' },
  grace: { seconds: 20, of: 'edge: grace, over which streams are ended (`--grace`)', why: 'browsers come back one after the other' },
  stop: { seconds: 30, of: 'ECS: stop time-out', why: 'more than the grace; 120 s is the most' },
} as const satisfies Record<string, Time>

/** lasting is a time as the CDK wants it. */
export function lasting(name: keyof typeof times): Duration {
  return Duration.seconds(times[name].seconds)
}

/** table is what docs/aws.md says. */
export function table(): string {
  const rows = Object.values(times).map(({ of, seconds, why }) => `| ${of} | ${shown(seconds)} | ${why} |`)
  return ['| | | why |', '|---|---|---|', ...rows].join('\n')
}

function shown(seconds: number): string {
  return seconds >= 86_400 ? `${seconds / 86_400} days` : `${seconds} s`
}
