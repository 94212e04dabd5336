import { describe, expect, test } from 'vitest'
import { Match } from 'aws-cdk-lib/assertions'
import { times } from '../lib/times.ts'
import { elsewhere, one, own, resources, synth } from './world.ts'

const template = synth(elsewhere).Ebb!
const ref = (id: string) => ({ 'Fn::GetAtt': [expect.stringMatching(new RegExp(`^${id}[0-9A-F]{8}$`)), 'Arn'] })

describe('what fails is kept', () => {
  test('SNS puts what it cannot deliver to notify into a queue', () => {
    const { Properties: p } = one(template, 'AWS::SNS::Subscription', /Replies/)
    expect(p.RedrivePolicy).toEqual({ deadLetterTargetArn: ref('TopicsUndelivered') })
    expect([p.Protocol, p.FilterPolicy]).toEqual(['lambda', undefined])
    template.hasResourceProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Effect: 'Allow', Action: 'sqs:SendMessage', Principal: { Service: 'sns.amazonaws.com' } })]),
      },
      Queues: [{ Ref: Match.stringLikeRegexp('TopicsUndelivered') }],
    })
  })

  test('Lambda puts what notify could not publish into another, before the edge forgets its id', () => {
    const { Properties: p } = one(template, 'AWS::Lambda::EventInvokeConfig')
    expect(p.FunctionName.Ref).toMatch(/^Functionsnotify/)
    expect(p.DestinationConfig).toEqual({ OnFailure: { Destination: ref('TopicsUnpublished') } })
    expect([p.MaximumRetryAttempts, p.MaximumEventAgeInSeconds]).toEqual([2, times.eventAge.seconds])
    expect(times.eventAge.seconds).toBeLessThan(600)
    expect(3 * times.notify.seconds + 60 + 120).toBeLessThan(times.eventAge.seconds) // all three attempts are within
  })

  test('both queues keep it as long as a queue can, encrypted', () => {
    const queues = Object.values(resources(template, 'AWS::SQS::Queue'))
    expect(queues).toHaveLength(2)
    for (const { Properties: p } of queues) {
      expect(p).toMatchObject({ MessageRetentionPeriod: times.kept.seconds, VisibilityTimeout: times.visibility.seconds, SqsManagedSseEnabled: true })
    }
  })
})

describe('functions', () => {
  test.each([
    ['connect', times.connect.seconds],
    ['setup', times.setup.seconds],
    ['command', times.connect.seconds],
    ['notify', times.notify.seconds],
  ])('%s has its time-out, its own log and what `make lambda` built', (name, timeout) => {
    const { Properties: p } = one(template, 'AWS::Lambda::Function', new RegExp(`^Functions${name}`))
    expect(p).toMatchObject({ Timeout: timeout, Runtime: 'provided.al2023', Handler: 'bootstrap', Architectures: ['arm64'] })
    expect(p.LoggingConfig.LogGroup.Ref).toMatch(new RegExp(`^Functions${name}Log`))
    expect(JSON.stringify(p.Layers ?? [])).toContain(name === 'command' ? '[]' : 'arm64')
  })

  test('logs are kept for a month', () => {
    for (const stack of Object.values(synth(own))) {
      const groups = Object.values(resources(stack, 'AWS::Logs::LogGroup'))
      expect(groups.length).toBeGreaterThan(0)
      for (const g of groups) expect(g.Properties.RetentionInDays).toBe(30)
    }
    expect(Object.keys(resources(template, 'AWS::Logs::LogGroup'))).toHaveLength(4)
  })

  test('they are told what package lambda wants to know', () => {
    const told = (name: string) => Object.keys(one(template, 'AWS::Lambda::Function', new RegExp(`^Functions${name}`)).Properties.Environment.Variables).filter((n) => n.startsWith('EBB_')).sort()
    expect(told('connect')).toEqual(['EBB_AUDIENCE', 'EBB_EDGE_URL', 'EBB_HOST', 'EBB_ISSUER', 'EBB_TICKET_KEY', 'EBB_TICKET_KEY_OLD', 'EBB_VIEWER_ADDRESS'])
    expect(told('setup')).toEqual(['EBB_EDGE_URL', 'EBB_GRIP_KEY', 'EBB_GRIP_KEY_OLD', 'EBB_HOST', 'EBB_TICKET_KEY', 'EBB_TICKET_KEY_OLD', 'EBB_VIEWER_ADDRESS'])
    expect(told('command')).toEqual(['EBB_AUDIENCE', 'EBB_COMMAND_TOPIC', 'EBB_HOST', 'EBB_ISSUER', 'EBB_VIEWER_ADDRESS'])
    expect(told('notify')).toEqual(['EBB_PUBLISH_KEY', 'EBB_PUBLISH_URL'])
  })

  test('Fastly gets its own key header, and is told to keep streams alive', () => {
    const fastly = synth({ ...elsewhere, publishUrl: 'https://api.fastly.com/service/abc' }).Ebb!
    expect(one(fastly, 'AWS::Lambda::Function', /^Functionsnotify/).Properties.Environment.Variables).toMatchObject({ EBB_FASTLY_KEY: expect.anything() })
    expect(one(fastly, 'AWS::Lambda::Function', /^Functionssetup/).Properties.Environment.Variables.EBB_KEEP_ALIVE).toBe('20s')
  })

  test('on amd64 they are those for it, with the extension for it', () => {
    const { Properties: p } = one(synth({ ...elsewhere, architecture: 'amd64' }).Ebb!, 'AWS::Lambda::Function', /^Functionsnotify/)
    expect(p.Architectures).toEqual(['x86_64'])
    expect(JSON.stringify(p.Layers)).toContain('x86x64')
  })
})

