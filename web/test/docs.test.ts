import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const examples = fileURLToPath(new URL('../examples/', import.meta.url))
const page = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8')
const shown = [...page.matchAll(/^\[web\/examples\/(.*)\]\(\.\.\/web\/examples\/\1\):\n\n```\w+\n([^]*?)^```$/gm)].map(([, name, text]) => ({ name, text }))

test.each(shown)('$name is as docs/client.md has it', ({ name, text }) => {
  expect(text).toBe(readFileSync(examples + name, 'utf8'))
})

test('docs/client.md has every example, and no other code of more than a line', () => {
  const files = readdirSync(examples).filter((name) => !name.endsWith('.html'))
  expect(shown.map(({ name }) => name).sort()).toEqual(files.sort())
  expect(page.match(/^```\w+$/gm)).toHaveLength(shown.length)
})
