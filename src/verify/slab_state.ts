// SLAB's state as the recordings dump it (custom, part F): read into a machine, and written line for line.

import { list_add_tail, list_entries } from '../image/list.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { kmalloc_index } from '../mm/kmalloc_caches.ts'
import { PAGE_USED } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { slab_alloc_node } from '../mm/slab_alloc.ts'
import { NUMA_NO_NODE } from '../mm/slab_allocator.ts'
import { type ArrayCache, cpu_cache_of, push_object, shared_array } from '../mm/slab_array_cache.ts'
import {
  get_free_obj,
  index_to_obj,
  mark_out,
  mark_returned,
  mark_taken,
  OBJFREELIST_SLAB,
  OFF_SLAB,
  obj_to_index,
  type Slab,
  set_free_obj,
  slab_address,
  slab_pfn,
  take_desc,
  virt_to_slab,
} from '../mm/slab_desc.ts'
import { get_node, SLABS_FREE, SLABS_FULL, SLABS_PARTIAL, slab_list_head } from '../mm/slab_node.ts'
import type { Row } from './slab_script.ts'

/** One slab of a dump. */
interface SlabRow {
  readonly pfn: number
  readonly active: number
  readonly s_mem: number
  readonly free: readonly number[]
}

const LISTS = [
  ['partial', SLABS_PARTIAL],
  ['full', SLABS_FULL],
  ['free', SLABS_FREE],
] as const

/** What the recorder would write for the machine in the place of a line; the line as it is where it is no state. */
export function slabStateRow(sys: Sys, cache: number, row: Row): Row {
  if (row.t === 'ac') return { ...row, ...arrayFields(sys, cpu_cache_of(sys, cache, Number(row.cpu))) }
  return row.t === 'node' ? { ...row, ...nodeFields(sys, cache, Number(row.n)) } : row
}

function arrayFields(sys: Sys, array: ArrayCache): Row {
  const { avail, limit, batchcount, touched, entries } = sys.slab_array
  const first = entries[array] ?? 0
  const objects = sys.slab_entry.entry.subarray(first, first + (avail[array] ?? 0))
  return {
    avail: avail[array],
    limit: limit[array],
    batchcount: batchcount[array],
    touched: touched[array],
    e: Array.from(objects, object => objectNumbers(sys, object)),
  }
}

/** First frame of an object's slab, and its number there. */
export function objectNumbers(sys: Sys, object: number): [number, number] {
  const slab = virt_to_slab(sys, object)
  if (slab < 0) return [-1, -1]
  const pfn = slab_pfn(sys, slab)
  return [pfn, obj_to_index(sys, sys.page.mapping[pfn]! - 1, slab, object)]
}

function nodeFields(sys: Sys, cache: number, nid: number): Row {
  const node = get_node(sys, cache, nid)
  const { free_objects, free_limit, colour_next, total_slabs, free_slabs, free_touched } = sys.slab_node
  const shared = shared_array(sys, cache, nid)
  return {
    free_objects: free_objects[node],
    free_limit: free_limit[node],
    colour_next: colour_next[node],
    total_slabs: total_slabs[node],
    free_slabs: free_slabs[node],
    free_touched: free_touched[node],
    ...Object.fromEntries(LISTS.map(([name, list]) => [name, listRows(sys, cache, node, list)])),
    shared: sys.slab_array.limit[shared] === 0 ? undefined : arrayFields(sys, shared),
  }
}

function listRows(sys: Sys, cache: number, node: number, list: number): SlabRow[] {
  const num = sys.slab_cache.num[cache]!
  return list_entries(sys.link.link, slab_list_head(sys, node, list)).map(pfn => {
    const slab = sys.page.private[pfn]! - 1
    const active = sys.slab_desc.active[slab]!
    const free = Array.from({ length: num - active }, (_, at) => get_free_obj(sys, slab, active + at))
    return { pfn, active, s_mem: sys.slab_desc.s_mem[slab]! - slab_address(sys, slab), free }
  })
}

