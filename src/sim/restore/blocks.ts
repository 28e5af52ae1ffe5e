// Free blocks from free frames. Two free buddies never stand side by side unmerged, so a set of free frames has one
// way of being blocks: each the largest aligned one that is wholly free. Where no file says which frames are free, they
// are placed so that every order has as many blocks as buddyinfo counts.
import { BLOCK_ZONE_SPLIT, page_zone, type Sys } from '../../mm/mmzone.ts'
import { TOUCH_ALLOC, TOUCH_ISOLATED, TOUCH_TAKEN, type TraceScan } from '../replay/scan.ts'
import { FRAME_FREE, FRAME_FREED, FRAME_PCP, FRAME_UNKNOWN, FRAME_USED, type Frames } from './frames.ts'

/** A zone's free blocks, ascending. */
export interface ZoneBlocks {
  readonly pfn: number[]
  readonly order: number[]
}

/** The free blocks of every zone, by row. */
export function freeBlocks(sys: Sys, is: Uint8Array): ZoneBlocks[] {
  const zones: ZoneBlocks[] = Array.from({ length: sys.nr_zones }, () => ({ pfn: [], order: [] }))
  for (let pfn = 0; pfn < is.length; ) {
    if (is[pfn] !== FRAME_FREE) {
      pfn++
      continue
    }
    const zone = page_zone(sys, pfn)
    const order = largestOrder(sys, is, pfn, zone)
    if (zone >= 0) {
      zones[zone]!.pfn.push(pfn)
      zones[zone]!.order.push(order)
    }
    pfn += 1 << order
  }
  return zones
}

/** Order of the largest free aligned block that starts at `pfn`, which is free. */
function largestOrder(sys: Sys, is: Uint8Array, pfn: number, zone: number): number {
  let order = 0
  let end = pfn + 1
  while (order < sys.block_shift && (pfn & (1 << order)) === 0) {
    const larger = pfn + (2 << order)
    while (end < larger && is[end] === FRAME_FREE) end++
    if (end < larger || (isSplit(sys, pfn) && page_zone(sys, larger - 1) !== zone)) break
    order++
  }
  return order
}

const isSplit = (sys: Sys, pfn: number): boolean => sys.block.zone[pfn >>> sys.block_shift] === BLOCK_ZONE_SPLIT

/**
 * Makes unknown frames of a zone free until each order has the blocks that `counts` (by order) says; frames known as
 * free are in one of the blocks, frames known as used in none. The blocks that hold the most known free frames come
 * first, then the lowest. A free block is always begun at its first frame. Returns the blocks that could not be placed, by order.
 */
export function placeByCounts(
  sys: Sys,
  frames: Frames,
  zone: number,
  counts: readonly number[],
  scan: TraceScan | null,
): number[] {
  const ground = groundOf(sys, frames, zone, scan)
  const { is, start, end, placed } = ground
  const left = counts.slice()
  for (let pfn = start; frames.block !== null && pfn < end; pfn++) {
    const order = frames.block[pfn]! - 1
    if (order < 0 || left[order]! <= 0 || pfn + (1 << order) > end) continue
    left[order]! -= 1
    place(ground, pfn, order)
  }
  const missing = placeAt(sys, ground, left)
  // Free frames beyond the counts were on per-CPU lists: the trace does not tell one from the other.
  if (scan && !scan.hasTaken)
    for (let pfn = start; pfn < end; pfn++) {
      if (is[pfn] !== FRAME_FREE || placed[pfn - start] !== 0) continue
      is[pfn] = FRAME_PCP
      frames.surplus[pfn] = 1
    }
  return missing
}

/** A zone in which blocks are placed; nothing is placed yet. */
export function groundOf(sys: Sys, { is, unproven }: Frames, zone: number, scan: TraceScan | null): Ground {
  const start = sys.zone.zone_start_pfn[zone]!
  const end = start + sys.zone.spanned_pages[zone]!
  return { is, unproven, start, end, from: start, to: end, placed: new Uint8Array(end - start), scan }
}

