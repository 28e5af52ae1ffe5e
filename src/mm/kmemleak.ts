// kmemleak for those who give memory out, and for those who know better than it: every block that is allocated is noted,
// and what a scan (kmemleak_scan.ts) finds no pointer to is a leak. Addresses are keys: of the direct map physical ones.
// Law: on a kernel without kmemleak, and after it was switched off, nothing here does anything.
// @differs what boot takes before there are caches (memblock) and the kernel's own variables are not noted: no byte of
// theirs is modelled, so nothing could be found in them. Records of kmemleak's own (vm_struct) are rows, not memory.
import { msecs_to_jiffies } from './jiffies.ts'
import { kmemleak_address, kmemleak_page_key } from './kmemleak_key.ts'
import {
  add_area,
  create_object,
  delete_object,
  kmemleak_disable,
  kmemleak_tables_init,
  kmemleak_warn,
  lookup_object,
  save_stack,
} from './kmemleak_object.ts'
import { KMEMLEAK_BLACK, KMEMLEAK_GREY, OBJECT_FULL_SCAN, OBJECT_NO_SCAN } from './kmemleak_tables.ts'
import { dump_object_info } from './kmemleak_text.ts'
import type { Sys } from './mmzone.ts'
import { SLAB_NOLEAKTRACE } from './slab_flags.ts'

/** Pointers to an area of vmalloc that are not a leak's: its vm_struct has one. */
const VMALLOC_MIN_COUNT = 2
/** Milliseconds before the thread's first scan, and between two. @kernel mm/kmemleak.c:SECS_FIRST_SCAN */
const FIRST_SCAN = 60_000
const SCAN_WAIT = 600_000

const on = (sys: Sys): boolean => sys.debug_kmemleak && sys.kmemleak_state.enabled[0] === 1

/** Begins, unless the command line says `kmemleak=off`. @kernel mm/kmemleak.c:kmemleak_init */
export function kmemleak_init(sys: Sys, cmdline: string = ''): void {
  if (!sys.debug_kmemleak) return
  kmemleak_tables_init(sys)
  const { stack_scan, thread, scan_wait, next_scan, last_scan } = sys.kmemleak_state
  if (/(^|\s)kmemleak=off(\s|$)/.test(cmdline)) {
    kmemleak_disable(sys)
    return
  }
  stack_scan[0] = thread[0] = 1
  scan_wait[0] = msecs_to_jiffies(SCAN_WAIT)
  last_scan[0] = sys.machine.jiffies[0]!
  next_scan[0] = last_scan[0] + msecs_to_jiffies(FIRST_SCAN)
  sys.printk?.(
    `kmemleak: Kernel memory leak detector initialized (mem pool available: ${sys.kmemleak_object.start.length - 2})`,
  )
  sys.printk?.('kmemleak: Automatic memory scanning thread started')
}

/** A block of `size` bytes was allocated by the function `where`; it is a leak with fewer than `min_count` pointers.
 * @kernel mm/kmemleak.c:kmemleak_alloc */
export function kmemleak_alloc(sys: Sys, key: number, size: number, min_count: number, where: string): void {
  if (on(sys) && key !== 0) create_object(sys, key, size, min_count, where)
}

/** The same of a cache's object, unless the cache keeps out. @kernel mm/slab.h:kmemleak_alloc_recursive */
export function kmemleak_alloc_recursive(sys: Sys, cache: number, object: number, where: string): void {
  const { flags, object_size } = sys.kmem_cache
  if ((flags[cache]! & SLAB_NOLEAKTRACE) === 0) kmemleak_alloc(sys, object, object_size[cache]!, 1, where)
}

/** An area of the vmalloc space was allocated: first page, bytes. @kernel mm/kmemleak.c:kmemleak_vmalloc */
export function kmemleak_vmalloc(sys: Sys, page: number, size: number): void {
  if (on(sys)) create_object(sys, kmemleak_page_key(sys, page), size, VMALLOC_MIN_COUNT, '__vmalloc_node_range')
}

/** Memory for each CPU was allocated: what it holds is looked at, and it is no leak itself.
 * @kernel mm/kmemleak.c:kmemleak_alloc_percpu */
export function kmemleak_alloc_percpu(sys: Sys, key: number, size: number): void {
  if (on(sys)) create_object(sys, key, size, 0, 'pcpu_alloc')
}

