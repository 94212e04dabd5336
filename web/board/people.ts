import { Store } from './store.js'

/** most is how many fit in a window; a browser has six streams for one server. */
export const most = 4

const first = ['ann', 'bob']

/** People are who is in this window, as its address names them: `#ann,bob`. */
export class People extends Store {
  names: readonly string[] = read(location.hash)

  constructor() {
    super()
    addEventListener('hashchange', () => {
      this.names = read(location.hash)
      this.tell()
    })
  }

  add(name: string): void {
    this.#go([...this.names, name])
  }

  remove(name: string): void {
    this.#go(this.names.filter((other) => other !== name))
  }

  #go(names: readonly string[]): void {
    location.hash = names.length > 0 ? names.map(encodeURIComponent).join() : ',' // nobody, not the first
  }
}

/** read returns the names of an address, each once. */
export function read(hash: string): readonly string[] {
  const text = hash.replace(/^#/, '')
  if (!text) return first
  const names = text.split(',').map((name) => decode(name).trim())
  return [...new Set(names)].filter(Boolean).slice(0, most)
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name // somebody has typed a per cent sign
  }
}

const hues = 6
const known = ['ann', 'bob', 'carol', 'dave']

/** hue is the number of somebody's colour, the same everywhere. */
export function hue(name: string): number {
  const at = known.indexOf(name)
  if (at >= 0) return at
  let sum = 0
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)!) % 9973
  return sum % hues
}
