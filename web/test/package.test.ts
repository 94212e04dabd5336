import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const web = fileURLToPath(new URL('..', import.meta.url))
const tools = join(web, 'node_modules')
const run = (command: string, args: string[], cwd: string) => promisify(execFile)(command, args, { cwd, timeout: 100_000 })
const node = (args: string[], cwd: string) => run(process.execPath, args, cwd)

let folder: string
let script: string // a project with nothing but the package
let app: string // one with what people use beside it

/** project makes one that has the package as npm installs it, offline. */
async function project(name: string, tarball: string, beside: string[]): Promise<string> {
  const path = join(folder, name)
  mkdirSync(path)
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }))
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], path)
  for (const module of beside) {
    mkdirSync(join(path, 'node_modules', module, '..'), { recursive: true })
    symlinkSync(join(tools, module), join(path, 'node_modules', module))
  }
  return path
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ebb-package-'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], web)
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }]
  const tarball = join(folder, filename)
  script = await project('script', tarball, [])
  const beside = ['react', 'react-dom', 'redux', 'rxjs', '@tanstack/react-query', '@types/react', '@types/react-dom', 'vitest']
  app = await project('app', tarball, beside)
  cpSync(join(web, 'examples'), app, { recursive: true })
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the package has what it needs, and nothing else', () => {
  const files = readdirSync(join(script, 'node_modules/@ebb-events/client'), { recursive: true }).map(String)
  for (const file of ['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/tabs/worker.js']) expect(files).toContain(file)
  expect(files.filter((file) => !/^(dist(\/tabs)?|dist\/.*\.(js|d\.ts)|LICENSE|README\.md|package\.json)$/.test(file))).toEqual([])
  expect(readdirSync(join(script, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['@ebb-events']) // no dependency
})

test('a script in Node imports every part, and each has types', async () => {
  const { exports } = JSON.parse(readFileSync(join(web, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
  const parts = Object.keys(exports).map((part) => part.replace(/^\./, '@ebb-events/client'))
  expect(parts.length).toBeGreaterThan(6)
  const withoutReact = parts.filter((part) => !part.endsWith('/react'))
  writeFileSync(
    join(script, 'script.js'),
    `${withoutReact.map((part, i) => `import * as part${i} from '${part}'`).join('\n')}
     import { Client, Collection } from '@ebb-events/client'
     import { tabs } from '@ebb-events/client/tabs'
     import { MockBackend } from '@ebb-events/client/testing'
     for (const part of [${withoutReact.map((_, i) => `part${i}`).join()}]) if (Object.keys(part).length === 0) throw new Error('a part is empty')
     new Client({ api: 'https://api.example.com', source: tabs({ user: 'ann' }) }) // on a server it opens nothing
     const client = new Client(new MockBackend().config)
     const tasks = new Collection(client, 'board/task')
     client.open()
     const { title } = await client.send('board/task/1', { _command: 'create', title: 'Buy lemons' }).settled
     console.log(title, tasks.items.length)
     client.close()`,
  )
  expect((await node(['script.js'], script)).stdout).toBe('Buy lemons 1\n')
})

test.each(['nodenext', 'bundler'])('the examples have types, and wrong ones are found, with %s', async (resolution) => {
  const module = resolution === 'bundler' ? 'esnext' : 'nodenext'
  const compilerOptions = {
    target: 'es2022', lib: ['es2023', 'dom', 'dom.iterable'], module, moduleResolution: resolution,
    jsx: 'react-jsx', strict: true, noEmit: true, skipLibCheck: true, typeRoots: [join(tools, '@types')], types: ['node'],
  } // prettier-ignore
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.tsx'] }))
  writeFileSync(
    join(app, 'wrong.ts'),
    `import { client } from './board.js'
     client.send('board/task/1', { _command: 'move', column: 'done' })
     // @ts-expect-error there is no such column
     client.send('board/task/1', { _command: 'move', column: 'gone' })
     // @ts-expect-error there is no such command
     client.send('board/task/1', { _command: 'mvoe', column: 'done' })
     // @ts-expect-error there is no such type
     client.send('board/tsak/1', { _command: 'delete' })`,
  )
  const { stdout } = await node([join(tools, 'typescript/bin/tsc'), '-p', '.'], app).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
})

test('Vite builds the examples, with the worker in a file of its own', async () => {
  const pages = readdirSync(app).filter((name) => name.endsWith('.html'))
  expect(pages).toContain('react.html')
  writeFileSync(
    join(app, 'vite.config.js'),
    `export default { build: { target: 'es2022', rolldownOptions: { input: ${JSON.stringify(pages)} } } }`,
  )
  const { stderr } = await node([join(tools, 'vite/bin/vite.js'), 'build', '--logLevel', 'warn'], app)
  expect(stderr).not.toContain('@ebb-events') // others have warnings of their own
  const built = readdirSync(join(app, 'dist/assets'))
  const worker = built.find((name) => name.startsWith('worker-'))!
  expect(readFileSync(join(app, 'dist/assets', worker), 'utf8')).toContain('onconnect')
  const board = built.find((name) => name.startsWith('board-'))!
  expect(readFileSync(join(app, 'dist/assets', board), 'utf8')).toContain(worker)
})
