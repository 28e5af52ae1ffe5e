// A machine in a captured state. /proc files count pages; which frames they are is told by physmap.tsv, else by what a
// trace shows next, else assumed: the lowest frames that fit the counts. Law: the machine is consistent (`check`), every
// order has the blocks that buddyinfo counts, and what was assumed is said.
import { PCPF_FREE_HIGH_BATCH } from '../kernels/pcp_6_12.ts'
import type { Kernel } from '../mm/kernel.ts'
import { PAGE_USED, PG } from '../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  populated_zone,
  type Sys,
} from '../mm/mmzone.ts'
import { add_to_free_list_tail } from '../mm/page_alloc/buddy.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'
import type { Capacity } from '../mm/zone_setup.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { boot_zones_from_snapshot } from './boot_snapshot.ts'
import { type ListEvents, TOUCH_ALLOC, TOUCH_NONE, type TraceScan } from './replay/scan.ts'
import { settleBlockTypes, settleShownTypes, type TypeCounts } from './restore/block_types.ts'
import { freeBlocks, placeByCounts, settleUnknown, type ZoneBlocks } from './restore/blocks.ts'
import { setCounters } from './restore/counters.ts'
import { FRAME_PLAIN, FRAME_USED, type Frames, framesOf, type PhysmapTime } from './restore/frames.ts'
import { fillPcpLists } from './restore/pcp_lists.ts'
import { countsAgree, placeByTypes } from './restore/typed_blocks.ts'

export interface RestoreOptions {
  /** Instead of the kernel that the files tell. */
  readonly kernel?: Kernel
  /** The image in a SharedArrayBuffer (default) or not. */
  readonly shared?: boolean
  /** Room for processes, swap and bytes; default: none, and as in the shape. */
  readonly capacity?: Capacity
  /** A first reading of the trace that begins at this state. */
  readonly scan?: TraceScan
  /** When physmap.tsv was read; `end`: the counts are of the end, too, and the start is what the trace shows. */
  readonly physmap?: PhysmapTime
}

/** How far the files determined the state, by zone. */
export interface ZoneAssumptions {
  readonly node: number
  readonly zone: string
  /** Free blocks by order that buddyinfo counts and the machine does not have (or, negative, has too many). */
  readonly blocksMissing: readonly number[]
  /** Free blocks on the list of another migrate type than pagetypeinfo counts. */
  readonly wrongType: number
  /** Pages on per-CPU lists by zoneinfo, and of them those whose frames are not known but chosen. */
  readonly pcpPages: number
  readonly pcpChosen: number
}

export interface Restored {
  readonly sys: Sys
  /** Whether the trace says what leaves the buddy lists and what returns to them. */
  readonly listEvents: ListEvents
  readonly zones: readonly ZoneAssumptions[]
  /** 1 = the frame waits on a per-CPU list because one of its kind must: which one, nothing tells. */
  readonly chosen: Uint8Array
  /** 1 = the frame is in a free block because one must be somewhere. */
  readonly unproven: Uint8Array
  /** Where frames come from: a physmap, a trace, or counts alone. */
  readonly source: 'physmap' | 'trace' | 'counts'
}

/** The machine of a snapshot. @throws RangeError where zoneinfo is missing or no kernel profile fits */
export function restore(snapshot: Snapshot, options: RestoreOptions = {}): Restored {
  const { scan = null, physmap = 'start', ...boot } = options
  const sys = boot_zones_from_snapshot(snapshot, boot)
  boundTunedLists(sys, snapshot)
  keepHighBatches(sys, snapshot)
  const frames = framesOf(sys, snapshot, scan, physmap)
  const counted = physmap === 'start'
  const typed = counted && !frames.mapped ? placeAll(sys, snapshot, frames, scan) : []
  settleUnknown(frames.is)
  const blocks = freeBlocks(sys, frames.is)
  const wrongType = blocks.map(
    (zone, row) => typed[row] ?? (counted ? settleTypes(sys, snapshot, frames, row, zone, scan) : 0),
  )
  if (!counted && scan)
    for (let row = 0; row < sys.nr_zones; row++) if (populated_zone(sys, row)) settleShownTypes(sys, row, scan)
  if (!frames.mapped && counted) guessLru(sys, snapshot, frames)
  listFreeBlocks(sys, blocks, scan)
  const told = scan && frames.refilled ? { ...scan, refilled: frames.refilled } : scan
  const pcp = fillPcpLists(sys, snapshot, frames, told, counted)
  useFrames(sys, frames)
  setFreeCounts(sys)
  if (counted) setCounters(sys, snapshot)
  const zones = blocks.flatMap((zone, row) =>
    sys.zone.present_pages[row] === 0
      ? []
      : [
          {
            ...nameOf(sys, row),
            blocksMissing: missing(sys, snapshot, row, zone),
            wrongType: wrongType[row]!,
            pcpPages: pcp.pages[row]!,
            pcpChosen: pcp.chosenPages[row]!,
          },
        ],
  )
  const listEvents = listEventsOf(scan, pcp.pages)
  return {
    sys,
    listEvents,
    zones,
    chosen: pcp.chosen,
    unproven: frames.unproven,
    source: frames.mapped ? 'physmap' : scan ? 'trace' : 'counts',
  }
}

