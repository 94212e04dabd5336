import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('src/', import.meta.url))

/** client is where imports of the package lead in this folder. */
export const client = [
  { find: /^@ebb-events\/client$/, replacement: `${src}index.ts` },
  { find: /^@ebb-events\/client\/(.*)$/, replacement: `${src}$1.ts` },
]
