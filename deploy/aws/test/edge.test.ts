import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { command } from '../lib/edge.ts'
import { times } from '../lib/times.ts'
import { here, many, one, own, resources, synth } from './world.ts'

const alone = synth(own).EbbEdge!
const several = synth(many).EbbEdge!

const attributes = (r: { Properties: Record<string, any> }, of: string): Record<string, string> =>
  Object.fromEntries(r.Properties[of].map((a: { Key: string; Value: string }) => [a.Key, a.Value]))

test('the load balancer bears the silence of a stream, and the edge that of the load balancer', () => {
  const lb = attributes(one(alone, 'AWS::ElasticLoadBalancingV2::LoadBalancer'), 'LoadBalancerAttributes')
  expect(lb).toMatchObject({
    'idle_timeout.timeout_seconds': String(times.idle.seconds),
    'routing.http2.enabled': 'true',
    'routing.http.drop_invalid_header_fields.enabled': 'true',
  })
  expect(times.idle.seconds).toBeGreaterThan(2 * times.heartbeat.seconds)
  expect(times.originIdle.seconds).toBeGreaterThan(times.idle.seconds)
})

test('an edge that ends has told its streams before it is killed', () => {
  const { ContainerDefinitions: [edge] } = one(alone, 'AWS::ECS::TaskDefinition').Properties
  expect(edge.StopTimeout).toBe(times.stop.seconds)
  expect(edge.Command.join(' ')).toContain(`--grace ${times.grace.seconds}s`)
  expect(times.stop.seconds).toBeGreaterThan(times.grace.seconds)
})

test('new streams go where there are least, and not to an edge that drains', () => {
  const groups = Object.values(resources(alone, 'AWS::ElasticLoadBalancingV2::TargetGroup'))
  expect(groups.map((g) => g.Properties.Port).sort()).toEqual([8081, 8082])
  for (const g of groups) {
    expect(attributes(g, 'TargetGroupAttributes')).toMatchObject({
      'load_balancing.algorithm.type': 'least_outstanding_requests',
      'stickiness.enabled': 'false',
      'deregistration_delay.timeout_seconds': String(times.deregister.seconds),
    })
    expect(g.Properties).toMatchObject({
      HealthCheckPath: '/readyz', HealthCheckPort: '8083', HealthCheckIntervalSeconds: times.health.seconds, UnhealthyThresholdCount: 2,
    })
  }
})

