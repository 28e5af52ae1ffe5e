// The state of a cache of SLUB as recordings dump it: a line a CPU, a line a node. Read into a machine, and written back
// field for field.

import { list_entries } from '../image/list.ts'
import { PAGE_USED, PG } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { frame_bytes_for_write } from '../mm/physmem.ts'
import { cpu_freelist, next_partial, partial_slabs, set_cpu_freelist } from '../mm/slub_cpu.ts'
import { add_full, add_partial, full_list, partial_list } from '../mm/slub_lists.ts'
import { get_freepointer, set_freepointer } from '../mm/slub_pointer.ts'
import {
  inc_slabs_node,
  set_slab_counters,
  set_slab_freelist,
  slab_address,
  slab_freelist,
  slab_inuse,
  slab_objects,
} from '../mm/slub_slab.ts'
import type { Row } from './slab_script.ts'

interface SlabRow {
  readonly pfn: number
  readonly inuse: number
  readonly objects: number
  readonly frozen: number
  /** Numbers of the objects of slab->freelist, in its order. */
  readonly free: readonly number[]
}

interface CpuRow extends Row {
  readonly cpu: number
  readonly slab: SlabRow | null
  readonly freelist: readonly number[]
  readonly partial: readonly SlabRow[]
}

interface NodeRow extends Row {
  readonly n: number
  readonly partial: readonly SlabRow[]
  readonly full: readonly SlabRow[]
}

/** Puts a dump into a machine whose cache has no slab; false where it is none. Objects that are neither free nor on a
 * lockless list are taken to be handed out; full slabs, which no line lists, get frames from `spare` on. @ours */
export function readSlubState(sys: Sys, cache: number, rows: readonly Row[], spare: number): boolean {
  for (const row of rows) {
    if (row.t === 'cpu') readCpu(sys, cache, row as CpuRow)
    if (row.t === 'node') readNode(sys, cache, row as NodeRow)
  }
  const [oo, order] = [sys.slub_cache.oo[cache]! & 0xffff, sys.slub_cache.oo[cache]! >>> 16]
  for (let at = 0; at < unlistedSlabs(rows); at++)
    readSlab(sys, cache, { pfn: spare + at * 2 ** order, inuse: oo, objects: oo, frozen: 0, free: [] }, [])
  return rows.some(({ t }) => t === 'node')
}

/** Slabs that a dump counts, but does not show. @ours */
export function unlistedSlabs(rows: readonly Row[]): number {
  let slabs = 0
  for (const row of rows) {
    if (row.t === 'cpu') slabs -= (row as CpuRow).partial.length + ((row as CpuRow).slab === null ? 0 : 1)
    if (row.t === 'node') slabs += Number(row.nr_slabs) - (row as NodeRow).partial.length - (row as NodeRow).full.length
  }
  return slabs
}

function readCpu(sys: Sys, cache: number, { cpu, slab, freelist, partial }: CpuRow): void {
  const c = cache * sys.nr_cpus + cpu
  if (slab !== null) {
    readSlab(sys, cache, slab, freelist)
    sys.slub_cpu.slab[c] = slab.pfn + 1
    set_cpu_freelist(sys, c, chain(sys, cache, slab.pfn, freelist))
  }
  let behind = -1
  for (const each of partial.toReversed()) {
    readSlab(sys, cache, each, [])
    sys.link.link[2 * each.pfn] = behind
    sys.link.link[2 * each.pfn + 1] = behind < 0 ? 1 : partial_slabs(sys, behind) + 1
    behind = each.pfn
  }
  sys.slub_cpu.partial[c] = behind + 1
}

function readNode(sys: Sys, cache: number, { n, partial, full }: NodeRow): void {
  const node = cache * sys.nr_nodes + n
  for (const slab of partial) {
    readSlab(sys, cache, slab, [])
    add_partial(sys, node, slab.pfn, true)
  }
  for (const slab of full.toReversed()) {
    readSlab(sys, cache, slab, [])
    add_full(sys, cache, node, slab.pfn)
  }
}

const address = (sys: Sys, cache: number, pfn: number, index: number): number =>
  slab_address(sys, pfn) + sys.slub_cache.red_left_pad[cache]! + index * sys.kmem_cache.size[cache]!

