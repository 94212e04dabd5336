import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { app } from '../lib/app.ts'

/** here is a file of deploy/aws. */
export const here = (path: string) => new URL(`../${path}`, import.meta.url)

/** built is what `make lambda` would have built, as far as templates can tell. */
export function built(architectures = ['arm64', 'amd64'], functions = ['connect', 'setup', 'command', 'notify']): string {
  const dist = mkdtempSync(join(tmpdir(), 'ebb-lambda-'))
  for (const architecture of architectures) {
    for (const name of functions) {
      mkdirSync(join(dist, architecture, name), { recursive: true })
      writeFileSync(join(dist, architecture, name, 'bootstrap'), `${name} for ${architecture}\n`, { mode: 0o755 })
    }
  }
  return dist
}

const certificate = (region: string) => `arn:aws:acm:${region}:123456789012:certificate/11111111-2222-3333-4444-555555555555`

/** elsewhere is a system whose edge is somebody else's. */
export const elsewhere = {
  issuer: 'https://login.example.com',
  audience: 'shop',
  domain: 'api.example.com',
  certificate: certificate('us-east-1'),
  edgeUrl: 'https://stream.example.com',
  publishUrl: 'https://publish.example.com',
  mail: 'ops@example.com',
}

const { edgeUrl: _, publishUrl: __, ...system } = elsewhere

/** own is a system with an edge of its own. */
export const own = {
  ...system,
  edgeDomain: 'stream.example.com',
  edgeCertificate: certificate('eu-west-1'),
  edgeImage: 'registry.example.com/ebb:1',
}

/** many is one with several edges on Kafka, out of the account's registry. */
export const many = {
  ...own,
  edgeKafka: 'kafka1:9092,kafka2:9092',
  edgeCount: '3',
  edgeImage: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/ebb:1',
}

/** synth makes the templates of a system, by stack. */
export function synth(context: Record<string, string>, dist = built()): Record<string, Template> {
  const flags = (JSON.parse(readFileSync(here('cdk.json'), 'utf8')) as { context: Record<string, unknown> }).context
  const root = new App({ context: { ...flags, ...context } })
  const made = app(root, dist)
  const templates: Record<string, Template> = { Ebb: Template.fromStack(made.ebb) }
  if (made.edge) templates.EbbEdge = Template.fromStack(made.edge)
  return templates
}

export interface Resource {
  Type: string
  Properties: Record<string, any>
}

/** resources are those of a type, by logical id. */
export function resources(template: Template, type: string): Record<string, Resource> {
  return template.findResources(type) as Record<string, Resource>
}

/** one is the only resource of a type whose logical id fits. */
export function one(template: Template, type: string, id = /./): Resource {
  const found = Object.entries(resources(template, type)).filter(([name]) => id.test(name))
  if (found.length !== 1) throw new Error(`${found.length} of ${type} fit ${id}, want one`)
  return found[0]![1]
}
