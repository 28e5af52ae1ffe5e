// /proc/swaps: the areas in use, as the kernel lays it out.
import type { Sys } from '../mm/mmzone.ts'
import { swap_name } from '../mm/swapfile.ts'
import { SWP_BLKDEV, SWP_USED, SWP_ZRAM } from '../mm/swapfile_slots.ts'
import { ZSWAP_POOL } from '../mm/zsmalloc_tables.ts'

/** Numbers of the areas in use. */
export function swapAreas(sys: Sys): number[] {
  return [...sys.swap_info.flags.keys()].filter(area => (sys.swap_info.flags[area]! & SWP_USED) !== 0)
}

/** The statistics of a zram device, in the kernel's layout: bytes stored, their compressed size, memory in use, its limit, its
 * most, pages of one word, pages compacted, pages that do not compress, and how many there were.
 * @kernel drivers/block/zram/zram_drv.c:mm_stat_show */
function mmStat(sys: Sys, area: number): string {
  const { pages, max_pages, objects, bytes, same, huge, huge_since } = sys.zs_pool
  const size = sys.page_bytes
  const values = [objects[area]! * size, bytes[area]!, pages[area]! * size, 0, max_pages[area]! * size]
  return `${[...values, same[area]!, 0, huge[area]!, huge_since[area]!].map(value => String(value).padStart(8)).join(' ')}\n`
}

/** Files of compressed memory by their paths. */
export function compressedFiles(sys: Sys): Map<string, (sys: Sys) => string> {
  const files = new Map<string, (sys: Sys) => string>()
  if (sys.zswap_state.enabled.length === 0) return files
  for (const area of swapAreas(sys))
    if ((sys.swap_info.flags[area]! & SWP_ZRAM) !== 0)
      files.set(`/sys/block/${swap_name(sys, area).slice(5)}/mm_stat`, () => mmStat(sys, area))
  if (!sys.kernel.config.ZSWAP) return files
  const state = sys.zswap_state
  files.set('/sys/module/zswap/parameters/enabled', () => (state.enabled[0] === 1 ? 'Y\n' : 'N\n'))
  for (const name of ['max_pool_percent', 'accept_threshold_percent'] as const)
    files.set(`/sys/module/zswap/parameters/${name}`, () => `${state[name][0]}\n`)
  for (const name of ZSWAP_COUNTERS) files.set(`/sys/kernel/debug/zswap/${name}`, () => `${state[name][0]}\n`)
  const { objects, pages, same } = sys.zs_pool
  files.set('/sys/kernel/debug/zswap/stored_pages', () => `${objects[ZSWAP_POOL]}\n`)
  files.set('/sys/kernel/debug/zswap/same_filled_pages', () => `${same[ZSWAP_POOL]}\n`)
  files.set('/sys/kernel/debug/zswap/pool_total_size', () => `${pages[ZSWAP_POOL]! * sys.page_bytes}\n`)
  return files
}

const ZSWAP_COUNTERS = [
  'pool_limit_hit',
  'reject_reclaim_fail',
  'reject_alloc_fail',
  'reject_compress_poor',
  'written_back_pages',
] as const

/** A number in a column of tabs: short ones need one more. */
const column = (kb: number): string => `${kb}\t${kb < 10000000 ? '\t' : ''}`

/** @kernel mm/swapfile.c:swap_show */
export function swapsText(sys: Sys): string {
  const { flags, pages, inuse_pages, prio } = sys.swap_info
  const kb = sys.page_bytes / 1024
  const lines = swapAreas(sys).map(area => {
    const name = swap_name(sys, area)
    const kind = (flags[area]! & SWP_BLKDEV) !== 0 ? 'partition' : 'file\t'
    const sizes = column(pages[area]! * kb) + column(inuse_pages[area]! * kb)
    return `${name}${' '.repeat(name.length < 40 ? 40 - name.length : 1)}${kind}\t${sizes}${prio[area]}\n`
  })
  return `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${lines.join('')}`
}
