import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { StreamEvent } from '../src/index.js'
import { FakeEventSource, id, stored, world } from './fakes.js'

// TestClientNoHtml (S26): what comes on a stream is data to the client, and text
// on the board. Nothing makes HTML, a script or a URL to follow of it.

const it = world()
const sinks = /\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|createContextualFragment|srcdoc|DOMParser|document\.write(ln)?|eval|new Function|setHTMLUnsafe)\b/

const hostile = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  'javascript:alert(1)',
  '{{constructor.constructor("alert(1)")()}}',
  '&lt;b&gt; \u2028 \u0000',
  '__proto__',
]

function sources(folder: string): string[] {
  return readdirSync(new URL(folder, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(tsx?|html)$/.test(name))
    .map((name) => join(new URL(folder, import.meta.url).pathname, name))
}

describe('no HTML is made of events', () => {
  test('by the client and the board there is no way to', () => {
    const files = [...sources('../src'), ...sources('../board')]
    expect(files.length).toBeGreaterThan(15)
    for (const file of files) expect(readFileSync(file, 'utf8'), file).not.toMatch(sinks)
    expect('element.innerHTML = reply.title').toMatch(sinks) // or this test could not fail
  })

  test.each(hostile)('%j arrives as it is', async (text) => {
    const heard: StreamEvent[] = []
    const client = await it.attach()
    client.listen({ event: (e) => heard.push(e) })
    const reply = { _id: '1', _type: 'board-task', _corr: 'c', title: text, [text]: text }
    FakeEventSource.last.emit('message', id(1), reply)
    expect(heard.at(-1)).toEqual({ name: 'message', data: JSON.stringify(reply), id: stored(1) })
    expect(JSON.parse(heard.at(-1)!.data)).toEqual(JSON.parse(JSON.stringify(reply)))
    expect(({} as Record<string, unknown>)['title']).toBeUndefined()
  })
})