/** Puts a cache that has no slabs into the recorded state. A RangeError for what is no state of the cache. */
export function readSlabState(sys: Sys, cache: number, rows: readonly Row[]): void {
  for (const row of rows) if (row.t === 'node') readNode(sys, cache, row)
  for (const row of rows) {
    if (row.t === 'ac') readArray(sys, cache, cpu_cache_of(sys, cache, Number(row.cpu)), row)
    if (row.t === 'node' && row.shared)
      readArray(sys, cache, shared_array(sys, cache, Number(row.n)), row.shared as Row)
  }
}

function readNode(sys: Sys, cache: number, row: Row): void {
  const columns = sys.slab_node
  const node = get_node(sys, cache, Number(row.n))
  if (Number(row.n) !== 0) throw new RangeError(`node ${row.n} of a machine with one`)
  for (const name of ['free_objects', 'colour_next', 'total_slabs', 'free_slabs', 'free_touched'] as const)
    columns[name][node] = Number(row[name])
  for (const [name, list] of LISTS)
    for (const each of row[name] as SlabRow[]) {
      readSlab(sys, cache, each)
      list_add_tail(sys.link.link, each.pfn, slab_list_head(sys, node, list))
    }
}

/** A slab whose active objects are with their users, as far as no array has them. */
function readSlab(sys: Sys, cache: number, { pfn, active, s_mem, free }: SlabRow): void {
  const num = sys.slab_cache.num[cache]!
  const fits = Number.isInteger(pfn) && pfn >= 0 && pfn < sys.nr_frames && sys.page.state[pfn] === 0
  const numbers = new Set(free)
  if (!fits || active + numbers.size !== num || free.some(at => !(Number.isInteger(at) && at >= 0 && at < num)))
    throw new RangeError(`no slab of the cache: frame ${pfn}, ${active} active objects, free ${free}`)
  sys.page.state[pfn] = PAGE_USED | (sys.slab_cache.gfporder[cache]! + 1)
  sys.page._refcount[pfn] = 1
  const slab = take_desc(sys, cache, pfn)
  sys.slab_desc.s_mem[slab] = slab_address(sys, slab) + s_mem
  sys.slab_desc.active[slab] = active
  sys.slab_desc.freelist[slab] = freelistOf(sys, cache, slab, free)
  free.forEach((index, at) => {
    set_free_obj(sys, slab, active + at, index)
  })
  for (let index = 0; index < num; index++) {
    if (numbers.has(index)) continue
    mark_out(sys, slab, index)
    mark_taken(sys, slab, index)
  }
}

/** Where the list of a slab's free objects lies: not recorded, and of no consequence. */
function freelistOf(sys: Sys, cache: number, slab: Slab, free: readonly number[]): number {
  const { gfporder, freelist_size, obj_offset } = sys.slab_cache
  if (OBJFREELIST_SLAB(sys, cache))
    return free.length === 0 ? 0 : index_to_obj(sys, cache, slab, free.at(-1)!) + obj_offset[cache]!
  if (!OFF_SLAB(sys, cache))
    return slab_address(sys, slab) + 2 ** (sys.kernel.PAGE_SHIFT + gfporder[cache]!) - freelist_size[cache]!
  const lists = sys.kmalloc_cache.cache[kmalloc_index(sys.kernel, freelist_size[cache]!)]! - 1
  return slab_alloc_node(sys, lists, GFP_KERNEL, NUMA_NO_NODE)
}

function readArray(sys: Sys, cache: number, array: ArrayCache, row: Row): void {
  const { limit, touched } = sys.slab_array
  const entries = row.e as readonly (readonly [number, number])[]
  if (array >= limit.length || entries.length > limit[array]!)
    throw new RangeError(`an array of ${entries.length} objects`)
  for (const [pfn, index] of entries) {
    const slab = virt_to_slab(sys, pfn * 2 ** sys.kernel.PAGE_SHIFT)
    if (slab < 0) throw new RangeError(`an object of frame ${pfn}, which is no slab`)
    push_object(sys, array, index_to_obj(sys, cache, slab, index))
    mark_returned(sys, slab, index)
  }
  touched[array] = Number(row.touched)
}
