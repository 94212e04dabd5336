import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { App } from 'aws-cdk-lib'
import { HttpOrigin } from 'aws-cdk-lib/aws-cloudfront-origins'
import { Template } from 'aws-cdk-lib/assertions'
import { parameters } from '../lib/parameters.ts'
import { EbbStack } from '../lib/stack.ts'
import { times } from '../lib/times.ts'
import { built, elsewhere, here, one, resources, synth } from './world.ts'

const template = synth(elsewhere).Ebb!
const config = one(template, 'AWS::CloudFront::Distribution').Properties.DistributionConfig

// Both are AWS's own, the same in every account.
const cachingDisabled = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad'
const allViewerExceptHostHeader = 'b689b0a8-53d0-40ab-baf2-68738e2966ac'

/** functionAt is the function that answers a path, as CloudFront finds it: the first pattern that fits. */
function functionAt(path: string): string {
  const fits = (pattern: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(path)
  const behavior = config.CacheBehaviors.find((b: any) => fits(b.PathPattern)) ?? config.DefaultCacheBehavior
  const origin = config.Origins.find((o: any) => o.Id === behavior.TargetOriginId)
  return /Functions(\w+?)FunctionUrl/.exec(JSON.stringify(origin.DomainName))?.[1] ?? 'none'
}

test.each([
  ['/api/sse', 'connect'],
  ['/api/sse/renew', 'connect'],
  ['/api/sse-setup', 'setup'],
  ['/api/board/task/9507ff68-9a32-4a1b-8f6c-6d8c6f0b6a11', 'command'],
])('%s is for %s', (path, want) => {
  expect(functionAt(path)).toBe(want)
})

test('nothing is cached, and all is passed on but the host', () => {
  for (const b of [...config.CacheBehaviors, config.DefaultCacheBehavior]) {
    expect(b).toMatchObject({
      CachePolicyId: cachingDisabled,
      OriginRequestPolicyId: allViewerExceptHostHeader,
      ViewerProtocolPolicy: 'https-only',
      Compress: false,
    })
  }
})

test('errors are not cached either', () => {
  const statuses = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504]
  expect(config.CustomErrorResponses).toEqual(statuses.map((ErrorCode) => ({ ErrorCode, ErrorCachingMinTTL: times.errors.seconds })))
})

test('commands have all methods, set-up calls none that write', () => {
  const methods = (pattern: string) => config.CacheBehaviors.find((b: any) => b.PathPattern === pattern).AllowedMethods
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    expect(methods('/api/*')).toContain(method)
    expect(methods('/api/sse-setup')).not.toContain(method)
  }
  expect(methods('/api/sse')).toEqual(expect.arrayContaining(['GET', 'POST', 'OPTIONS']))
})

test('every request to a function is signed', () => {
  expect(Object.values(resources(template, 'AWS::CloudFront::OriginAccessControl'))).toHaveLength(1)
  const { OriginAccessControlConfig: signed } = one(template, 'AWS::CloudFront::OriginAccessControl').Properties
  expect(signed).toMatchObject({ SigningBehavior: 'always', SigningProtocol: 'sigv4', OriginAccessControlOriginType: 'lambda' })
  expect(config.Origins).toHaveLength(3)
  for (const o of config.Origins) {
    expect(o.OriginAccessControlId['Fn::GetAtt'][0]).toMatch(/^FrontSigned/)
    expect(o).toMatchObject({
      ConnectionTimeout: times.originConnect.seconds,
      ConnectionAttempts: 2,
      CustomOriginConfig: { OriginReadTimeout: times.originRead.seconds, OriginProtocolPolicy: 'https-only' },
    })
  }
})

test('browsers need TLS 1.2', () => {
  expect(config.ViewerCertificate).toMatchObject({ MinimumProtocolVersion: 'TLSv1.2_2021', SslSupportMethod: 'sni-only' })
  expect(config.Aliases).toEqual(['api.example.com'])
})

test('without a name of its own it has CloudFront’s, and the functions are told none', () => {
  const { domain: _, certificate: __, ...unnamed } = elsewhere
  const { Ebb: template } = synth(unnamed)
  expect(one(template!, 'AWS::CloudFront::Distribution').Properties.DistributionConfig.Aliases).toBeUndefined()
  for (const f of Object.values(resources(template!, 'AWS::Lambda::Function'))) expect(f.Properties.Environment.Variables.EBB_HOST).toBeUndefined()
})

test('a page of the team’s own is what is not under /api', () => {
  const root = new App({ context: elsewhere })
  const stack = new EbbStack(root, 'Ebb', { parameters: parameters(root.node, built()), page: new HttpOrigin('page.example.com') })
  const { DefaultCacheBehavior: b, Origins } = one(Template.fromStack(stack), 'AWS::CloudFront::Distribution').Properties.DistributionConfig
  expect(Origins.find((o: any) => o.Id === b.TargetOriginId).DomainName).toBe('page.example.com')
  expect(b.ViewerProtocolPolicy).toBe('redirect-to-https')
})

/** run calls a CloudFront function as it is deployed. */
function run(id: RegExp, headers: Record<string, { value: string; multiValue?: { value: string }[] }>): any {
  const { FunctionCode, FunctionConfig } = one(template, 'AWS::CloudFront::Function', id).Properties
  expect(FunctionConfig.Runtime).toBe('cloudfront-js-2.0')
  expect(FunctionCode.length).toBeLessThan(10_240)
  const event = { version: '1.0', viewer: { ip: '2001:db8::7' }, request: { method: 'GET', uri: '/api/sse', querystring: {}, headers, cookies: {} } }
  return runInNewContext(`${FunctionCode}; handler(event)`, { event })
}

test('the token moves out of the way of the signature', () => {
  const request = run(/ViewerRequest/, { host: { value: 'api.example.com' }, authorization: { value: 'Bearer a.b.c' } })
  expect(request.headers).toEqual({
    host: { value: 'api.example.com' },
    'ebb-authorization': { value: 'Bearer a.b.c' },
    'ebb-viewer-address': { value: '2001:db8::7' },
  })
})

test('a token that is there already stays, and the address is nobody’s to say', () => {
  const request = run(/ViewerRequest/, { 'ebb-authorization': { value: 'Bearer a.b.c' }, 'ebb-viewer-address': { value: '192.0.2.1', multiValue: [{ value: '192.0.2.1' }, { value: '192.0.2.2' }] } })
  expect(request.headers).toEqual({ 'ebb-authorization': { value: 'Bearer a.b.c' }, 'ebb-viewer-address': { value: '2001:db8::7' } })
})

test('two tokens are refused', () => {
  const two = { value: 'Bearer a', multiValue: [{ value: 'Bearer a' }, { value: 'Bearer b' }] }
  expect(run(/ViewerRequest/, { authorization: two })).toMatchObject({ statusCode: 400 })
})

test('where there is no page there is a 404, which nobody else answers', () => {
  expect(run(/NotHere/, {})).toMatchObject({ statusCode: 404 })
})

test('the functions at the edge are those of lib', () => {
  expect(one(template, 'AWS::CloudFront::Function', /ViewerRequest/).Properties.FunctionCode).toBe(readFileSync(here('lib/viewer-request.js'), 'utf8'))
})