/** A block goes. One that is not known is none of kmemleak's business. @kernel mm/kmemleak.c:kmemleak_free */
export function kmemleak_free(sys: Sys, key: number): void {
  if (!on(sys) || key === 0) return
  const row = lookup_object(sys, key, false)
  if (row !== 0) delete_object(sys, row)
}

/** The same of an area of the vmalloc space. @kernel mm/vmalloc.c:kmemleak_free */
export function kmemleak_vfree(sys: Sys, page: number): void {
  if (on(sys)) kmemleak_free(sys, kmemleak_page_key(sys, page))
}

/** A part of a block goes; what is left of it are one or two blocks. @kernel mm/kmemleak.c:kmemleak_free_part */
export function kmemleak_free_part(sys: Sys, key: number, size: number): void {
  if (!on(sys) || key === 0) return
  const row = lookup_object(sys, key, true)
  if (row === 0) return
  const { start, end, min_count } = sys.kmemleak_object
  const [first, behind, least] = [start[row]!, end[row]!, min_count[row]!]
  delete_object(sys, row)
  if (key > first) create_object(sys, first, key - first, least, 'kmemleak_free_part')
  if (key + size < behind) create_object(sys, key + size, behind - key - size, least, 'kmemleak_free_part')
}

/** The stack of calls of a block that changes hands becomes that of now. @kernel mm/kmemleak.c:kmemleak_update_trace */
export function kmemleak_update_trace(sys: Sys, key: number): void {
  if (!on(sys) || key <= 0) return
  const row = lookup_object(sys, key, true)
  if (row !== 0) sys.kmemleak_object.trace[row] = save_stack(sys, 'kmemleak_update_trace')
}

/** @kernel mm/kmemleak.c:paint_ptr */
function paint_ptr(sys: Sys, key: number, color: number): void {
  const row = lookup_object(sys, key, false)
  if (row === 0) {
    const name = color === KMEMLEAK_GREY ? 'Grey' : 'Black'
    kmemleak_warn(sys, `Trying to color unknown object at 0x${kmemleak_address(sys, key)} as ${name}`)
    return
  }
  paint_it(sys, row, color)
}

/** @kernel mm/kmemleak.c:__paint_it */
export function paint_it(sys: Sys, row: number, color: number): void {
  const { min_count, flags } = sys.kmemleak_object
  min_count[row] = color
  if (color === KMEMLEAK_BLACK) flags[row]! |= OBJECT_NO_SCAN
}

/** A block is no leak whoever points to it; it is still looked at. @kernel mm/kmemleak.c:kmemleak_not_leak */
export function kmemleak_not_leak(sys: Sys, key: number): void {
  if (on(sys) && key !== 0) paint_ptr(sys, key, KMEMLEAK_GREY)
}

/** A block is no leak and holds no pointers. @kernel mm/kmemleak.c:kmemleak_ignore */
export function kmemleak_ignore(sys: Sys, key: number): void {
  if (on(sys) && key !== 0) paint_ptr(sys, key, KMEMLEAK_BLACK)
}

/** Only this part of a block, and others that are named so, holds pointers; `size` Infinity = to its end.
 * @kernel mm/kmemleak.c:kmemleak_scan_area */
export function kmemleak_scan_area(sys: Sys, key: number, size: number): void {
  if (!on(sys) || key === 0 || size === 0) return
  const row = lookup_object(sys, key, true)
  if (row === 0) {
    kmemleak_warn(sys, `Adding scan area to unknown object at 0x${kmemleak_address(sys, key)}`)
    return
  }
  const { end, flags } = sys.kmemleak_object
  const bytes = size === Number.POSITIVE_INFINITY ? end[row]! - key : size
  if (key + bytes > end[row]!) {
    kmemleak_warn(sys, `Scan area larger than object 0x${kmemleak_address(sys, key)}`)
    dump_object_info(sys, row)
    return
  }
  if (add_area(sys, row, key, bytes)) return
  sys.printk?.('kmemleak: Cannot allocate a scan area, scan the full object')
  flags[row]! |= OBJECT_FULL_SCAN
}

/** A block holds no pointers. @kernel mm/kmemleak.c:kmemleak_no_scan */
export function kmemleak_no_scan(sys: Sys, key: number): void {
  if (!on(sys) || key === 0) return
  const row = lookup_object(sys, key, false)
  if (row === 0) kmemleak_warn(sys, `Not scanning unknown object at 0x${kmemleak_address(sys, key)}`)
  else sys.kmemleak_object.flags[row]! |= OBJECT_NO_SCAN
}
