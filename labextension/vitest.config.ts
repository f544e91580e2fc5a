import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A page that is not there takes half a second to make: tests of modules without one begin with
    // `// @vitest-environment node`.
    environment: 'jsdom',
    include: ['tests/**/*.test.{ts,tsx}'],
    setupFiles: ['tests/browser.ts'],
    // Two tests take seconds; on a busy machine the default of 5 s is too short for them.
    testTimeout: 30_000,
    // By default vitest leaves one processor idle: of two, that is half of them.
    maxWorkers: availableParallelism()
  }
});