/** Where lists tune themselves and zoneinfo does not print the bounds, they follow from the zone and its watermarks. */
function boundTunedLists(sys: Sys, { zoneinfo }: Snapshot): void {
  const { pageset_high_min, pageset_high_max } = sys.zone
  for (const { node, name, pagesets } of zoneinfo?.zones ?? []) {
    const zone = node * sys.nr_zone_types + (sys.kernel.zones as readonly string[]).indexOf(name)
    if (pagesets.length === 0 || pagesets[0]!.highMin !== undefined) continue
    sys.kernel.zone_set_pageset_high_and_batch(sys, zone)
    if (pageset_high_min[zone] !== pageset_high_max[zone]) continue
    for (const { cpu, high, batch } of pagesets) setFixedList(sys, zone, zone * sys.nr_cpus + cpu, high, batch)
  }
}

/** A CPU with a large cache keeps a batch of small blocks before it gives them back.
 * @kernel mm/page_alloc.c:zone_pcp_update_cacheinfo @differs the last cache level stands for all, large where no file tells */
function keepHighBatches(sys: Sys, { cpuinfo, pageSize }: Snapshot): void {
  if (!sys.kernel.watches_high_mark) return
  const kilobytes = Number(/^cache size\s*: (\d+) KB/m.exec(cpuinfo ?? '')?.[1] ?? Number.POSITIVE_INFINITY)
  const { flags, batch } = sys.pcp
  for (let pcp = 0; pcp < flags.length; pcp++)
    if ((kilobytes * 1024) / pageSize > 3 * batch[pcp]!) flags[pcp] = PCPF_FREE_HIGH_BATCH
}

/** Lists of a fixed size have what the file says. */
function setFixedList(sys: Sys, zone: number, pcp: number, high: number, batch: number): void {
  sys.zone.pageset_high_min[zone] = sys.zone.pageset_high_max[zone] = high
  sys.zone.pageset_batch[zone] = batch
  sys.pcp.high[pcp] = sys.pcp.high_min[pcp] = sys.pcp.high_max[pcp] = high
  sys.pcp.batch[pcp] = batch
}

/** A trace without refills records them all the same when the pages that were waiting suffice for what it hands out. */
function listEventsOf(scan: TraceScan | null, pcpPages: readonly number[]): ListEvents {
  if (!scan) return { taken: true, drain: true }
  let handed = 0
  for (const touch of scan.touch) if (touch === TOUCH_ALLOC) handed++
  const taken = scan.hasTaken || handed <= pcpPages.reduce((sum, pages) => sum + pages, 0)
  return { taken, drain: scan.hasDrain || taken }
}

const nameOf = (sys: Sys, row: number): { node: number; zone: string } => ({
  node: Math.floor(row / sys.nr_zone_types),
  zone: sys.kernel.zones[row % sys.nr_zone_types]!,
})

/** Free blocks by order of a zone as buddyinfo counts them; null where it does not. */
function counts(sys: Sys, { buddyinfo }: Snapshot, row: number): readonly number[] | null {
  const { node, zone } = nameOf(sys, row)
  return buddyinfo?.zones.find(facts => facts.node === node && facts.name === zone)?.free ?? null
}

function missing(sys: Sys, snapshot: Snapshot, row: number, { order }: ZoneBlocks): number[] {
  const wanted = [...(counts(sys, snapshot, row) ?? [])]
  for (const each of order) wanted[each] = (wanted[each] ?? 0) - 1
  return wanted
}

