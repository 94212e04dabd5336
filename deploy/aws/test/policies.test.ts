import { expect, test } from 'vitest'
import { elsewhere, many, one, own, resources, synth } from './world.ts'

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
  Principal?: unknown
}

/** statements are those of every policy in a template, of roles and of resources. */
function statements(template: unknown, path = ''): [string, Statement][] {
  if (typeof template !== 'object' || template === null) return []
  return Object.entries(template).flatMap(([key, value]): [string, Statement][] => {
    const at = `${path}/${key}`
    if (key === 'Statement' && Array.isArray(value)) return value.map((s: Statement) => [at, s])
    return statements(value, at)
  })
}

const strings = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []

const httpApi = { ...elsewhere, entrance: 'http-api' }

for (const [name, system] of Object.entries({ elsewhere, own, many, httpApi })) {
  for (const [stack, template] of Object.entries(synth(system))) {
    test(`${name}, ${stack}: no policy allows a wildcard as its resource or action`, () => {
      const found = statements(template.toJSON()).filter(([, s]) => s.Effect === 'Allow')
      expect(found.length).toBeGreaterThan(2)
      const trust = (s: Statement) => s.Resource === undefined && s.Action === 'sts:AssumeRole'
      // Logging in to a registry has no resource to name: AWS wants * here.
      const login = (s: Statement) => name === 'many' && stack === 'EbbEdge' && s.Action === 'ecr:GetAuthorizationToken' && s.Resource === '*'
      for (const [at, s] of found) {
        for (const text of [...strings(s.Action), ...(trust(s) || login(s) ? [] : strings(s.Resource))]) expect(text, at).not.toContain('*')
        if (!trust(s)) expect(s.Resource, at).toBeDefined()
      }
    })

    test(`${name}, ${stack}: no role has a policy of somebody else's`, () => {
      for (const [id, role] of Object.entries(resources(template, 'AWS::IAM::Role'))) expect(role.Properties.ManagedPolicyArns, id).toBeUndefined()
      expect(resources(template, 'AWS::IAM::ManagedPolicy')).toEqual({})
    })
  }
}

/** may is what a function's role allows, as `action resource`. */
function may(name: string): string[] {
  const { Ebb: template } = synth(elsewhere)
  const policy = one(template!, 'AWS::IAM::Policy', new RegExp(`^Functions${name}Role`))
  return (policy.Properties.PolicyDocument.Statement as Statement[])
    .flatMap((s) => {
      const on = Array.isArray(s.Resource) ? s.Resource : [s.Resource]
      return [s.Action].flat().flatMap((action) => on.map((r) => `${action} ${(r.Ref ?? r['Fn::GetAtt'][0]).replace(/[0-9A-F]{8}$/, '')}`))
    })
    .sort()
}

const log = (name: string) => [`logs:CreateLogStream Functions${name}Log`, `logs:PutLogEvents Functions${name}Log`]
const read = (key: string) => [`secretsmanager:DescribeSecret Keys${key}`, `secretsmanager:GetSecretValue Keys${key}`]

test.each([
  ['connect', [...log('connect'), ...read('Ticket')]],
  ['setup', [...log('setup'), ...read('Grip'), ...read('Ticket')]],
  ['command', [...log('command'), 'sns:Publish TopicsCommands']],
  ['notify', [...log('notify'), ...read('Publish'), ...['GetQueueAttributes', 'GetQueueUrl', 'SendMessage'].map((a) => `sqs:${a} TopicsUnpublished`)]],
])('%s may do what docs/aws.md says, and nothing else', (name, want) => {
  expect(may(name)).toEqual(want.sort())
})

test('a grip key of somebody else is a setting, and setup may not read ours', () => {
  const { Ebb: template } = synth({ ...elsewhere, gripKey: '-----BEGIN PUBLIC KEY-----' })
  const policy = JSON.stringify(one(template!, 'AWS::IAM::Policy', /^FunctionssetupRole/))
  expect(policy).not.toContain('KeysGrip')
  expect(one(template!, 'AWS::Lambda::Function', /^Functionssetup/).Properties.Environment.Variables.EBB_GRIP_KEY).toBe('-----BEGIN PUBLIC KEY-----')
})

test('functions are called by CloudFront for this distribution and by SNS for this topic, and by nobody else', () => {
  const { Ebb: template } = synth(elsewhere)
  const calls = Object.values(resources(template!, 'AWS::Lambda::Permission')).map(({ Properties: p }) => p)
  expect(calls).toHaveLength(7)
  for (const p of calls) {
    const from = JSON.stringify(p.SourceArn)
    if (p.Principal === 'sns.amazonaws.com') expect(from).toContain('TopicsReplies')
    else expect([p.Principal, from]).toEqual(['cloudfront.amazonaws.com', expect.stringContaining('FrontDistribution')])
    if (p.Action === 'lambda:InvokeFunction' && p.Principal === 'cloudfront.amazonaws.com') expect(p.InvokedViaFunctionUrl).toBe(true)
  }
  for (const url of Object.values(resources(template!, 'AWS::Lambda::Url'))) expect(url.Properties.AuthType).toBe('AWS_IAM')
})

test('no key is in a template', () => {
  for (const template of Object.values(synth(own))) {
    for (const f of Object.values(resources(template, 'AWS::Lambda::Function'))) {
      for (const [name, value] of Object.entries(f.Properties.Environment.Variables)) {
        const secret = ['secret:', { Ref: expect.stringMatching(/^Keys/) }]
        if (/_KEY$/.test(name)) expect(value, name).toEqual({ 'Fn::Join': ['', secret] })
        if (/_KEY_OLD$/.test(name)) expect(value, name).toEqual({ 'Fn::Join': ['', [...secret, '?versionStage=AWSPREVIOUS']] })
      }
    }
    for (const secret of Object.values(resources(template, 'AWS::SecretsManager::Secret'))) {
      expect(secret.Properties.SecretString).toBeUndefined()
      expect(secret.Properties.GenerateSecretString).toEqual({ PasswordLength: 64, ExcludePunctuation: true })
    }
  }
})
