// `npm run test:full`: every test there is, on all recordings that are there.
import { configDefaults, defineConfig } from 'vitest/config'
import unit from './vitest.config.ts'

export default defineConfig({ test: { ...unit.test, exclude: configDefaults.exclude } })
