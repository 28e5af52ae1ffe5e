// The two scanners of compaction. The migration scanner comes from the zone's begin and collects pages that can move, 32
// at a time; the free scanner comes from its end and takes free pages for them. They meet somewhere in the middle.

import { PG } from './mm_types.ts'
import { get_pageblock_migratetype, MIGRATE_MOVABLE, type Sys } from './mmzone.ts'
import { touch_block_of } from './page_alloc/buddy.ts'
import { isolate_free_block } from './page_alloc/isolate_free.ts'
import { folio_isolate_lru } from './swap.ts'

/** What a compaction is at. @kernel mm/internal.h:struct compact_control */
export interface CompactControl {
  readonly zone: number
  readonly order: number
  readonly migratetype: number
  readonly highest_zoneidx: number
  readonly alloc_flags: number
  /** Waits neither for writeback nor for anything, and keeps to pageblocks of the request's type. */
  readonly async: boolean
  readonly direct: boolean
  readonly whole_zone: boolean
  readonly ignore_skip_hint: boolean
  migrate_pfn: number
  free_pfn: number
  /** Isolated pages that wait to be moved, and free frames for them. */
  readonly migratepages: number[]
  readonly freepages: number[]
  migrate_scanned: number
  free_scanned: number
}

/** @kernel mm/internal.h:COMPACT_CLUSTER_MAX */
const COMPACT_CLUSTER_MAX = 32

const block_row = (sys: Sys, zone: number, pfn: number): number =>
  sys.zone.pageblock_offset[zone]! + (pfn >>> sys.pageblock_order)

/** @kernel mm/compaction.c:compact_scanners_met */
export function compact_scanners_met(sys: Sys, cc: CompactControl): boolean {
  return cc.free_pfn >>> sys.pageblock_order <= cc.migrate_pfn >>> sys.pageblock_order
}

/** Pages of the next pageblock that has any; false = the scanners have met. @kernel mm/compaction.c:isolate_migratepages
 * @differs each pageblock is looked at; the kernel first tries those that free lists name */
export function isolate_migratepages(sys: Sys, cc: CompactControl): boolean {
  const { zone } = cc
  const end = sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]!
  while (!compact_scanners_met(sys, cc)) {
    const block_end = Math.min((cc.migrate_pfn & -sys.pageblock_nr_pages) + sys.pageblock_nr_pages, end)
    const first = cc.migrate_pfn
    if (!is_source(sys, cc, first)) cc.migrate_pfn = block_end
    else isolate_migratepages_block(sys, cc, block_end)
    remember_migrate(sys, cc)
    if (cc.migratepages.length > 0) return true
  }
  return false
}

/** Async compaction for a request takes pages from blocks of its own kind only. @kernel mm/compaction.c:suitable_migration_source */
function is_source(sys: Sys, cc: CompactControl, pfn: number): boolean {
  if (!cc.ignore_skip_hint && sys.pageblock.skip[block_row(sys, cc.zone, pfn)] === 1) return false
  if (!cc.async || !cc.direct) return true
  const type = get_pageblock_migratetype(sys, cc.zone, pfn)
  return cc.migratetype === MIGRATE_MOVABLE
    ? type === MIGRATE_MOVABLE || type === sys.MIGRATE_CMA
    : type === cc.migratetype
}

/** @kernel mm/compaction.c:isolate_migratepages_block */
function isolate_migratepages_block(sys: Sys, cc: CompactControl, end: number): void {
  const { state, flags, _refcount, _mapcount, mapping } = sys.page
  const start = cc.migrate_pfn
  let [pfn, scanned] = [start, 0]
  for (; pfn < end && cc.migratepages.length < COMPACT_CLUSTER_MAX; pfn++) {
    scanned++
    const head = state[pfn]!
    if (head > 0 && head <= sys.NR_PAGE_ORDERS) {
      pfn += (1 << (head - 1)) - 1
      continue
    }
    const bits = flags[pfn]!
    if ((bits & PG.lru) === 0 || (bits & (PG.head | PG.tail)) !== 0) continue
    if (mapping[pfn]! < 0 && (bits & PG.owner_priv_1) === 0 && _refcount[pfn]! > _mapcount[pfn]!) continue
    if (cc.async && (bits & PG.writeback) !== 0) continue
    if (folio_isolate_lru(sys, pfn)) cc.migratepages.push(pfn)
  }
  cc.migrate_pfn = Math.min(pfn, end)
  cc.migrate_scanned += scanned
  sys.trace.mm_compaction_isolate_migratepages?.(start, cc.migrate_pfn, scanned, cc.migratepages.length)
  if (cc.migrate_pfn === end && cc.migratepages.length === 0 && !cc.ignore_skip_hint)
    sys.pageblock.skip[block_row(sys, cc.zone, start)] = 1
}

