// The recorded program of faults and copy-on-write. What is known not to match is counted: it must not grow.
import { expect, it } from 'vitest'
import { cowKind, cowMemoryKind } from '../../src/verify/cow.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const KERNELS = [
  { kernel: '6.1.0-50-amd64', steps: 42, memory: 553 },
  { kernel: '6.1.0-50-686', steps: 64, memory: 652 },
]

describeShared('recordings of faults and copy-on-write', () => {
  for (const { kernel, steps, memory } of KERNELS) {
    const files = verifyFiles(`${SHARED}/truth/stock/${kernel}/cow`, /./)

    it(`${kernel}: faults and pages`, () => {
      const { checks, exact } = cowKind.run(files)
      expect(checks).toBe(2820)
      expect(checks - exact).toBeLessThanOrEqual(steps)
    })

    it(`${kernel}: MADV_PAGEOUT and what follows are exact`, () => {
      // Lines 35 to 37 end what comes before the first difference.
      expect(cowKind.run(files).first!.line).toBeGreaterThan(37)
    })

    it(`${kernel}: sums of memory`, () => {
      const { checks, exact } = cowMemoryKind.run(files)
      expect(checks).toBe(7296)
      expect(checks - exact).toBeLessThanOrEqual(memory)
    })
  }
})
