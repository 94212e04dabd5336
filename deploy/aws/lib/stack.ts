import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch'
import type { IOrigin } from 'aws-cdk-lib/aws-cloudfront'
import type { Construct } from 'constructs'
import { Alarms } from './alarms.ts'
import { Front } from './front.ts'
import { Functions } from './functions.ts'
import { HttpFront } from './http-api.ts'
import { Keys } from './keys.ts'
import type { Parameters } from './parameters.ts'
import { Topics } from './topics.ts'
import { watch } from './watch.ts'

export interface EbbStackProps extends StackProps {
  parameters: Parameters
  /** The pages, if CloudFront shall have them on the API's own host, where cookies work. */
  page?: IOrigin
}

/** Entrance is what browsers and the edge reach the functions by. */
export interface Entrance {
  /** The name that browsers know. */
  host: string
  /** What that name is an alias for. */
  target: string
  /** Answers with 5xx, by what gives them. */
  failures: Record<string, IMetric>
}

/** EbbStack is the whole flow but the edge: the entrance, the functions, SNS. */
export class EbbStack extends Stack {
  readonly keys: Keys
  readonly front: Entrance
  readonly alarms: Alarms

  constructor(scope: Construct, id: string, { parameters, page, ...props }: EbbStackProps) {
    super(scope, id, { description: 'Ebb: the events of a back end on AWS, back to the browser that caused them', ...props })
    this.keys = new Keys(this, 'Keys')
    const topics = new Topics(this, 'Topics', parameters)
    const functions = new Functions(this, 'Functions', { parameters, keys: this.keys, topics })
    const entrance = { functions, domain: parameters.domain, certificate: parameters.certificate, ...(page && { page }) }
    this.front = parameters.entrance === 'http-api' ? new HttpFront(this, 'Front', entrance) : new Front(this, 'Front', entrance)
    this.alarms = new Alarms(this, 'Alarms', parameters)
    watch(this.alarms, this.front, functions, topics)

    const out = (name: string, value: string, description: string) => new CfnOutput(this, name, { value, description })
    out('Api', `https://${this.front.host}/api`, 'for pages, and for the edge: without /api it is its origin')
    out('DomainName', this.front.target, 'what the name of the API is an alias for')
    out('CommandTopic', topics.commands.topicArn, 'services subscribe to it')
    out('ReplyTopic', topics.replies.topicArn, 'services publish replies on it')
    out('Undelivered', topics.undelivered.queueUrl, 'replies that SNS could not deliver to notify')
    out('Unpublished', topics.unpublished.queueUrl, 'replies that notify could not publish')
    out('Connect', functions.connect.functionName, 'redirects browsers')
    out('Setup', functions.setup.functionName, 'tells the edge whose a stream is')
    out('Notify', functions.notify.functionName, 'publishes replies')
    out('TicketKey', this.keys.ticket.secretArn, 'the secret that seals users into redirects')
    out('GripKey', this.keys.grip.secretArn, 'the secret that an edge signs with')
    out('PublishKey', this.keys.publish.secretArn, 'the secret that publishers need')
  }
}
