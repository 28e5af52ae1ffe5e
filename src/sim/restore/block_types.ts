// Migrate types of pageblocks. pagetypeinfo counts, for each zone and type, the pageblocks and the free blocks of each
// order; it names none. A free block is (almost always) on the list of its pageblock's type, so the counts are a puzzle:
// every pageblock gets the type that what is known of it speaks for, then types are changed and exchanged as long as
// that brings the counts nearer to those of the file.
import type { Sys } from '../../mm/mmzone.ts'
import { TOUCH_NONE, TOUCH_TAKEN, type TraceScan } from '../replay/scan.ts'
import type { ZoneBlocks } from './blocks.ts'
import { FRAME_HOLE, FRAME_USED, type Frames } from './frames.ts'

/** What pagetypeinfo counts of a zone. */
export interface TypeCounts {
  /** `free[type][order]`, blocks. */
  readonly free: readonly (readonly number[])[]
  /** Pageblocks by type. */
  readonly blocks: readonly number[]
}

/** Weight of a free block on the wrong list and of what speaks for a type, against a wrong pageblock count (= 1). */
const FREE_BLOCK = 4
const DRAINED = 40
/** Where drains are not in the trace: a page may have gone back and been taken by another type. */
const FREED = 3
const TAKEN = 6
const UNTOUCHED = 5
const USED_ALIKE = 0.9
const MOST_PASSES = 12
/** Pageblocks whose exchange in pairs is tried. */
const MOST_PAIRED = 400

/** The puzzle of one zone. */
class Puzzle {
  readonly types: number
  readonly orders: number
  readonly blocks: number
  /** Type of each pageblock. */
  readonly type: Uint8Array
  /** Pageblocks that change together: those of one free block count with the first, which stands for all. */
  readonly weight: Uint16Array
  /** block × order: free blocks inside. */
  readonly inside: Int16Array
  /** block × type: what speaks for the type. */
  readonly likely: Float32Array
  /** type × order and type: what is there now, less what the file counts. */
  readonly freeError: Int32Array
  readonly blockError: Int32Array

  constructor(types: number, orders: number, blocks: number) {
    this.types = types
    this.orders = orders
    this.blocks = blocks
    this.type = new Uint8Array(blocks)
    this.weight = new Uint16Array(blocks).fill(1)
    this.inside = new Int16Array(blocks * orders)
    this.likely = new Float32Array(blocks * types)
    this.freeError = new Int32Array(types * orders)
    this.blockError = new Int32Array(types)
  }

  /** How much better (negative) or worse the counts are when a pageblock changes from one type to another. */
  #gainOfMove(block: number, from: number, to: number): number {
    const { orders, inside, freeError, blockError } = this
    const weight = this.weight[block]!
    let gain = Math.abs(blockError[from]! - weight) - Math.abs(blockError[from]!)
    gain += Math.abs(blockError[to]! + weight) - Math.abs(blockError[to]!)
    for (let order = 0; order < orders; order++) {
      const count = inside[block * orders + order]!
      if (count === 0) continue
      const [a, b] = [freeError[from * orders + order]!, freeError[to * orders + order]!]
      gain += FREE_BLOCK * (Math.abs(a - count) - Math.abs(a) + Math.abs(b + count) - Math.abs(b))
    }
    return gain + this.likely[block * this.types + from]! - this.likely[block * this.types + to]!
  }

  move(block: number, to: number): void {
    const from = this.type[block]!
    this.#enter(block, from, -1)
    this.#enter(block, to, 1)
    this.type[block] = to
  }

  #enter(block: number, type: number, sign: number): void {
    this.blockError[type]! += sign * this.weight[block]!
    for (let order = 0; order < this.orders; order++)
      this.freeError[type * this.orders + order]! += sign * this.inside[block * this.orders + order]!
  }

  /** Gives every pageblock its likeliest type. `counts` are what the file says. */
  start(counts: TypeCounts): void {
    for (let type = 0; type < this.types; type++) {
      this.blockError[type] = -(counts.blocks[type] ?? 0)
      for (let order = 0; order < this.orders; order++)
        this.freeError[type * this.orders + order] = -(counts.free[type]?.[order] ?? 0)
    }
    for (let block = 0; block < this.blocks; block++) {
      const row = this.likely.subarray(block * this.types, (block + 1) * this.types)
      this.type[block] = row.indexOf(Math.max(...row))
      this.#enter(block, this.type[block]!, 1)
    }
  }

  solve(): void {
    for (let pass = 0; pass < MOST_PASSES; pass++) if (!this.#moveAll() && !this.#exchangeAll()) return
  }

  #moveAll(): boolean {
    let moved = false
    for (let block = 0; block < this.blocks; block++) {
      if (this.weight[block] === 0) continue
      const from = this.type[block]!
      let best = from
      let least = -1e-6
      for (let to = 0; to < this.types; to++) {
        if (to === from) continue
        const gain = this.#gainOfMove(block, from, to)
        if (gain >= least) continue
        least = gain
        best = to
      }
      if (best === from) continue
      this.move(block, best)
      moved = true
    }
    return moved
  }

  #exchangeAll(): boolean {
    const some: number[] = []
    for (let block = 0; block < this.blocks && some.length < MOST_PAIRED; block++)
      if (this.inside.subarray(block * this.orders, (block + 1) * this.orders).some(count => count > 0))
        some.push(block)
    let exchanged = false
    for (const x of some) for (const y of some) if (y > x && this.#exchange(x, y)) exchanged = true
    return exchanged
  }

  #exchange(x: number, y: number): boolean {
    const [from, to] = [this.type[x]!, this.type[y]!]
    if (from === to) return false
    const first = this.#gainOfMove(x, from, to)
    this.move(x, to)
    if (first + this.#gainOfMove(y, to, from) < -1e-6) {
      this.move(y, from)
      return true
    }
    this.move(x, from)
    return false
  }
}

