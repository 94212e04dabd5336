import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/*.test.ts'],
    isolate: false, // the CDK is loaded once
    fileParallelism: false,
    update: 'none', // a template that was never looked at is no success
    testTimeout: 120_000, // milliseconds; one test runs the CDK's command line
    hookTimeout: 240_000, // another builds the program
  },
})
