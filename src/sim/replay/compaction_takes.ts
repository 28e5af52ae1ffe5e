// What compaction takes. It isolates free blocks for its target pages, and its events tell how many pages and in which
// range, not which blocks: its search is done again here, on the followed machine.
import { PAGE_USED, PG } from '../../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  page_zone,
  type Sys,
  set_pageblock_migratetype,
} from '../../mm/mmzone.ts'
import { buddy_order, del_page_from_free_list } from '../../mm/page_alloc/buddy.ts'
import { __mod_zone_freepage_state } from '../../mm/vmstat.ts'
import type { EventBatch } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'
import { CAUSE, CAUSES } from './causes.ts'

/** The longest step of compaction's search. @kernel include/linux/swap.h:COMPACT_CLUSTER_MAX */
const COMPACT_CLUSTER_MAX = 32
/** Searches for guessed blocks; each looks at a whole zone. */
const MOST_SEARCHES = 2000

export class CompactionTakes {
  /** Hears of every free block that compaction took. */
  onIsolated: ((pfn: number, order: number, zone: number) => void) | null = null
  readonly #sys: Sys
  readonly #causes: Float64Array
  /** Order and range of a block that a fast search took, until it is known which; -1 = none. */
  #fastOrder = -1
  #fastStart = 0
  #fastEnd = 0

  readonly #unproven: Uint8Array
  #searches = 0

  /** `causes`: pages by zone * CAUSES.length + cause; `unproven`: 1 for frames that are free by guess. */
  constructor(sys: Sys, causes: Float64Array, unproven: Uint8Array) {
    this.#sys = sys
    this.#unproven = unproven
    this.#causes = causes
  }

