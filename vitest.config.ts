// `npm test`: every test but those whose file name ends in `.full.test.ts` (all recordings, long random runs).
import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/**/*.full.test.ts'],
    globalSetup: ['test/setup.ts'],
    // A test ends when it is done: limits of time fail on slow machines and prove nothing.
    testTimeout: 0,
    hookTimeout: 0,
  },
})
