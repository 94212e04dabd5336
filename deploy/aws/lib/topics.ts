import { Construct } from 'constructs'
import { Duration } from 'aws-cdk-lib'
import { Topic } from 'aws-cdk-lib/aws-sns'
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
    this.commands = new Topic(this, 'Commands', { displayName: 'Ebb: commands', enforceSSL: true, ...(props.fifo && { fifo: true }) })
    this.replies = new Topic(this, 'Replies', { displayName: 'Ebb: replies', enforceSSL: true })
    this.undelivered = this.queue('Undelivered')
    this.unpublished = this.queue('Unpublished')
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
