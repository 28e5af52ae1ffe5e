// Per-CPU lists of a captured machine. zoneinfo says how many pages each CPU has; the trace shows which: a frame handed
// out without having been taken off a buddy list was waiting, the first one at the head; a frame drained was waiting,
// the first one at the tail. What is left is chosen among the frames without any flag that nothing happens to.
import { PAGE_PCP } from '../../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  PAGE_ALLOC_COSTLY_ORDER,
  page_zone,
  type Sys,
} from '../../mm/mmzone.ts'
import { order_to_pindex } from '../../mm/page_alloc/pcp.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import { firstRefill, TOUCH_ALLOC, TOUCH_DRAIN, TOUCH_NONE, type TraceScan } from '../replay/scan.ts'
import { FRAME_PCP, FRAME_PLAIN, FRAME_USED, type Frames, pcpCounts } from './frames.ts'
import { neverSeen } from './never_seen.ts'

/** What the lists hold. */
export interface PcpFill {
  /** Pages by zone, as zoneinfo counts them. */
  readonly pages: readonly number[]
  /** Frames that were chosen: 1 for each, and how many by zone. */
  readonly chosen: Uint8Array
  readonly chosenPages: Int32Array
}

/** A block that waits. */
export interface Waiting {
  readonly pfn: number
  readonly order: number
  readonly migratetype: number
  readonly cpu: number
  /** Position in its list: negative from the head, positive towards the tail, 0 between. */
  readonly position: number
}

/** Fills all lists; `counted`: zoneinfo is of this state and says how many pages there are. */
export function fillPcpLists(
  sys: Sys,
  snapshot: Snapshot,
  frames: Frames,
  scan: TraceScan | null,
  counted: boolean,
): PcpFill {
  const room = counted ? pcpCounts(sys, snapshot) : new Int32Array(sys.nr_zones * sys.nr_cpus)
  const pages = sumByZone(sys, room)
  const chosen = new Uint8Array(sys.nr_frames)
  const waiting = scan ? shownByTrace(sys, frames, scan, room) : []
  const chosenPages = counted ? choose(sys, frames, scan, room, waiting, chosen) : new Int32Array(sys.nr_zones)
  if (counted && scan && frames.handsOut) waiting.push(...neverSeen(sys, frames, scan, room))
  waiting.sort((x, y) => x.position - y.position || x.pfn - y.pfn)
  for (const block of waiting) hang(sys, block)
  return { pages, chosen, chosenPages }
}

function sumByZone(sys: Sys, room: Int32Array): number[] {
  return Array.from({ length: sys.nr_zones }, (_, zone) =>
    room.subarray(zone * sys.nr_cpus, (zone + 1) * sys.nr_cpus).reduce((sum, count) => sum + count, 0),
  )
}

/** Blocks that the trace shows to have waited; `room` loses their pages. */
function shownByTrace(sys: Sys, { is, surplus }: Frames, scan: TraceScan, room: Int32Array): Waiting[] {
  const { touch, when, what } = scan
  const waiting: Waiting[] = []
  for (let pfn = 0; pfn < is.length; pfn++) {
    const first = touch[pfn]!
    if (is[pfn] !== FRAME_PCP || (first !== TOUCH_ALLOC && first !== TOUCH_DRAIN)) continue
    const zone = page_zone(sys, pfn)
    const start = sys.zone.zone_start_pfn[zone]!
    const told = listType(sys, zone, pfn, what[pfn]! & 15)
    let order = wholeOrder(is, scan, pfn)
    let cpu = cpuOf(sys, zone, room, what[pfn]! >>> 9, 1 << order)
    if (surplus[pfn] === 1 && wasRefilled(scan, start, cpu, order, when[pfn]!, told)) {
      order = surplusOrder(sys, surplus, scan, pfn)
      cpu = cpuOf(sys, zone, room, what[pfn]! >>> 9, 1 << order)
    }
    const migratetype = waitingType(scan, start, cpu, order, when[pfn]!, told)
    if (surplus[pfn] === 1 && wasRefilled(scan, start, cpu, order, when[pfn]!, migratetype)) {
      // No list can have had it until then: somebody gave it back without an event.
      is[pfn] = FRAME_USED
      continue
    }
    room[zone * sys.nr_cpus + cpu]! -= 1 << order
    // Ordinals are below 2^31: the head side is negative, earliest first; the tail side ends with the earliest drained.
    const position = first === TOUCH_ALLOC ? when[pfn]! - 2 ** 31 : 2 ** 31 - when[pfn]!
    waiting.push({ pfn, order, migratetype, cpu, position })
    pfn += (1 << order) - 1
  }
  return waiting
}

/** Whether a list was empty at some time before this event. */
function wasRefilled(scan: TraceScan, start: number, cpu: number, order: number, until: number, type: number): boolean {
  const refill = firstRefill(scan, start, cpu, order, type)
  return refill !== 0 && refill <= until
}

