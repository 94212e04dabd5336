import { Parser } from '../src/parser.js'

// What parser.test.ts runs in a page: one stream, heard by both.

type Told = string[][]

async function byParser(url: string, names: string[]): Promise<Told> {
  const told: Told = []
  const parser = new Parser(({ name, data, id }) => names.includes(name) && told.push([name, data, id]))
  const response = await fetch(url)
  const reader = response.body!.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return told
    parser.feed(value)
  }
}

function byBrowser(url: string, names: string[]): Promise<Told> {
  return new Promise((resolve) => {
    const told: Told = []
    const source = new EventSource(url)
    for (const name of names) source.addEventListener(name, (e: MessageEvent<string>) => told.push([name, e.data, e.lastEventId]))
    source.onerror = () => {
      source.close()
      resolve(told)
    }
  })
}

window.compare = async (url, names) => {
  const [browser, parser] = await Promise.all([byBrowser(url, names), byParser(url, names)])
  return { browser, parser }
}
