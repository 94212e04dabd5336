import { execFileSync, spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { here, one, own, resources, synth } from './world.ts'

// The real functions, with the environment of the template, asked as CloudFront asks them.

const template = synth(own).Ebb!
const userKey = randomBytes(32).toString('hex')
const dist = mkdtempSync(join(tmpdir(), 'ebb-functions-'))
const keys = new Map(Object.keys(resources(template, 'AWS::SecretsManager::Secret')).map((id) => [id, randomBytes(32).toString('hex')]))
const keyOf = (name: string) => [...keys].find(([id]) => id.startsWith(`Keys${name}`))![1]

/** extension has the secrets, none of which was ever changed. */
const extension = createServer((request, response) => {
  const asked = new URL(request.url!, 'http://localhost').searchParams
  const key = keys.get(asked.get('secretId')!)
  if (!key || asked.get('versionStage') === 'AWSPREVIOUS') return void response.writeHead(400).end('ResourceNotFoundException')
  response.end(JSON.stringify({ SecretString: key }))
})

const listen = (server: Server) =>
  new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)))

let extensionPort: number

beforeAll(async () => {
  extensionPort = await listen(extension)
  const top = fileURLToPath(here('../..'))
  for (const name of ['connect', 'setup']) {
    execFileSync('go', ['build', '-o', join(dist, name, 'bootstrap'), `./lambda/${name}`], { cwd: top, env: { ...process.env, CGO_ENABLED: '0' }, stdio: 'inherit' })
  }
})

afterAll(() => {
  extension.closeAllConnections()
  extension.close()
  rmSync(dist, { recursive: true, force: true })
})

/** value is what CloudFormation would make of one of the template. */
function value(v: any): string {
  if (typeof v === 'string') return v
  if (v.Ref) return v.Ref
  return v['Fn::Join'][1].map(value).join('')
}

function jwt(claims: object, key: string): string {
  const text = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}

const soon = () => Math.floor(Date.now() / 1000) + 60

interface Answer {
  statusCode: number
  headers: Record<string, string>
  body: string
}

/** ask gives a function one request, as the viewer request and the signature leave it. */
async function ask(name: string, path: string, query: string, headers: Record<string, string>): Promise<{ answer: Answer; log: string }> {
  const code = one(template, 'AWS::CloudFront::Function', /ViewerRequest/).Properties.FunctionCode
  const viewer = Object.fromEntries(Object.entries(headers).map(([n, v]) => [n.toLowerCase(), { value: v }]))
  const request = runInNewContext(`${code}; handler(event)`, { event: { viewer: { ip: '2001:db8::7' }, request: { headers: viewer } } })
  const passed = Object.fromEntries(Object.entries<{ value: string }>(request.headers).map(([n, v]) => [n, v.value]))
  const event = {
    version: '2.0', rawPath: path, rawQueryString: query, isBase64Encoded: false,
    headers: { ...passed, authorization: 'AWS4-HMAC-SHA256 Credential=CloudFront' },
    requestContext: { domainName: 'x.lambda-url.eu-west-1.on.aws', stage: '$default', http: { method: 'GET', path, sourceIp: '192.0.2.9' } },
  }
  let given = false
  let answered: (answer: Answer) => void
  const answer = new Promise<Answer>((resolve) => (answered = resolve))
  const api = createServer((asked, response) => {
    if (asked.url!.endsWith('/invocation/next')) {
      if (given) return // nothing more to do
      given = true
      response.setHeader('Lambda-Runtime-Aws-Request-Id', 'one').setHeader('Lambda-Runtime-Deadline-Ms', Date.now() + 10_000)
      return void response.end(JSON.stringify(event))
    }
    const body: Buffer[] = []
    asked.on('data', (some) => body.push(some)).on('end', () => {
      response.writeHead(202).end()
      answered(JSON.parse(Buffer.concat(body).toString()))
    })
  })
  const told = one(template, 'AWS::Lambda::Function', new RegExp(`^Functions${name}`)).Properties.Environment.Variables
  const env = Object.fromEntries(Object.entries(told).map(([n, v]) => [n, value(v)]))
  const run = spawn(join(dist, name, 'bootstrap'), {
    env: {
      ...env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${await listen(api)}`, AWS_SESSION_TOKEN: 'session',
      PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: String(extensionPort),
      ...(env.EBB_ISSUER && { EBB_JWT_KEY: userKey }), // instead of asking the issuer for its keys
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const out of [run.stdout, run.stderr]) out.on('data', (text) => (log += text))
  const ended = new Promise<never>((_, reject) => run.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${log}`))))
  const closed = once(run, 'close')
  try {
    const got = await Promise.race([answer, ended])
    run.kill('SIGKILL')
    await closed // or the end of the log would be missing
    return { answer: got, log }
  } finally {
    ended.catch(() => {})
    run.kill('SIGKILL')
    api.closeAllConnections()
    api.close()
  }
}

test('a browser is redirected to the edge, and the edge hears whose channel it is', async () => {
  const token = jwt({ iss: own.issuer, aud: own.audience, sub: 'ann', exp: soon() }, userKey)
  const { answer: redirect, log } = await ask('connect', '/api/sse', '', { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' })
  expect(redirect.statusCode, log).toBe(307)
  expect(log).toContain('"address":"2001:db8::7"')
  const to = new URL(redirect.headers.Location!)
  expect(to.origin + to.pathname).toBe('https://stream.example.com/api/sse-setup')

  const signed = (key: string) => ask('setup', to.pathname, to.search.slice(1), { Accept: 'text/event-stream', 'Grip-Sig': jwt({ iss: 'ebb', exp: soon() }, key) })
  const { answer: held, log: heldLog } = await signed(keyOf('Grip'))
  expect([held.statusCode, held.headers['Content-Type']], heldLog).toEqual([200, 'application/grip-instruct'])
  expect(JSON.parse(held.body).hold).toMatchObject({ mode: 'stream', channels: [{ name: 'ann' }] })

  const { answer: forged } = await signed(randomBytes(32).toString('hex'))
  expect(forged.statusCode).toBe(403)
})

test('a token of somebody else is refused', async () => {
  const token = jwt({ iss: own.issuer, aud: own.audience, sub: 'ann', exp: soon() }, randomBytes(32).toString('hex'))
  expect((await ask('connect', '/api/sse', '', { Authorization: `Bearer ${token}` })).answer.statusCode).toBe(401)
})
