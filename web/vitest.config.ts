import { defineConfig } from 'vitest/config'
import { client } from './alias.js'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/*.test.{ts,tsx}', 'examples/*.test.ts'], alias: client } },
      {
        test: {
          name: 'e2e',
          include: ['e2e/*.test.ts'],
          globalSetup: ['e2e/build.ts'],
          fileParallelism: false,
          testTimeout: 120_000, // milliseconds
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