/** Places every zone's free blocks; where that was done by type, the blocks on a wrong list, by zone. */
function placeAll(sys: Sys, snapshot: Snapshot, frames: Frames, scan: TraceScan | null): (number | undefined)[] {
  const typed: (number | undefined)[] = []
  for (let row = 0; row < sys.nr_zones; row++) {
    const wanted = counts(sys, snapshot, row)
    if (!wanted || sys.zone.present_pages[row] === 0) continue
    const types = scan ? null : typesOf(sys, snapshot, row)
    const wrong = types && countsAgree(types, wanted) ? placeByTypes(sys, frames, row, types) : null
    if (wrong === null) placeByCounts(sys, frames, row, wanted, scan)
    else typed[row] = wrong
  }
  return typed
}

/** What pagetypeinfo counts of a zone. */
function typesOf(sys: Sys, { pagetypeinfo }: Snapshot, row: number): TypeCounts | null {
  const { node, zone } = nameOf(sys, row)
  const facts = pagetypeinfo?.zones.find(other => other.node === node && other.name === zone)
  if (!facts) return null
  sys.zone.nr_reserved_highatomic[row] = (facts.blocks[MIGRATE_HIGHATOMIC] ?? 0) * sys.pageblock_nr_pages
  return facts
}

function settleTypes(
  sys: Sys,
  snapshot: Snapshot,
  frames: Frames,
  row: number,
  blocks: ZoneBlocks,
  scan: TraceScan | null,
): number {
  const types = sys.zone.present_pages[row] === 0 ? null : typesOf(sys, snapshot, row)
  return types ? settleBlockTypes(sys, row, frames, blocks, types, scan) : 0
}

/** Without a physmap: as many pages as the zone's counters say are on LRU lists, in MOVABLE pageblocks first. */
function guessLru(sys: Sys, { zoneinfo }: Snapshot, { is, lru }: Frames): void {
  for (const facts of zoneinfo?.zones ?? []) {
    const row = facts.node * sys.nr_zone_types + (sys.kernel.zones as readonly string[]).indexOf(facts.name)
    const start = facts.startPfn
    let left = 0
    for (const [name, value] of facts.counters)
      if (/^nr_zone_(in)?active_|^nr_zone_unevictable/.test(name)) left += value
    for (let pfn = start; pfn < start + facts.pages.spanned && left > 0; pfn++) {
      if (is[pfn] !== FRAME_USED || get_pageblock_migratetype(sys, row, pfn) !== MIGRATE_MOVABLE) continue
      lru[pfn] = 1
      left--
    }
  }
}

/** Hangs the blocks into their lists: those that the trace takes first at the head, the others behind by address. */
function listFreeBlocks(sys: Sys, zones: readonly ZoneBlocks[], scan: TraceScan | null): void {
  zones.forEach(({ pfn, order }, zone) => {
    const taken = Float64Array.from(pfn, (start, i) => firstTouch(scan, start, 1 << order[i]!))
    const rows = Array.from(pfn.keys()).sort((x, y) => taken[x]! - taken[y]! || pfn[x]! - pfn[y]!)
    for (const i of rows)
      add_to_free_list_tail(sys, pfn[i]!, zone, order[i]!, get_pageblock_migratetype(sys, zone, pfn[i]!))
  })
}

function firstTouch(scan: TraceScan | null, start: number, size: number): number {
  let first = Number.MAX_SAFE_INTEGER
  if (scan)
    for (let pfn = start; pfn < start + size; pfn++)
      if (scan.touch[pfn] !== TOUCH_NONE) first = Math.min(first, scan.when[pfn]!)
  return first
}

/** Frames that are neither free nor waiting belong to somebody; their blocks' orders are not known. */
function useFrames(sys: Sys, { is, lru }: Frames): void {
  const { state, _refcount, flags } = sys.page
  for (let pfn = 0; pfn < is.length; pfn++) {
    const value = is[pfn]
    if (value !== FRAME_USED && value !== FRAME_PLAIN) continue
    state[pfn] = PAGE_USED | 1
    _refcount[pfn] = 1
    if (lru[pfn] !== 0) flags[pfn] = PG.lru
  }
}

/** The counters of free pages are what is on the lists; no CPU has a difference. */
function setFreeCounts(sys: Sys): void {
  const { nr_free } = sys.free_area
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    let pages = 0
    for (let order = 0; order < sys.NR_PAGE_ORDERS; order++)
      pages += nr_free[zone * sys.NR_PAGE_ORDERS + order]! << order
    sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = pages
  }
}
