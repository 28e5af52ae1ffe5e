// A machine whose page allocator hands out exactly the frames that a recording of objects names: frames of one zone are
// out of its reach until the recording says which is next; everything else that needs pages gets them from another.
// Law: between two steps no frame of the recorded zone is free.
import { __GFP_DMA, __GFP_DMA32, gfp_migratetype } from '../mm/gfp.ts'
import { type Kernel, zone_type } from '../mm/kernel.ts'
import { PAGE_USED } from '../mm/mm_types.ts'
import { type Sys, set_pageblock_migratetype } from '../mm/mmzone.ts'
import { __alloc_pages, __free_pages } from '../mm/page_alloc/alloc_pages.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'
import { setup_zones, touch_all_blocks } from '../mm/zone_setup.ts'

/** Blocks of the highest order that others may have. */
const OTHER_BLOCKS = 4
/** Frame numbers that are believed: a machine has memory up to the largest that its recording names. */
const MOST_FRAMES = 1 << 24

export class RecordedFrames {
  readonly sys: Sys
  private readonly zone: number
  private readonly gfp: number
  private readonly order: number

  /** `frames` is more than every frame that the recording names; blocks have `order` and are asked with `gfp`. A
   * RangeError where the numbers make no machine. */
  constructor(kernel: Kernel, nr_cpus: number, frames: number, gfp: number, order: number) {
    if (!(frames >= 0 && frames < MOST_FRAMES && order >= 0 && order < kernel.NR_PAGE_ORDERS && nr_cpus > 0))
      throw new RangeError(`no machine has ${frames} frames, ${nr_cpus} CPUs and slabs of order ${order}`)
    const block = 2 ** (kernel.NR_PAGE_ORDERS - 1)
    const end = Math.ceil((frames + 2 ** order) / block) * block
    const normal = zone_type(kernel, 'Normal')
    this.gfp = gfp
    this.order = order
    this.zone = (gfp & __GFP_DMA) !== 0 ? 0 : (gfp & __GFP_DMA32) !== 0 ? zone_type(kernel, 'DMA32') : normal
    const other = this.zone === normal ? normal - 1 : normal
    this.sys = twoZones(kernel, nr_cpus, [this.zone, 0, end], [other, end, end + OTHER_BLOCKS * block])
    const type = gfp_migratetype(this.sys, gfp)
    for (let pfn = 0; pfn < end; pfn += this.sys.pageblock_nr_pages)
      set_pageblock_migratetype(this.sys, this.zone, pfn, type)
    for (let at = 0; at < OTHER_BLOCKS; at++) this.give(end + at * block, kernel.NR_PAGE_ORDERS - 1)
  }

  /** Lets a block be the next that is handed out of its order. */
  offer(pfn: number, order: number = this.order): void {
    const { state } = this.sys.page
    const unowned = state[pfn] === 0 || state[pfn] === (PAGE_USED | (order + 1))
    if (Number.isInteger(pfn) && pfn >= 0 && pfn < this.sys.nr_frames && unowned) this.give(pfn, order)
  }

  private give(pfn: number, order: number): void {
    this.sys.page.state[pfn] = PAGE_USED | (order + 1)
    this.sys.page._refcount[pfn] = 1
    __free_pages(this.sys, pfn, order)
  }

  /** Takes back what was freed, and what was offered in vain. */
  collect(): void {
    const { sys, zone } = this
    const free = zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES
    while (sys.zone_stat.vm_stat[free]! > 0) if (__alloc_pages(sys, this.gfp, this.order, 0) < 0) return
  }
}

type Zone = readonly [type: number, start: number, end: number]

function twoZones(kernel: Kernel, nr_cpus: number, ...zones: readonly [Zone, Zone]): Sys {
  const extents = kernel.zones.map((_, type) => {
    const [, start, end] = zones.find(zone => zone[0] === type) ?? [type, 0, 0]
    return { node: 0, type, start_pfn: start, spanned_pages: end - start, present_pages: end - start }
  })
  const sys = setup_zones(
    {
      kernel,
      nr_nodes: 1,
      cpu_node: new Array<number>(nr_cpus).fill(0),
      distance: [10],
      ranges: zones.map(([, start, end]) => ({ start_pfn: start, end_pfn: end, node: 0 })),
      extents,
      movable_zone: zone_type(kernel, 'Normal'),
    },
    false,
  )
  // CPUs keep nothing: what they keep does not count as free.
  sys.pcp.batch.fill(1)
  touch_all_blocks(sys)
  for (const [type, start, end] of zones) sys.zone.managed_pages[type] = end - start
  return sys
}
