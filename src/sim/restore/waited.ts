// Which frames waited on per-CPU lists when a trace without refills began. A list is emptied before it is refilled, and a
// refill takes the smallest free blocks of its type first, each from its first frame on. So the frames that a list hands
// out first fall into two parts: those that waited, in any order, then runs of frames, single ones first, then pairs,
// fours … as many of each as pagetypeinfo counts free blocks of this type. The border is where the runs fit best.
import { MIGRATE_PCPTYPES, page_zone, type Sys } from '../../mm/mmzone.ts'
import { pcp_allowed_order } from '../../mm/page_alloc/buddy.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import { REFILL_LISTS, TOUCH_ALLOC, type TraceScan } from '../replay/scan.ts'
import { pcpCounts } from './frames.ts'

/** Blocks that fit until one does not, from which on a border is believed; twice as many where it is less sure. */
const ENOUGH = 4

/** What one list hands out that nothing else happened to before: first frames of blocks, in the order of events. */
interface FirstTaken {
  readonly zone: number
  readonly pcp: number
  readonly order: number
  readonly type: number
  readonly blocks: number[]
  /** Blocks that waited, as far as the runs show it, and those that fit then. */
  border: number
  fits: number
  /** Whether every smaller free block had come before a larger one was taken. */
  strict: boolean
}

/** What the order of first allocations shows. */
export interface Waited {
  /** 1 for each frame that waited. */
  readonly waited: Uint8Array
  /** Order + 1 at the first frame of each free block that a run shows. */
  readonly block: Uint8Array
  /** As in the scan: when each list was refilled first. */
  readonly refilled: Int32Array
  /** Rows of `refilled` of the lists that hand out something which was not freed in the trace. */
  readonly handsOut: ReadonlySet<number>
}

interface Shown extends Waited {
  readonly handsOut: Set<number>
  /** 1 for the frames of the blocks. */
  readonly covered: Uint8Array
}

/** Which frames waited, and which were free blocks. */
export function waitedFrames(sys: Sys, snapshot: Snapshot, scan: TraceScan): Waited {
  const shown: Shown = {
    covered: new Uint8Array(sys.nr_frames),
    waited: new Uint8Array(sys.nr_frames),
    block: new Uint8Array(sys.nr_frames),
    refilled: scan.refilled.slice(),
    handsOut: new Set(),
  }
  const room = pcpCounts(sys, snapshot)
  const counts = typeCounts(sys, snapshot)
  const lists = firstTaken(sys, scan)
  for (const list of lists) shown.handsOut.add(rowOf(sys, scan, list))
  const pages = new Map<number, number>()
  for (const { pcp, blocks, order } of lists) pages.set(pcp, (pages.get(pcp) ?? 0) + (blocks.length << order))
  // What a CPU hands out is no more than waited on its lists: then they need not have been refilled at all.
  const enough = ({ pcp }: FirstTaken): boolean => pages.get(pcp)! <= room[pcp]!
  for (const { blocks, order } of lists.filter(enough))
    for (const pfn of blocks) shown.waited.fill(1, pfn, pfn + (1 << order))
  const others = lists.filter(list => !enough(list))
  for (const list of others) findBorder(list, counts[list.zone]![list.type] ?? [], room[list.pcp]!)
  // Who was refilled first got the smallest blocks.
  const begin = ({ blocks, border }: FirstTaken): number => scan.when[blocks[border]!]!
  for (const list of others.filter(isShown).sort((x, y) => begin(x) - begin(y))) {
    const free = counts[list.zone]![list.type]!
    findBorder(list, free, room[list.pcp]!)
    if (isShown(list)) room[list.pcp]! -= enter(sys, scan, list, free, shown)
  }
  return shown
}

/** Row of `refilled`; -1 where the scan has none. */
function rowOf(sys: Sys, scan: TraceScan, { zone, pcp, order, type }: FirstTaken): number {
  const row = scan.zoneStarts.indexOf(sys.zone.zone_start_pfn[zone]!)
  return row < 0 || order > 15 ? -1 : (row * scan.cpus + (pcp % sys.nr_cpus)) * REFILL_LISTS + (order << 2) + type
}

/** Free blocks that pagetypeinfo counts, by zone, type and order. */
function typeCounts(sys: Sys, { pagetypeinfo }: Snapshot): number[][][] {
  return Array.from({ length: sys.nr_zones }, (_, zone) => {
    const name = sys.kernel.zones[zone % sys.nr_zone_types]
    const node = Math.floor(zone / sys.nr_zone_types)
    const facts = pagetypeinfo?.zones.find(other => other.node === node && other.name === name)
    return (facts?.free ?? []).map(free => [...free])
  })
}

/** Writes down what a list shows; `free` loses the blocks. Returns the pages that waited. */
function enter(sys: Sys, scan: TraceScan, list: FirstTaken, free: number[], shown: Shown): number {
  const { order, blocks, border } = list
  for (let i = 0; i < border; i++) shown.waited.fill(1, blocks[i]!, blocks[i]! + (1 << order))
  const left = free.slice()
  runsFrom(list, free, border, (pfn, size, taken) => {
    if (shown.covered[pfn] === 0) shown.block[pfn] = size + 1
    shown.covered.fill(1, pfn, pfn + (1 << size))
    left[size]! -= 1
    splitRest(left, taken << order, size)
  })
  left.forEach((blocks, size) => {
    free[size] = blocks
  })
  const row = rowOf(sys, scan, list)
  if (row >= 0 && border < blocks.length) shown.refilled[row] = scan.when[blocks[border]!]! + 1
  return border << order
}

