import { Fn } from 'aws-cdk-lib'
import { DomainName, HttpApi } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { Construct } from 'constructs'
import { minute } from './alarms.ts'
import type { Functions } from './functions.ts'
import type { Entrance } from './stack.ts'
import { lasting } from './times.ts'

export interface HttpFrontProps {
  functions: Functions
  domain?: string | undefined
  /** In the stack's region. */
  certificate?: string | undefined
}

/**
 * HttpFront is an API Gateway HTTP API before the functions, instead of
 * CloudFront: pages need not hash what they send, and each request costs more.
 */
export class HttpFront extends Construct implements Entrance {
  readonly host: string
  readonly target: string
  readonly failures: Record<string, Metric>

  constructor(scope: Construct, id: string, { functions, domain, certificate }: HttpFrontProps) {
    super(scope, id)
    const name =
      domain && certificate
        ? new DomainName(this, 'Name', { domainName: domain, certificate: Certificate.fromCertificateArn(this, 'Certificate', certificate) })
        : undefined
    const api = new HttpApi(this, 'Api', {
      description: 'Ebb: /api',
      ...(name && { defaultDomainMapping: { domainName: name }, disableExecuteApiEndpoint: true }),
    })
    const to = (path: string, f: IFunction) => api.addRoutes({ path, integration: new HttpLambdaIntegration(`To${f.node.id}`, f, { timeout: lasting('originRead') }) })
    to('/api/sse', functions.connect)
    to('/api/sse-setup', functions.setup)
    to('/api/{proxy+}', functions.command)
    this.target = name ? name.regionalDomainName : Fn.select(2, Fn.split('/', api.apiEndpoint))
    this.host = domain ?? this.target
    this.failures = { api: api.metricServerError({ period: minute, statistic: 'Sum' }) }
  }
}
