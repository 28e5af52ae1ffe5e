// Areas that were freed stay in the address space until their TLB entries are flushed: many at once, in a purge. A purge
// runs when too much waits (a worker does it, some time later), when an allocation finds no room, and when somebody
// asks for no aliases. Blocks of vm_map_ram that hold nothing but given back pages are freed before it.
import { INIT_LIST_HEAD, list_del, list_empty, list_entries } from '../image/list.ts'
import { __GFP_NOWARN } from './gfp.ts'
import { kasan_populate_vmalloc } from './kasan_vmalloc.ts'
import type { Sys } from './mmzone.ts'
import { BUSY, FREE, LAZY, nr_vmap_blocks, PURGING, VMAP_BBMAP_BITS, vmap_list } from './vmalloc_types.ts'
import {
  __alloc_vmap_area,
  insert_vmap_area,
  merge_or_add_vmap_area,
  put_vmap_area_row,
  unlink_va,
  vmap_area_row,
} from './vmap_area.ts'

/**
 * A busy area of `size` pages, its first page a multiple of `align` pages, in [vstart, vend]; its row, 0 = no room,
 * even after what was freed lazily was purged. @kernel mm/vmalloc.c:alloc_vmap_area
 */
export function alloc_vmap_area(
  sys: Sys,
  size: number,
  align: number,
  vstart: number,
  vend: number,
  gfp: number,
): number {
  const row = vmap_area_row(sys)
  let start = __alloc_vmap_area(sys, size, align, vstart, vend)
  if (start < 0) {
    purge_vmap_area_lazy(sys)
    start = __alloc_vmap_area(sys, size, align, vstart, vend)
  }
  if (start < 0) {
    const bytes = size * 2 ** sys.kernel.PAGE_SHIFT
    if ((gfp & __GFP_NOWARN) === 0)
      sys.printk?.(`vmap allocation for size ${bytes} failed: use vmalloc=<size> to increase size`)
    put_vmap_area_row(sys, row)
    return 0
  }
  sys.vmap_area.va_start[row] = start
  sys.vmap_area.va_end[row] = start + size
  if (!kasan_populate_vmalloc(sys, start, size)) {
    merge_or_add_vmap_area(sys, FREE, row)
    return 0
  }
  insert_vmap_area(sys, row)
  return row
}

/** Pages that may be freed lazily: 32 MiB for each doubling of CPUs. @kernel mm/vmalloc.c:lazy_max_pages */
export function lazy_max_pages(sys: Sys): number {
  return (32 - Math.clz32(sys.nr_cpus)) * 2 ** (25 - sys.kernel.PAGE_SHIFT)
}

/** Frees a busy area whose mappings are gone: it waits for a purge. @kernel mm/vmalloc.c:free_vmap_area_noflush */
export function free_vmap_area_noflush(sys: Sys, row: number): void {
  const { va_start, va_end } = sys.vmap_area
  unlink_va(sys, BUSY, row)
  const { lazy_nr, drain_pending } = sys.vmalloc
  lazy_nr[0] = lazy_nr[0]! + va_end[row]! - va_start[row]!
  merge_or_add_vmap_area(sys, LAZY, row)
  if (lazy_nr[0]! > lazy_max_pages(sys)) drain_pending[0] = 1
}

/** Gives everything that was freed lazily back, at once. Returns whether there was anything.
 * @kernel mm/vmalloc.c:__purge_vmap_area_lazy */
export function __purge_vmap_area_lazy(sys: Sys): boolean {
  const begun = purge_begin(sys)
  while (purge_step(sys)) {}
  return begun
}

/** The first half of a purge: takes all lazily freed areas; later ones wait for the next purge. */
function purge_begin(sys: Sys): boolean {
  const { link } = sys.vmap_area
  const [lazy, purging] = [vmap_list(sys, LAZY), vmap_list(sys, PURGING)]
  if (list_empty(link, lazy)) return !list_empty(link, purging)
  const [first, last, tail] = [link[2 * lazy]!, link[2 * lazy + 1]!, link[2 * purging + 1]!]
  link[2 * tail] = first
  link[2 * first + 1] = tail
  link[2 * last] = purging
  link[2 * purging + 1] = last
  INIT_LIST_HEAD(link, lazy)
  sys.vmalloc.roots[LAZY] = 0
  return true
}

/** Frees one area of a purge; false = there is none left. */
function purge_step(sys: Sys): boolean {
  const { link, va_start, va_end } = sys.vmap_area
  const purging = vmap_list(sys, PURGING)
  if (list_empty(link, purging)) return false
  const row = link[2 * purging]!
  list_del(link, row)
  const pages = va_end[row]! - va_start[row]!
  merge_or_add_vmap_area(sys, FREE, row)
  sys.vmalloc.lazy_nr[0] = sys.vmalloc.lazy_nr[0]! - pages
  return true
}

/** A block goes, its area is freed lazily. @kernel mm/vmalloc.c:free_vmap_block */
export function free_vmap_block(sys: Sys, block: number): void {
  const { va, link } = sys.vmap_block
  const area = va[block]!
  sys.vmap_area.block[area] = 0
  link[2 * block] = sys.vmalloc.unused_block[0]!
  sys.vmalloc.unused_block[0] = block
  free_vmap_area_noflush(sys, area)
}

/** Frees the blocks of all CPUs in which every page that was handed out came back.
 * @kernel mm/vmalloc.c:purge_fragmented_blocks_allcpus */
export function purge_fragmented_blocks_allcpus(sys: Sys): void {
  const { free, dirty, link } = sys.vmap_block
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    for (const block of list_entries(link, nr_vmap_blocks(sys) + cpu)) {
      if (free[block]! + dirty[block]! !== VMAP_BBMAP_BITS) continue
      list_del(link, block)
      free_vmap_block(sys, block)
    }
}

/** Purges, after blocks of vm_map_ram of which nothing is used any more. @kernel mm/vmalloc.c:purge_vmap_area_lazy */
export function purge_vmap_area_lazy(sys: Sys): void {
  purge_fragmented_blocks_allcpus(sys)
  __purge_vmap_area_lazy(sys)
}

/** What a worker does after too much was freed lazily: until it is little again. Whoever models time decides when.
 * @kernel mm/vmalloc.c:drain_vmap_area_work */
export function drain_vmap_area_work(sys: Sys): void {
  sys.vmalloc.drain_pending[0] = 0
  do __purge_vmap_area_lazy(sys)
  while (sys.vmalloc.lazy_nr[0]! > lazy_max_pages(sys))
}

/** The same worker in steps of one area, since it lets others run between two: starts a purge, or frees one area of
 * it. Returns false when it is done. @kernel mm/vmalloc.c:drain_vmap_area_work */
export function drain_vmap_area_step(sys: Sys): boolean {
  if (purge_step(sys)) return true
  if (sys.vmalloc.drain_pending[0] === 0) return false
  sys.vmalloc.drain_pending[0] = 0
  return purge_begin(sys)
}

/** Between frames, vmalloc and vfree let others run: a worker that waits does its work now.
 * @kernel include/linux/sched.h:cond_resched */
export function cond_resched_drain(sys: Sys): void {
  if (sys.vmalloc.drain_pending[0] !== 0) drain_vmap_area_work(sys)
}