/** Finds the types of a zone's pageblocks and writes them into the machine; returns how many counts stay wrong. */
export function settleBlockTypes(
  sys: Sys,
  zone: number,
  frames: Frames,
  blocks: ZoneBlocks,
  counts: TypeCounts,
  scan: TraceScan | null,
): number {
  const shift = sys.pageblock_order
  const first = sys.zone.zone_start_pfn[zone]! >>> shift
  const last = (sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]! - 1) >>> shift
  const puzzle = new Puzzle(counts.blocks.length, sys.NR_PAGE_ORDERS, last - first + 1)
  enterFree(sys, puzzle, blocks, first)
  for (let block = 0; block < puzzle.blocks; block++) speakFor(sys, puzzle, block, first + block, frames, scan)
  if (scan) speakAgainst(sys, puzzle, blocks, first, scan)
  puzzle.start(counts)
  puzzle.solve()
  const offset = sys.zone.pageblock_offset[zone]!
  let type = 0
  for (let block = 0; block < puzzle.blocks; block++) {
    if (puzzle.weight[block] !== 0) type = puzzle.type[block]!
    sys.pageblock.migratetype[offset + first + block] = type
  }
  return puzzle.freeError.reduce((sum, error) => sum + Math.abs(error), 0)
}

/** A block larger than a pageblock counts in its first one. */
function enterFree(sys: Sys, puzzle: Puzzle, { pfn, order }: ZoneBlocks, first: number): void {
  for (let i = 0; i < pfn.length; i++) {
    const block = (pfn[i]! >>> sys.pageblock_order) - first
    puzzle.inside[block * puzzle.orders + order[i]!]! += 1
    const pageblocks = 1 << Math.max(0, order[i]! - sys.pageblock_order)
    puzzle.weight[block] = pageblocks
    puzzle.weight.fill(0, block + 1, block + pageblocks)
  }
}

/** The state before the file was written: only what the trace says of a pageblock is known, the others are MOVABLE. */
export function settleShownTypes(sys: Sys, zone: number, scan: TraceScan): void {
  const first = sys.zone.zone_start_pfn[zone]! >>> sys.pageblock_order
  const last = (sys.zone.zone_start_pfn[zone]! + sys.zone.spanned_pages[zone]! - 1) >>> sys.pageblock_order
  const offset = sys.zone.pageblock_offset[zone]!
  for (let row = first; row <= last; row++) {
    const shown = scan.takenType[row]! || scan.drainType[row]!
    if (shown > 0 && shown <= sys.MIGRATE_TYPES) sys.pageblock.migratetype[offset + row] = shown - 1
  }
}

/**
 * A list gives its smallest blocks first. A block that the trace never touches is hardly on a list from which single
 * pages of a larger block were taken.
 */
function speakAgainst(sys: Sys, puzzle: Puzzle, { pfn, order }: ZoneBlocks, first: number, scan: TraceScan): void {
  const largest = new Int32Array(puzzle.types).fill(-1)
  for (let i = 0; i < pfn.length; i++) {
    const type = scan.what[pfn[i]!]! & 15
    if (scan.touch[pfn[i]!] === TOUCH_TAKEN && ((scan.what[pfn[i]!]! >>> 4) & 31) === 0 && type < puzzle.types)
      largest[type] = Math.max(largest[type]!, order[i]!)
  }
  for (let i = 0; i < pfn.length; i++) {
    if (!untouched(scan, pfn[i]!, 1 << order[i]!)) continue
    const at = ((pfn[i]! >>> sys.pageblock_order) - first) * puzzle.types
    for (let type = 0; type < puzzle.types; type++)
      if (largest[type]! > order[i]!) puzzle.likely[at + type]! -= UNTOUCHED
  }
}

function untouched({ touch }: TraceScan, pfn: number, size: number): boolean {
  for (let frame = pfn; frame < pfn + size; frame++) if (touch[frame] !== TOUCH_NONE) return false
  return true
}

/** What the pages of a pageblock and the trace say of its type. */
function speakFor(
  sys: Sys,
  puzzle: Puzzle,
  block: number,
  row: number,
  { is, lru }: Frames,
  scan: TraceScan | null,
): void {
  const at = block * puzzle.types
  const start = row << sys.pageblock_order
  let used = 0
  let movable = 0
  for (let pfn = start; pfn < start + sys.pageblock_nr_pages; pfn++) {
    if (is[pfn] === FRAME_HOLE || is[pfn] === FRAME_USED) used++
    if (lru[pfn] !== 0) movable++
  }
  const share = used === 0 ? 1 : movable / used
  puzzle.likely[at + 1] = USED_ALIKE * share
  puzzle.likely[at] = USED_ALIKE * (1 - share) * 0.9
  if (puzzle.types > 2) puzzle.likely[at + 2] = USED_ALIKE * (1 - share) * 0.5
  const drained = (scan?.drainType[row] ?? 0) - 1
  const taken = (scan?.takenType[row] ?? 0) - 1
  if (drained >= 0 && drained < puzzle.types) puzzle.likely[at + drained]! += scan!.hasDrain ? DRAINED : FREED
  if (taken >= 0 && taken < puzzle.types) puzzle.likely[at + taken]! += TAKEN
}