test('browsers reach streams and nothing else, under the name by which the API is known', () => {
  const rules = Object.values(resources(alone, 'AWS::ElasticLoadBalancingV2::ListenerRule')).map(({ Properties: p }) => p)
  const rule = (listener: RegExp) => rules.filter((r) => listener.test(r.ListenerArn.Ref))
  expect(rule(/Browsers/)).toMatchObject([
    {
      Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/api/sse-setup'] } }],
      Transforms: [{ Type: 'host-header-rewrite', HostHeaderRewriteConfig: { Rewrites: [{ Regex: '^.*$', Replace: own.domain }] } }],
    },
  ])
  expect(rule(/Publishers/)).toMatchObject([
    { Conditions: [{ PathPatternConfig: { Values: ['/publish', '/publish/'] } }, { HttpRequestMethodConfig: { Values: ['POST'] } }] },
  ])
  for (const l of Object.values(resources(alone, 'AWS::ElasticLoadBalancingV2::Listener'))) {
    expect(l.Properties).toMatchObject({ Protocol: 'HTTPS', SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-Res-2021-06' })
    expect(l.Properties.DefaultActions).toEqual([{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }])
  }
})

test('only the load balancer reaches the edge, and nobody its address for operators', () => {
  const groups = Object.entries(resources(alone, 'AWS::EC2::SecurityGroup'))
  const service = groups.find(([id]) => /Service/.test(id))![1]
  expect(service.Properties.SecurityGroupIngress).toBeUndefined()
  for (const rule of Object.values(resources(alone, 'AWS::EC2::SecurityGroupIngress'))) {
    expect(rule.Properties.SourceSecurityGroupId['Fn::GetAtt'][0]).toMatch(/LoadBalancer/)
  }
  const open = groups.find(([id]) => /LoadBalancer/.test(id))![1].Properties.SecurityGroupIngress
  expect(open.map((r: any) => r.FromPort).sort()).toEqual([443, 8443])
})

test('an edge that has a log of its own is alone, also while it is replaced', () => {
  const { Properties: p } = one(alone, 'AWS::ECS::Service')
  expect([p.DesiredCount, p.DeploymentConfiguration.MinimumHealthyPercent, p.DeploymentConfiguration.MaximumPercent]).toEqual([1, 0, 100])
})

test('edges on Kafka are replaced one by one', () => {
  const { Properties: p } = one(several, 'AWS::ECS::Service')
  expect([p.DesiredCount, p.DeploymentConfiguration.MinimumHealthyPercent, p.DeploymentConfiguration.MaximumPercent]).toEqual([3, 100, 200])
  const { ContainerDefinitions: [edge] } = one(several, 'AWS::ECS::TaskDefinition').Properties
  expect(edge.Environment).toEqual([{ Name: 'EBB_KAFKA', Value: many.edgeKafka }])
})

test('keys are secrets of the container, and neither settings nor arguments', () => {
  const { ContainerDefinitions: [edge] } = one(alone, 'AWS::ECS::TaskDefinition').Properties
  expect(edge.Secrets.map((s: any) => s.Name)).toEqual(['EBB_GRIP_KEY', 'EBB_PUBLISH_KEY'])
  expect(edge.Environment).toBeUndefined()
})

test('the functions find the edge of their own', () => {
  const { Ebb: template } = synth(own)
  const told = (name: string) => one(template!, 'AWS::Lambda::Function', new RegExp(`^Functions${name}`)).Properties.Environment.Variables
  expect(told('connect').EBB_EDGE_URL).toBe('https://stream.example.com')
  expect(told('setup').EBB_EDGE_URL).toBe('https://stream.example.com')
  expect(told('notify').EBB_PUBLISH_URL).toBe('https://stream.example.com:8443')
})

test('it has alarms, which are heard', () => {
  const alarms = Object.values(resources(alone, 'AWS::CloudWatch::Alarm')).map(({ Properties: p }) => p)
  expect(alarms.map((p) => p.MetricName).sort()).toEqual(['CPUUtilization', 'HTTPCode_ELB_503_Count', 'HTTPCode_Target_5XX_Count', 'TargetConnectionErrorCount', 'UnHealthyHostCount'])
  for (const p of alarms) expect(p.AlarmActions).toEqual([{ Ref: expect.stringMatching(/^AlarmsTopic/) }])
})

let program: string

beforeAll(() => {
  program = process.env.EBB_BIN ?? join(mkdtempSync(join(tmpdir(), 'ebb-bin-')), 'ebb')
  if (!process.env.EBB_BIN) execFileSync('go', ['build', '-o', program, './cmd/ebb'], { cwd: fileURLToPath(here('../..')), stdio: 'inherit' })
})

test('ebb edge starts with the arguments of the container', async () => {
  const data = mkdtempSync(join(tmpdir(), 'ebb-edge-'))
  const args = command('api.example.com', '10.0.0.0/16').map((a) => (a === '/data' ? data : a.replace(/^0\.0\.0\.0:\d+$/, '127.0.0.1:0')))
  const key = () => randomBytes(90).toString('base64').replace(/[^A-Za-z0-9]/g, '').slice(0, 64) // as Secrets Manager makes them
  const edge = spawn(program, args, {
    env: { PATH: process.env.PATH, EBB_GRIP_KEY: key(), EBB_PUBLISH_KEY: key() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  edge.stderr.on('data', (text) => (log += text))
  try {
    const ended = new Promise<string>((resolve) => edge.once('exit', (code) => resolve(`ended with ${code}`)))
    const ready = new Promise<string>((resolve) => createInterface(edge.stdout).once('line', resolve))
    expect(await Promise.race([ready, ended]), log).toMatch(/^ready http:/)
    edge.kill('SIGTERM')
    expect(await ended, log).toBe('ended with 0')
  } finally {
    edge.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true })
  }
})
