import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/*.test.{ts,tsx}'] } },
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
