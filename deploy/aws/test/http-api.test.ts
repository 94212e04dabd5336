import { expect, test } from 'vitest'
import { times } from '../lib/times.ts'
import { elsewhere, one, own, resources, synth } from './world.ts'

const system = { ...elsewhere, entrance: 'http-api', certificate: own.edgeCertificate }
const template = synth(system).Ebb!

test('paths are for the same functions as with CloudFront, by payload 2.0', () => {
  const integrations = resources(template, 'AWS::ApiGatewayV2::Integration')
  const routes = Object.values(resources(template, 'AWS::ApiGatewayV2::Route')).map(({ Properties: p }) => {
    const { Properties: i } = integrations[p.Target['Fn::Join'][1][1].Ref]!
    expect(i).toMatchObject({ PayloadFormatVersion: '2.0', IntegrationType: 'AWS_PROXY', TimeoutInMillis: times.originRead.seconds * 1000 })
    return [p.RouteKey, /Functions(\w+?)[0-9A-F]{8}/.exec(JSON.stringify(i.IntegrationUri))![1]]
  })
  expect(Object.fromEntries(routes)).toEqual({ 'ANY /api/sse': 'connect', 'ANY /api/sse-setup': 'setup', 'ANY /api/{proxy+}': 'command' })
  expect(times.originRead.seconds).toBeLessThan(30) // the most there is
})

test('there is no other way in: neither a function’s URL, nor the API’s own name', () => {
  for (const type of ['AWS::Lambda::Url', 'AWS::CloudFront::Distribution']) expect(resources(template, type)).toEqual({})
  expect(one(template, 'AWS::ApiGatewayV2::Api').Properties).toMatchObject({ DisableExecuteApiEndpoint: true, ProtocolType: 'HTTP' })
  expect(one(template, 'AWS::ApiGatewayV2::DomainName').Properties.DomainName).toBe('api.example.com')
  for (const { Properties: p } of Object.values(resources(template, 'AWS::Lambda::Permission'))) {
    expect(['apigateway.amazonaws.com', 'sns.amazonaws.com']).toContain(p.Principal)
    expect(JSON.stringify(p.SourceArn)).toMatch(p.Principal === 'sns.amazonaws.com' ? /TopicsReplies/ : /FrontApi.*\/api\//)
  }
})

test('functions believe no header about who asks', () => {
  for (const f of Object.values(resources(template, 'AWS::Lambda::Function'))) expect(f.Properties.Environment.Variables.EBB_VIEWER_ADDRESS).toBeUndefined()
})

test('its 5xx are watched', () => {
  const { Properties: p } = one(template, 'AWS::CloudWatch::Alarm', /^Alarmsapi5xx/)
  expect([p.Namespace, p.MetricName]).toEqual(['AWS/ApiGateway', '5xx'])
})

test('it has a name without a domain, by which an edge finds it', () => {
  const { domain: _, certificate: __, ...unnamed } = { ...own, entrance: 'http-api' }
  const { Ebb, EbbEdge } = synth(unnamed)
  expect(one(Ebb!, 'AWS::ApiGatewayV2::Api').Properties.DisableExecuteApiEndpoint).toBeUndefined()
  const { ContainerDefinitions: [edge] } = one(EbbEdge!, 'AWS::ECS::TaskDefinition').Properties
  expect(JSON.stringify(edge.Command)).toContain('Fn::ImportValue')
})
