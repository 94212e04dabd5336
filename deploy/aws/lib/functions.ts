import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Duration } from 'aws-cdk-lib'
import { type IRole, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import * as lambda from 'aws-cdk-lib/aws-lambda'
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import type { Keys } from './keys.ts'
import { isFastly, type Parameters } from './parameters.ts'
import { lasting, times } from './times.ts'
import type { Topics } from './topics.ts'

export type Name = 'connect' | 'setup' | 'command' | 'notify'

export interface FunctionsProps {
  parameters: Parameters
  keys: Keys
  topics: Topics
}

/**
 * Functions are the four. Each has a role that lets it write its own log, read
 * the keys that it needs and, of command, publish on one topic: nothing else.
 */
export class Functions extends Construct {
  readonly connect: lambda.Function
  readonly setup: lambda.Function
  readonly command: lambda.Function
  readonly notify: lambda.Function

  constructor(scope: Construct, id: string, { parameters: p, keys, topics }: FunctionsProps) {
    super(scope, id)
    // What the functions are told: package lambda's comment has the names.
    const requests = { EBB_ORIGINS: p.origins, EBB_HOST: p.domain, EBB_VIEWER_ADDRESS: p.entrance === 'cloudfront' ? 'Ebb-Viewer-Address' : undefined }
    const tokens = { EBB_ISSUER: p.issuer, EBB_AUDIENCE: p.audience, EBB_JWKS: p.jwks, EBB_COOKIE: p.cookie }
    const tickets = { EBB_EDGE_URL: p.edgeUrl, EBB_TICKET_KEY: where(keys.ticket), EBB_TICKET_KEY_OLD: former(keys.ticket) }
    const signatures = p.gripKey ? { EBB_GRIP_KEY: p.gripKey } : { EBB_GRIP_KEY: where(keys.grip), EBB_GRIP_KEY_OLD: former(keys.grip) }

    this.connect = this.make('connect', p, times.connect.seconds, { ...requests, ...tokens, ...tickets }, [keys.ticket])
    this.setup = this.make(
      'setup', p, times.setup.seconds,
      { ...requests, ...tickets, ...signatures, EBB_KEEP_ALIVE: p.keepAlive },
      p.gripKey ? [keys.ticket] : [keys.ticket, keys.grip],
    )
    this.command = this.make(
      'command', p, times.connect.seconds,
      { ...requests, ...tokens, EBB_COMMAND_TOPIC: topics.commands.topicArn, EBB_TYPES: p.types, EBB_ROLES: p.roles }, [],
    )
    topics.commands.grantPublish(this.command)

    this.notify = this.make(
      'notify', p, times.notify.seconds,
      { EBB_PUBLISH_URL: p.publishUrl, [isFastly(p.publishUrl) ? 'EBB_FASTLY_KEY' : 'EBB_PUBLISH_KEY']: where(keys.publish) }, [keys.publish],
      {
        onFailure: new SqsDestination(topics.unpublished),
        retryAttempts: 2,
        maxEventAge: lasting('eventAge'),
      },
    )
    topics.replies.addSubscription(new LambdaSubscription(this.notify, { deadLetterQueue: topics.undelivered }))
  }

  /** all are the four, by name. */
  get all(): Record<Name, lambda.Function> {
    return { connect: this.connect, setup: this.setup, command: this.command, notify: this.notify }
  }

  private make(
    name: Name, p: Parameters, timeout: number, environment: Record<string, string | undefined>, secrets: ISecret[],
    more: Partial<lambda.FunctionProps> = {},
  ): lambda.Function {
    const logGroup = new LogGroup(this, `${name}Log`, { retention: RetentionDays.ONE_MONTH })
    const role = this.role(name, logGroup, secrets)
    const made = new lambda.Function(this, name, {
      description: `Ebb: ${what[name]}`,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: p.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: 'bootstrap',
      code: code(p, name),
      memorySize: 256, // the processor comes with it
      timeout: Duration.seconds(timeout),
      environment: Object.fromEntries(Object.entries(environment).filter((e): e is [string, string] => e[1] !== undefined)),
      logGroup,
      role,
      ...(secrets.length > 0 && {
        paramsAndSecrets: lambda.ParamsAndSecretsLayerVersion.fromVersion(lambda.ParamsAndSecretsVersions.V1_0_103, {
          secretsManagerTtl: lasting('secrets'),
          secretsManagerTimeout: lasting('secretsWait'),
          logLevel: lambda.ParamsAndSecretsLogLevel.WARN,
        }),
      }),
      ...more,
    })
    return made
  }

  private role(name: Name, logGroup: LogGroup, secrets: ISecret[]): IRole {
    const role = new Role(this, `${name}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    for (const secret of secrets) secret.grantRead(role)
    return role
  }
}

const what: Record<Name, string> = {
  connect: 'redirects a browser to the edge',
  setup: 'tells the edge whose channel a stream is',
  command: 'puts a command on SNS',
  notify: 'carries replies from SNS to the edge',
}

/** where tells a function where to find a key: with the extension of its layer. */
function where(secret: ISecret): string {
  return `secret:${secret.secretArn}`
}

/** former tells where to find the key before it. */
function former(secret: ISecret): string {
  return `${where(secret)}?versionStage=AWSPREVIOUS`
}

/** code is what `make lambda` built. */
function code(p: Parameters, name: Name): lambda.Code {
  const folder = join(p.dist, p.architecture, name)
  if (!existsSync(join(folder, 'bootstrap'))) {
    throw new Error(`deploy/aws: ${join(folder, 'bootstrap')} is missing: run "make lambda" at the top of the repository`)
  }
  return lambda.Code.fromAsset(folder)
}
