// Compaction: movable pages are brought together at a zone's end, so that its begin becomes free in large blocks.
// Laws: what was isolated is moved or put back; free frames that were not needed are given back.

import {
  type CompactControl,
  compact_scanners_met,
  isolate_freepages,
  isolate_migratepages,
} from './compaction_scan.ts'
import {
  COMPACT_COMPLETE,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_NO_SUITABLE_PAGE,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SKIPPED,
  COMPACT_SUCCESS,
  compaction_defer_reset,
  compaction_deferred,
  compaction_suitable,
  defer_compaction,
} from './compaction_suitable.ts'
import { ALLOC_WMARK_MASK } from './gfp.ts'
import { unmap_and_move } from './migrate.ts'
import type { Sys } from './mmzone.ts'
import { free_area_empty } from './page_alloc/buddy.ts'
import { find_suitable_fallback } from './page_alloc/fallback.ts'
import { release_free_frames } from './page_alloc/isolate_free.ts'
import { drain_local_pages } from './page_alloc/pcp.ts'
import { spend } from './reclaim_clock.ts'
import { lru_add_drain, lru_putback } from './swap.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'

const [MIGRATE_SCANNED, FREE_SCANNED, ISOLATED] = [
  vm_event('compact_migrate_scanned'),
  vm_event('compact_free_scanned'),
  vm_event('compact_isolated'),
] as const
const [STALL, FAIL, SUCCESS] = [
  vm_event('compact_stall'),
  vm_event('compact_fail'),
  vm_event('compact_success'),
] as const
const [MOVED, NOT_MOVED] = [vm_event('pgmigrate_success'), vm_event('pgmigrate_fail')] as const
const PRIO_ASYNC = 2
const PRIO_FULL = 0

/** What direct compaction came to. */
export interface CompactResult {
  /** A frame, or -1. */
  readonly pfn: number
  /** There was too little memory to begin. */
  readonly skipped: boolean
  /** It failed lately, and was put off. */
  readonly deferred: boolean
  /** It went through and found nothing. */
  readonly failed: boolean
}

/** A fresh control for a zone. @ours */
export function compact_control(
  zone: number,
  order: number,
  facts: Partial<CompactControl> & Pick<CompactControl, 'highest_zoneidx' | 'migratetype'>,
): CompactControl {
  return {
    zone,
    order,
    alloc_flags: 0,
    async: false,
    direct: false,
    whole_zone: false,
    ignore_skip_hint: false,
    migrate_pfn: 0,
    free_pfn: 0,
    migrate_scanned: 0,
    free_scanned: 0,
    migratepages: [],
    freepages: [],
    ...facts,
  }
}

/** @kernel mm/compaction.c:compact_finished */
function compact_finished(sys: Sys, cc: CompactControl): number {
  const finished = __compact_finished(sys, cc)
  sys.trace.mm_compaction_finished?.(sys.zone_to_nid[cc.zone]!, sys.zone_idx[cc.zone]!, cc.order, finished)
  return finished === COMPACT_NO_SUITABLE_PAGE ? COMPACT_CONTINUE : finished
}

/** @kernel mm/compaction.c:__compact_finished */
function __compact_finished(sys: Sys, cc: CompactControl): number {
  if (compact_scanners_met(sys, cc)) {
    const { cached_free_pfn, cached_migrate_pfn, blockskip_flush } = sys.zone_compact
    cached_free_pfn[cc.zone] = cached_migrate_pfn[2 * cc.zone] = cached_migrate_pfn[2 * cc.zone + 1] = 0
    if (cc.direct) blockskip_flush[cc.zone] = 1
    return cc.whole_zone ? COMPACT_COMPLETE : COMPACT_PARTIAL_SKIPPED
  }
  if (cc.order < 0 || (cc.migrate_pfn & (sys.pageblock_nr_pages - 1)) !== 0) return COMPACT_CONTINUE
  for (let order = cc.order; order < sys.NR_PAGE_ORDERS; order++) {
    if (!free_area_empty(sys, cc.zone, order, cc.migratetype)) return COMPACT_SUCCESS
    if (find_suitable_fallback(sys, cc.zone, order, cc.migratetype) !== -1) return COMPACT_SUCCESS
  }
  return COMPACT_NO_SUITABLE_PAGE
}

