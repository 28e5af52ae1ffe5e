// What a kernel with KASAN said of mistakes: every line, committed samples first, then all recordings that are there.
import { describe, expect, it } from 'vitest'
import { kasanKind } from '../../src/verify/kasan.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname
const NAMES = /k6.*\/bug\/.*\.txt$/

describe('kasan reports', () => {
  const files = verifyFiles(sample, NAMES)
  const file = files.find(({ path }) => /uaf_write/.test(path))!

  it('the committed recordings are exact', () => {
    const result = kasanKind.run(files)
    expect(result).toMatchObject({ files: files.length, exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(100)
  })

  it.each([
    ['use-after-free in', 'slab-out-of-bounds in'],
    ['8 bytes inside', '9 bytes inside'],
    [
      'fa fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb\n<3>                      ^',
      'fb fb\n<3>                      ^',
    ],
    ['                      ^', '                       ^'],
    ['0000000080100010', '000000008010000f'],
  ])('a wrong value is found: %s', (right, wrong) => {
    const text = file.text()
    expect(text).toContain(right)
    const { checks, exact, first } = kasanKind.run([{ path: file.path, text: () => text.replace(right, wrong) }])
    expect(exact).toBe(checks - 1)
    expect(first?.line).toBe(text.slice(0, text.indexOf(right)).split('\n').length)
  })

  it('damage is a check that failed, not a crash', () => {
    const text = file.text()
    for (const each of [
      'BUG: KASAN: ',
      text.slice(0, 900),
      text.replace(/pfn:0x27f0/g, 'pfn:0xfffffff'),
      text.replace(/ffff8880027f0808/g, 'ffff8880027f0809'),
      text.replace(/ by task init/g, ' by nobody'),
    ]) {
      const { checks, exact } = kasanKind.run([{ path: file.path, text: () => each }])
      expect(exact).toBeLessThan(checks)
    }
  })
})

describeShared('recordings of ../shared', () => {
  it('are exact', () => {
    const result = kasanKind.run(verifyFiles(`${SHARED}/truth/custom`, NAMES))
    expect(result.first).toBeNull()
    expect(result.exact).toBe(result.checks)
    expect(result.files).toBeGreaterThan(15)
  })
})