  #count(zone: number, cause: number, pages: number): void {
    this.#causes[zone * CAUSES.length + cause]! += pages
  }

  /** An event of taking free pages. */
  see({ kind, a, b, c, d }: EventBatch, row: number): void {
    if (kind[row] === KIND.mm_compaction_isolate_freepages) this.isolate(a[row]!, b[row]!, c[row]!, d[row]!)
    else if (d[row]! > 0) this.fastIsolate(a[row]!, b[row]!, d[row]!)
  }

  /**
   * mm_compaction_isolate_freepages: compaction took free blocks that begin in [start, end), until it had enough. It
   * looks at every frame, or only at every second, fourth … 32nd: `nr_scanned` tells which.
   */
  isolate(start: number, end: number, nr_scanned: number, nr_taken: number): void {
    this.#settleFast(start, end)
    const first = Math.max(0, start)
    const last = Math.min(end, this.#sys.nr_frames)
    const fast = !this.#sys.kernel.traces_fast_isolate && nr_scanned === last - first && nr_taken > 0
    if (fast) this.#takeUntold(first, last, nr_taken)
    const stride = this.#strideOf(first, last, nr_scanned, nr_taken)
    let zone = Math.max(0, page_zone(this.#sys, first))
    let left = nr_taken
    for (let pfn = first; pfn < last && left > 0; pfn += stride) {
      const order = buddy_order(this.#sys, pfn)
      if (order < 0) continue
      zone = page_zone(this.#sys, pfn)
      this.#isolateBlock(pfn, zone, order)
      left -= 1 << order
      pfn += (1 << order) - 1
    }
    if (left > 0) left = this.#takeGuessed(first, left)
    this.#count(zone, CAUSE.isolated, nr_taken - Math.max(0, left))
    if (left > 0) this.#count(zone, CAUSE.isolatedUnseen, left)
  }

  /**
   * Who looks at every frame and gets fewer free pages than there are came second: a fast search had taken one block of
   * this pageblock before, which not every kernel tells. @kernel mm/compaction.c:fast_isolate_around
   */
  #takeUntold(start: number, end: number, nr_taken: number): void {
    let free = 0
    for (let pfn = start; pfn < end; pfn++) {
      const order = buddy_order(this.#sys, pfn)
      if (order < 0) continue
      free += 1 << order
      pfn += (1 << order) - 1
    }
    for (let pfn = start; pfn < end && free > nr_taken; pfn++) {
      const order = buddy_order(this.#sys, pfn)
      if (order < 0 || 1 << order !== free - nr_taken) continue
      const zone = page_zone(this.#sys, pfn)
      this.#isolateBlock(pfn, zone, order)
      this.#count(zone, CAUSE.isolated, 1 << order)
      return
    }
  }

  /**
   * mm_compaction_fast_isolate_freepages: compaction took one free block of this size from a free list. The event names
   * a wide range; the search that follows is of the block's own pageblock.
   */
  fastIsolate(start: number, end: number, nr_taken: number): void {
    this.#settleFast(this.#fastStart, this.#fastEnd)
    this.#fastOrder = Math.log2(nr_taken)
    this.#fastStart = start
    this.#fastEnd = end
  }

  #settleFast(start: number, end: number): void {
    const order = this.#fastOrder
    if (order < 0) return
    this.#fastOrder = -1
    const size = 2 ** order
    for (let pfn = Math.ceil(Math.max(1, start) / size) * size; pfn < Math.min(end, this.#sys.nr_frames); pfn += size) {
      if (buddy_order(this.#sys, pfn) !== order) continue
      const zone = page_zone(this.#sys, pfn)
      this.#isolateBlock(pfn, zone, order)
      this.#count(zone, CAUSE.isolated, size)
      return
    }
    this.#count(Math.max(0, page_zone(this.#sys, Math.max(1, start))), CAUSE.isolatedUnseen, size)
  }

  /**
   * More was taken than is free here: blocks whose place was guessed lay in truth where compaction looked. Takes such
   * blocks of the same zone instead; returns the pages that are still missing.
   */
  #takeGuessed(near: number, pages: number): number {
    const zone = page_zone(this.#sys, near)
    let left = pages
    if (zone < 0 || this.#searches++ > MOST_SEARCHES) return left
    const start = this.#sys.zone.zone_start_pfn[zone]!
    const end = start + this.#sys.zone.spanned_pages[zone]!
    for (let pfn = start; pfn < end && left > 0; pfn++) {
      if (this.#unproven[pfn] === 0) continue
      const order = buddy_order(this.#sys, pfn)
      if (order < 0 || 1 << order > left) continue
      this.#isolateBlock(pfn, zone, order)
      left -= 1 << order
    }
    return left
  }

  /** The step with which a look at [start, end) finds `nr_taken` free pages after `nr_scanned` frames, or nearly so. */
  #strideOf(start: number, end: number, nr_scanned: number, nr_taken: number): number {
    let best = 1
    let least = Number.POSITIVE_INFINITY
    for (let stride = 1; stride <= COMPACT_CLUSTER_MAX; stride *= 2) {
      let scanned = 0
      let taken = 0
      for (let pfn = start; pfn < end; pfn += stride) {
        const order = buddy_order(this.#sys, pfn)
        const pages = order < 0 ? 1 : 1 << order
        scanned += pages
        pfn += pages - 1
        if (order >= 0) taken += pages
      }
      const wrong = Math.abs(taken - nr_taken) * 1024 + Math.abs(scanned - nr_scanned)
      if (wrong >= least) continue
      least = wrong
      best = stride
    }
    return best
  }

  #isolateBlock(pfn: number, zone: number, order: number): void {
    const sys = this.#sys
    const { state, _refcount, flags } = sys.page
    const type = get_pageblock_migratetype(sys, zone, pfn)
    this.onIsolated?.(pfn, order, zone)
    del_page_from_free_list(sys, pfn, zone, order)
    __mod_zone_freepage_state(sys, zone, -(1 << order), type)
    makeMovable(sys, pfn, zone, order)
    for (let frame = pfn; frame < pfn + (1 << order); frame++) {
      state[frame] = PAGE_USED | 1
      _refcount[frame] = 1
      flags[frame] = PG.lru
    }
  }
}

/** A pageblock of which at least half is isolated becomes MOVABLE. @kernel mm/page_alloc.c:__isolate_free_page */
export function makeMovable(sys: Sys, pfn: number, zone: number, order: number): void {
  if (order < sys.pageblock_order - 1) return
  for (let at = pfn; at < pfn + (1 << order); at += sys.pageblock_nr_pages)
    if (get_pageblock_migratetype(sys, zone, at) < MIGRATE_PCPTYPES)
      set_pageblock_migratetype(sys, zone, at, MIGRATE_MOVABLE)
}
