// The tables of the vmalloc address space. Units: addresses are virtual page numbers (vaddr >>> PAGE_SHIFT), exact
// doubles on every machine; sizes are pages. Row 0 of each table is nobody, so that zeros are "none".
// Laws: an area is in exactly one of the trees FREE, BUSY, LAZY (freed, its TLB entries not flushed yet) or on the list
// of a purge that is under way; free areas never touch each other; what is neither is free.
import type { RbForest } from '../image/rbtree.ts'
import { f64, i32, u8, u32 } from '../image/table.ts'
import type { Sys } from './mmzone.ts'

/** Scalars: one row. */
export const VMALLOC = {
  start: f64('VMALLOC_START, page number'),
  end: f64('VMALLOC_END, page number (of its last, partly used page on 64-bit)'),
  roots: i32('root of each tree: FREE, BUSY, LAZY', 3),
  lazy_nr: f64('vmap_lazy_nr: pages freed, but not purged'),
  nr_vmalloc_pages: f64('frames that vmalloc areas hold'),
  drain_pending: u8('1 = drain_vmap_work waits for a worker'),
  unused_area: i32('first row of a chain of vmap_area rows that were used before; 0 = none'),
  used_areas: i32('rows of vmap_area that were ever used'),
  unused_vm: i32('as unused_area, for vm_struct'),
  used_vms: i32('rows of vm_struct that were ever used'),
  unused_block: i32('as unused_area, for vmap_block'),
  used_blocks: i32('rows of vmap_block that were ever used'),
  huge: u8('vmap_allow_huge: 1 = big areas may be mapped by huge entries'),
} as const

/** One row an area, then the heads of the lists. @kernel include/linux/vmalloc.h:struct vmap_area */
export const VMAP_AREA = {
  va_start: f64('first page'),
  va_end: f64('first page behind'),
  subtree_max_size: f64('largest area of the subtree, pages'),
  rb: i32('left, right, parent; 0 = none', 3),
  red: u8('1 = red node'),
  link: i32('list_head: next and prev; heads are rows behind the areas', 2),
  vm: i32('row of vm_struct; 0 = free, or an area of vm_map_ram'),
  block: i32('row of vmap_block that lives in it; 0 = none'),
} as const

/** One row a described area. @kernel include/linux/vmalloc.h:struct vm_struct */
export const VM_STRUCT = {
  addr: f64('first page'),
  size: f64('pages with the guard page'),
  flags: u32('bits VM_*'),
  nr_pages: i32('frames that it holds'),
  page_order: u8('order of the blocks that its frames came in'),
  first_page: i32('first frame + 1; the others follow in `link`; 0 = none'),
  pages: i32('row of vm_struct that holds the pages[] array, where that is larger than a page; 0 = kmalloc has it'),
  phys_addr: f64('physical address of an I/O area, bytes'),
  next: i32('chain of unused rows'),
  caller: u8('who asked, ASCII, ends with 0', 48),
} as const

/** One row a block that vm_map_ram serves small mappings from, then a list head per CPU. @kernel mm/vmalloc.c:struct vmap_block */
export const VMAP_BLOCK = {
  va: i32('row of its area'),
  free: i32('pages never handed out'),
  dirty: i32('pages handed out and given back'),
  dirty_min: i32('first page given back since the last flush'),
  dirty_max: i32('first page behind those given back since the last flush'),
  cpu: i32('the CPU that made it'),
  link: i32('list_head: next and prev; heads are rows behind the blocks, one per CPU', 2),
} as const

/** The tables by name, for TABLES. @ours */
export const VMALLOC_TABLES = {
  vmalloc: VMALLOC,
  vmap_area: VMAP_AREA,
  vm_struct: VM_STRUCT,
  vmap_block: VMAP_BLOCK,
} as const

/** How many areas a machine can have where its shape does not say. */
export const NR_VMAP_AREAS = 4096
const NR_VMAP_BLOCKS = 256
const LISTS = 4

/** Rows of the tables; `areas` is the capacity, `nr_vmap_areas` of the shape. @ours */
export function vmalloc_rows(nr_cpus: number, areas: number = NR_VMAP_AREAS): Readonly<Record<string, number>> {
  return { vmalloc: 1, vmap_area: areas + LISTS, vm_struct: areas, vmap_block: NR_VMAP_BLOCKS + nr_cpus }
}

/** Trees, and lists of areas in the order of addresses. */
export const FREE = 0
export const BUSY = 1
export const LAZY = 2
/** List of areas that a purge took from LAZY and has not freed yet. */
export const PURGING = 3

/** Pages of a block of vm_map_ram. @kernel mm/vmalloc.c:VMAP_BBMAP_BITS
 * @differs on 32-bit kernels for 4 CPUs and more it is smaller: 2048 / CPUs, at least 64 */
export const VMAP_BBMAP_BITS = 1024

/** Pages of the largest mapping that comes from a block. @kernel mm/vmalloc.c:VMAP_MAX_ALLOC */
export function VMAP_MAX_ALLOC(sys: Sys): number {
  return sys.kernel.BITS_PER_LONG
}

/** vm_struct.flags. @kernel include/linux/vmalloc.h */
export const VM_IOREMAP = 0x1
export const VM_ALLOC = 0x2
export const VM_MAP = 0x4
export const VM_USERMAP = 0x8
export const VM_DMA_COHERENT = 0x10
export const VM_UNINITIALIZED = 0x20
export const VM_NO_GUARD = 0x40
export const VM_KASAN = 0x80
export const VM_FLUSH_RESET_PERMS = 0x100
export const VM_MAP_PUT_PAGES = 0x200
export const VM_ALLOW_HUGE_VMAP = 0x400
export const VM_DEFER_KMEMLEAK = 0x800

/** The trees of a machine. @ours */
export function vmap_forest(sys: Sys): RbForest {
  const { rb, red, va_start, va_end, subtree_max_size } = sys.vmap_area
  return { rb, red, start: va_start, end: va_end, max: subtree_max_size, roots: sys.vmalloc.roots }
}

/** Row of the head of the list that goes with a tree. @ours */
export function vmap_list(sys: Sys, tree: number): number {
  return sys.vmap_area.va_start.length - LISTS + tree
}

/** First and last page number behind all addresses: what page 0 and ULONG_MAX round to. @ours */
export function ULONG_MAX_PAGE(sys: Sys): number {
  return 2 ** (sys.kernel.BITS_PER_LONG - sys.kernel.PAGE_SHIFT) - 1
}

/** Rows of vmap_block. @ours */
export function nr_vmap_blocks(sys: Sys): number {
  return sys.vmap_block.va.length - sys.nr_cpus
}

/** A row of the chain `unused`, else the next one that was never used; `capacity` rows there are. @ours */
export function take_row(
  unused: Int32Array,
  used: Int32Array,
  chain: Int32Array,
  stride: number,
  capacity: number,
): number {
  const row = unused[0]!
  if (row !== 0) {
    unused[0] = chain[stride * row]!
    return row
  }
  if (used[0]! + 1 >= capacity)
    throw new RangeError(`all ${capacity} rows for vmalloc areas are taken; boot with a larger nr_vmap_areas`)
  used[0] = used[0]! + 1
  return used[0]!
}
