// The end of a replay against the snapshot that was recorded there: free pages by zone, blocks by order and type, and
// frame by frame where there is a physmap.

import { list_entries } from '../../image/list.ts'
import { PAGE_PCP, PAGE_USED } from '../../mm/mm_types.ts'
import { free_list_head, page_zone, type Sys } from '../../mm/mmzone.ts'
import { KPF_BUDDY, KPF_NOPAGE, type PhysmapFacts } from '../../report/proc/physmap.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import { free_block_of } from './buddy_edit.ts'

/** A zone at the end, recorded and in the machine; null where no file tells. */
export interface ZoneEnd {
  readonly node: number
  readonly zone: string
  /** Pages in free blocks. */
  readonly freeRecorded: number | null
  readonly free: number
  /** Pages on per-CPU lists. */
  readonly listedRecorded: number | null
  readonly listed: number
  /** Free blocks by order. */
  readonly blocksRecorded: readonly number[] | null
  readonly blocks: readonly number[]
  /** Free blocks by migrate type and order. */
  readonly typesRecorded: readonly (readonly number[])[] | null
  readonly types: readonly (readonly number[])[]
  /** Pageblocks by migrate type. */
  readonly pageblocksRecorded: readonly number[] | null
  readonly pageblocks: readonly number[]
}

/** Every zone with memory. */
export function compareZones(sys: Sys, after: Snapshot | null): ZoneEnd[] {
  const ends: ZoneEnd[] = []
  for (let row = 0; row < sys.nr_zones; row++)
    if (sys.zone.present_pages[row] !== 0) ends.push(zoneEnd(sys, row, after))
  return ends
}

function zoneEnd(sys: Sys, row: number, after: Snapshot | null): ZoneEnd {
  const node = Math.floor(row / sys.nr_zone_types)
  const zone = sys.kernel.zones[row % sys.nr_zone_types]!
  const of = <T extends { node: number; name: string }>(zones: readonly T[] | undefined): T | null =>
    zones?.find(facts => facts.node === node && facts.name === zone) ?? null
  const info = of(after?.zoneinfo?.zones)
  const blocksRecorded = of(after?.buddyinfo?.zones)?.free ?? null
  const pageTypes = of(after?.pagetypeinfo?.zones)
  const blocks = freeBlocksOf(sys, row)
  return {
    node,
    zone,
    // The lists are counted under the zone's lock; the counter may lag behind by what CPUs have not folded.
    freeRecorded: blocksRecorded ? pagesOf(blocksRecorded) : (info?.pages.free ?? null),
    free: pagesOf(blocks),
    listedRecorded: info ? info.pagesets.reduce((sum, { count }) => sum + count, 0) : null,
    listed: listedPages(sys, row),
    blocksRecorded,
    blocks,
    typesRecorded: pageTypes?.free ?? null,
    types: freeTypesOf(sys, row),
    pageblocksRecorded: pageTypes?.blocks ?? null,
    pageblocks: pageblocksOf(sys, row),
  }
}

const pagesOf = (blocks: readonly number[]): number =>
  blocks.reduce((sum, count, order) => sum + count * (1 << order), 0)

/** Free blocks of a zone by order. */
export function freeBlocksOf(sys: Sys, row: number): number[] {
  return [...sys.free_area.nr_free.subarray(row * sys.NR_PAGE_ORDERS, (row + 1) * sys.NR_PAGE_ORDERS)]
}

function listedPages(sys: Sys, row: number): number {
  return sys.pcp.count.subarray(row * sys.nr_cpus, (row + 1) * sys.nr_cpus).reduce((sum, count) => sum + count, 0)
}

function freeTypesOf(sys: Sys, row: number): number[][] {
  const { link } = sys.link
  return Array.from({ length: sys.MIGRATE_TYPES }, (_, type) =>
    Array.from({ length: sys.NR_PAGE_ORDERS }, (_, order) => {
      const head = sys.free_list_base + (row * sys.NR_PAGE_ORDERS + order) * sys.MIGRATE_TYPES + type
      let count = 0
      for (let pfn = link[2 * head]!; pfn !== head; pfn = link[2 * pfn]!) count++
      return count
    }),
  )
}

