// kmap's pool of slots and the stacks of kmap_local and kmap_atomic: reuse, wrap, exhaustion, nesting, misuse.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { format_address } from '../../src/base/address.ts'
import { GFP_HIGHUSER, GFP_KERNEL } from '../../src/mm/gfp.ts'
import {
  KM_MAX_IDX,
  kmap,
  kmap_atomic,
  kmap_flush_unused,
  kmap_local_page,
  kunmap,
  kunmap_atomic,
  kunmap_local,
} from '../../src/mm/highmem.ts'
import { __pa, __va, page_address, virt_to_page } from '../../src/mm/page_address.ts'
import { __free_page, alloc_page } from '../../src/mm/page_alloc/alloc_pages.ts'
import { vmalloc_to_pfn } from '../../src/mm/pgtable_map.ts'
import { vmalloc } from '../../src/mm/vmalloc.ts'
import { bootSpace, laws } from './address_space_machine.ts'

const machine = (): ReturnType<typeof bootSpace> => bootSpace('6.1-i386', '1G')

describe('kmap', () => {
  it('low memory needs no slot', () => {
    const sys = machine()
    const pfn = alloc_page(sys, GFP_KERNEL)
    expect(kmap(sys, pfn) * 4096).toBe(0xc0000000 + pfn * 4096)
    expect(sys.pkmap_state.last_pkmap_nr[0]).toBe(0)
    kunmap(sys, pfn)
    expect(sys.said).toEqual([])
  })

  it('a slot stays with its frame until it is flushed, even when the frame changes hands', () => {
    const sys = machine()
    const pfn = alloc_page(sys, GFP_HIGHUSER)
    expect(format_address(page_address(sys, pfn), 32)).toBe('00000000')
    const page = kmap(sys, pfn)
    expect(page - sys.pkmap_state.base[0]!).toBe(1)
    expect(format_address(page_address(sys, pfn), 32)).toBe(`${page.toString(16)}000`)
    expect([sys.pkmap.count[1], vmalloc_to_pfn(sys, page)]).toEqual([2, pfn])
    kunmap(sys, pfn)
    __free_page(sys, pfn)
    expect([sys.pkmap.count[1], vmalloc_to_pfn(sys, page)]).toEqual([1, pfn])
    expect(alloc_page(sys, GFP_HIGHUSER)).toBe(pfn)
    expect(kmap(sys, pfn)).toBe(page)
    kunmap(sys, pfn)
    kmap_flush_unused(sys)
    expect([sys.pkmap.count[1], vmalloc_to_pfn(sys, page)]).toEqual([0, -1])
    expect(laws(sys)).toEqual([])
  })

  it('all slots can be used; one more is refused and said', () => {
    const sys = machine()
    const slots = sys.pkmap_state.entries[0]!
    const pfns = Array.from({ length: slots + 1 }, () => alloc_page(sys, GFP_HIGHUSER))
    const pages = pfns.map(pfn => kmap(sys, pfn))
    expect(new Set(pages).size).toBe(slots + 1)
    expect(pages.at(-1)).toBe(0)
    expect(pages.at(-2)).toBe(sys.pkmap_state.base[0])
    expect(sys.said).toEqual([`kmap: all ${slots} slots are in use; the caller would sleep until one is given back`])
    kunmap(sys, pfns[7]!)
    expect(kmap(sys, pfns.at(-1)!)).toBe(pages[7])
    expect(laws(sys)).toEqual([])
  })

  it('wrong use is reported and counts nothing', () => {
    const sys = machine()
    const pfn = alloc_page(sys, GFP_HIGHUSER)
    kunmap(sys, pfn)
    kmap(sys, pfn)
    kunmap(sys, pfn)
    kunmap(sys, pfn)
    sys.machine.in_atomic[0] = 1
    kmap(sys, pfn)
    sys.machine.in_atomic[0] = 0
    expect(sys.said).toEqual([
      `kernel BUG at mm/highmem.c: kunmap of frame ${pfn}, which is not mapped`,
      `kernel BUG at mm/highmem.c: kunmap of frame ${pfn}, which nobody uses`,
      'BUG: sleeping function called from invalid context at include/linux/highmem-internal.h',
      'in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 0, name: swapper/0',
    ])
    expect(laws(sys)).toEqual([])
  })

  it('any calls leave a sound pool, and frames are where kmap says', () => {
    const step = fc.record({ frame: fc.nat({ max: 1500 }), drop: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 1500, size: '+1' }), steps => {
        const sys = machine()
        const users = new Map<number, number>()
        for (const { frame, drop } of steps) {
          const pfn = 250000 + frame
          const had = users.get(pfn) ?? 0
          if (drop && had > 0) {
            kunmap(sys, pfn)
            users.set(pfn, had - 1)
          } else {
            expect(vmalloc_to_pfn(sys, kmap(sys, pfn))).toBe(pfn)
            users.set(pfn, had + 1)
          }
        }
        expect(laws(sys)).toEqual([])
        for (const [pfn, count] of users) expect(kmap(sys, pfn) === 0 ? -1 : count).toBe(count)
      }),
      { numRuns: 5 },
    )
  })
})

