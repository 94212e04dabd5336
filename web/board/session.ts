import { problem } from '../src/problem.js'

/** Session is who this tab is. */
export interface Session {
  user: string
  token: string
}

const key = 'ebb.board.session'

/** logIn asks the development log in for a token. */
export async function logIn(user: string): Promise<Session> {
  const response = await fetch(new URL('/dev/login', location.href), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  if (!response.ok) throw await problem(response)
  const { access_token } = (await response.json()) as { access_token: string }
  return { user, token: access_token }
}

/** remembered is the session of this tab, other tabs have their own. */
export function remembered(): Session | null {
  const text = sessionStorage.getItem(key)
  return text ? (JSON.parse(text) as Session) : null
}

/** remember keeps the session for a reload, null forgets it. */
export function remember(session: Session | null): void {
  if (session) sessionStorage.setItem(key, JSON.stringify(session))
  else sessionStorage.removeItem(key)
}
