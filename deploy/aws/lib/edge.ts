import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import { Repository } from 'aws-cdk-lib/aws-ecr'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { publishPort } from './parameters.ts'
import { lasting, times } from './times.ts'

export interface EdgeProps {
  vpc: ec2.IVpc
  /** The API's name for the edge, whose set-up calls go there. */
  origin: string
  /** ARN of the certificate of the edge's own name, in the same region. */
  certificate: string
  /** Image whose entry point is the program ebb, for arm64. */
  image: string
  gripKey: ISecret
  publishKey: ISecret
  /** Brokers. An edge without has a log of its own, and there is one edge; each new task begins a new log. */
  kafka?: string | undefined
  /** How many; 1 without kafka. */
  count: number
  /** EBB_... for what is not here, such as EBB_KAFKA_TLS. */
  environment?: Record<string, string>
  /** Who may reach the address for publishers, who need a key as well; anybody if not given. */
  publishers?: ec2.IPeer[]
}

const port = { streams: 8081, publish: 8082, admin: 8083 }

/**
 * Edge is ebb edge on ECS, behind a load balancer for browsers and, on a port of
 * its own, for publishers. Browsers reach nothing but streams.
 */
export class Edge extends Construct {
  readonly service: ecs.FargateService
  readonly loadBalancer: elb.ApplicationLoadBalancer
  readonly streams: elb.ApplicationTargetGroup

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id)
    this.service = this.run(props)
    this.loadBalancer = new elb.ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc: props.vpc,
      internetFacing: true,
      idleTimeout: lasting('idle'),
      http2Enabled: true, // over HTTP/1.1 a browser opens six streams to a host, in all its tabs
      dropInvalidHeaderFields: true,
    })
    const certificates = [Certificate.fromCertificateArn(this, 'Certificate', props.certificate)]
    const listen = (id: string, port: number) =>
      this.loadBalancer.addListener(id, {
        port,
        protocol: elb.ApplicationProtocol.HTTPS,
        certificates,
        sslPolicy: elb.SslPolicy.TLS13_RES,
        open: false,
        defaultAction: elb.ListenerAction.fixedResponse(404),
      })

    this.streams = this.target('Streams', port.streams, props.vpc)
    const browsers = listen('Browsers', 443)
    browsers.connections.allowDefaultPortFromAnyIpv4('browsers')
    const rule = new elb.ApplicationListenerRule(this, 'StreamsRule', {
      listener: browsers,
      priority: 1,
      conditions: [elb.ListenerCondition.pathPatterns(['/api/sse-setup'])],
      action: elb.ListenerAction.forward([this.streams]),
    })
    // An edge asks its origin under the name that browsers asked for. CloudFront knows
    // the API by another.
    const made = rule.node.defaultChild as elb.CfnListenerRule
    made.transforms = [{ type: 'host-header-rewrite', hostHeaderRewriteConfig: { rewrites: [{ regex: '^.*$', replace: props.origin }] } }]

    const publishers = listen('Publishers', publishPort)
    for (const peer of props.publishers ?? [ec2.Peer.anyIpv4()]) publishers.connections.allowDefaultPortFrom(peer, 'publishers')
    new elb.ApplicationListenerRule(this, 'PublishRule', {
      listener: publishers,
      priority: 1,
      conditions: [elb.ListenerCondition.pathPatterns(['/publish', '/publish/']), elb.ListenerCondition.httpRequestMethods(['POST'])],
      action: elb.ListenerAction.forward([this.target('Publish', port.publish, props.vpc)]),
    })
    this.service.connections.allowFrom(this.loadBalancer, ec2.Port.tcp(port.admin), 'health checks')
  }

  private run(props: EdgeProps): ecs.FargateService {
    const logGroup = new LogGroup(this, 'Log', { retention: RetentionDays.ONE_MONTH })
    const task = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: 512,
      memoryLimitMiB: 2048, // 256 MiB of recent events, 0.5 KiB a stream, and room
      runtimePlatform: { cpuArchitecture: ecs.CpuArchitecture.ARM64, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
      executionRole: new Role(this, 'ExecutionRole', { assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com') }),
      volumes: [{ name: 'data' }],
    })
    const container = task.addContainer('edge', {
      image: this.image(props.image),
      command: command(props.origin, props.vpc.vpcCidrBlock),
      environment: { ...props.environment, ...(props.kafka && { EBB_KAFKA: props.kafka }) },
      secrets: { EBB_GRIP_KEY: ecs.Secret.fromSecretsManager(props.gripKey), EBB_PUBLISH_KEY: ecs.Secret.fromSecretsManager(props.publishKey) },
      logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'edge' }),
      portMappings: [{ containerPort: port.streams }, { containerPort: port.publish }, { containerPort: port.admin }],
      stopTimeout: lasting('stop'),
      readonlyRootFilesystem: true,
      ulimits: [{ name: ecs.UlimitName.NOFILE, softLimit: 65_535, hardLimit: 65_535 }], // a stream is an open file
    })
    container.addMountPoints({ containerPath: '/data', sourceVolume: 'data', readOnly: false })

    return new ecs.FargateService(this, 'Service', {
      cluster: new ecs.Cluster(this, 'Cluster', { vpc: props.vpc }),
      taskDefinition: task,
      desiredCount: props.count,
      assignPublicIp: true, // the way to CloudFront and to the image, without a NAT gateway
      circuitBreaker: { rollback: true },
      // Two edges with a log each would have half of what is published.
      ...(props.kafka ? { minHealthyPercent: 100, maxHealthyPercent: 200 } : { minHealthyPercent: 0, maxHealthyPercent: 100 }),
    })
  }

  private target(id: string, to: number, vpc: ec2.IVpc): elb.ApplicationTargetGroup {
    return new elb.ApplicationTargetGroup(this, id, {
      vpc,
      port: to,
      protocol: elb.ApplicationProtocol.HTTP,
      protocolVersion: elb.ApplicationProtocolVersion.HTTP1,
      targets: [this.service.loadBalancerTarget({ containerName: 'edge', containerPort: to })],
      loadBalancingAlgorithmType: elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS, // streams are long
      deregistrationDelay: lasting('deregister'),
      healthCheck: { path: '/readyz', port: String(port.admin), interval: lasting('health'), healthyThresholdCount: 2, unhealthyThresholdCount: 2 },
    })
  }

  private image(name: string): ecs.ContainerImage {
    const ours = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/([^:@]+):([^@]+)$/.exec(name)
    if (!ours) return ecs.ContainerImage.fromRegistry(name)
    const [, account, region, repositoryName, tag] = ours
    const repository = Repository.fromRepositoryAttributes(this, 'Repository', {
      repositoryArn: `arn:aws:ecr:${region}:${account}:repository/${repositoryName}`,
      repositoryName: repositoryName!,
    })
    return ecs.ContainerImage.fromEcrRepository(repository, tag!)
  }
}

/** command is what follows the program's name. */
export function command(origin: string, proxies: string): string[] {
  const listen = (p: number) => `0.0.0.0:${p}`
  return [
    'edge', '--origin', `https://${origin}`, '--data', '/data', '--proxies', proxies, '--grace', `${times.grace.seconds}s`,
    '--addr', listen(port.streams), '--control-addr', listen(port.publish), '--admin-addr', listen(port.admin),
  ]
}