/** Pageblocks of a zone by migrate type: those that begin in it and have memory, as the kernel counts them. */
export function pageblocksOf(sys: Sys, row: number): number[] {
  const counts = new Array<number>(sys.MIGRATE_TYPES).fill(0)
  const start = sys.zone.zone_start_pfn[row]!
  const end = start + sys.zone.spanned_pages[row]!
  for (let pfn = start; pfn < end; pfn = (pfn | (sys.pageblock_nr_pages - 1)) + 1) {
    if (page_zone(sys, pfn) !== row) continue
    counts[sys.pageblock.migratetype[sys.zone.pageblock_offset[row]! + (pfn >>> sys.pageblock_order)]!]! += 1
  }
  return counts
}

/** Frames compared with a physmap. */
export interface FrameComparison {
  readonly framesCompared: number
  /** In a free block here and not there, or the other way round; frames that may wait on a per-CPU list are not wrong. */
  readonly framesWrong: number
  /** Of them: free in the recording and not here. */
  readonly framesFreeOnlyRecorded: number
  /** Waiting on a per-CPU list here, in use (with a flag or a mapping) there. */
  readonly framesListedButUsed: number
  /** The first wrong frames. */
  readonly firstWrong: readonly number[]
}

/** 1 for each frame that is in a free block. */
export function freeMap(sys: Sys): Uint8Array {
  const map = new Uint8Array(sys.nr_frames)
  for (let zone = 0; zone < sys.nr_zones; zone++)
    for (let order = 0; order < sys.NR_PAGE_ORDERS; order++)
      for (let type = 0; type < sys.MIGRATE_TYPES; type++)
        for (const pfn of list_entries(sys.link.link, free_list_head(sys, zone, order, type)))
          map.fill(1, pfn, pfn + (1 << order))
  return map
}

/**
 * Compares every frame; a frame on a per-CPU list looks in a physmap like one in use without any flag. The physmap is
 * read while the machine runs: a frame may be as it was when that began (`earlier`) or as it is now.
 */
export function compareFrames(sys: Sys, physmap: PhysmapFacts, earlier: Uint8Array | null): FrameComparison {
  let framesCompared = 0
  let framesWrong = 0
  let framesFreeOnlyRecorded = 0
  let framesListedButUsed = 0
  const firstWrong: number[] = []
  const { runs, pfn, length, flagsLow, flagsHigh, count } = physmap
  for (let run = 0; run < runs; run++) {
    const flags = flagsLow[run]!
    if ((flags & KPF_NOPAGE) !== 0) continue
    const recordedFree = (flags & KPF_BUDDY) !== 0
    const plain = flags === 0 && flagsHigh[run] === 0 && count[run] === 0
    const end = Math.min(pfn[run]! + length[run]!, sys.nr_frames)
    for (let frame = pfn[run]!; frame < end; frame++) {
      if (page_zone(sys, frame) < 0) continue
      framesCompared++
      const free = free_block_of(sys, frame) >= 0
      if (free !== recordedFree && (earlier === null || (earlier[frame] === 1) !== recordedFree)) {
        framesWrong++
        if (recordedFree) framesFreeOnlyRecorded++
        if (firstWrong.length < 20) firstWrong.push(frame)
      } else if (!free && !recordedFree && !plain && isListed(sys, frame)) framesListedButUsed++
    }
  }
  return { framesCompared, framesWrong, framesFreeOnlyRecorded, framesListedButUsed, firstWrong }
}

/** Whether a frame is in a block on a per-CPU list. */
function isListed(sys: Sys, frame: number): boolean {
  const { state } = sys.page
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const was = state[frame & (-1 << order)]!
    if ((was & (PAGE_PCP | PAGE_USED)) === PAGE_PCP && (was & 0x1f) - 1 >= order) return true
  }
  return false
}
