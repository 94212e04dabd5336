import type { Node } from 'constructs'

/** Parameters are what a team says about its own system, as `-c name=value`. */
export interface Parameters {
  /** Issuer of the users' access tokens: an OpenID provider, unless jwks is given. */
  issuer: string
  audience?: string | undefined
  /** URL of the issuer's keys, where the issuer does not tell. */
  jwks?: string | undefined
  /** What browsers and the edge reach the functions by. */
  entrance: 'cloudfront' | 'http-api'
  /** Name of the API for browsers, and the certificate for it: in us-east-1 for CloudFront. */
  domain?: string | undefined
  certificate?: string | undefined
  /** The edge for browsers, as `https://host`, and where it is published to. */
  edgeUrl: string
  publishUrl: string
  /** Key that an edge of others signs with (`gripKey`), else one is made. */
  gripKey?: string | undefined
  /** How often an edge of others shall say something on a silent stream, such as 20s; Ebb's does by itself. */
  keepAlive?: string | undefined
  /** Pages on other hosts that may call, with commas. */
  origins?: string | undefined
  /** Name of the cookie with the access token. */
  cookie?: string | undefined
  /** Types of aggregates, with commas; any if not given. */
  types?: string | undefined
  /** Rules of who may do what, as ebb gateway's --roles. */
  roles?: string | undefined
  /** Whether the topic of commands keeps the order of each instance; SQS alone can subscribe then. */
  fifo: boolean
  /** Where alarms are sent by mail. */
  mail?: string | undefined
  architecture: Architecture
  /** Where `make lambda` has put the functions. */
  dist: string
  /** The edge of this stack's own, if it is to have one. */
  edge?: EdgeParameters | undefined
}

export type Architecture = 'arm64' | 'amd64'

export interface EdgeParameters {
  mail?: string | undefined
  domain: string
  /** In the stack's region. */
  certificate: string
  image: string
  /** Brokers; an edge without has its own log, and is alone. */
  kafka?: string | undefined
  /** How many edges. */
  count: number
}

/** names are what can be said. */
export const names = [
  'issuer', 'audience', 'jwks', 'entrance', 'domain', 'certificate', 'edgeUrl', 'publishUrl', 'gripKey', 'keepAlive', 'origins', 'cookie', 'types', 'roles', 'fifo',
  'mail', 'architecture', 'dist', 'edgeDomain', 'edgeCertificate', 'edgeImage', 'edgeKafka', 'edgeCount',
] as const

type Name = (typeof names)[number]

/** publishPort is where the edge of this app listens for publishers. */
export const publishPort = 8443

/** isFastly tells whether an edge is Fastly's by where it is published to. */
export function isFastly(publishUrl: string): boolean {
  return publishUrl.startsWith('https://api.fastly.com/')
}

/** parameters reads what was said, or says all that is wrong with it. */
export function parameters(node: Node, dist: string): Parameters {
  const wrong: string[] = []
  const get = (name: Name) => {
    const value: unknown = node.tryGetContext(name)
    return value === undefined || value === '' ? undefined : String(value)
  }
  const need = (name: Name, what: string) => get(name) ?? (wrong.push(`-c ${name}=${what} is missing`), '')
  const check = (name: Name, form: RegExp, what: string) => {
    const value = get(name)
    if (value !== undefined && !form.test(value)) wrong.push(`-c ${name}=${value}: want ${what}`)
    return value
  }
  const host = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/
  const issuer = need('issuer', 'https://login.example.com')
  const domain = check('domain', host, 'a host, as api.example.com')
  const entrance = check('entrance', /^(cloudfront|http-api)$/, 'cloudfront or http-api') ?? 'cloudfront'
  const certificate =
    entrance === 'cloudfront'
      ? check('certificate', /^arn:[^:]+:acm:us-east-1:\d{12}:certificate\/.+/, 'the ARN of a certificate in us-east-1, where CloudFront looks for it')
      : check('certificate', /^arn:[^:]+:acm:[a-z0-9-]+:\d{12}:certificate\/.+/, 'the ARN of a certificate in the region of the stack')
  if ((domain === undefined) !== (certificate === undefined)) wrong.push('-c domain and -c certificate go together')
  const architecture = check('architecture', /^(arm64|amd64)$/, 'arm64 or amd64') ?? 'arm64'
  const fifo = check('fifo', /^(true|false)$/, 'true or false') === 'true'
  check('keepAlive', /^[1-9]\d*s$/, 'seconds, as 20s')
  check('jwks', /^https:\/\/[^/?#]+/, 'https://...')

  let edge: EdgeParameters | undefined
  const edgeDomain = check('edgeDomain', host, 'a host, as stream.example.com')
  if (edgeDomain !== undefined) {
    const count = check('edgeCount', /^[1-9]\d?$/, 'a number from 1 to 99')
    edge = {
      mail: get('mail'),
      domain: edgeDomain,
      certificate: need('edgeCertificate', 'arn:aws:acm:...'),
      image: need('edgeImage', 'registry/ebb:tag'),
      kafka: get('edgeKafka'),
      count: Number(count ?? (get('edgeKafka') ? 2 : 1)),
    }
    if (!edge.kafka && edge.count > 1) wrong.push('-c edgeCount: edges without -c edgeKafka know nothing of each other, so there is one')
    for (const name of ['edgeUrl', 'publishUrl'] as const) {
      if (get(name) !== undefined) wrong.push(`-c ${name} is another edge's: leave it out with -c edgeDomain`)
    }
  } else {
    for (const name of ['edgeCertificate', 'edgeImage', 'edgeKafka', 'edgeCount'] as const) {
      if (get(name) !== undefined) wrong.push(`-c ${name} needs -c edgeDomain`)
    }
    need('edgeUrl', 'https://stream.example.com, or -c edgeDomain=stream.example.com for an edge of its own,')
    check('edgeUrl', /^https:\/\/[^/?#]+$/, 'https://host')
    need('publishUrl', 'https://publish.example.com')
    check('publishUrl', /^https?:\/\/[^/?#]+(\/[^?#]*[^/?#])?$/, 'https://host, without a slash at its end')
  }
  if (wrong.length > 0) throw new Error(`deploy/aws: ${wrong.join('\n')}`)
  return {
    issuer,
    audience: get('audience'),
    jwks: get('jwks'),
    entrance: entrance as Parameters['entrance'],
    domain,
    certificate,
    edgeUrl: edge ? `https://${edge.domain}` : get('edgeUrl')!,
    publishUrl: edge ? `https://${edge.domain}:${publishPort}` : get('publishUrl')!,
    gripKey: get('gripKey'),
    keepAlive: get('keepAlive') ?? (isFastly(get('publishUrl') ?? '') ? '20s' : undefined),
    origins: get('origins'),
    cookie: get('cookie'),
    types: get('types'),
    roles: get('roles'),
    fifo,
    mail: get('mail'),
    architecture: architecture as Architecture,
    dist: get('dist') ?? dist,
    edge,
  }
}
