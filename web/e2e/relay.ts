import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'

/** Relay passes TCP connections on, and cuts them: at any byte, or all at once. */
export class Relay {
  /** requests are the first lines and headers that came, the latest last. */
  readonly requests: string[] = []
  /** cuts are the requests whose connections were cut at their limit. */
  readonly cuts: string[] = []
  /** limit is how many bytes of the body a new connection passes on. Then it is cut. */
  limit: () => number = () => Infinity
  /** holds has connections wait at their limit for cutHeld. */
  holds = false
  /** target is host:port, for new connections. */
  target = ''
  #server = createServer((browser) => this.#relay(browser))
  #open = new Set<Socket>()
  #held: (() => void)[] = []

  /** listen returns where the relay is, as host:port. */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** cut resets all connections. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  /** cutHeld cuts what waits at its limit. */
  cutHeld(): void {
    for (const cut of this.#held.splice(0)) cut()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #relay(browser: Socket): void {
    const [host, port] = this.target.split(':')
    const edge = createConnection(Number(port), host)
    for (const socket of [browser, edge]) {
      this.#open.add(socket)
      socket.on('error', () => {}) // close follows
      socket.on('close', () => {
        this.#open.delete(socket)
        browser.destroy()
        edge.destroy()
      })
    }
    let request = ''
    browser.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      if (text.startsWith('GET ')) this.requests.push((request = text))
      edge.write(bytes)
    })
    browser.on('end', () => edge.end())
    edge.on('end', () => browser.end())
    let header: string | undefined = '' // until it is complete
    let left = Infinity
    edge.on('data', (bytes) => {
      if (left < 0) return
      if (header !== undefined) {
        header += bytes.toString('latin1')
        const end = header.indexOf('\r\n\r\n') + 4
        if (end >= 4) {
          left = this.limit() + bytes.length - (header.length - end)
          header = undefined
        }
      }
      browser.write(bytes.subarray(0, Math.min(left, bytes.length)))
      if ((left -= bytes.length) >= 0) return
      const cut = () => {
        this.cuts.push(request)
        if (Math.random() < 0.7) browser.resetAndDestroy()
        else browser.end()
        edge.destroy()
      }
      if (this.holds) this.#held.push(cut)
      else cut()
    })
  }
}
