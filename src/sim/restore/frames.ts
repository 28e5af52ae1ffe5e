// What every frame of a captured machine is: free, waiting on a per-CPU list, in use, or not known. Sources, best first:
// physmap.tsv (which frames are in buddy blocks, which are on an LRU list), then what a trace shows to have happened to
// the frame first. A frame on a per-CPU list looks like one that the kernel holds without a flag.
import type { FrameRange } from '../../mm/memory_model.ts'
import { page_zone, type Sys } from '../../mm/mmzone.ts'
import { pcp_allowed_order } from '../../mm/page_alloc/buddy.ts'
import { systemRam } from '../../report/proc/iomem.ts'
import { KPF_BUDDY, KPF_NOPAGE, type PhysmapFacts } from '../../report/proc/physmap.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import {
  TOUCH_ALLOC,
  TOUCH_DRAIN,
  TOUCH_FREE,
  TOUCH_ISOLATED,
  TOUCH_NONE,
  TOUCH_TAKEN,
  type TraceScan,
} from '../replay/scan.ts'
import { waitedFrames } from './waited.ts'

/** No memory, or no zone. */
export const FRAME_HOLE = 0
export const FRAME_USED = 1
/** In a buddy block. */
export const FRAME_FREE = 2
/** On a per-CPU list. */
export const FRAME_PCP = 3
/** In use without a flag, or on a per-CPU list. */
export const FRAME_PLAIN = 4
/** Nothing tells. */
export const FRAME_UNKNOWN = 5

const KPF_LRU = 1 << 5
const KPF_COMPOUND_TAIL = 1 << 16

/** Freed before anything else, and no physmap says that it was in use: it could have been taken without an event. */
export const FRAME_FREED = 6

/** Frames of a captured machine, one byte each. */
export interface Frames {
  /** FRAME_*. */
  readonly is: Uint8Array
  /** 1 = on an LRU list, or a tail of a page that is. */
  readonly lru: Uint8Array
  /** 1 = free only because the counts need it somewhere. */
  readonly unproven: Uint8Array
  /** 1 = free, but no block that buddyinfo counts: it waited. */
  readonly surplus: Uint8Array
  /** Order + 1 at the first frame of a free block that the trace shows as such. */
  readonly block: Uint8Array | null
  /** When lists were refilled first, where the trace does not say it; null = as the scan has it. */
  readonly refilled: Int32Array | null
  /** Rows of `refilled` of the lists that hand out what was not freed in the trace; null = the trace has refills. */
  readonly handsOut: ReadonlySet<number> | null
  /** Whether a physmap said so. */
  readonly mapped: boolean
}

/** When physmap.tsv was read: at the start of the trace (with the other files of `before`), or at its end. */
export type PhysmapTime = 'start' | 'end'

/** What each frame was when the replay begins. */
export function framesOf(sys: Sys, snapshot: Snapshot, scan: TraceScan | null, time: PhysmapTime): Frames {
  const frames: Frames = {
    is: new Uint8Array(sys.nr_frames),
    lru: new Uint8Array(sys.nr_frames),
    unproven: new Uint8Array(sys.nr_frames),
    surplus: new Uint8Array(sys.nr_frames),
    block: null,
    refilled: null,
    handsOut: null,
    mapped: !!snapshot.physmap,
  }
  enterMemory(sys, snapshot, frames.is)
  if (snapshot.physmap) enterPhysmap(frames, snapshot.physmap, time)
  if (scan) {
    const shown = scan.hasTaken || frames.mapped ? null : waitedFrames(sys, snapshot, scan)
    enterTouches(sys, frames, scan, time, shown?.waited ?? null)
    if (shown) return { ...frames, block: shown.block, refilled: shown.refilled, handsOut: shown.handsOut }
  }
  return frames
}

/** Pages on per-CPU lists as zoneinfo counts them, by zone * nr_cpus + cpu. */
export function pcpCounts(sys: Sys, { zoneinfo }: Snapshot): Int32Array {
  const counts = new Int32Array(sys.nr_zones * sys.nr_cpus)
  for (const { node, name, pagesets } of zoneinfo?.zones ?? []) {
    const type = (sys.kernel.zones as readonly string[]).indexOf(name)
    if (type < 0) continue
    for (const { cpu, count } of pagesets) counts[(node * sys.nr_zone_types + type) * sys.nr_cpus + cpu] = count
  }
  return counts
}

