import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { client } from '../alias.js'
import type { Cleanup } from './world.js'

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

const web = fileURLToPath(new URL('..', import.meta.url))

/** bundle builds a script for Node, with its suffix .js, into a folder. */
export async function bundle(script: string, outDir: string): Promise<void> {
  await build({ root: web, configFile: false, logLevel: 'error', resolve: { alias: client }, build: { ssr: script, outDir } })
}

/** site serves a folder's pages as built, and passes everything else on to a gateway: one origin, as people deploy it. */
export async function site(cleanup: Cleanup, folder: string, pages: readonly string[], gateway: string): Promise<string> {
  const root = join(web, folder)
  const outDir = mkdtempSync(join(tmpdir(), 'ebb-site-'))
  cleanup.add(() => rmSync(outDir, { recursive: true, force: true }))
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    resolve: { alias: client },
    build: { outDir, emptyOutDir: true, target: 'es2022', rolldownOptions: { input: pages.map((page) => join(root, page)) } },
  })

  const server = createServer((asked, answer) => {
    const { pathname, searchParams } = new URL(asked.url!, 'http://site')
    const path = pathname.slice(1)
    const policy = searchParams.get('policy')
    if (pages.includes(path) || path.startsWith('assets/')) {
      if (policy) answer.setHeader('Content-Security-Policy', policy)
      answer.setHeader('Content-Type', types[extname(path)] ?? 'application/octet-stream')
      answer.end(readFileSync(join(outDir, path)))
    } else if (path === 'favicon.ico') {
      answer.writeHead(204).end() // browsers ask for one
    } else pass(asked, answer, gateway)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup.add(() => (server.close(), server.closeAllConnections()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function pass(asked: IncomingMessage, answer: ServerResponse, gateway: string): void {
  const [host, port] = gateway.split(':')
  const on = request({ host, port, method: asked.method, path: asked.url, headers: asked.headers }, (response) => {
    answer.writeHead(response.statusCode!, response.headers)
    response.pipe(answer)
  })
  on.on('error', () => answer.destroy())
  answer.on('close', () => on.destroy())
  asked.pipe(on)
}
