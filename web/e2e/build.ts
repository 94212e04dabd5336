import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    ebb: string
  }
}

/** setup provides the binary under test: EBB_BIN, or one that it builds. */
export default function setup(project: TestProject): (() => void) | undefined {
  const given = process.env.EBB_BIN
  if (given) {
    project.provide('ebb', resolve(given))
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'ebb-bin-'))
  const binary = join(folder, 'ebb')
  const root = fileURLToPath(new URL('../..', import.meta.url))
  execFileSync('go', ['build', '-o', binary, './cmd/ebb'], { cwd: root, stdio: 'inherit' })
  project.provide('ebb', binary)
  return () => rmSync(folder, { recursive: true })
}
