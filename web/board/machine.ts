import { problem } from '../src/problem.js'
import { Store } from './store.js'

/** Status is how the parts of `ebb dev` are. */
export interface Status {
  edge: 'up' | 'restarting'
  broker: 'up' | 'stopped'
  /** back is when the broker will be, in milliseconds since 1970. */
  back?: number
}

const look = 300 // milliseconds

/** Machine breaks parts of `ebb dev`; nothing else offers that. */
export class Machine extends Store {
  /** status is undefined where nothing can be broken. */
  status?: Status
  /** failed is why the last button did not work. */
  failed = ''
  /** offered tells, once it is known, whether anything can be. */
  offered: Promise<boolean>
  #know = (_: boolean): void => {}
  #timer?: ReturnType<typeof setTimeout>

  constructor() {
    super()
    this.offered = new Promise((resolve) => (this.#know = resolve))
  }

  /** look asks how the parts are, until all are up. */
  look = async (): Promise<void> => {
    clearTimeout(this.#timer)
    this.status = (await ask<Status>('/dev/status')) ?? this.status
    this.#know(this.status !== undefined)
    this.tell()
    if (this.status && (this.status.edge !== 'up' || this.status.broker !== 'up')) {
      this.#timer = setTimeout(() => void this.look(), look)
    }
  }

  cut = (): Promise<void> => this.#press('/dev/cut')
  restart = (): Promise<void> => this.#press('/dev/edge/restart')
  stop = (seconds: number): Promise<void> => this.#press(`/dev/broker/stop?seconds=${seconds}`)

  async #press(path: string): Promise<void> {
    try {
      const response = await fetch(path, { method: 'POST' })
      this.failed = response.ok ? '' : (await problem(response)).message
    } catch {
      this.failed = 'There is no answer.'
    }
    await this.look()
  }
}

/** ask reads JSON, or returns undefined where there is none. */
async function ask<T>(path: string): Promise<T | undefined> {
  try {
    const response = await fetch(path)
    const json = response.ok && response.headers.get('Content-Type')?.includes('json')
    return json ? ((await response.json()) as T) : undefined
  } catch {
    return undefined // it is restarting
  }
}
