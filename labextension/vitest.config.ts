import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    include: ['tests/**/*.test.{ts,tsx}'],
    // By default vitest leaves one processor idle: of two, that is half of them.
    maxWorkers: availableParallelism()
  }
});
