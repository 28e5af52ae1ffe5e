// The laws of the tables, checked from scratch: run after every step in tests, and after every failure.
// Each returns a sentence for what is broken, with the numbers; an empty list = the machine is consistent.
import { list_entries, list_fault } from '../image/list.ts'
import { memcg_check } from './memcg_check.ts'
import { PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED } from './mm_types.ts'
import {
  BLOCK_LAZY,
  BLOCK_ZONE_SPLIT,
  free_list_head,
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  page_zone,
  type Sys,
} from './mmzone.ts'
import { pindex_to_order } from './page_alloc/pcp.ts'
import { reclaim_check } from './reclaim_check.ts'
import { vm_check } from './vm_check.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from './vmstat_item.ts'

/** All broken laws of a machine. @ours */
export function check(sys: Sys): string[] {
  const broken: string[] = []
  const seen = new Set<number>()
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    if (sys.zone.spanned_pages[zone] === 0) continue
    free_area_check(sys, zone, seen, broken)
    for (let cpu = 0; cpu < sys.nr_cpus; cpu++) per_cpu_pages_check(sys, zone, cpu, seen, broken)
  }
  page_state_check(sys, seen, broken)
  reclaim_check(sys, broken)
  memcg_check(sys, broken)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    if (sys.cpu.held[cpu] !== 0) broken.push(`cpu ${cpu} still holds lock classes ${sys.cpu.held[cpu]}`)
  broken.push(...vm_check(sys))
  return broken
}

/** The entries of a list; none where its links do not come back to its head. */
function entries_of(sys: Sys, head: number, broken: string[]): number[] {
  const fault = list_fault(sys.link.link, head)
  if (fault === -1) return list_entries(sys.link.link, head)
  broken.push(`list ${head}: what follows ${fault} does not point back to it`)
  return []
}

/** Blocks are aligned, of one zone, on the right list, not free with their buddy; counts and masks are true. */
function free_area_check(sys: Sys, zone: number, seen: Set<number>, broken: string[]): void {
  let free_pages = 0
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    let blocks = 0
    for (let migratetype = 0; migratetype < sys.MIGRATE_TYPES; migratetype++) {
      const entries = entries_of(sys, free_list_head(sys, zone, order, migratetype), broken)
      for (const pfn of entries) free_block_check(sys, zone, order, migratetype, pfn, seen, broken)
      const lazy = order === sys.block_shift && migratetype === MIGRATE_MOVABLE ? lazy_blocks(sys, zone) : 0
      blocks += entries.length + lazy
      const bit = (sys.free_mask.orders[zone * sys.MIGRATE_TYPES + migratetype]! >> order) & 1
      if (bit !== (entries.length + lazy > 0 ? 1 : 0))
        broken.push(`zone ${zone} order ${order} type ${migratetype}: mask bit ${bit}, ${entries.length + lazy} blocks`)
    }
    const nr_free = sys.free_area.nr_free[zone * sys.NR_PAGE_ORDERS + order]!
    if (nr_free !== blocks) broken.push(`zone ${zone} order ${order}: nr_free ${nr_free}, ${blocks} blocks`)
    free_pages += blocks << order
  }
  free_pages_check(sys, zone, free_pages, broken)
}

function lazy_blocks(sys: Sys, zone: number): number {
  let blocks = 0
  const { state, zone: owner } = sys.block
  for (let block = 0; block < state.length; block++) if (state[block] === BLOCK_LAZY && owner[block] === zone) blocks++
  return blocks
}

/** The counter of free pages with every CPU's difference equals the pages on the lists. */
function free_pages_check(sys: Sys, zone: number, free_pages: number, broken: string[]): void {
  let counted = sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]!
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    counted += sys.zone_stat_diff.vm_stat_diff[(zone * sys.nr_cpus + cpu) * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]!
  // Blocks of isolated pageblocks are on lists but do not count as free.
  const isolated = sys.zone.nr_isolate_pageblock[zone] !== 0
  if (counted !== free_pages && !isolated)
    broken.push(`zone ${zone}: NR_FREE_PAGES ${counted}, ${free_pages} pages on the lists`)
}

