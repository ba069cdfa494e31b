import { defineConfig } from 'vitest/config';

/** Tests that need a Redis server on the machine: `npm run test:redis`. */
export default defineConfig({
  test: { include: ['test/redis/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 120_000, fileParallelism: false },
});
