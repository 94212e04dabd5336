import { Construct } from 'constructs'
import { Duration } from 'aws-cdk-lib'
import { type CfnTopic, Topic } from 'aws-cdk-lib/aws-sns'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import { lasting } from './times.ts'

/**
 * Topics are what goes in and what comes back, and the two queues for what
 * could not: not delivered to notify by SNS, and not published by notify.
 */
export class Topics extends Construct {
  /** Commands of browsers; services subscribe. */
  readonly commands: Topic
  /** Replies of services; notify subscribes. */
  readonly replies: Topic
  readonly undelivered: Queue
  readonly unpublished: Queue

  constructor(scope: Construct, id: string, props: { fifo: boolean }) {
    super(scope, id)
    this.commands = this.topic('Commands', props.fifo)
    this.replies = this.topic('Replies', false)
    this.undelivered = this.queue('Undelivered')
    this.unpublished = this.queue('Unpublished')
  }

  private topic(id: string, fifo: boolean): Topic {
    const topic = new Topic(this, id, { displayName: `Ebb: ${id.toLowerCase()}`, enforceSSL: true, ...(fifo && { fifo }) })
    // SNS's own key, by which whoever of the account may publish can: a grant on it would need a wildcard.
    ;(topic.node.defaultChild as CfnTopic).kmsMasterKeyId = 'alias/aws/sns'
    return topic
  }

  private queue(id: string): Queue {
    return new Queue(this, id, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: lasting('kept'),
      visibilityTimeout: lasting('visibility'),
      receiveMessageWaitTime: Duration.seconds(0),
    })
  }
}
