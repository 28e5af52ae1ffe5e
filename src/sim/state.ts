// A machine's state as a whole: copies of it, and its hash. Law: the columns of a frame are other than zero only in
// blocks that are BLOCK_TOUCHED, so a copy costs what was touched, not what there is. Columns lie in the buffer in the
// order of TABLES: small tables, then the frames' columns, then `link` with the list heads behind the frames, then the
// bytes of frames, of which only those that were ever used hold anything.
import { create_hasher, hash_extents, hash_text } from '../image/hash.ts'
import {
  clear_extents,
  copy_buffer,
  type Extents,
  extents_size,
  put_snapshot,
  type Snapshot,
  take_snapshot,
} from '../image/snapshot.ts'
import { attach_sys } from '../mm/machine_image.ts'
import { BLOCK_TOUCHED, type Sys } from '../mm/mmzone.ts'

export type { Snapshot } from '../image/snapshot.ts'

/** Runs of touched blocks as pairs of first frame and first frame behind. */
function touchedRuns(sys: Sys): number[] {
  const { state } = sys.block
  const runs: number[] = []
  for (let block = 0; block < state.length; block++) {
    if (state[block] !== BLOCK_TOUCHED) continue
    const first = block
    while (state[block] === BLOCK_TOUCHED) block++
    runs.push(first * 2 ** sys.block_shift, block * 2 ** sys.block_shift)
  }
  return runs
}

/** Bytes of the frames' columns for runs of frames, in the order of the buffer. */
function frameExtents(sys: Sys, runs: readonly number[]): number[] {
  const extents: number[] = []
  for (const column of [...Object.values(sys.page), sys.page_memcg.id, sys.link.link]) {
    if (column.length === 0) continue
    const stride = column === sys.link.link ? 2 * column.BYTES_PER_ELEMENT : column.BYTES_PER_ELEMENT
    for (const frame of runs) extents.push(column.byteOffset + frame * stride)
  }
  return extents
}

/** Everything that may be other than zero. */
function stateExtents(sys: Sys): Extents {
  const { link } = sys.link
  const heads = link.byteOffset + 2 * sys.free_list_base * link.BYTES_PER_ELEMENT
  const small = withoutUnusedRows(sys, [sys.image.start, sys.page.state.byteOffset])
  const pages = sys.physmem.bytes.byteOffset
  const behind = [heads, link.byteOffset + link.byteLength]
  behind.push(pages, pages + 2 ** sys.kernel.PAGE_SHIFT * sys.physmem_state.used[0]!)
  return Float64Array.from([...small, ...frameExtents(sys, touchedRuns(sys)), ...behind])
}

/** Rows behind those that were ever used say nothing: who takes one clears it. */
function withoutUnusedRows(sys: Sys, [start, end]: readonly number[]): number[] {
  const extents = [start!]
  const skip = (table: Readonly<Record<string, Column>>, rows: number, used: number): void => {
    const kept = Math.min(rows, Math.ceil(used / 4) * 4)
    for (const column of Object.values(table)) {
      const behind = (column.byteOffset + column.byteLength) & ~3
      const first = column.byteOffset + (kept * column.byteLength) / rows
      if (first < behind) extents.push(first, behind)
    }
  }
  if (sys.swap_map.count.length > 0) skip(sys.swap_map, sys.swap_map.count.length, sys.swap_state.used[0]!)
  if (sys.zspage.inuse.length > 0) skip(sys.zspage, sys.zspage.inuse.length, 1 + sys.zswap_state.used[0]!)
  return [...extents, end!].sort((one, other) => one - other)
}

interface Column {
  readonly byteOffset: number
  readonly byteLength: number
}

/** Bytes that a snapshot of this machine has now. */
export function snapshotSize(sys: Sys): number {
  return extents_size(stateExtents(sys))
}

/** A packed copy of the state. */
export function snapshotSys(sys: Sys): Snapshot {
  return take_snapshot(sys.image, stateExtents(sys))
}

/** Puts the machine into the state of a snapshot of it or of one with the same plan. */
export function restoreSys(sys: Sys, snapshot: Snapshot): void {
  const before = touchedRuns(sys)
  put_snapshot(sys.image, snapshot)
  clear_extents(sys.image, Float64Array.from(frameExtents(sys, untouchedPart(sys, before))))
}

/** The blocks of `runs` that are not touched now. */
function untouchedPart(sys: Sys, runs: readonly number[]): number[] {
  const part: number[] = []
  const frames = 2 ** sys.block_shift
  for (let i = 0; i < runs.length; i += 2)
    for (let frame = runs[i]!; frame < runs[i + 1]!; frame += frames)
      if (sys.block.state[frame / frames] !== BLOCK_TOUCHED) part.push(frame, frame + frames)
  return part
}

/** A second machine in the same state, which shares nothing with the first; nobody listens to it yet. */
export function forkSys(sys: Sys): Sys {
  const copy = attach_sys(sys.kernel, copy_buffer(sys.image, stateExtents(sys)))
  copy.reclaim = sys.reclaim
  copy.seams = sys.seams
  copy.swap_stores = sys.swap_stores.map(store => store.fork?.(sys.swap_state.io[0]!) ?? store)
  copy.shrinkers = sys.shrinkers
  return copy
}

/** Sixteen hexadecimal digits for the state: equal states have equal hashes, however they were reached. The number of
 * commands done (machine.next_command) is not a part of it. */
export function hashSys(sys: Sys): string {
  const extents = stateExtents(sys)
  const counter = sys.machine.next_command
  const small = Float64Array.of(extents[0]!, counter.byteOffset, counter.byteOffset + counter.byteLength, extents[1]!)
  const hasher = create_hasher()
  hash_extents(hasher, sys.image.buffer, small)
  hash_extents(hasher, sys.image.buffer, extents.subarray(2))
  return hash_text(hasher)
}