/** The upper parts of a block from which pages were taken are free blocks now. @kernel mm/page_alloc.c:expand */
function splitRest(free: number[], pages: number, size: number): void {
  for (let at = pages; at < 1 << size; ) {
    const part = 31 - Math.clz32(at & -at)
    free[part]! += 1
    at += 1 << part
  }
}

/** Enough blocks fit: all small free blocks one after the other, or more than those that do not fit. */
function isShown({ fits, strict, blocks, border }: FirstTaken): boolean {
  return strict ? fits >= ENOUGH : fits >= 2 * ENOUGH && fits * 2 >= blocks.length - border
}

/** All lists that hand out something. */
function firstTaken(sys: Sys, scan: TraceScan): FirstTaken[] {
  const { touch, when, what } = scan
  const heads: number[] = []
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) if (touch[pfn] === TOUCH_ALLOC && isFirst(scan, pfn)) heads.push(pfn)
  heads.sort((x, y) => when[x]! - when[y]!)
  const found = new Map<number, FirstTaken>()
  for (const pfn of heads) {
    const zone = page_zone(sys, pfn)
    const order = (what[pfn]! >>> 4) & 31
    const type = what[pfn]! & 15
    const cpu = what[pfn]! >>> 9
    if (zone < 0 || cpu >= sys.nr_cpus || type >= MIGRATE_PCPTYPES || !pcp_allowed_order(sys, order)) continue
    const pcp = zone * sys.nr_cpus + cpu
    const key = (pcp * 32 + order) * MIGRATE_PCPTYPES + type
    let list = found.get(key)
    if (!list) found.set(key, (list = { zone, pcp, order, type, blocks: [], border: 0, fits: 0, strict: false }))
    list.blocks.push(pfn)
  }
  return [...found.values()]
}

/** Whether a block that was handed out begins at this frame. */
function isFirst({ when, what }: TraceScan, pfn: number): boolean {
  const order = (what[pfn]! >>> 4) & 31
  return (pfn & ((1 << order) - 1)) === 0 || when[pfn & (-1 << order)] !== when[pfn]
}

/** Finds the border after which the most frames fit, with no more than `room` pages before it. */
function findBorder(list: FirstTaken, counts: readonly number[], room: number): void {
  list.fits = 0
  const last = Math.min(list.blocks.length - 1, room >> list.order)
  for (let at = 0; at <= last; at++) {
    const fits = runsFrom(list, counts, at)
    if (fits <= list.fits) continue
    list.fits = fits
    list.border = at
  }
  list.strict = takesAllSmall(list, counts)
}

/** Whether the runs from the border on are all free blocks of two sizes or more, and none is left out. */
function takesAllSmall(list: FirstTaken, counts: readonly number[]): boolean {
  const left = counts.slice()
  let size = 0
  let sizes = 0
  runsFrom(list, counts, list.border, (_, run) => {
    if (run !== size) sizes++
    size = run
    left[run]! -= 1
  })
  return sizes > 1 && left.slice(list.order, size).every(blocks => blocks === 0)
}

/**
 * How many blocks from `at` on come in runs of rising size, no more of a size than there are free blocks. `onRun` hears of
 * each run: its first frame, the size of the free block, the blocks that were taken of it. The last one may be taken in
 * part: others had the rest.
 */
function runsFrom(
  { blocks, order }: FirstTaken,
  counts: readonly number[],
  at: number,
  onRun?: (pfn: number, size: number, taken: number) => void,
): number {
  let size = order
  let left = counts[size] ?? 0
  let next = at
  while (next < blocks.length) {
    const run = runAt(blocks, order, next, counts.length)
    while (size < run || (size < counts.length && left === 0)) left = counts[++size] ?? 0
    if (left <= 0) break
    const taken = run === size ? 1 << (run - order) : beginningOf(blocks, order, next, size)
    if (taken > 0) onRun?.(blocks[next]!, size, taken)
    next += taken
    left--
    if (run !== size) break
  }
  return next - at
}

/** How many blocks, one after the other, are the beginning of a block of this size. */
function beginningOf(blocks: readonly number[], order: number, at: number, size: number): number {
  const start = blocks[at]!
  if ((start & ((1 << size) - 1)) !== 0) return 0
  let end = at + 1
  while (end < blocks.length && blocks[end] === start + ((end - at) << order)) end++
  return end - at
}

/** Order of the longest aligned run of frames, one after the other, that begins at this block. */
function runAt(blocks: readonly number[], order: number, at: number, orders: number): number {
  const start = blocks[at]!
  let run = order
  let end = at + 1
  while (run + 1 < orders && (start & ((2 << run) - 1)) === 0) {
    const larger = at + (2 << (run - order))
    while (end < larger && blocks[end] === start + ((end - at) << order)) end++
    if (end < larger) break
    run++
  }
  return run
}
