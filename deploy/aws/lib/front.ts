import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Aws, Stack } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront'
import { FunctionUrlOrigin } from 'aws-cdk-lib/aws-cloudfront-origins'
import { FunctionUrlAuthType, type IFunction } from 'aws-cdk-lib/aws-lambda'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { Construct } from 'constructs'
import { minute } from './alarms.ts'
import type { Functions } from './functions.ts'
import type { Entrance } from './stack.ts'
import { lasting } from './times.ts'

export interface FrontProps {
  functions: Functions
  domain?: string | undefined
  certificate?: string | undefined
  /** Where whatever is not under /api comes from, the pages; 404 if not given. */
  page?: cloudfront.IOrigin
}

/**
 * Front is CloudFront before the functions. Nobody else can call their URLs:
 * they ask for IAM, and CloudFront signs (origin access control).
 */
export class Front extends Construct implements Entrance {
  readonly host: string
  readonly target: string
  readonly failures: Record<string, Metric>

  constructor(scope: Construct, id: string, { functions, domain, certificate, page }: FrontProps) {
    super(scope, id)
    // Such names are of the account and not of a region.
    const signed = new cloudfront.FunctionUrlOriginAccessControl(this, 'Signed', {
      originAccessControlName: `${Stack.of(this).stackName}-${Aws.REGION}`,
      signing: cloudfront.Signing.SIGV4_ALWAYS,
    })
    const viewerRequest = this.code('ViewerRequest', 'viewer-request.js', 'Ebb: moves the token to where the signature leaves it alone')
    const to = (f: IFunction, methods: cloudfront.AllowedMethods): cloudfront.BehaviorOptions => ({
      origin: this.origin(f, signed),
      allowedMethods: methods,
      cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
      originRequestPolicy: cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER, // Host is the function's
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY, // who redirects has seen the token already
      compress: false, // its length would tell of what is inside
      functionAssociations: [{ eventType: cloudfront.FunctionEventType.VIEWER_REQUEST, function: viewerRequest }],
    })
    const { ALLOW_ALL, ALLOW_GET_HEAD_OPTIONS } = cloudfront.AllowedMethods
    const connect = to(functions.connect, ALLOW_ALL)
    const command = to(functions.command, ALLOW_ALL)
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'Ebb: /api',
      ...(domain && certificate && { domainNames: [domain], certificate: Certificate.fromCertificateArn(this, 'Certificate', certificate) }),
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      additionalBehaviors: {
        '/api/sse-setup': to(functions.setup, ALLOW_GET_HEAD_OPTIONS),
        '/api/sse': connect,
        '/api/sse/*': connect,
        '/api/*': command,
      },
      defaultBehavior: page
        ? { origin: page, viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS }
        : {
            ...command,
            allowedMethods: ALLOW_GET_HEAD_OPTIONS,
            functionAssociations: [
              { eventType: cloudfront.FunctionEventType.VIEWER_REQUEST, function: this.code('NotHere', 'not-here.js', 'Ebb: there is no page') },
            ],
          },
      errorResponses: [400, 403, 404, 405, 414, 500, 501, 502, 503, 504].map((httpStatus) => ({ httpStatus, ttl: lasting('errors') })),
    })
    this.target = distribution.distributionDomainName
    this.host = domain ?? this.target
    this.failures = { connect: refused(functions.connect), setup: refused(functions.setup), command: refused(functions.command) }
  }

  private origin(f: IFunction, originAccessControl: cloudfront.IOriginAccessControl): cloudfront.IOrigin {
    const url = f.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM })
    return FunctionUrlOrigin.withOriginAccessControl(url, {
      originAccessControl,
      readTimeout: lasting('originRead'),
      connectionTimeout: lasting('originConnect'),
      connectionAttempts: 2,
    })
  }

  private code(id: string, file: string, comment: string): cloudfront.Function {
    return new cloudfront.Function(this, id, {
      code: cloudfront.FunctionCode.fromInline(readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')),
      runtime: cloudfront.FunctionRuntime.JS_2_0,
      comment,
    })
  }
}

/** refused counts what a function's URL answered with 5xx. */
function refused(f: IFunction): Metric {
  return new Metric({ namespace: 'AWS/Lambda', metricName: 'Url5xxCount', statistic: 'Sum', period: minute, dimensionsMap: { FunctionName: f.functionName } })
}
