// What real kernels make of vmalloc, vm_map_ram, kmap, page tables, constants and descriptor tables: every line, committed
// samples first, then all recordings that are there.
import { describe, expect, it } from 'vitest'
import { constantsKind } from '../../src/verify/constants.ts'
import { gdtKind } from '../../src/verify/gdt.ts'
import { kmapKind } from '../../src/verify/kmap.ts'
import { pageTablesKind } from '../../src/verify/page_tables.ts'
import type { VerifyFile, VerifyKind } from '../../src/verify/types.ts'
import { vmMapRamKind } from '../../src/verify/vm_map_ram.ts'
import { vmallocKind } from '../../src/verify/vmalloc.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/verify', import.meta.url).pathname

/** A kind, its files, and an edit that makes one check of them wrong. */
const KINDS: readonly (readonly [VerifyKind, RegExp, first: RegExp, right: string, wrong: string])[] = [
  [vmallocKind, /vmalloc\//, /k1.*v01/, '"addr":"0xffffc9000003c000"', '"addr":"0xffffc9000003e000"'],
  [vmMapRamKind, /vmram\//, /k1.*r01/, '"addr":"0xffffc900004ca000"', '"addr":"0xffffc900004cb000"'],
  [kmapKind, /kmap\//, /k7a.*k01/, '"0xff602000",2,2,2]', '"0xff602000",2,2,3]'],
  [pageTablesKind, /pt\//, /k7a/, '"pte":"0x163"', '"pte":"0x161"'],
  [constantsKind, /const/, /k7a/, '"c":"PKMAP_BASE","v":"0xff600000"', '"c":"PKMAP_BASE","v":"0xff400000"'],
  [gdtKind, /const/, /k7a/, '"raw":"ff008ba060000067"', '"raw":"ff008ba060000068"'],
]

describe.each(KINDS)('$kind', (kind, names, one, right, wrong) => {
  const files = verifyFiles(sample, names)
  const file = files.find(({ path }) => one.test(path))!

  it('the committed recordings are exact', () => {
    const result = kind.run(files)
    expect(result).toMatchObject({ files: files.length, exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(150)
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
    for (const damaged of ['', '{}', 'no JSON', `${meta}garbage\n`, text.slice(0, text.length / 2)]) {
      const files: VerifyFile[] = [{ path: file.path, text: () => damaged }]
      const { checks, exact } = kind.run(files)
      expect(exact, JSON.stringify(damaged.slice(0, 20))).toBeLessThanOrEqual(checks)
      if (damaged.length < text.length / 2) expect(exact, JSON.stringify(damaged.slice(0, 20))).toBeLessThan(checks)
    }
  })
})

describeShared('all recordings of address spaces', () => {
  it.each(KINDS)('$kind', (kind, names) => {
    const result = kind.run(verifyFiles(`${SHARED}/truth/custom`, new RegExp(`${names.source}|caches`)))
    expect(result).toMatchObject({ exact: result.checks, first: null })
    expect(result.checks).toBeGreaterThan(800)
  })
})
