// vmalloc against a list of ranges with plain first fit, its laws after every call, and what happens when something runs
// out or is used wrongly.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { __GFP_NOWARN, GFP_KERNEL } from '../../src/mm/gfp.ts'
import type { Sys } from '../../src/mm/mmzone.ts'
import { totalram_pages } from '../../src/mm/page_alloc/setup.ts'
import { vmalloc_to_pfn } from '../../src/mm/pgtable_map.ts'
import { find_vm_area, free_vm_area, get_vm_area, vm_area_pages, vm_caller } from '../../src/mm/vm_struct.ts'
import {
  __vmalloc_node_range,
  format_page,
  ioremap,
  iounmap,
  vfree,
  vmalloc,
  vmalloc_huge,
  vmap,
  vunmap,
  vzalloc,
} from '../../src/mm/vmalloc.ts'
import { VM_ALLOC, VM_IOREMAP, VM_NO_GUARD } from '../../src/mm/vmalloc_types.ts'
import { vm_map_ram, vm_unmap_aliases, vm_unmap_ram } from '../../src/mm/vmap_block.ts'
import { drain_vmap_area_work, lazy_max_pages, purge_vmap_area_lazy } from '../../src/mm/vmap_lazy.ts'
import { hashSys, restoreSys, snapshotSys } from '../../src/sim/state.ts'
import { bootSpace, laws } from './address_space_machine.ts'

const MiB = 2 ** 20

/** Pages on the buddy lists. */
const nr_free_pages = (sys: Sys): number => {
  let pages = 0
  for (let zone = 0; zone < sys.nr_zones; zone++)
    for (let order = 0; order < sys.NR_PAGE_ORDERS; order++)
      pages += sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + order]! << order
  return pages
}