/** Ties objects together; the first of them, 0 = there is none. */
function chain(sys: Sys, cache: number, pfn: number, objects: readonly number[]): number {
  const at = objects.map(index => address(sys, cache, pfn, index))
  for (const [i, object] of at.entries()) set_freepointer(sys, cache, object, at[i + 1] ?? 0)
  return at[0] ?? 0
}

/** A slab with its own free objects; those of `lockless` are free, too, but not its own. */
function readSlab(sys: Sys, cache: number, row: SlabRow, lockless: readonly number[]): void {
  const { pfn, inuse, objects, frozen, free } = row
  const order = sys.slub_cache.oo[cache]! >>> 16
  if (!(Number.isInteger(pfn) && pfn >= 0 && pfn + 2 ** order <= sys.nr_frames)) throw new RangeError(`slab ${pfn}`)
  const { page } = sys
  page.state[pfn] = PAGE_USED | (order + 1)
  page._refcount[pfn] = 1
  page.flags[pfn] = PG.slab | (order > 0 ? PG.head : 0)
  page.mapping[pfn] = cache + 1
  for (let tail = pfn + 1; tail < pfn + 2 ** order; tail++) {
    page.flags[tail] = PG.tail
    page.index[tail] = pfn
  }
  for (let frame = pfn; frame < pfn + 2 ** order; frame++) frame_bytes_for_write(sys, frame)
  set_slab_counters(sys, pfn, inuse, objects, frozen === 1)
  set_slab_freelist(sys, pfn, chain(sys, cache, pfn, free))
  inc_slabs_node(sys, cache, pfn)
  const unused = new Set([...free, ...lockless])
  for (let index = 0; index < objects; index++) if (!unused.has(index)) hand_out(sys, address(sys, cache, pfn, index))
}

function hand_out(sys: Sys, object: number): void {
  const shift = sys.kernel.PAGE_SHIFT
  const slot = sys.page.data[Math.floor(object * sys.frames_per_byte)]! - 1
  const bit = slot * 2 ** (shift - 3) + (object % 2 ** shift) / 8
  if (slot >= 0) sys.slub_object.live[bit >>> 5]! |= 1 << (bit & 31)
}

/** A line of a dump with the machine's state in its fields. @ours */
export function slubStateRow(sys: Sys, cache: number, row: Row): Row {
  return row.t === 'cpu' ? cpuRow(sys, cache, row) : nodeRow(sys, cache, row)
}

/** Numbers of the objects of a list. */
function numbers(sys: Sys, cache: number, slab: number, first: number): number[] {
  const free: number[] = []
  const base = address(sys, cache, slab, 0)
  for (let at = first; at > 0 && free.length <= slab_objects(sys, slab); at = get_freepointer(sys, cache, at))
    free.push((at - base) / sys.kmem_cache.size[cache]!)
  return free
}

function slabRow(sys: Sys, cache: number, pfn: number): SlabRow {
  const frozen = sys.page.private[pfn]! < 0 ? 1 : 0
  const free = numbers(sys, cache, pfn, slab_freelist(sys, pfn))
  return { pfn, inuse: slab_inuse(sys, pfn), objects: slab_objects(sys, pfn), frozen, free }
}

function cpuRow(sys: Sys, cache: number, row: Row): Row {
  const c = cache * sys.nr_cpus + (row.cpu as number)
  const [own, first] = [sys.slub_cpu.slab[c]! - 1, sys.slub_cpu.partial[c]! - 1]
  const partial: SlabRow[] = []
  for (let slab = first; slab >= 0; slab = next_partial(sys, slab)) partial.push(slabRow(sys, cache, slab))
  return {
    ...row,
    slab: own < 0 ? null : slabRow(sys, cache, own),
    freelist: own < 0 ? [] : numbers(sys, cache, own, cpu_freelist(sys, c)),
    partial_slabs: first < 0 ? 0 : partial_slabs(sys, first),
    partial,
  }
}

function nodeRow(sys: Sys, cache: number, row: Row): Row {
  const node = cache * sys.nr_nodes + (row.n as number)
  const rows = (head: number): SlabRow[] => list_entries(sys.link.link, head).map(slab => slabRow(sys, cache, slab))
  return {
    ...row,
    nr_partial: sys.slub_node.nr_partial[node],
    nr_slabs: sys.slub_node.nr_slabs[node],
    total_objects: sys.slub_node.total_objects[node],
    partial: rows(partial_list(sys, node)),
    full: rows(full_list(sys, node)),
  }
}
