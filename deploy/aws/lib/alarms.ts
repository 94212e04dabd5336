import { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

/** Alarms are what an operator has to hear of, all by one topic. */
export class Alarms extends Construct {
  readonly topic: Topic

  constructor(scope: Construct, id: string, props: { mail?: string | undefined }) {
    super(scope, id)
    this.topic = new Topic(this, 'Topic', { displayName: 'Ebb: alarms' })
    if (props.mail) this.topic.addSubscription(new EmailSubscription(props.mail))
  }

  /** when a metric is at or above a threshold for some minutes. Its description says what to do. */
  when(id: string, metric: IMetric, threshold: number, description: string, minutes = 1): Alarm {
    const alarm = new Alarm(this, id, {
      metric,
      threshold,
      evaluationPeriods: minutes,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: description,
    })
    const action = new SnsAction(this.topic)
    alarm.addAlarmAction(action)
    alarm.addOkAction(action)
    return alarm
  }
}

/** minute is the period of all metrics that alarms look at. */
export const minute = Duration.minutes(1)