/** Places blocks between `from` and `to` of a ground, the largest first; returns those that found no room, by order. */
export function placeAt(sys: Sys, ground: Ground, counts: readonly number[]): number[] {
  const missing = counts.map(() => 0)
  for (let order = Math.min(counts.length, sys.NR_PAGE_ORDERS) - 1; order >= 0; order--)
    missing[order] = placeOrder(ground, order, order === sys.block_shift, counts[order]!)
  return missing
}

/** A zone in which blocks are placed. */
export interface Ground {
  readonly is: Uint8Array
  readonly unproven: Uint8Array
  readonly start: number
  readonly end: number
  /** Where blocks may lie. */
  readonly from: number
  readonly to: number
  /** Order + 1 of the block that was placed over a frame. */
  readonly placed: Uint8Array
  readonly scan: TraceScan | null
}

/** Places the blocks of one order; returns how many found no room. */
function placeOrder(ground: Ground, order: number, highest: boolean, count: number): number {
  const { start, end, placed } = ground
  const size = 1 << order
  let left = count
  for (const { pfn, known } of candidatesOf(ground, size)) {
    const whole = known === size
    if (left === 0 && (!whole || highest || (ground.scan !== null && !ground.scan.hasTaken))) break
    // Two free buddies would be one block of the next order.
    const buddy = pfn ^ size
    const merges = !highest && buddy >= start && buddy + size <= end && placed[buddy - start] === order + 1
    if (merges) continue
    if (left > 0) left--
    place(ground, pfn, order)
  }
  return left
}

function place(
  { is, unproven, start, placed }: Pick<Ground, 'is' | 'unproven' | 'start' | 'placed'>,
  pfn: number,
  order: number,
): void {
  const end = pfn + (1 << order)
  for (let frame = pfn; frame < end; frame++) if (is[frame] !== FRAME_FREE) unproven[frame] = 1
  is.fill(FRAME_FREE, pfn, end)
  placed.fill(order + 1, pfn - start, end - start)
}

interface Candidate {
  readonly pfn: number
  /** Frames known as free. */
  readonly known: number
  /** Frames that a free block could only have if they were taken without an event. */
  readonly doubtful: number
}

/** Aligned regions that could be a free block, the best first. */
function candidatesOf(ground: Ground, size: number): Candidate[] {
  const { from, to } = ground
  const candidates: Candidate[] = []
  for (let pfn = Math.ceil(from / size) * size; pfn + size <= to; pfn += size) {
    const candidate = candidateAt(ground, pfn, size)
    if (candidate) candidates.push(candidate)
  }
  // What waits on a per-CPU list is handed out soon: of pages alike, those that are handed out late were free.
  const late = ({ pfn, known }: Candidate): number => (ground.scan && known > 0 ? ground.scan.when[pfn]! : 0)
  return candidates.sort((x, y) => x.doubtful - y.doubtful || y.known - x.known || late(y) - late(x) || x.pfn - y.pfn)
}

function candidateAt({ is, start, placed, scan }: Ground, pfn: number, size: number): Candidate | null {
  let known = 0
  let doubtful = 0
  for (let frame = pfn; frame < pfn + size; frame++) {
    const value = is[frame]!
    if (value === FRAME_FREE && placed[frame - start] === 0) known++
    else if (value === FRAME_FREED) doubtful++
    else if (value !== FRAME_UNKNOWN) return null
  }
  if (doubtful * 2 > known || (known > 0 && !beginsFirst(scan, pfn, size))) return null
  return { pfn, known, doubtful }
}

/** Whether the first frame of a region is taken before the others. */
function beginsFirst(scan: TraceScan | null, pfn: number, size: number): boolean {
  if (!scan) return true
  const { touch, when } = scan
  if (touch[pfn] !== TOUCH_TAKEN && touch[pfn] !== TOUCH_ALLOC) return touch[pfn]! >= TOUCH_ISOLATED
  for (let frame = pfn + 1; frame < pfn + size; frame++)
    if (touch[frame] === TOUCH_TAKEN && when[frame]! < when[pfn]!) return false
  return true
}

/** Frames that nothing told about and no block took are in use. */
export function settleUnknown(is: Uint8Array): void {
  for (let pfn = 0; pfn < is.length; pfn++)
    if (is[pfn] === FRAME_UNKNOWN || is[pfn] === FRAME_FREED) is[pfn] = FRAME_USED
}
