import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { names } from '../lib/parameters.ts'
import { table } from '../lib/times.ts'
import { here, own, resources, synth } from './world.ts'

const page = readFileSync(here('../../docs/aws.md'), 'utf8')
const between = (name: string) => new RegExp(`<!-- ${name} -->\\n([\\s\\S]*?)\\n?<!-- /${name} -->`).exec(page)?.[1]

/** rows are those of a table, as cells. */
const rows = (text: string) => text.split('\n').filter((l) => l.startsWith('|')).map((l) => l.split('|').slice(1, -1).map((c) => c.trim()))

test('the times of docs/aws.md are those of the templates', () => {
  expect(between('times')).toBe(table())
})

test('the costs of docs/aws.md are what its prices make', () => {
  const price = (name: string) => {
    const row = rows(page).find(([what]) => what!.startsWith(name))
    if (!row) throw new Error(`no price of ${name}`)
    return Number(row[1]!.split(';')[0])
  }
  const lambda = (calls: number, ms: number) => calls * (price('Lambda, a million requests') + 0.25 * (ms / 1000) * 1e6 * price('Lambda, arm64'))
  const front = (calls: number) => [calls * price('CloudFront, a million'), calls * price('CloudFront Functions')]
  const logs = (calls: number) => calls * 0.4 * price('CloudWatch Logs')
  const sns = price('SNS, a million')
  const want: Record<string, (number | '')[]> = {
    commands: [...front(1), lambda(1, 20), sns, logs(1), ''],
    'replies on streams': ['', '', lambda(1, 20), sns, logs(1), price('data out')],
    'streams opened (redirect and set-up)': [...front(2), lambda(2, 5), '', logs(2), ''],
  }
  const [, , ...said] = rows(between('costs')!)
  const shown = (n: number | '') => (n === '' ? '' : n.toFixed(2))
  expect(said).toEqual(
    Object.entries(want).map(([name, parts]) => [name, ...parts.map(shown), shown(parts.reduce<number>((sum, p) => sum + Number(shown(p)), 0))]),
  )
})

test('every parameter is told, and no other', () => {
  const told = rows(page.slice(page.indexOf('| `-c` |'), page.indexOf('What is missing or cannot be meant')))
  expect(told.slice(2).flatMap(([name]) => [...name!.matchAll(/`(\w+)`/g)].map((m) => m[1])).sort()).toEqual([...names].sort())
})

test('every alarm is told', () => {
  const told = rows(page.slice(page.indexOf('## When an alarm rings'), page.indexOf('**The queues hold')))
    .slice(2)
    .flatMap(([name]) => [...name!.matchAll(/`(\.*)(\w+)`/g)].map((m) => new RegExp(`^Alarms${m[1] ? '(connect|setup|command|notify)' : ''}${m[2]}[0-9A-F]{8}$`)))
  for (const template of [...Object.values(synth(own)), ...Object.values(synth({ ...own, entrance: 'http-api' }))]) {
    for (const id of Object.keys(resources(template, 'AWS::CloudWatch::Alarm'))) expect(told.some((t) => t.test(id)), id).toBe(true)
  }
})

test('every output that is spoken of is there', () => {
  const made = Object.values(synth(own)).flatMap((t) => Object.keys(t.findOutputs('*')))
  for (const name of ['DomainName', 'LoadBalancer', 'CommandTopic', 'ReplyTopic', 'Undelivered', 'Unpublished', 'Connect', 'Setup', 'Notify', 'TicketKey', 'GripKey', 'PublishKey']) {
    expect(page).toContain(`\`${name}\``)
    expect(made).toContain(name)
  }
})

test('the page’s fetch adds the hash that Lambda wants, and keeps the rest', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(page)![1]!
  const asked: [string, RequestInit][] = []
  class Client {
    constructor(readonly config: { fetch: (url: string, init: RequestInit) => Promise<string> }) {}
  }
  const client = runInNewContext(`${code}; client`, {
    Client, crypto, TextEncoder, Uint8Array, Array, token: () => 't',
    fetch: (url: string, init: RequestInit) => (asked.push([url, init]), Promise.resolve('answer')),
  }) as Client
  expect(await client.config.fetch('https://api.example.com/api/sse', { method: 'POST', headers: { Authorization: 'Bearer t' } })).toBe('answer')
  await client.config.fetch('https://api.example.com/api/a/b/c', { method: 'POST', body: '{"_command":"ä"}' })
  expect(asked).toEqual([
    ['https://api.example.com/api/sse', { method: 'POST', headers: { Authorization: 'Bearer t', 'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' } }],
    ['https://api.example.com/api/a/b/c', { method: 'POST', body: '{"_command":"ä"}', headers: { 'x-amz-content-sha256': expect.stringMatching(/^[0-9a-f]{64}$/) } }],
  ])
  const { createHash } = await import('node:crypto')
  expect(asked[1]![1].headers).toEqual({ 'x-amz-content-sha256': createHash('sha256').update('{"_command":"ä"}').digest('hex') })
})
