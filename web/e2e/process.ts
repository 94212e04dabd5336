import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { inject } from 'vitest'

const startup = 60_000 // milliseconds

/** Ebb is a running `ebb`, started and ended by a test. */
export interface Ebb {
  /** ready is the rest of the line with which it said that it serves. */
  ready: string
  end(signal?: NodeJS.Signals): Promise<void>
}

/** ebb starts the binary and waits until it serves. */
export async function ebb(args: string[], env: Record<string, string> = {}): Promise<Ebb> {
  const child = spawn(inject('ebb'), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  createInterface(child.stderr).on('line', (line) => log.push(line) > 40 && log.shift())
  try {
    return { ready: await serving(child), end: (signal) => end(child, signal) }
  } catch (error) {
    await end(child, 'SIGKILL')
    throw new Error(`ebb ${args.join(' ')}: ${String(error)}\n${log.join('\n')}`)
  }
}

const given = new Set<number>()

/** address is one of this machine that nobody listens on, and that no outgoing connection is given. */
export async function address(): Promise<string> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    if (given.has(port)) continue
    given.add(port)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    server.close()
    await once(server, 'close')
    return `127.0.0.1:${port}`
  }
}

function serving(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('not ready in time')), startup)
    child.on('error', reject)
    child.on('exit', (code, signal) => reject(new Error(`ended with ${signal ?? code}`)))
    createInterface(child.stdout!).on('line', (line) => {
      if (!line.startsWith('ready')) return
      clearTimeout(late)
      resolve(line.slice('ready'.length).trim())
    })
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000) // milliseconds
  await gone
  clearTimeout(late)
}