/** Where the scanners begin. */
function place_scanners(sys: Sys, cc: CompactControl): CompactControl {
  const start = sys.zone.zone_start_pfn[cc.zone]!
  const end = start + sys.zone.spanned_pages[cc.zone]!
  const last_block = (end - 1) & -sys.pageblock_nr_pages
  const cached_migrate = sys.zone_compact.cached_migrate_pfn[2 * cc.zone + (cc.async ? 0 : 1)]!
  const cached_free = sys.zone_compact.cached_free_pfn[cc.zone]!
  const whole = cc.whole_zone || cached_migrate <= start
  cc.migrate_pfn = cc.whole_zone || cached_migrate < start || cached_migrate >= end ? start : cached_migrate
  cc.free_pfn = cc.whole_zone || cached_free < start || cached_free >= end ? last_block : cached_free
  return { ...cc, whole_zone: whole }
}

/** Compacts a zone; COMPACT_*. @kernel mm/compaction.c:compact_zone @differs frees are not captured on their way to the
 * lists: who compacts takes the block from there */
export function compact_zone(sys: Sys, wanted: CompactControl): number {
  const { zone } = wanted
  const mark = wanted.alloc_flags & ALLOC_WMARK_MASK
  const suitable = compaction_suitable(sys, zone, wanted.order, mark, wanted.highest_zoneidx)
  if (suitable !== COMPACT_CONTINUE) return suitable
  if (sys.zone_compact.blockskip_flush[zone] === 1 || wanted.whole_zone) reset_isolation_suitable(sys, zone)
  const cc = place_scanners(sys, wanted)
  const start = sys.zone.zone_start_pfn[zone]!
  const end = start + sys.zone.spanned_pages[zone]!
  const sync = cc.async ? 0 : 1
  sys.trace.mm_compaction_begin?.(start, cc.migrate_pfn, cc.free_pfn, end, sync)
  lru_add_drain(sys)
  let result = COMPACT_CONTINUE
  for (;;) {
    result = compact_finished(sys, cc)
    if (result !== COMPACT_CONTINUE || !isolate_migratepages(sys, cc)) break
    move_pages(sys, cc)
    // What came free must reach the free lists to merge.
    drain_local_pages(sys, zone)
  }
  if (result === COMPACT_CONTINUE) result = compact_finished(sys, cc)
  release_free_frames(sys, cc.freepages)
  drain_local_pages(sys, zone)
  count_vm_events(sys, MIGRATE_SCANNED, cc.migrate_scanned)
  count_vm_events(sys, FREE_SCANNED, cc.free_scanned)
  sys.trace.mm_compaction_end?.(start, cc.migrate_pfn, cc.free_pfn, end, sync, result)
  wanted.migrate_scanned += cc.migrate_scanned
  wanted.free_scanned += cc.free_scanned
  return result
}

/** Moves the isolated pages; those for which there is no frame, or that are in use, go back. @kernel mm/migrate.c:migrate_pages */
function move_pages(sys: Sys, cc: CompactControl): void {
  count_vm_events(sys, ISOLATED, cc.migratepages.length)
  isolate_freepages(sys, cc)
  let moved = 0
  const pages = cc.migratepages.splice(0)
  for (const from of pages) {
    const to = cc.freepages.pop()
    spend(sys, 2)
    if (to === undefined || !unmap_and_move(sys, from, to)) {
      if (to !== undefined) cc.freepages.push(to)
      lru_putback(sys, from)
      continue
    }
    moved++
  }
  count_vm_events(sys, MOVED, moved)
  count_vm_events(sys, NOT_MOVED, pages.length - moved)
  sys.trace.mm_compaction_migratepages?.(moved, pages.length - moved)
}