describe('vmalloc', () => {
  it('gives what it promises: frames behind each other in the address space, and a guard page', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const page = vmalloc(sys, 10000)
    expect(format_page(sys, page)).toBe('ffffc90000000000')
    const vm = find_vm_area(sys, page)
    const frames = vm_area_pages(sys, vm)
    expect(frames).toHaveLength(3)
    expect(frames.map((_, i) => vmalloc_to_pfn(sys, page + i))).toEqual(frames)
    expect(vmalloc_to_pfn(sys, page + 3)).toBe(-1)
    expect(vm_caller(sys, vm)).toBe('vmalloc')
    expect(laws(sys)).toEqual([])
    vfree(sys, page)
    expect([0, 1, 2].map(i => vmalloc_to_pfn(sys, page + i))).toEqual([-1, -1, -1])
    expect(sys.vmalloc.lazy_nr[0]).toBe(4)
    expect(laws(sys)).toEqual([])
  })

  it('freed addresses are used again only after a purge', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const first = vmalloc(sys, 1)
    vfree(sys, first)
    expect(vmalloc(sys, 1)).toBe(first + 2)
    purge_vmap_area_lazy(sys)
    expect(vmalloc(sys, 1)).toBe(first)
  })

  it('a worker purges when too much waits', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const vm = get_vm_area(sys, (lazy_max_pages(sys) + 1) * 4096, VM_ALLOC)
    free_vm_area(sys, vm)
    expect(sys.vmalloc.drain_pending[0]).toBe(1)
    drain_vmap_area_work(sys)
    expect([sys.vmalloc.drain_pending[0], sys.vmalloc.lazy_nr[0]]).toEqual([0, 0])
    expect(laws(sys)).toEqual([])
  })

  it('the array of a large area lies in an area of its own', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const page = vzalloc(sys, 513 * 4096)
    const array = sys.vm_struct.pages[find_vm_area(sys, page)]!
    expect(sys.vm_struct.addr[array]).toBe(page + 514)
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(515)
    vfree(sys, page)
    expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(0)
    expect(sys.vmalloc.lazy_nr[0]).toBe(517)
    expect(laws(sys)).toEqual([])
  })

  it('huge pages where the size allows, small ones where there are none', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const page = vmalloc_huge(sys, 3 * MiB)
    expect(page % 512).toBe(0)
    const frames = vm_area_pages(sys, find_vm_area(sys, page))
    expect(frames).toHaveLength(1024)
    expect(frames[0]! % 512).toBe(0)
    expect(vmalloc_to_pfn(sys, page + 700)).toBe(frames[700])
    vfree(sys, page)
    expect(laws(sys)).toEqual([])
    const narrow = bootSpace('6.1-i386', '64M')
    const area = find_vm_area(narrow, vmalloc_huge(narrow, 5 * MiB))
    expect([narrow.vm_struct.page_order[area], narrow.vm_struct.nr_pages[area]]).toEqual([0, 1280])
  })

  it('the address space of 32 bits runs out, vmalloc= makes it larger', () => {
    const fill = (commandLine: string): { areas: number; said: string[] } => {
      const sys = bootSpace('6.1-i386', '2G', commandLine)
      let areas = 0
      while (get_vm_area(sys, 8 * MiB, VM_ALLOC) !== 0) areas++
      expect(laws(sys)).toEqual([])
      return { areas, said: sys.said }
    }
    const { areas, said } = fill('')
    expect(areas).toBe(14)
    expect(said).toEqual(['vmap allocation for size 8392704 failed: use vmalloc=<size> to increase size'])
    expect(fill('vmalloc=256M').areas).toBe(31)
  })

  it('a full address space is purged before an allocation fails', () => {
    const sys = bootSpace('6.1-i386', '2G')
    const areas: number[] = []
    for (let vm = 1; vm !== 0; areas.push(vm)) vm = get_vm_area(sys, 8 * MiB, VM_ALLOC)
    free_vm_area(sys, areas[3]!)
    expect(get_vm_area(sys, 8 * MiB, VM_ALLOC)).not.toBe(0)
    expect(sys.vmalloc.lazy_nr[0]).toBe(0)
  })

  it('without memory it fails as the kernel does and leaves nothing behind', () => {
    const sys = bootSpace('6.1-x86_64', '128M')
    const free = (): number => nr_free_pages(sys) + sys.pcp.count.reduce((sum, pages) => sum + pages, 0)
    const before = free() + sys.pgtable_state.tables[0]!
    expect(vmalloc(sys, 2 ** 40)).toBe(0)
    const most = (totalram_pages(sys) - 9) * 4096
    expect(vmalloc(sys, most)).toBe(0)
    expect(__vmalloc_node_range(sys, most, { gfp: GFP_KERNEL | __GFP_NOWARN })).toBe(0)
    expect(sys.said.filter(line => line.includes('vmalloc error'))).toEqual([
      expect.stringContaining('vmalloc error: size 1099511627776, exceeds total pages, mode:0xcc0(GFP_KERNEL)'),
      expect.stringMatching(/vmalloc error: size \d+, page order 0, failed to allocate pages/),
    ])
    // Page tables stay, as in the kernel.
    expect(free() + sys.pgtable_state.tables[0]!).toBe(before)
    expect(vmalloc(sys, 0)).toBe(0)
    expect(vmalloc(sys, Number.NaN)).toBe(0)
    expect(laws(sys)).toEqual([])
  })

  it('misuse is reported in the kernel’s words', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const page = vmalloc(sys, 5000)
    vfree(sys, 0)
    vfree(sys, page + 1)
    vfree(sys, page)
    vfree(sys, page)
    vunmap(sys, 12345)
    expect(sys.said.filter(line => line.startsWith('Trying'))).toEqual([
      'Trying to vfree() nonexistent vm area (ffffc90000001000)',
      'Trying to vfree() nonexistent vm area (ffffc90000000000)',
      'Trying to vunmap() nonexistent vm area (0000000003039000)',
    ])
    expect(sys.said.filter(line => line === 'WARNING: CPU: 0 PID: 0 at mm/vmalloc.c')).toHaveLength(3)
    sys.said.length = 0
    sys.machine.in_atomic[0] = 1
    vmalloc(sys, 1)
    expect(sys.said[0]).toBe('BUG: sleeping function called from invalid context at mm/vmalloc.c')
    sys.machine.in_atomic[0] = 0
    expect(() => __vmalloc_node_range(sys, 4096, { align: 12288 })).toThrow(RangeError)
    expect(laws(sys)).toEqual([])
  })

  it('maps frames of others and I/O memory', () => {
    const sys = bootSpace('6.1-i386-pae', '64M')
    const page = vmap(sys, [7, 9, 7])
    expect([0, 1, 2, 3].map(i => vmalloc_to_pfn(sys, page + i))).toEqual([7, 9, 7, -1])
    vunmap(sys, page)
    const io = ioremap(sys, 0xfed00010, 0x1ff0)
    expect(sys.vm_struct.phys_addr[find_vm_area(sys, io)]).toBe(0xfed00000)
    expect(sys.vm_struct.flags[find_vm_area(sys, io)]).toBe(VM_IOREMAP)
    expect([0, 1, 2].map(i => vmalloc_to_pfn(sys, io + i))).toEqual([0xfed00, 0xfed01, -1])
    iounmap(sys, io)
    expect(laws(sys)).toEqual([])
  })

  it('snapshots hold it, equal states have equal hashes', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    vmalloc(sys, 30000)
    const before = snapshotSys(sys)
    const hash = hashSys(sys)
    vfree(sys, vmalloc(sys, 5 * MiB))
    expect(hashSys(sys)).not.toBe(hash)
    restoreSys(sys, before)
    expect(hashSys(sys)).toBe(hash)
    expect(laws(sys)).toEqual([])
  })

  it('capacity is said', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    expect(() => {
      for (;;) get_vm_area(sys, 1, VM_ALLOC)
    }).toThrow('boot with a larger nr_vmap_areas')
    expect(laws(sys)).toEqual([])
  })
})

