// The quarantine: freed objects wait here before their allocator gets them, so that a use after the free is still seen.
// A queue per CPU; when it holds a MiB it goes to a batch that all CPUs share; when batches hold more than a part of
// memory the oldest is given back. Queues are chained through the free records inside the objects.
// Law: a queue whose chain was overwritten ends there, with a word about it: the rest of it is lost, as in a kernel.

import { free_meta_offset, qlink_next, set_qlink_next } from './kasan_meta.ts'
import { direct_address, KASAN_SLAB_FREE, KASAN_SLAB_FREETRACK, set_shadow_byte, shadow_of } from './kasan_shadow.ts'
import { QUARANTINE_BATCHES } from './kasan_tables.ts'
import { warn } from './kernel_taint.ts'
import type { Sys } from './mmzone.ts'
import { NO_CACHE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'

/** Bytes that a CPU keeps for itself. @kernel mm/kasan/quarantine.c:QUARANTINE_PERCPU_SIZE */
export const QUARANTINE_PERCPU_SIZE: number = 1 << 20
/** The quarantine takes at most this part of memory. @kernel mm/kasan/quarantine.c:QUARANTINE_FRACTION */
export const QUARANTINE_FRACTION = 32

/** Objects that leave a queue, the first first. */
interface Leaving {
  readonly cache: number
  readonly object: number
}

const batch_row = (sys: Sys, batch: number): number => sys.nr_cpus + batch

/** Sets the sizes from the machine's memory, in pages. @kernel mm/kasan/quarantine.c:kasan_quarantine_reduce */
export function kasan_quarantine_init(sys: Sys, totalram_pages: number): void {
  const { max_size, batch_size } = sys.kasan_state
  const total = Math.floor((totalram_pages * 2 ** sys.kernel.PAGE_SHIFT) / QUARANTINE_FRACTION)
  max_size[0] = Math.max(0, total - QUARANTINE_PERCPU_SIZE * sys.nr_cpus)
  batch_size[0] = Math.max(QUARANTINE_PERCPU_SIZE, Math.floor((2 * total) / QUARANTINE_BATCHES))
}

function qlist_put(sys: Sys, row: number, meta: number, bytes: number): void {
  const { head, tail, bytes: sizes } = sys.kasan_qlist
  if (head[row] === 0) head[row] = meta
  else set_qlink_next(sys, tail[row]!, meta)
  tail[row] = meta
  set_qlink_next(sys, meta, 0)
  sizes[row]! += bytes
}

function qlist_clear(sys: Sys, row: number): void {
  sys.kasan_qlist.head[row] = sys.kasan_qlist.tail[row] = sys.kasan_qlist.bytes[row] = 0
}

/** @kernel mm/kasan/quarantine.c:qlist_move_all */
function qlist_move_all(sys: Sys, from: number, to: number): void {
  const { head, tail, bytes } = sys.kasan_qlist
  if (head[from] === 0) return
  if (head[to] === 0) head[to] = head[from]!
  else set_qlink_next(sys, tail[to]!, head[from]!)
  tail[to] = tail[from]!
  bytes[to]! += bytes[from]!
  qlist_clear(sys, from)
}

/** Puts a freed object aside. @kernel mm/kasan/quarantine.c:kasan_quarantine_put */
export function kasan_quarantine_put(sys: Sys, cache: number, object: number): void {
  const { tail, head, size, batch_size } = sys.kasan_state
  const cpu = sys.machine.this_cpu[0]!
  qlist_put(sys, cpu, object + free_meta_offset(sys, cache), sys.kmem_cache.size[cache]!)
  if (sys.kasan_qlist.bytes[cpu]! <= QUARANTINE_PERCPU_SIZE) return
  const batch = batch_row(sys, tail[0]!)
  size[0]! += sys.kasan_qlist.bytes[cpu]!
  qlist_move_all(sys, cpu, batch)
  const next = (tail[0]! + 1) % QUARANTINE_BATCHES
  if (sys.kasan_qlist.bytes[batch]! >= batch_size[0]! && next !== head[0]) tail[0] = next
}

/** Gives the oldest batch back where the quarantine is too large. @kernel mm/kasan/quarantine.c:kasan_quarantine_reduce */
export function kasan_quarantine_reduce(sys: Sys): void {
  const { head, size, max_size } = sys.kasan_state
  if (size[0]! <= max_size[0]!) return
  const batch = batch_row(sys, head[0]!)
  size[0]! -= sys.kasan_qlist.bytes[batch]!
  if (head[0] !== sys.kasan_state.tail[0]) head[0] = (head[0]! + 1) % QUARANTINE_BATCHES
  qlist_free_all(sys, qlist_objects(sys, batch))
  qlist_clear(sys, batch)
}

/** A queue as its bytes tell it. */
interface Queue {
  readonly row: number
  readonly objects: readonly Leaving[]
  /** The chain of its objects ends where it should. */
  readonly whole: boolean
}

/** The objects of a queue, while its bytes lead from one that waits to the next. */
function followed(sys: Sys, row: number): Queue {
  const objects: Leaving[] = []
  const most = Math.ceil(sys.kasan_qlist.bytes[row]! / 8)
  for (let meta = sys.kasan_qlist.head[row]!; meta !== 0; meta = qlink_next(sys, meta)) {
    const cache = meta < 0 ? NO_CACHE : slab_allocator(sys).cache_of(sys, meta)
    const object = cache === NO_CACHE ? 0 : meta - free_meta_offset(sys, cache)
    const sound = cache !== NO_CACHE && slab_allocator(sys).nearest_obj(sys, object) === object
    const waits = sound && shadow_of(sys, direct_address(sys, object)) === KASAN_SLAB_FREETRACK
    if (!waits || objects.length > most) return { row, objects, whole: false }
    objects.push({ cache, object })
  }
  return { row, objects, whole: true }
}

/** All queues that hold anything. @ours */
export function kasan_queues(sys: Sys): Queue[] {
  const rows = Array.from(sys.kasan_qlist.head.keys()).filter(row => sys.kasan_qlist.head[row] !== 0)
  return rows.map(row => followed(sys, row))
}

/** The objects of a queue; where its chain was overwritten, those before. */
function qlist_objects(sys: Sys, row: number): readonly Leaving[] {
  const { objects, whole } = followed(sys, row)
  if (!whole) warn(sys, 'qlist_free_all', 'kasan: a link of the quarantine was overwritten')
  return objects
}

/** @kernel mm/kasan/quarantine.c:qlist_free_all */
function qlist_free_all(sys: Sys, leaving: readonly Leaving[]): void {
  for (const { cache, object } of leaving) qlink_free(sys, cache, object)
}

/** An object leaves: its free record is not valid any more. @kernel mm/kasan/quarantine.c:qlink_free */
function qlink_free(sys: Sys, cache: number, object: number): void {
  set_shadow_byte(sys, direct_address(sys, object), KASAN_SLAB_FREE)
  slab_allocator(sys).___cache_free(sys, cache, object)
}

/** Gives all objects of a cache back, as kmem_cache_shrink and kmem_cache_destroy need it.
 * @kernel mm/kasan/quarantine.c:kasan_quarantine_remove_cache */
export function kasan_quarantine_remove_cache(sys: Sys, cache: number): void {
  const rows = sys.kasan_qlist.head.length
  for (let row = 0; row < rows; row++) if (sys.kasan_qlist.head[row] !== 0) remove_from(sys, row, cache)
}

function remove_from(sys: Sys, row: number, cache: number): void {
  const all = qlist_objects(sys, row)
  const before = sys.kasan_qlist.bytes[row]!
  qlist_clear(sys, row)
  for (const each of all)
    if (each.cache !== cache)
      qlist_put(sys, row, each.object + free_meta_offset(sys, each.cache), sys.kmem_cache.size[each.cache]!)
  if (row >= sys.nr_cpus) sys.kasan_state.size[0]! -= before - sys.kasan_qlist.bytes[row]!
  const leaving = all.filter(each => each.cache === cache)
  qlist_free_all(sys, leaving)
}

/** Objects and bytes that wait. @ours */
export function kasan_quarantine_size(sys: Sys): number {
  return sys.kasan_qlist.bytes.reduce((sum, bytes) => sum + bytes, 0)
}
