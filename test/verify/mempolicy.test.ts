// Where a task's pages came from under each policy on a real machine of four nodes.
import { describe, expect, it } from 'vitest'
import { mempolicyKind } from '../../src/verify/mempolicy.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const FILES = /(^|\/)mpol\//
const files = verifyFiles(new URL('../golden/truth', import.meta.url).pathname, FILES)

describe('recordings of policies', () => {
  it('the committed ones are exact', () => {
    const result = mempolicyKind.run(files)
    expect(result.first).toBeNull()
    expect(result).toMatchObject({ files: 9, exact: result.checks })
  })

  it('another node is found, with its file and line', () => {
    const [file] = files
    const text = file!.text().replace('["a",0,"0x100cca",0,131064,1,1]', '["a",0,"0x100cca",0,131064,2,1]')
    const result = mempolicyKind.run([{ path: file!.path, text: () => text }])
    expect(result.exact).toBe(result.checks - 1)
    expect(result.first).toMatchObject({ line: 12, expected: 'node 2 zone 1', got: 'node 1 zone 1' })
  })

  it('damage is a check that failed, not a crash', () => {
    for (const text of ['', 'x', '{"t":"meta"}', `${files[0]!.text()}{"t":"end"`]) {
      const { checks, exact } = mempolicyKind.run([{ path: 'mpol/x.jsonl', text: () => text }])
      expect(exact).toBe(checks - 1)
    }
  })
})

describeShared('recordings of policies in ../shared', () => {
  it('are exact', () => {
    const result = mempolicyKind.run(verifyFiles(`${SHARED}/truth`, FILES))
    expect(result.first).toBeNull()
    expect(result.files).toBeGreaterThan(0)
  })
})