/** The order that the first touch named, where all its frames waited together; else 0. */
function wholeOrder(is: Uint8Array | null, { when, what }: TraceScan, pfn: number): number {
  const order = (what[pfn]! >>> 4) & 31
  if ((pfn & ((1 << order) - 1)) !== 0) return 0
  for (let frame = pfn; frame < pfn + (1 << order); frame++)
    if ((is && is[frame] !== FRAME_PCP) || when[frame] !== when[pfn]) return 0
  return order
}

/** What waited and was drained unseen did so in blocks as large as can be; what is handed out as a larger one is that. */
function surplusOrder(sys: Sys, surplus: Uint8Array, scan: TraceScan, pfn: number): number {
  const single = (frame: number): boolean => surplus[frame] === 1 && ((scan.what[frame]! >>> 4) & 31) === 0
  if (!single(pfn)) return wholeOrder(null, scan, pfn)
  for (let order = PAGE_ALLOC_COSTLY_ORDER; order > 0; order--) {
    if ((pfn & ((1 << order) - 1)) !== 0 || page_zone(sys, pfn + (1 << order) - 1) < 0) continue
    let end = pfn + 1
    while (end < pfn + (1 << order) && single(end)) end++
    if (end === pfn + (1 << order)) return order
  }
  return 0
}

/** A drain names the type that the pageblock has then. A list that was refilled before was empty, so the page was on
 * another one: the first that was not. */
function waitingType(scan: TraceScan, start: number, cpu: number, order: number, until: number, told: number): number {
  for (let i = 0; i < MIGRATE_PCPTYPES; i++) {
    const type = told < MIGRATE_PCPTYPES ? (told + i) % MIGRATE_PCPTYPES : told
    if (!wasRefilled(scan, start, cpu, order, until, type)) return type
  }
  return told
}

function listType(sys: Sys, zone: number, pfn: number, told: number): number {
  return told < sys.MIGRATE_TYPES ? told : get_pageblock_migratetype(sys, zone, pfn)
}

/** The CPU that the event names; a drain may be done by another, then one that has pages left. */
function cpuOf(sys: Sys, zone: number, room: Int32Array, told: number, pages: number): number {
  const row = zone * sys.nr_cpus
  if (told < sys.nr_cpus && room[row + told]! >= pages) return told
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) if (room[row + cpu]! >= pages) return cpu
  return told < sys.nr_cpus ? told : 0
}

/** Chooses single frames for the pages that nothing shows, ascending; returns how many, by zone. */
function choose(
  sys: Sys,
  { is }: Frames,
  scan: TraceScan | null,
  room: Int32Array,
  waiting: Waiting[],
  chosen: Uint8Array,
): Int32Array {
  const pages = new Int32Array(sys.nr_zones)
  for (let pfn = 0; pfn < is.length; pfn++) {
    if (is[pfn] !== FRAME_PLAIN || (scan && scan.touch[pfn] !== TOUCH_NONE)) continue
    const zone = page_zone(sys, pfn)
    for (let cpu = 0; zone >= 0 && cpu < sys.nr_cpus; cpu++) {
      if (room[zone * sys.nr_cpus + cpu]! <= 0) continue
      const migratetype = neverEmpty(
        scan,
        sys.zone.zone_start_pfn[zone]!,
        cpu,
        get_pageblock_migratetype(sys, zone, pfn),
      )
      if (migratetype < 0) continue
      is[pfn] = FRAME_PCP
      chosen[pfn] = 1
      room[zone * sys.nr_cpus + cpu]! -= 1
      pages[zone]! += 1
      waiting.push({ pfn, order: 0, migratetype, cpu, position: 0 })
      break
    }
  }
  return pages
}

/**
 * The type of a list that may hold pages which are never seen: one that is not refilled, for a list is empty then.
 * -1 = there is none: the pages were taken without an event early in the trace.
 */
function neverEmpty(scan: TraceScan | null, start: number, cpu: number, migratetype: number): number {
  if (!scan) return migratetype
  for (let i = 0; i < MIGRATE_PCPTYPES; i++) {
    const type = (migratetype + i) % MIGRATE_PCPTYPES
    if (firstRefill(scan, start, cpu, 0, type) === 0) return type
  }
  return -1
}

/** Puts a block at the tail of its list. */
function hang(sys: Sys, { pfn, order, migratetype, cpu }: Waiting): void {
  const zone = page_zone(sys, pfn)
  const pcp = zone * sys.nr_cpus + cpu
  const { link } = sys.link
  const list = migratetype < MIGRATE_PCPTYPES ? migratetype : MIGRATE_MOVABLE
  const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, list, order)
  const tail = link[2 * head + 1]!
  link[2 * pfn] = head
  link[2 * pfn + 1] = tail
  link[2 * tail] = pfn
  link[2 * head + 1] = pfn
  sys.page.state[pfn] = PAGE_PCP | (order + 1)
  sys.page.index[pfn] = migratetype
  sys.pcp.count[pcp]! += 1 << order
}
