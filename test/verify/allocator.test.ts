// The page allocator against real kernels: nothing may differ.
import { expect, test } from 'vitest'
import { buddyKind } from '../../src/verify/buddy.ts'
import type { VerifyKind } from '../../src/verify/types.ts'
import { watermarksKind } from '../../src/verify/watermarks.ts'
import { filesBelow } from '../recordings.ts'
import { describeShared, SHARED } from '../shared.ts'

function expectExact(kind: VerifyKind, files: number): void {
  const result = kind.run(filesBelow(`${SHARED}/truth/custom`))
  expect(result.first).toBeNull()
  expect(result.exact).toBe(result.checks)
  expect(result.files).toBeGreaterThanOrEqual(files)
}

describeShared('recordings of real kernels', () => {
  test('buddy scripts: every frame, failure and final state', () => expectExact(buddyKind, 100))
  test('watermark grids: every answer', () => expectExact(watermarksKind, 4))
})
