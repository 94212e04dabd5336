import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Construct } from 'constructs'
import { Alarms, minute } from './alarms.ts'
import { Edge } from './edge.ts'
import type { EdgeParameters } from './parameters.ts'
import type { EbbStack } from './stack.ts'

export interface EdgeStackProps extends StackProps {
  parameters: EdgeParameters
  api: EbbStack
}

/** EdgeStack is an edge of one's own, in a network of its own. */
export class EdgeStack extends Stack {
  readonly edge: Edge

  constructor(scope: Construct, id: string, { parameters, api, ...props }: EdgeStackProps) {
    super(scope, id, { description: 'Ebb: an edge on ECS, which holds the streams of browsers', ...props })
    const vpc = new Vpc(this, 'Network', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'public', subnetType: SubnetType.PUBLIC }],
      restrictDefaultSecurityGroup: false, // it would take a function that may change any group
    })
    this.edge = new Edge(this, 'Edge', {
      vpc,
      origin: api.front.host,
      gripKey: api.keys.grip,
      publishKey: api.keys.publish,
      ...parameters,
    })
    this.watch(new Alarms(this, 'Alarms', { mail: parameters.mail }))
    new CfnOutput(this, 'LoadBalancer', { value: this.edge.loadBalancer.loadBalancerDnsName, description: `what ${parameters.domain} is an alias for` })
  }

  private watch(alarms: Alarms): void {
    const { loadBalancer, service, streams } = this.edge
    const see = 'docs/aws.md says what to do.'
    const sum = { period: minute, statistic: 'Sum' }
    alarms.when('unhealthy', streams.metrics.unhealthyHostCount({ period: minute, statistic: 'Maximum' }), 1, `An edge is not ready: its log says why. ${see}`, 3)
    alarms.when('none', loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_503_COUNT, sum), 1, `No edge is there: browsers without the client library stay away for good. ${see}`)
    alarms.when('5xx', streams.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, sum), 5, `An edge answers 5xx. ${see}`, 3)
    alarms.when('unreachable', streams.metrics.targetConnectionErrorCount(sum), 5, `Edges cannot be connected to: too many streams for their open files? ${see}`, 3)
    alarms.when('processor', service.metricCpuUtilization({ period: minute, statistic: 'Average' }), 80, `Edges are busy: one more. ${see}`, 5)
  }
}
