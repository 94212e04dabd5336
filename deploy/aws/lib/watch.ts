import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { type Alarms, minute } from './alarms.ts'
import type { Functions } from './functions.ts'
import type { Entrance } from './stack.ts'
import type { Topics } from './topics.ts'

/** watch puts alarms on failures, age and throttles of all that lies between a browser and the edge. */
export function watch(alarms: Alarms, entrance: Entrance, functions: Functions, topics: Topics): void {
  const see = 'docs/aws.md says what to do.'
  for (const [name, f] of Object.entries(functions.all)) {
    alarms.when(`${name}Errors`, f.metricErrors({ period: minute, statistic: 'Sum' }), 1, `${name} failed: its log says why. ${see}`)
    alarms.when(`${name}Throttles`, f.metricThrottles({ period: minute, statistic: 'Sum' }), 1, `${name} was throttled: raise the account's concurrency. ${see}`)
  }
  for (const [name, metric] of Object.entries(entrance.failures)) {
    alarms.when(`${name}5xx`, metric, 5, `${name} answers 5xx: the issuer's keys, a secret, or SNS cannot be had. ${see}`, 3)
  }
  const ofNotify = (metricName: string, statistic: string) =>
    new Metric({ namespace: 'AWS/Lambda', metricName, statistic, period: minute, dimensionsMap: { FunctionName: functions.notify.functionName } })
  alarms.when('notifyAge', ofNotify('AsyncEventAge', 'Maximum'), 60_000, `Replies wait for a minute or longer: the edge is away, or notify is throttled. ${see}`)
  alarms.when('notifyDropped', ofNotify('AsyncEventsDropped', 'Sum'), 1, `Lambda gave replies up: they are in the queue Unpublished. ${see}`)
  alarms.when('notifyLost', ofNotify('DestinationDeliveryFailures', 'Sum'), 1, `Replies could not be put into the queue Unpublished: they are in no place but notify's log. ${see}`)

  for (const [name, topic] of Object.entries({ commands: topics.commands, replies: topics.replies })) {
    alarms.when(`${name}Failed`, topic.metricNumberOfNotificationsFailed({ period: minute, statistic: 'Sum' }), 1, `SNS could not deliver ${name}. ${see}`)
  }
  for (const [name, queue] of Object.entries({ undelivered: topics.undelivered, unpublished: topics.unpublished })) {
    const metric = queue.metricApproximateNumberOfMessagesVisible({ period: minute, statistic: 'Maximum' })
    alarms.when(`${name}Replies`, metric, 1, `Replies wait in the queue ${name} for somebody to send them again. ${see}`)
    const age = queue.metricApproximateAgeOfOldestMessage({ period: minute, statistic: 'Maximum' })
    alarms.when(`${name}Age`, age, 10 * 86_400, `Replies in the queue ${name} will be deleted in four days. ${see}`)
  }
}