describe('vmalloc under random calls', () => {
  /** Free ranges by plain first fit; freed ones come back with a purge. */
  class FirstFit {
    private free: [number, number][]
    private waiting: [number, number][] = []
    constructor(start: number, end: number) {
      this.free = [[start, end]]
    }
    alloc(pages: number): number {
      const range = this.free.find(([start, end]) => end - start >= pages)!
      range[0] += pages
      return range[0] - pages
    }
    release(start: number, pages: number): void {
      this.waiting.push([start, start + pages])
    }
    purge(): void {
      const all = [...this.free, ...this.waiting].filter(([a, b]) => a < b).sort(([a], [b]) => a - b)
      this.waiting = []
      this.free = []
      for (const [start, end] of all) {
        const last = this.free.at(-1)
        if (last && last[1] === start) last[1] = end
        else this.free.push([start, end])
      }
    }
  }

  const call = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constant('a' as const),
        pages: fc.integer({ min: 1, max: 40 }),
        guard: fc.boolean(),
      }),
    },
    { weight: 5, arbitrary: fc.record({ op: fc.constant('f' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('p' as const) }) },
  )

  it('addresses are those of plain first fit, and every law holds after every call', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120, size: '+1' }), calls => {
        const sys = bootSpace('6.1-i386', '64M')
        const model = new FirstFit(sys.vmalloc.start[0]!, sys.vmalloc.end[0]!)
        const held: [number, number][] = []
        for (const one of calls) {
          if (one.op === 'a') {
            const size = one.pages + (one.guard ? 1 : 0)
            const page = __vmalloc_node_range(sys, one.pages * 4096, { flags: one.guard ? 0 : VM_NO_GUARD })
            expect(page).toBe(model.alloc(size))
            held.push([page, size])
          } else if (one.op === 'f' && held.length > 0) {
            const [[page, size]] = held.splice(one.which % held.length, 1) as [[number, number]]
            vfree(sys, page)
            model.release(page, size)
          } else if (one.op === 'p') {
            purge_vmap_area_lazy(sys)
            model.purge()
          }
          expect(laws(sys)).toEqual([])
        }
      }),
      { numRuns: 15 },
    )
  })

  it('aligned areas are aligned, never overlap, and everything comes back', () => {
    const aligned = fc.record({
      pages: fc.integer({ min: 1, max: 30 }),
      align: fc.integer({ min: 0, max: 7 }),
      free: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(aligned, { maxLength: 80, size: '+1' }), calls => {
        const sys = bootSpace('6.1-x86_64', '64M')
        const held: number[] = []
        for (const { pages, align, free } of calls) {
          const page = __vmalloc_node_range(sys, pages * 4096, { align: 4096 << align })
          expect(page % 2 ** align).toBe(0)
          held.push(page)
          if (free) vfree(sys, held.shift()!)
        }
        for (const page of held) vfree(sys, page)
        vm_unmap_aliases(sys)
        expect(laws(sys)).toEqual([])
        expect(sys.vmalloc.nr_vmalloc_pages[0]).toBe(0)
        expect(vmalloc(sys, 1)).toBe(sys.vmalloc.start[0])
      }),
      { numRuns: 15 },
    )
  })
})

