import { Api, Unauthenticated } from '../api.js'
import { ProblemError } from '../problem.js'
import { asError, type Errand, type ToHub } from './port.js'

const patience = 10_000 // milliseconds for a tab, which may be frozen

type Done = ToHub & { is: 'done' }

/** Runner is a tab that can be sent on errands. */
export interface Runner {
  renews: boolean
  send(n: number, errand: Errand): void
  /** silent is called when it says nothing: the next time others come first. */
  silent(): void
}

/**
 * Errands is the gateway as a hub sees it: through its tabs, which have the token.
 *
 * What one tab may not, the next one is asked for, and so it is where one says
 * nothing, since the browser may have frozen it.
 */
export class Errands extends Api {
  #count = 0
  #open = new Map<number, (done: Done) => void>()

  constructor(
    /** runners are the tabs, the best one first. */
    private readonly runners: () => Runner[],
  ) {
    super({ api: '' })
  }

  override get renews(): boolean {
    return this.runners().some(({ renews }) => renews)
  }

  override async ticket(cursor: string, signal: AbortSignal): Promise<string> {
    return (await this.#run({ what: 'ticket', cursor }, signal)).url!
  }

  override async renew(id: string, signal: AbortSignal): Promise<void> {
    await this.#run({ what: 'renew', id }, signal)
  }

  override async logOut(id?: string): Promise<void> {
    await this.#run({ what: 'logOut', id })
  }

  /** done takes what a tab has to say of an errand. */
  done(done: Done): void {
    this.#open.get(done.n)?.(done)
  }

  async #run(errand: Errand, signal?: AbortSignal): Promise<Done> {
    let why: Error = new TypeError('ebb: no tab answers')
    for (const runner of this.runners()) {
      const done = await this.#ask(runner, errand, signal)
      signal?.throwIfAborted()
      if (!done) {
        runner.silent()
        continue
      }
      if (!done.error) return done
      why = asError(done.error)
      if (!(why instanceof Unauthenticated) && !(why instanceof ProblemError && why.status === 401)) break
    }
    throw why
  }

  /** ask resolves with what a tab says, or with nothing if it does not. */
  #ask(runner: Runner, errand: Errand, signal?: AbortSignal): Promise<Done | undefined> {
    const n = this.#count++
    return new Promise((resolve) => {
      const end = (done?: Done) => {
        clearTimeout(late)
        signal?.removeEventListener('abort', abort)
        this.#open.delete(n)
        resolve(done)
      }
      const abort = () => end()
      const late = setTimeout(end, patience)
      signal?.addEventListener('abort', abort)
      this.#open.set(n, end)
      runner.send(n, errand)
    })
  }
}
