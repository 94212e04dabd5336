import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const page = new URL('../../demo/page', import.meta.url).pathname
const most = 150_000 // bytes

test('the page weighs less than 150 KB, as it travels', () => {
  const files = readdirSync(page, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(html|js|css|svg)$/.test(name))
  expect(files.length).toBeGreaterThan(3)
  const weight = files.map((name) => join(page, name)).reduce((sum, file) => sum + (statSync(file).isFile() ? gzipSync(readFileSync(file)).length : 0), 0)
  expect(weight).toBeGreaterThan(10_000)
  expect(weight).toBeLessThan(most)
})