/** @kernel mm/compaction.c:update_cached_migrate */
function remember_migrate(sys: Sys, cc: CompactControl): void {
  if (cc.ignore_skip_hint) return
  const { cached_migrate_pfn } = sys.zone_compact
  if (cc.migrate_pfn > cached_migrate_pfn[2 * cc.zone]!) cached_migrate_pfn[2 * cc.zone] = cc.migrate_pfn
  if (!cc.async && cc.migrate_pfn > cached_migrate_pfn[2 * cc.zone + 1]!)
    cached_migrate_pfn[2 * cc.zone + 1] = cc.migrate_pfn
}

/** Free frames for the pages that wait. @kernel mm/compaction.c:isolate_freepages
 * @differs pageblocks are looked at from the end, one by one; the kernel first tries those that free lists name */
export function isolate_freepages(sys: Sys, cc: CompactControl): void {
  const { zone } = cc
  const size = sys.pageblock_nr_pages
  const zone_end = sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]!
  while (cc.freepages.length < cc.migratepages.length && !compact_scanners_met(sys, cc)) {
    const block = cc.free_pfn & -size
    const start = Math.max(block, sys.zone.zone_start_pfn[zone]!)
    if (is_target(sys, cc, start)) {
      const full = isolate_freepages_block(sys, cc, Math.max(start, cc.free_pfn), Math.min(block + size, zone_end))
      if (full) break
    }
    cc.free_pfn = block - size
  }
  if (!cc.ignore_skip_hint) sys.zone_compact.cached_free_pfn[zone] = Math.max(cc.free_pfn, 1)
}

/** @kernel mm/compaction.c:suitable_migration_target */
function is_target(sys: Sys, cc: CompactControl, pfn: number): boolean {
  if (!cc.ignore_skip_hint && sys.pageblock.skip[block_row(sys, cc.zone, pfn)] === 1) return false
  // A pageblock that is free as a whole shall stay so.
  const state = sys.page.state[pfn]!
  if (state > 0 && state <= sys.NR_PAGE_ORDERS && state - 1 >= sys.pageblock_order) return false
  const type = get_pageblock_migratetype(sys, cc.zone, pfn)
  return type === MIGRATE_MOVABLE || type === sys.MIGRATE_CMA
}

/** Takes free blocks of a pageblock; true = enough. @kernel mm/compaction.c:isolate_freepages_block */
function isolate_freepages_block(sys: Sys, cc: CompactControl, start: number, end: number): boolean {
  const { state } = sys.page
  touch_block_of(sys, start)
  let [pfn, scanned, taken] = [start, 0, 0]
  let full = false
  while (pfn < end && !full) {
    scanned++
    const head = state[pfn]!
    if (head === 0 || head > sys.NR_PAGE_ORDERS) {
      pfn++
      continue
    }
    const pages = 1 << (head - 1)
    if (!isolate_free_block(sys, pfn, cc.zone, head - 1)) break
    for (let frame = pfn; frame < pfn + pages; frame++) cc.freepages.push(frame)
    taken += pages
    pfn += pages
    full = cc.freepages.length >= cc.migratepages.length
  }
  cc.free_scanned += scanned
  cc.free_pfn = full && pfn < end ? pfn : start & -sys.pageblock_nr_pages
  sys.trace.mm_compaction_isolate_freepages?.(start, pfn, scanned, taken)
  if (taken === 0 && !cc.ignore_skip_hint) sys.pageblock.skip[block_row(sys, cc.zone, start)] = 1
  return full
}
