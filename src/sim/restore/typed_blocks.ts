// Where nothing but counts is known, free blocks are placed by migrate type: those of each type into as many pageblocks as
// pagetypeinfo counts of it, the lowest of the zone, and the movable ones behind. So every list has the blocks that the
// file counts. Laws: what does not fit into its type's pageblocks, or has none, lies among the movable ones and is
// counted as wrong; pageblocks at the zone's begin that are wholly in use hold the kernel and are UNMOVABLE.
import { MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, type Sys } from '../../mm/mmzone.ts'
import type { TypeCounts } from './block_types.ts'
import { type Ground, groundOf, placeAt } from './blocks.ts'
import { FRAME_UNKNOWN, type Frames } from './frames.ts'

/** Whether the blocks by type add up to those that buddyinfo counts. */
export function countsAgree({ free }: TypeCounts, counts: readonly number[]): boolean {
  return counts.every((count, order) => count === free.reduce((sum, row) => sum + (row[order] ?? 0), 0))
}

/** Places a zone's free blocks and writes its pageblocks' types; returns how many blocks are on a wrong list. null = there
 * is not room for all: nothing is placed. */
export function placeByTypes(sys: Sys, frames: Frames, zone: number, counts: TypeCounts): number | null {
  const first = attempt(sys, frames, zone, counts, 0)
  const skip = first.wrong === 0 ? 0 : leadingFull(sys, frames, zone)
  const second = skip === 0 ? first : attempt(sys, frames, zone, counts, skip)
  const best = second.wrong < first.wrong ? second : first
  if (best.wrong === Number.POSITIVE_INFINITY) return null
  frames.is.set(best.frames.is)
  frames.unproven.set(best.frames.unproven)
  sys.pageblock.migratetype.set(best.types, sys.zone.pageblock_offset[zone]! + best.row)
  return best.wrong
}

interface Attempt {
  readonly frames: Frames
  /** Types of the zone's pageblocks, from `row` on. */
  readonly row: number
  readonly types: Uint8Array
  /** Blocks on a wrong list; infinite where some found no room at all. */
  readonly wrong: number
}

/** One way to place them: `skip` pageblocks at the begin belong to no type's count. */
function attempt(sys: Sys, given: Frames, zone: number, { free, blocks }: TypeCounts, skip: number): Attempt {
  const frames = { ...given, is: given.is.slice(), unproven: given.unproven.slice() }
  const ground = groundOf(sys, frames, zone, null)
  const row = ground.start >>> sys.pageblock_order
  const types = new Uint8Array(((ground.end - 1) >>> sys.pageblock_order) - row + 1).fill(MIGRATE_MOVABLE)
  types.fill(MIGRATE_UNMOVABLE, 0, skip)
  const others = [...(free[MIGRATE_MOVABLE] ?? [])]
  let [next, wrong] = [skip, 0]
  blocks.forEach((count, type) => {
    if (type === MIGRATE_MOVABLE) return
    types.fill(type, next, next + count)
    placeAt(sys, part(sys, ground, row + next, row + next + count), free[type] ?? []).forEach((left, order) => {
      others[order]! += left
      wrong += left
    })
    next += count
  })
  const missing = placeAt(sys, part(sys, ground, row + next, row + types.length), others)
  if (missing.some(count => count > 0)) wrong = Number.POSITIVE_INFINITY
  return { frames, row, types, wrong }
}

/** The pageblocks from `first` up to `last` of a ground. */
function part(sys: Sys, ground: Ground, first: number, last: number): Ground {
  const [from, to] = [first << sys.pageblock_order, last << sys.pageblock_order]
  return { ...ground, from: Math.max(ground.start, from), to: Math.min(ground.end, to) }
}

/** Pageblocks at a zone's begin in which nothing can be free. */
function leadingFull(sys: Sys, frames: Frames, zone: number): number {
  const { is, start, end } = groundOf(sys, frames, zone, null)
  let pfn = start
  while (pfn < end && is[pfn] !== FRAME_UNKNOWN) pfn++
  return (pfn >>> sys.pageblock_order) - (start >>> sys.pageblock_order)
}
