// What real kernels did with caches of SLUB, step by step, and what they said of damaged objects: every line, committed
// samples first, then all recordings that are there.
import { describe, expect, it } from 'vitest'
import { slubKind } from '../../src/verify/slub.ts'
import { slubReportsKind } from '../../src/verify/slub_reports.ts'
import { jsonLines, type VerifyKind } from '../../src/verify/types.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname

/** A kind, its files, how many checks the samples have, and an edit that makes one check of them wrong. */
const KINDS: readonly (readonly [VerifyKind, RegExp, number, first: RegExp, right: string, wrong: string])[] = [
  [slubKind, /k1.*\/slab(cpu)?\//, 1200, /s03/, '["f",2,0,0,1]', '["f",2,0,1,1]'],
  [slubReportsKind, /\/bug\/(slub.*-)?slub_/, 100, /poison/, 'First byte 0x12', 'First byte 0x13'],
]

describe.each(KINDS)('$kind', (kind, names, most, one, right, wrong) => {
  const files = verifyFiles(sample, names)
  const file = files.find(({ path }) => one.test(path))!

  it('the committed recordings are exact', () => {
    const result = kind.run(files)
    expect(result).toMatchObject({ files: files.length, exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(most)
  })

  it('a wrong value is found, with its file and line', () => {
    const text = file.text()
    expect(text).toContain(right)
    const { checks, exact, first } = kind.run([{ path: file.path, text: () => text.replace(right, wrong) }])
    expect(exact).toBe(checks - 1)
    expect(first).toMatchObject({ file: file.path, line: text.slice(0, text.indexOf(right)).split('\n').length })
  })

  it('damage is a check that failed, not a crash', () => {
    const text = file.text()
    if (kind === slubReportsKind) {
      for (const each of ['', 'x', '<3>', `${text}<3>one line more`, text.slice(0, 900)]) {
        const { checks, exact } = kind.run([{ path: file.path, text: () => each }])
        expect(exact).toBeLessThan(checks)
      }
      return
    }
    const meta = text.slice(0, text.indexOf('\n') + 1)
    const state = '{"t":"state","when":"before","allocator":"slub"}\n'
    for (const each of [
      `${state}x`,
      `${meta}${state}{"t":"endstate"}`,
      `${text}{"cut`,
      `${text}["a",1,7,100,1e9,0]\n["f",99,0,0,0]\n["f",0,9]\n[]`,
    ]) {
      const { checks, exact, first } = kind.run([{ path: file.path, text: () => each }])
      expect(exact).toBeLessThan(checks)
      expect(first).not.toBeNull()
    }
  })
})

describeShared('recordings of ../shared', () => {
  it.each(KINDS)('$kind: exact', (kind, names) => {
    const result = kind.run(verifyFiles(`${SHARED}/truth/custom`, names))
    expect(result.first).toBeNull()
    expect(result.exact).toBe(result.checks)
    expect(result.checks).toBeGreaterThan(300)
  })

  it('a script that begins where another ended has that state before it', () => {
    for (const file of verifyFiles(`${SHARED}/truth/custom`, /k1.*\/slab(cpu)?\//)) {
      const rows = [...jsonLines(file.text())]
      const at = rows.findIndex(({ row }) => (row as { when?: string }).when === 'after')
      const state = rows.slice(at).map(({ text }) => text)
      const head = rows.filter(({ row }) => ['meta', 'cache'].includes((row as { t: string }).t))
      const text = [...head.map(each => each.text), ...state, '{"t":"ops"}', '{"t":"endops","n":0,"live":0}', ...state]
      const result = slubKind.run([{ path: file.path, text: () => text.join('\n') }])
      expect(result).toMatchObject({ exact: result.checks, first: null })
    }
  })
})