describe('kmap_local and kmap_atomic', () => {
  it('slots are a stack below each other', () => {
    const sys = machine()
    const [a, b] = [alloc_page(sys, GFP_HIGHUSER), alloc_page(sys, GFP_HIGHUSER)]
    const first = kmap_local_page(sys, a)
    const second = kmap_atomic(sys, b)
    expect(second).toBe(first - 1)
    expect([vmalloc_to_pfn(sys, first), vmalloc_to_pfn(sys, second)]).toEqual([a, b])
    expect(sys.machine.in_atomic[0]).toBe(1)
    kunmap_atomic(sys, second)
    kunmap_local(sys, first)
    expect([vmalloc_to_pfn(sys, first), sys.machine.in_atomic[0], sys.kmap_ctrl.idx[0]]).toEqual([-1, 0, 0])
    expect(sys.said).toEqual([])
  })

  it('the wrong order is reported, and takes the last mapping away, as in the kernel', () => {
    const sys = machine()
    const [a, b] = [alloc_page(sys, GFP_HIGHUSER), alloc_page(sys, GFP_HIGHUSER)]
    const first = kmap_local_page(sys, a)
    const second = kmap_local_page(sys, b)
    kunmap_local(sys, first)
    expect(sys.said).toEqual([
      `WARNING: CPU: 0 PID: 0 at mm/highmem.c kunmap_local_indexed: 0x${first.toString(16)} is not the last one mapped, 0x${second.toString(16)}`,
    ])
    expect([vmalloc_to_pfn(sys, first), vmalloc_to_pfn(sys, second)]).toEqual([a, -1])
    expect(laws(sys)).toEqual([])
  })

  it('whoever sleeps between kmap_atomic and kunmap_atomic is reported', () => {
    const sys = machine()
    const page = kmap_atomic(sys, alloc_page(sys, GFP_HIGHUSER))
    vmalloc(sys, 1)
    kunmap_atomic(sys, page)
    expect(sys.said[0]).toBe('BUG: sleeping function called from invalid context at mm/vmalloc.c')
  })

  it('more than the stack has, and less than nothing', () => {
    const sys = machine()
    const pfn = alloc_page(sys, GFP_HIGHUSER)
    const pages = Array.from({ length: KM_MAX_IDX + 1 }, () => kmap_local_page(sys, pfn))
    expect(pages.at(-1)).toBe(0)
    for (const page of pages.slice(0, -1).reverse()) kunmap_local(sys, page)
    kunmap_local(sys, pages[0]!)
    kunmap_atomic(sys, pages[0]!)
    expect(sys.said).toHaveLength(4)
    expect(laws(sys)).toEqual([])
  })
})

describe('__pa and __va', () => {
  it('take PAGE_OFFSET off and add it, and refuse high memory', () => {
    const sys = machine()
    expect(format_address(__va(sys, 0x1234567), 32)).toBe('c1234567')
    expect(__pa(sys, __va(sys, 0x1234567))).toBe(0x1234567)
    expect(() => __va(sys, 0x3f000000)).toThrow('not in the direct map')
    expect(() => __pa(sys, { hi: 0, lo: 0xff401000 })).toThrow('__pa: ff401000 is not in the direct map')
    const pfn = alloc_page(sys, GFP_HIGHUSER)
    kmap(sys, pfn)
    expect(virt_to_page(sys, page_address(sys, pfn))).toBe(-1)
  })
})
