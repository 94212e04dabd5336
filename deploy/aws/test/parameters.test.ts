import { expect, test } from 'vitest'
import { built, elsewhere, own, synth } from './world.ts'

const without = (system: Record<string, string>, ...names: string[]) => Object.fromEntries(Object.entries(system).filter(([n]) => !names.includes(n)))

test.each<[string, Record<string, string>, RegExp]>([
  ['nothing at all', {}, /^deploy\/aws: -c issuer=\S+ is missing\n-c edgeUrl=.* is missing\n-c publishUrl=\S+ is missing$/],
  ['no issuer', without(elsewhere, 'issuer'), /-c issuer=https:\/\/login.example.com is missing/],
  ['a URL for a domain', { ...elsewhere, domain: 'https://api.example.com' }, /-c domain=https:\/\/api.example.com: want a host/],
  ['a domain without a certificate', without(elsewhere, 'certificate'), /go together/],
  ['a certificate elsewhere', { ...elsewhere, certificate: own.edgeCertificate }, /us-east-1/],
  ['an edge without TLS', { ...elsewhere, edgeUrl: 'http://stream.example.com' }, /-c edgeUrl=.*: want https:\/\/host/],
  ['an edge with a path', { ...elsewhere, edgeUrl: 'https://stream.example.com/x' }, /-c edgeUrl=/],
  ['a slash at the end', { ...elsewhere, publishUrl: 'https://publish.example.com/' }, /-c publishUrl=/],
  ['two edges', { ...own, edgeUrl: 'https://other.example.com' }, /-c edgeUrl is another edge's/],
  ['half an edge', { ...elsewhere, edgeImage: 'ebb' }, /-c edgeImage needs -c edgeDomain/],
  ['an edge without an image', without(own, 'edgeImage'), /-c edgeImage=\S+ is missing/],
  ['two logs', { ...own, edgeCount: '2' }, /without -c edgeKafka/],
  ['no number of edges', { ...own, edgeCount: 'two' }, /-c edgeCount=two: want a number/],
  ['a third architecture', { ...elsewhere, architecture: 'riscv64' }, /want arm64 or amd64/],
  ['a third entrance', { ...elsewhere, entrance: 'nginx' }, /want cloudfront or http-api/],
  ['a maybe', { ...elsewhere, fifo: 'maybe' }, /-c fifo=maybe: want true or false/],
])('%s is refused, in words', (_, context, want) => {
  expect(() => synth(context)).toThrow(want)
})

test('functions that are not built are named, with what builds them', () => {
  const dist = built(['arm64'], ['connect', 'setup', 'command'])
  expect(() => synth(elsewhere, dist)).toThrow(/^deploy\/aws: \S+\/arm64\/notify\/bootstrap is missing: run "make lambda" at the top of the repository$/)
})
