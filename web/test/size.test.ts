import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'

const index = fileURLToPath(new URL('../src/index.ts', import.meta.url))

/** bundle builds what a page that has this code would load, minified. */
async function bundle(code: string, format: 'es' | 'iife' = 'es'): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ebb-size-'))
  try {
    const input = join(folder, 'page.js')
    writeFileSync(input, code)
    const built = await build({
      configFile: false,
      logLevel: 'silent',
      build: { write: false, modulePreload: { polyfill: false }, rolldownOptions: { input, output: { format } } },
    })
    return (built as { output: { code: string }[] }).output[0]!.code
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const use = (names: string) => `import { ${names} } from ${JSON.stringify(index)}\nObject.assign(globalThis, { ${names} })`

test('the core is under 5 KB as a page loads it, with the other transport a little over', async () => {
  const core = gzipSync(await bundle(use('Client, Collection'))).length
  const all = gzipSync(await bundle(`import * as all from ${JSON.stringify(index)}\nglobalThis.all = all`)).length
  console.log(`core ${core} bytes, everything ${all}`)
  expect(core).toBeLessThan(5 * 1024)
  expect(all).toBeLessThan(6 * 1024)
  expect(core).toBeGreaterThan(3_000) // or it was not there
})

test('it is imported and constructed where there are no globals of a browser, nor of Node', async () => {
  const page = use('Client, Collection, fetchTransport')
  const bare = { AbortController: globalThis.AbortController } as Record<string, unknown>
  runInNewContext(await bundle(page, 'iife'), bare)
  const state = runInNewContext(
    `const client = new Client({ api: '/api' })
     const tasks = new Collection(client, 'board/task')
     const stop = client.listen({ event() {} })
     stop()
     JSON.stringify([client.state, tasks.items, tasks.loaded, tasks.pending('1')])`,
    bare,
  ) as string
  expect(JSON.parse(state)).toEqual([{ name: 'closed', why: 'new' }, [], false, false])
  expect(() => runInNewContext('document', bare)).toThrow('document is not defined') // or this proves nothing
})
