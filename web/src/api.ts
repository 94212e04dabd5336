import { problem } from './problem.js'
import type { Log } from './source.js'

/** Token returns the bearer token, or null when the user is logged out. */
export type Token = () => string | null | Promise<string | null>

/** Fetch asks over HTTP, like the global one. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** Unauthenticated is thrown where there is no token to send, as if the gateway had said so. */
export class Unauthenticated extends Error {
  override name = 'Unauthenticated'
  readonly status = 401
}

/** Api speaks HTTP with the gateway: with a token, or else with cookies. */
export class Api {
  readonly base: string

  constructor(private readonly of: { api: string; token?: Token; fetch?: Fetch; debug?: Log }) {
    this.base = of.api.replace(/\/+$/, '')
  }

  /** request answers a response that is ok, or throws a ProblemError. */
  async request(method: string, path: string, init: { body?: string; signal?: AbortSignal; headers?: Record<string, string> } = {}): Promise<Response> {
    const headers = { ...init.headers }
    if (init.body) headers['Content-Type'] = 'application/json'
    const { token: ask, fetch = globalThis.fetch, debug } = this.of
    if (ask) {
      const token = await ask()
      if (token === null) throw new Unauthenticated('there is no token')
      headers.Authorization = `Bearer ${token}`
    }
    const response = await fetch(this.base + path, {
      credentials: ask ? 'omit' : 'include',
      cache: 'no-store',
      ...init,
      method,
      headers,
    })
    debug?.('answer', { method, path, status: response.status })
    if (!response.ok) throw await problem(response)
    return response
  }

  /** renews tells whether a fresh token can be had for a session that is about to end. */
  get renews(): boolean {
    return !!this.of.token
  }

  /** renew extends the session of the event with that id, as far as the token goes. */
  async renew(id: string, signal: AbortSignal): Promise<void> {
    await this.request('POST', '/sse/renew', { headers: { 'Last-Event-ID': id }, signal })
  }

  /** logOut ends the session of the event with that id, or all of the user's. */
  async logOut(id?: string): Promise<void> {
    await this.request('DELETE', '/sse', { headers: id ? { 'Last-Event-ID': id } : {} })
  }

  /** list reads a list from page to page. */
  async list<T>(path: string, query: string): Promise<T[]> {
    const items: T[] = []
    for (let next: string | undefined = query; next !== undefined; ) {
      const response = await this.request('GET', path + next)
      const page = (await response.json()) as { items: T[]; next?: string }
      items.push(...page.items)
      next = page.next?.replace(/^[^?]*/, '') // a proxy may have another path for it
    }
    return items
  }

  /** ticket returns the URL at which a stream from a cursor on is held. */
  async ticket(cursor: string, signal: AbortSignal): Promise<string> {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''
    const response = await this.request('POST', `/sse${query}`, { signal })
    const { url } = (await response.json()) as { url: string }
    return new URL(url, response.url || undefined).href
  }
}

/** resource turns `<app>/<type>` or `<app>/<type>/<id>` into an URL's path. */
export function resource(path: string, segments: 2 | 3): string {
  const parts = path.split('/')
  if (parts.length !== segments || parts.some((part) => /^\.{0,2}$/.test(part))) {
    throw new TypeError(`ebb: not ${segments} segments: ${path}`)
  }
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('')
}

/** typeOf is the _type of the instances under `<app>/<type>`. */
export function typeOf(path: string): string {
  return path.split('/').slice(0, 2).join('-')
}