/** Forgets which pageblocks are to be skipped, and where the scanners were. @kernel mm/compaction.c:__reset_isolation_suitable */
export function reset_isolation_suitable(sys: Sys, zone: number): void {
  const first = sys.zone.pageblock_offset[zone]! + (sys.zone.zone_start_pfn[zone]! >>> sys.pageblock_order)
  const end = sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]! - 1
  sys.pageblock.skip.fill(0, first, sys.zone.pageblock_offset[zone]! + (end >>> sys.pageblock_order) + 1)
  const { cached_free_pfn, cached_migrate_pfn, blockskip_flush } = sys.zone_compact
  cached_free_pfn[zone] = cached_migrate_pfn[2 * zone] = cached_migrate_pfn[2 * zone + 1] = 0
  blockskip_flush[zone] = 0
}

/** Compacts the zones of a request one after the other, and asks for a block after each success.
 * @kernel mm/page_alloc.c:__alloc_pages_direct_compact, mm/compaction.c:try_to_compact_pages */
export function try_to_compact_pages(
  sys: Sys,
  gfp: number,
  order: number,
  alloc_flags: number,
  zonelist: number,
  highest_zoneidx: number,
  migratetype: number,
  nodemask: Uint8Array | null,
  priority: number,
  take: () => number,
): CompactResult {
  // Writing pages out to move them needs I/O.
  if (order === 0 || (gfp & 0x40) === 0) return { pfn: -1, skipped: true, deferred: false, failed: false }
  sys.trace.mm_compaction_try_to_compact_pages?.(order, gfp, priority)
  sys.reclaim_clock.reclaiming[0]! += 1
  let [best, zone_done] = [COMPACT_SKIPPED, -1]
  const { zones } = sys.zonelist
  for (let at = zonelist; zones[at] !== -1 && zone_done === -1; at++) {
    const zone = zones[at]!
    if (sys.zone_idx[zone]! > highest_zoneidx) continue
    if (nodemask !== null && nodemask[sys.zone_to_nid[zone]!] === 0) continue
    if (priority > PRIO_FULL && compaction_deferred(sys, zone, order)) {
      best = Math.max(best, COMPACT_DEFERRED)
      continue
    }
    const status = compact_zone(
      sys,
      compact_control(zone, order, {
        migratetype,
        highest_zoneidx,
        alloc_flags,
        async: priority === PRIO_ASYNC,
        direct: true,
        whole_zone: priority === PRIO_FULL,
        ignore_skip_hint: priority === PRIO_FULL,
      }),
    )
    best = Math.max(best, status)
    if (status === COMPACT_SUCCESS) {
      compaction_defer_reset(sys, zone, order, false)
      zone_done = zone
    } else if (priority !== PRIO_ASYNC && status >= COMPACT_COMPLETE) defer_compaction(sys, zone, order)
  }
  sys.reclaim_clock.reclaiming[0]! -= 1
  return finish(sys, order, best, zone_done, take)
}

function finish(sys: Sys, order: number, best: number, zone: number, take: () => number): CompactResult {
  const [skipped, deferred] = [best === COMPACT_SKIPPED, best === COMPACT_DEFERRED]
  if (skipped || deferred) return { pfn: -1, skipped, deferred, failed: false }
  count_vm_events(sys, STALL, 1)
  const pfn = take()
  count_vm_events(sys, pfn !== -1 ? SUCCESS : FAIL, 1)
  if (pfn !== -1 && zone !== -1) compaction_defer_reset(sys, zone, order, true)
  return { pfn, skipped, deferred, failed: best === COMPACT_COMPLETE || best === COMPACT_PARTIAL_SKIPPED }
}
