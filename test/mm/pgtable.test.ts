// One walker for two, three, four and five levels, and for Alpha: what was mapped is found, what was not is not.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { set_memory_nx, set_memory_ro, set_memory_rw } from '../../src/arch/x86/set_memory.ts'
import { KERNEL_PGD_BOUNDARY, pgd_alloc } from '../../src/mm/pgd.ts'
import { entry_alloc, entry_write, translate, walk } from '../../src/mm/pgtable.ts'
import {
  massage_pgprot,
  swapper_pg_dir,
  vmalloc_to_pfn,
  vmap_huge,
  vmap_pages_range,
  vunmap_range,
} from '../../src/mm/pgtable_map.ts'
import { bootSpace } from './address_space_machine.ts'

const KERNELS: readonly (readonly [string, number, string])[] = [
  ['6.1-i386', 2, 'pgd pte'],
  ['6.1-i386-pae', 3, 'pgd pmd pte'],
  ['2.6-alpha', 3, 'pgd pmd pte'],
  ['6.1-x86_64', 4, 'pgd pud pmd pte'],
  ['6.1-x86_64-la57', 5, 'pgd p4d pud pmd pte'],
]

describe.each(KERNELS)('%s', (kernel, levels, names) => {
  const booted = bootSpace(kernel, '64M')
  const start = booted.vmalloc.start[0]!

  it(`walks ${levels} levels`, () => {
    vmap_pages_range(booted, start + 5, [77])
    const steps = walk(booted, swapper_pg_dir(booted), start + 5)
    expect(steps.map(({ level }) => level).join(' ')).toBe(names)
    expect(steps.at(-1)).toMatchObject({ present: true, leaf: true })
    expect(translate(booted, swapper_pg_dir(booted), start + 5)).toBe(77)
    expect(translate(booted, swapper_pg_dir(booted), start + 6)).toBe(-1)
  })

  it('what is mapped is found until it is unmapped', () => {
    const run = fc.record({
      at: fc.nat({ max: 20000 }),
      pages: fc.integer({ min: 1, max: 1500 }),
      pfn: fc.nat({ max: 1e6 }),
    })
    fc.assert(
      fc.property(
        fc.array(run, { maxLength: 8, size: '+1' }),
        fc.nat({ max: 20000 }),
        fc.nat({ max: 3000 }),
        (runs, hole, size) => {
          const sys = bootSpace(kernel, '64M')
          const pages = new Map<number, number>()
          for (const { at, pages: count, pfn } of runs) {
            vmap_pages_range(
              sys,
              start + at,
              Int32Array.from({ length: count }, (_, i) => pfn + i),
            )
            for (let i = 0; i < count; i++) pages.set(at + i, pfn + i)
          }
          vunmap_range(sys, start + hole, start + hole + size)
          for (let i = 0; i < size; i++) pages.delete(hole + i)
          for (let at = 0; at < 22000; at += 7) expect(vmalloc_to_pfn(sys, start + at)).toBe(pages.get(at) ?? -1)
        },
      ),
      { numRuns: 4 },
    )
  })

  it('a new address space has the kernel’s part and nothing else', () => {
    const sys = bootSpace(kernel, '64M')
    vmap_pages_range(sys, start, [5])
    const pgd = pgd_alloc(sys)
    const first = 2 ** (sys.kernel.pgtable.levels[0]!.shift - sys.kernel.PAGE_SHIFT)
    expect(translate(sys, pgd, start)).toBe(5)
    expect(translate(sys, pgd, 0)).toBe(-1)
    expect(KERNEL_PGD_BOUNDARY(sys)).toBeLessThan(sys.kernel.pgtable.levels[0]!.ptrs)
    const at = entry_alloc(sys, pgd, first - 1, levels - 1)
    entry_write(sys, at, 9, sys.kernel.pgtable.protection_map[3]!)
    expect(translate(sys, pgd, first - 1)).toBe(9)
    expect(translate(sys, swapper_pg_dir(sys), first - 1)).toBe(-1)
  })
})

describe('huge entries', () => {
  it('map all their frames, and are split when a part changes', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const pgd = swapper_pg_dir(sys)
    const page = 0xffffc90000200
    vmap_huge(sys, page, 1024, 2, sys.kernel.pgtable.PAGE_KERNEL)
    expect([translate(sys, pgd, page), translate(sys, pgd, page + 511)]).toEqual([1024, 1535])
    set_memory_ro(sys, page, page + 512)
    expect(walk(sys, pgd, page)).toHaveLength(3)
    set_memory_rw(sys, page + 9, page + 10)
    const flags = (at: number): number => walk(sys, pgd, at).at(-1)!.entry.lo & 0xfff
    expect([flags(page + 8), flags(page + 9), flags(page + 10)]).toEqual([0x161, 0x163, 0x161])
    expect(translate(sys, pgd, page + 300)).toBe(1324)
    expect(entry_alloc(sys, pgd, page, 3)).toBeGreaterThan(0)
  })

  it('a processor without NX gets none', () => {
    const sys = bootSpace('6.1-i386', '64M')
    expect(massage_pgprot(sys, sys.kernel.pgtable.PAGE_KERNEL)).toEqual({ lo: 0x163, hi: 0 })
    expect(set_memory_nx(sys, 0xc0800, 0xc0900)).toBe(true)
    expect(walk(sys, swapper_pg_dir(sys), 0xc0800)).toHaveLength(1)
  })
})
