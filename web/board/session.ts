import { problem } from '../src/problem.js'

const life = 11 * 3_600_000 // milliseconds; a development log in lasts an hour longer

/** logIn asks the development log in for a token: it believes any name. */
export async function logIn(user: string): Promise<string> {
  const response = await fetch(new URL('/dev/login', location.href), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  if (!response.ok) throw await problem(response)
  return ((await response.json()) as { access_token: string }).access_token
}

/** tokens returns a function that has a fresh token of the user at any time; failed is told why there is none. */
export function tokens(user: string, failed: (why: string) => void): () => Promise<string> {
  let token: Promise<string> | undefined
  let since = 0
  return () => {
    if (!token || Date.now() - since > life) {
      since = Date.now()
      token = logIn(user)
      token.then(
        () => failed(''),
        (error: Error) => {
          token = undefined // the next request asks again
          failed(error.message)
        },
      )
    }
    return token
  }
}
