// What real kernels make of requests for caches, of sizes for kmalloc, and of memory pools: every line, committed
// samples first, then all recordings that are there.
import { describe, expect, it } from 'vitest'
import { kmallocKind } from '../../src/verify/kmalloc.ts'
import { mempoolKind } from '../../src/verify/mempool.ts'
import { slabGeometryKind } from '../../src/verify/slab_geometry.ts'
import type { VerifyFile, VerifyKind } from '../../src/verify/types.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname

/** A kind, its files, and an edit that makes one check of them wrong. */
const KINDS: readonly (readonly [VerifyKind, RegExp, first: RegExp, right: string, wrong: string])[] = [
  [slabGeometryKind, /(geom|caches)/, /k3d.*caches/, '"freelist_size":124', '"freelist_size":125'],
  [kmallocKind, /kmalloc/, /k1.*kmalloc/, '"ksize":96,', '"ksize":97,'],
  [mempoolKind, /mempool\//, /k1.*p01/, '"ret":12,', '"ret":11,'],
]

describe.each(KINDS)('$kind', (kind, names, one, right, wrong) => {
  const files = verifyFiles(sample, names)
  const file = files.find(({ path }) => one.test(path))!

  it('the committed recordings are exact', () => {
    const result = kind.run(files)
    expect(result).toMatchObject({ files: files.length, exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(300)
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
    const meta = text.slice(0, text.indexOf('\n') + 1)
    const damaged = [
      '',
      'x',
      '{"t":"meta"}',
      `${text}{"cut`,
      `${meta}[]\n{"req":1}\n{"op":"free"}\n{"op":"create","min":1e9}`,
    ]
    for (const each of damaged) {
      const { checks, exact, first } = kind.run([{ path: file.path, text: () => each }])
      expect(exact).toBeLessThan(checks)
      expect(first).not.toBeNull()
    }
  })
})

/** Files that say which caches a `geom-merge` recording met are needed for it, and it says so. */
it('merging depends on the caches that are there', () => {
  const isGeom = ({ path }: VerifyFile): boolean => /k2.*geom-merge/.test(path)
  const alone = slabGeometryKind.run(verifyFiles(sample, /k2/).filter(isGeom))
  expect(alone.exact).toBeLessThan(alone.checks)
})

describeShared('recordings of ../shared', () => {
  it.each(KINDS)('$kind: exact', (kind, names) => {
    const result = kind.run(verifyFiles(`${SHARED}/truth/custom`, names))
    expect(result.first).toBeNull()
    expect(result.exact).toBe(result.checks)
    expect(result.checks).toBeGreaterThan(5000)
  })
})