/** Memory of zones is unknown; of it, what holds the kernel is in use. */
function enterMemory(sys: Sys, snapshot: Snapshot, is: Uint8Array): void {
  const page = 2 ** sys.kernel.PAGE_SHIFT
  const clip = (start: number, end: number, value: number): void => {
    for (let pfn = Math.max(0, start); pfn < Math.min(end, is.length); pfn++)
      if (value !== FRAME_UNKNOWN || page_zone(sys, pfn) >= 0) is[pfn] = value
  }
  for (const { start_pfn, end_pfn } of memoryRanges(sys, snapshot, page)) clip(start_pfn, end_pfn, FRAME_UNKNOWN)
  for (const { start, end, name } of snapshot.iomem?.ranges ?? [])
    if (name.startsWith('Kernel ')) clip(Math.floor(start / page), Math.ceil((end + 1) / page), FRAME_USED)
}

/** Memory as iomem has it, else all that zones span. */
function memoryRanges(sys: Sys, { iomem }: Snapshot, page: number): FrameRange[] {
  const ram = iomem ? systemRam(iomem) : []
  const ranges = ram.map(([start, end]) => ({
    start_pfn: Math.ceil(start / page),
    end_pfn: Math.floor((end + 1) / page),
    node: -1,
  }))
  if (ranges.some(({ end_pfn }) => end_pfn > 1)) return ranges
  const { zone_start_pfn, spanned_pages } = sys.zone
  return Array.from(zone_start_pfn, (start_pfn, zone) => ({
    start_pfn,
    end_pfn: start_pfn + spanned_pages[zone]!,
    node: -1,
  }))
}

function enterPhysmap({ is, lru }: Frames, physmap: PhysmapFacts, time: PhysmapTime): void {
  const { runs, pfn, length, flagsLow, flagsHigh, count } = physmap
  let headOnLru = 0
  for (let run = 0; run < runs; run++) {
    const flags = flagsLow[run]!
    const start = pfn[run]!
    const end = Math.min(start + length[run]!, is.length)
    const plain = flags === 0 && flagsHigh[run] === 0 && count[run] === 0
    const value = classOf(flags, plain)
    if ((flags & KPF_COMPOUND_TAIL) === 0) headOnLru = (flags & KPF_LRU) !== 0 ? 1 : 0
    if (start < end) is.fill(value, start, end)
    // At the end of a trace a page may be on an LRU list that was none of it at the start.
    if (headOnLru !== 0 && time === 'start' && start < end) lru.fill(1, start, end)
  }
}

function classOf(flags: number, plain: boolean): number {
  if ((flags & KPF_BUDDY) !== 0) return FRAME_FREE
  if ((flags & KPF_NOPAGE) !== 0) return FRAME_HOLE
  return plain ? FRAME_PLAIN : FRAME_USED
}

/** Corrects what the physmap says by what happened to a frame first; the physmap itself is a few events too late. */
function enterTouches(
  sys: Sys,
  { is, lru, mapped }: Frames,
  scan: TraceScan,
  time: PhysmapTime,
  waited: Uint8Array | null,
): void {
  const { touch, when, what, beginDone } = scan
  for (let pfn = 0; pfn < is.length; pfn++) {
    const first = touch[pfn]!
    if (first === TOUCH_NONE || first >= TOUCH_ISOLATED) continue
    // Before the physmap was read the trace is right; later the physmap is, unless it left the question open.
    const trusted = !mapped || time === 'end' || when[pfn]! <= beginDone
    const listed = waited ? waited[pfn] === 1 : pcp_allowed_order(sys, (what[pfn]! >>> 4) & 31)
    const now = trusted ? touched(first, listed, mapped) : doubted(first, is[pfn]!)
    if (now !== FRAME_USED && now !== FRAME_FREED) lru[pfn] = 0
    is[pfn] = now
  }
}

/** `listed`: blocks of this order go through the per-CPU lists. */
function touched(first: number, listed: boolean, mapped: boolean): number {
  if (first === TOUCH_FREE) return mapped ? FRAME_USED : FRAME_FREED
  return first === TOUCH_TAKEN || !listed ? FRAME_FREE : FRAME_PCP
}

/** The physmap is right about free blocks and about frames with flags; for the others the trace decides. */
function doubted(first: number, is: number): number {
  if (is !== FRAME_PLAIN) return is
  if (first === TOUCH_ALLOC || first === TOUCH_DRAIN) return FRAME_PCP
  return first === TOUCH_FREE ? FRAME_USED : FRAME_PLAIN
}
