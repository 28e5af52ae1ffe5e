// The machine of the allocator's benches: one node, two CPUs, DMA, DMA32 and Normal, all memory free in blocks of the
// highest order, as a boot leaves it. Law: JavaScript and C start from the same bytes and must end with the same bytes.
import { pathToFileURL } from 'node:url'

/** Nothing that makes objects larger or their order random. */
const PLAIN = {
  NUMA: false,
  NUMA_EMU: false,
  NUMA_BALANCING: false,
  SLAB_FREELIST_HARDENED: false,
  SLAB_FREELIST_RANDOM: false,
}

/** What other allocators have not. */
const NO_SLUB = { SLUB_DEBUG: false, SLUB_CPU_PARTIAL: false, MEMCG_KMEM: false }

const DMA_END = 1 << 12
const DMA32_END = 1 << 20

/** The compiled twin. */
export const DIST = new URL('../dist', import.meta.url).pathname

/** A machine of `frames` frames, at least 2^20 + 1; `dist` is the compiled twin to make it with. With `slab` it has that
 * allocator of objects, plain and on one node, and room for the bytes of `slots` frames. */
export async function benchMachine(frames, dist = DIST, { slab, slots } = {}) {
  const load = path => import(pathToFileURL(`${dist}/${path}`).href)
  const { x86_64_6_1 } = await load('kernels/x86_64_6_1.js')
  const { with_config } = await load('kernels/index.js')
  const kernel =
    slab === undefined
      ? x86_64_6_1
      : with_config(x86_64_6_1, slab === 'SLUB' ? PLAIN : { ...PLAIN, ...NO_SLUB }, { slab, name: `bench-${slab}` })
  const { MIGRATE_MOVABLE } = await load('mm/mmzone.js')
  const { add_to_free_list_tail } = await load('mm/page_alloc/buddy.js')
  const { init_per_zone_wmark_min } = await load('mm/page_alloc/setup.js')
  const { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } = await load('mm/vmstat_item.js')
  const { setup_zones, touch_all_blocks } = await load('mm/zone_setup.js')
  const ends = [DMA_END, DMA32_END, frames]
  const extents = kernel.zones.map((_, type) => {
    const start_pfn = type > 2 ? 0 : type === 0 ? 0 : ends[type - 1]
    const spanned_pages = type > 2 ? 0 : ends[type] - start_pfn
    return { node: 0, type, start_pfn, spanned_pages, present_pages: spanned_pages }
  })
  const layout = {
    kernel,
    nr_nodes: 1,
    cpu_node: [0, 0],
    distance: [10],
    ranges: [{ start_pfn: 0, end_pfn: frames, node: 0 }],
    extents,
    movable_zone: 2,
  }
  const sys = setup_zones(layout, true, slots === undefined ? {} : { nr_physmem_slots: slots })
  touch_all_blocks(sys)
  for (const { type: zone, start_pfn, spanned_pages } of extents) {
    sys.zone.managed_pages[zone] = spanned_pages
    sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = spanned_pages
    const step = 1 << sys.block_shift
    for (let pfn = start_pfn; pfn < start_pfn + spanned_pages; pfn += step)
      add_to_free_list_tail(sys, pfn, zone, sys.block_shift, MIGRATE_MOVABLE)
  }
  init_per_zone_wmark_min(sys)
  return sys
}

/** FNV-1a over the 32-bit words of an image, as an unsigned number. */
export function imageHash(sys) {
  const words = new Int32Array(sys.image.buffer, 0, sys.image.buffer.byteLength >>> 2)
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i], 0x01000193)
  return hash >>> 0
}
