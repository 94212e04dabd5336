import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { built, elsewhere, here, own } from './world.ts'

/** cdk runs the CDK's command line without network, account or credentials. */
function cdk(args: string[], context: Record<string, string>) {
  const home = mkdtempSync(join(tmpdir(), 'ebb-cdk-'))
  const used = join(home, 'network')
  writeFileSync(used, '')
  const said = Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const out = join(home, 'out')
  const run = spawnSync(process.execPath, ['node_modules/aws-cdk/bin/cdk', ...args, '--output', out, ...said], {
    cwd: fileURLToPath(here('.')),
    encoding: 'utf8',
    // No AWS_..., and no files of the user's.
    env: {
      PATH: process.env.PATH,
      HOME: home,
      CI: 'true',
      NETWORK_USED: used,
      NODE_OPTIONS: `--require ${fileURLToPath(here('test/no-network.cjs'))}`,
    },
  })
  return { status: run.status, said: run.stdout + run.stderr, out, network: readFileSync(used, 'utf8') }
}

test('cdk synth needs no network, no account and no binaries', () => {
  const { status, said, out, network } = cdk(['synth', '--quiet'], { ...own, dist: built() })
  expect(status, said).toBe(0)
  expect(network).toBe('')
  for (const stack of ['Ebb', 'EbbEdge']) {
    const template = JSON.parse(readFileSync(join(out, `${stack}.template.json`), 'utf8'))
    expect(Object.keys(template.Resources).length).toBeGreaterThan(20)
  }
  const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'))
  expect(manifest.missing).toBeUndefined() // nothing to look up in an account
  expect(manifest.artifacts.Ebb.environment).toBe('aws://unknown-account/unknown-region')
  expect(said).not.toMatch(/warning/i)
})

test('the command line reads what the library writes', () => {
  // Reading the assembly again is where one that is too old, or 3.0.0, ends.
  const { out } = cdk(['synth', '--quiet'], { ...elsewhere, dist: built() })
  const again = cdk(['ls', '--app', out], {})
  expect([again.status, again.said.trim()]).toEqual([0, 'Ebb'])
})

test('without the functions cdk synth says what to run', () => {
  const { status, said, out } = cdk(['synth', '--quiet'], { ...elsewhere, dist: built([]) })
  expect(status).not.toBe(0)
  expect(said).toContain('run "make lambda" at the top of the repository')
  expect(existsSync(join(out, 'Ebb.template.json'))).toBe(false)
})

test('the network is noticed when it is used', () => {
  const used = join(mkdtempSync(join(tmpdir(), 'ebb-net-')), 'network')
  const run = spawnSync(process.execPath, ['-e', "require('node:http').get('http://192.0.2.1/')"], {
    env: { NETWORK_USED: used, NODE_OPTIONS: `--require ${fileURLToPath(here('test/no-network.cjs'))}` },
  })
  expect(run.status).not.toBe(0)
  expect(readFileSync(used, 'utf8')).toContain('192.0.2.1')
})