describe('topics', () => {
  test('are encrypted where they lie', () => {
    for (const id of [/Commands/, /Replies/]) expect(one(template, 'AWS::SNS::Topic', id).Properties.KmsMasterKeyId).toBe('alias/aws/sns')
  })

  test('refuse what does not come by TLS', () => {
    expect(Object.keys(resources(template, 'AWS::SNS::TopicPolicy'))).toHaveLength(2)
    template.allResourcesProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })]) },
    })
  })

  test('that of commands keeps the order of an instance where it is asked to', () => {
    expect(one(template, 'AWS::SNS::Topic', /Commands/).Properties.FifoTopic).toBeUndefined()
    expect(one(synth({ ...elsewhere, fifo: 'true' }).Ebb!, 'AWS::SNS::Topic', /Commands/).Properties.FifoTopic).toBe(true)
  })
})

describe('alarms', () => {
  const alarms = Object.values(resources(template, 'AWS::CloudWatch::Alarm')).map(({ Properties: p }) => p)
  const watched = (p: Record<string, any>) => `${p.MetricName} ${(p.Dimensions ?? []).map((d: any) => d.Value.Ref ?? d.Value['Fn::GetAtt']?.[0]).join()}`.replace(/[0-9A-F]{8}$/, '')

  test('are on failures, age and throttles of each part', () => {
    const names = ['connect', 'setup', 'command', 'notify']
    expect(alarms.map(watched).sort()).toEqual([
      ...names.flatMap((n) => [`Errors Functions${n}`, `Throttles Functions${n}`]),
      ...['connect', 'setup', 'command'].map((n) => `Url5xxCount Functions${n}`),
      ...['AsyncEventAge', 'AsyncEventsDropped', 'DestinationDeliveryFailures'].map((m) => `${m} Functionsnotify`),
      ...['Commands', 'Replies'].map((t) => `NumberOfNotificationsFailed Topics${t}`),
      ...['Undelivered', 'Unpublished'].flatMap((q) => [`ApproximateNumberOfMessagesVisible Topics${q}`, `ApproximateAgeOfOldestMessage Topics${q}`]),
    ].sort())
  })

  test('tell somebody, when they begin and when they end, and what to do', () => {
    for (const p of alarms) {
      expect(p.AlarmActions).toEqual([{ Ref: expect.stringMatching(/^AlarmsTopic/) }])
      expect(p.OKActions).toEqual(p.AlarmActions)
      expect(p.TreatMissingData).toBe('notBreaching')
      expect(p.AlarmDescription).toContain('docs/aws.md')
    }
    template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'ops@example.com' })
  })
})
