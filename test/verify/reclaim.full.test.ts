// Every run of the reclaim recordings. What misses the goal is named in docs/fidelity.md; it must not become more.
import { expect, it } from 'vitest'
import { verifyFiles } from '../../src/node/verify_files.ts'
import { reclaimKind } from '../../src/verify/reclaim.ts'
import { describeShared, SHARED } from '../shared.ts'

describeShared('reclaim recordings', () => {
  it('322 of 373 checks are right', () => {
    const files = verifyFiles(`${SHARED}/truth/stock`).filter(({ path }) => path.includes('/reclaim/'))
    const { files: runs, checks, exact } = reclaimKind.run(files)
    expect({ runs, checks }).toEqual({ runs: 81, checks: 373 })
    expect(exact).toBeGreaterThanOrEqual(322)
  })
})
