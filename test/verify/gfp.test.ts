// What real kernels make of masks: every row of every recording that is there, and of the committed one.
import { describe, expect, it } from 'vitest'
import { gfpKind } from '../../src/verify/gfp.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname

describe('gfp recordings', () => {
  const files = verifyFiles(sample, /gfp/)

  it('the committed ones are exact', () => {
    const result = gfpKind.run(files)
    expect(result).toMatchObject({ exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(90)
  })

  it('a wrong value is found, with its file and line', () => {
    const [file] = files
    const text = file!.text().replace('"v":"0xcc0","zone":2', '"v":"0xcc0","zone":1')
    const result = gfpKind.run([{ path: file!.path, text: () => text }])
    expect(result.exact).toBe(result.checks - 1)
    expect(result.first).toEqual({
      file: file!.path,
      line: 5,
      expected: 'GFP_KERNEL: zone=1',
      got: 'GFP_KERNEL: zone=2',
    })
  })

  it('damage is a check that failed, not a crash', () => {
    for (const text of ['', 'x', '{"t":"meta"}', `${files[0]!.text()}{"t":"gfp"`]) {
      const { checks, exact, first } = gfpKind.run([{ path: 'gfp.jsonl', text: () => text }])
      expect(exact).toBe(checks - 1)
      expect(first).not.toBeNull()
    }
  })
})

describeShared('gfp recordings of ../shared', () => {
  it('are exact', () => {
    const result = gfpKind.run(verifyFiles(`${SHARED}/truth/custom`, /gfp[^/]*\.jsonl|sys_node\.tsv/))
    expect(result.first).toBeNull()
    expect(result.exact).toBe(result.checks)
    expect(result.files).toBeGreaterThan(0)
  })
})
