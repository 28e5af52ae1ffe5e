// A machine for objects alone: one node, one zone of free pages, all of which can have bytes. Its frame 0 is no memory.
import { type Kernel, zone_type } from '../mm/kernel.ts'
import { PAGE_USED } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __free_pages } from '../mm/page_alloc/alloc_pages.ts'
import { setup_zones, touch_all_blocks } from '../mm/zone_setup.ts'

/** A machine with at least so many free pages. */
export function plainMachine(kernel: Kernel, pages: number, cpus: number, nr_kmem_caches?: number): Sys {
  const block = 2 ** (kernel.NR_PAGE_ORDERS - 1)
  const end_pfn = (Math.ceil(pages / block) + 1) * block
  const normal = zone_type(kernel, 'Normal')
  const extents = kernel.zones.map((_, type) => {
    const size = type === normal ? end_pfn - block : 0
    return { node: 0, type, start_pfn: size === 0 ? 0 : block, spanned_pages: size, present_pages: size }
  })
  const cpu_node = new Array<number>(cpus).fill(0)
  const layout = { kernel, nr_nodes: 1, cpu_node, distance: [10], extents, movable_zone: normal }
  const caches = nr_kmem_caches === undefined ? {} : { nr_kmem_caches }
  const ranges = [{ start_pfn: block, end_pfn, node: 0 }]
  const sys = setup_zones({ ...layout, ranges }, false, { nr_physmem_slots: end_pfn, ...caches })
  touch_all_blocks(sys)
  sys.pcp.batch.fill(1)
  sys.zone.managed_pages[normal] = end_pfn - block
  for (let pfn = block; pfn < end_pfn; pfn += block) {
    sys.page.state[pfn] = PAGE_USED | kernel.NR_PAGE_ORDERS
    sys.page._refcount[pfn] = 1
    __free_pages(sys, pfn, kernel.NR_PAGE_ORDERS - 1)
  }
  return sys
}