describe('vm_map_ram', () => {
  it('small mappings come from blocks of 4 MiB, rounded up to powers of two, and never twice', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const base = Math.ceil(sys.vmalloc.start[0]! / 1024) * 1024
    const pages = [3, 1, 64].map(count => vm_map_ram(sys, new Int32Array(count).fill(5)) - base)
    expect(pages).toEqual([0, 4, 5])
    expect(vmalloc_to_pfn(sys, base + 2)).toBe(5)
    vm_unmap_ram(sys, base, 3)
    expect(vmalloc_to_pfn(sys, base)).toBe(-1)
    expect(vm_map_ram(sys, [1]) - base).toBe(69)
    expect(laws(sys)).toEqual([])
  })

  it('a block goes when all of it came back, a half used one when aliases are flushed', () => {
    const sys = bootSpace('6.1-x86_64', '64M')
    const pages = Array.from({ length: 16 }, () => vm_map_ram(sys, new Int32Array(64)))
    for (const page of pages) vm_unmap_ram(sys, page, 64)
    expect(sys.vmalloc.lazy_nr[0]).toBe(1024)
    vm_unmap_ram(sys, vm_map_ram(sys, [1]), 1)
    vm_unmap_aliases(sys)
    expect(sys.vmalloc.lazy_nr[0]).toBe(0)
    expect(vm_map_ram(sys, [1])).toBe(pages[0])
    expect(laws(sys)).toEqual([])
  })

  it('large mappings are areas of their own; wrong ones are refused', () => {
    const sys = bootSpace('6.1-i386', '64M')
    const page = vm_map_ram(sys, new Int32Array(33).fill(3))
    for (const [wrong, count] of [
      [page, 1],
      [page, 34],
      [page + 1, 32],
      [page + 4000, 1],
    ] as const)
      vm_unmap_ram(sys, wrong, count)
    expect(sys.said.filter(line => line.startsWith('kernel BUG at mm/vmalloc.c: vm_unmap_ram of '))).toHaveLength(4)
    expect(() => vm_map_ram(sys, [])).toThrow(RangeError)
    vm_unmap_ram(sys, page, 33)
    const small = vm_map_ram(sys, [3, 4, 5])
    vm_unmap_ram(sys, small, 3)
    vm_unmap_ram(sys, small, 3)
    vm_unmap_ram(sys, page, 33)
    expect(sys.said).toHaveLength(6)
    expect(laws(sys)).toEqual([])
  })
})