function free_block_check(
  sys: Sys,
  zone: number,
  order: number,
  migratetype: number,
  pfn: number,
  seen: Set<number>,
  broken: string[],
): void {
  const at = `free block ${pfn} order ${order} zone ${zone}`
  if ((pfn & ((1 << order) - 1)) !== 0) broken.push(`${at}: not aligned`)
  if (sys.page.state[pfn] !== order + 1) broken.push(`${at}: page.state ${sys.page.state[pfn]}`)
  if (page_zone(sys, pfn) !== zone) broken.push(`${at}: belongs to zone ${page_zone(sys, pfn)}`)
  if (sys.page._refcount[pfn] !== 0) broken.push(`${at}: _refcount ${sys.page._refcount[pfn]}`)
  if (sys.kernel.freelist_hygiene && get_pageblock_migratetype(sys, zone, pfn) !== migratetype)
    broken.push(`${at}: on list ${migratetype}, pageblock is ${get_pageblock_migratetype(sys, zone, pfn)}`)
  const buddy = pfn ^ (1 << order)
  const mergeable = order < sys.pageblock_order && sys.block.zone[pfn >>> sys.block_shift] !== BLOCK_ZONE_SPLIT
  if (mergeable && sys.page.state[buddy] === order + 1) broken.push(`${at}: its buddy ${buddy} is free, too`)
  claim(sys, seen, pfn, order, at, broken)
}

/** Notes the frames of a block; a frame may be in one place only, and only the first one is a head. */
function claim(sys: Sys, seen: Set<number>, pfn: number, order: number, at: string, broken: string[]): void {
  for (let frame = pfn; frame < pfn + (1 << order); frame++) {
    if (seen.has(frame)) broken.push(`${at}: frame ${frame} is in another list, too`)
    seen.add(frame)
    if (frame !== pfn && sys.page.state[frame] !== 0) broken.push(inner_head(sys, frame, at))
  }
}

const inner_head = (sys: Sys, frame: number, at: string): string =>
  `${at}: frame ${frame} inside of it has page.state ${sys.page.state[frame]}`

/** pcp.count is what the lists hold; blocks are marked as waiting there. */
function per_cpu_pages_check(sys: Sys, zone: number, cpu: number, seen: Set<number>, broken: string[]): void {
  const pcp = zone * sys.nr_cpus + cpu
  let pages = 0
  for (let pindex = 0; pindex < sys.nr_pcp_lists; pindex++) {
    const order = pindex_to_order(sys, pindex)
    for (const pfn of entries_of(sys, sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex, broken)) {
      const at = `per-CPU block ${pfn} zone ${zone} cpu ${cpu} list ${pindex}`
      if (sys.page.state[pfn] !== (PAGE_PCP | (order + 1))) broken.push(`${at}: page.state ${sys.page.state[pfn]}`)
      if (page_zone(sys, pfn) !== zone) broken.push(`${at}: belongs to zone ${page_zone(sys, pfn)}`)
      claim(sys, seen, pfn, order, at, broken)
      pages += 1 << order
    }
  }
  if (sys.pcp.count[pcp] !== pages)
    broken.push(`pcp zone ${zone} cpu ${cpu}: count ${sys.pcp.count[pcp]}, ${pages} pages`)
}

/** Frames marked as free or waiting are on a list; frames in use are on none and have users. */
function page_state_check(sys: Sys, seen: Set<number>, broken: string[]): void {
  const { state, _refcount } = sys.page
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    const value = state[pfn]!
    if (value === 0) continue
    if ((value & PAGE_USED) === 0) {
      if (!seen.has(pfn)) broken.push(`frame ${pfn}: page.state ${value}, but on no list`)
      continue
    }
    const order = (value & PAGE_STATE_ORDER) - 1
    if (_refcount[pfn]! <= 0) broken.push(`frame ${pfn}: in use with _refcount ${_refcount[pfn]}`)
    const at = `block ${pfn} order ${order}`
    for (let frame = pfn; frame < pfn + (1 << order); frame++) {
      if (seen.has(frame)) broken.push(`frame ${frame}: in use (${at}) and on a list`)
      if (frame !== pfn && state[frame] !== 0) broken.push(inner_head(sys, frame, `${at} in use`))
    }
  }
}
