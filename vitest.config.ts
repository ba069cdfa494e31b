import { defineConfig } from 'vitest/config';

/** Integration tests in which nothing keeps time with a picture or a process's memory: three at a time. */
const UNTIMED = [
  ...['auto-preset', 'bad-bodies', 'config-live', 'few-files', 'launch', 'media-*', 'metrics', 'monitor-api'],
  ...['render-*', 'renders-*', 'speech-service'],
].map((name) => `test/integration/${name}.test.ts`);

/** The pages before a server that only pretends: three browsers at a time, which mostly wait. */
const PAGES = 'test/e2e/pages-*.test.ts';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Child processes and a browser share two cores: files run one after another where they would distort each other.
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'untimed',
          include: UNTIMED,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: UNTIMED,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'pages',
          include: [PAGES],
          maxWorkers: 3,
          testTimeout: 90_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [PAGES],
          fileParallelism: false,
          testTimeout: 90_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
