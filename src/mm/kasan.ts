// Generic KASAN for those who give memory out: the page allocator, large kmalloc, vmalloc. They call these hooks, and
// whoever uses memory asks kasan_check_range (kasan_report.ts). Slab objects: kasan_slab.ts.
// Law: a hook of a kernel without KASAN does nothing. Hooks take what the allocators speak in: frames, physical
// addresses of objects, page numbers of the vmalloc space.
import { kasan_quarantine_init, kasan_quarantine_reduce } from './kasan_quarantine.ts'
import { kasan_caller, kasan_report_invalid_free } from './kasan_report.ts'
import {
  direct_address,
  KASAN_PAGE_FREE,
  KASAN_PAGE_REDZONE,
  KASAN_VMALLOC_INVALID,
  kasan_byte_accessible,
  kasan_enabled,
  kasan_poison,
  kasan_unpoison,
  page_start,
  round_up_granule,
} from './kasan_shadow.ts'
import { PAGE_FREE, PAGE_STATE_ORDER, PAGE_USED, PG } from './mm_types.ts'
import { BLOCK_LAZY, type Sys } from './mmzone.ts'

export { kasan_check_range, kasan_report, kasan_report_invalid_free } from './kasan_report.ts'

const page_bytes = (sys: Sys): number => 2 ** sys.kernel.PAGE_SHIFT

/** Begins: frames that are free now must not be used. @kernel arch/x86/mm/kasan_init_64.c:kasan_init
 * @differs the kernel poisons them one by one as boot frees them */
export function kasan_init(sys: Sys): void {
  if (!kasan_enabled(sys)) return
  const { state } = sys.page
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    const order = (state[pfn]! & PAGE_STATE_ORDER) - 1
    if (order >= 0 && (state[pfn]! & ~PAGE_STATE_ORDER) === PAGE_FREE) kasan_free_pages(sys, pfn, order)
  }
  const { state: blocks } = sys.block
  for (let block = 0; block < blocks.length; block++)
    if (blocks[block] === BLOCK_LAZY) kasan_free_pages(sys, block << sys.block_shift, sys.block_shift)
  const managed = sys.zone.managed_pages.reduce((sum, pages) => sum + pages, 0)
  kasan_quarantine_init(sys, managed)
}

/** Frames were allocated. @kernel mm/kasan/common.c:__kasan_unpoison_pages */
export function kasan_alloc_pages(sys: Sys, pfn: number, order: number): void {
  if (!kasan_enabled(sys)) return
  kasan_unpoison(sys, direct_address(sys, pfn * page_bytes(sys)), page_bytes(sys) * 2 ** order)
}

/** Frames were freed. @kernel mm/kasan/common.c:__kasan_poison_pages */
export function kasan_free_pages(sys: Sys, pfn: number, order: number): void {
  if (!kasan_enabled(sys)) return
  kasan_poison(sys, direct_address(sys, pfn * page_bytes(sys)), page_bytes(sys) * 2 ** order, KASAN_PAGE_FREE)
}

/** Frames were given out by kmalloc for `size` bytes: the rest of them is a red zone.
 * @kernel mm/kasan/common.c:__kasan_kmalloc_large */
export function kasan_kmalloc_large(sys: Sys, object: number, size: number): void {
  if (!kasan_enabled(sys) || object === 0) return
  kasan_quarantine_reduce(sys)
  const pfn = object / page_bytes(sys)
  const bytes = page_bytes(sys) * 2 ** ((sys.page.state[pfn]! & ~PAGE_USED) - 1)
  const start = round_up_granule(size)
  kasan_unpoison(sys, direct_address(sys, object), size)
  kasan_poison(sys, direct_address(sys, object + start), bytes - start, KASAN_PAGE_REDZONE)
}

/** Frames of kmalloc are given back; true = they must not be, and it was reported.
 * @kernel mm/kasan/common.c:____kasan_kfree_large */
export function kasan_kfree_large(sys: Sys, object: number, ip?: string): boolean {
  if (!kasan_enabled(sys)) return false
  const address = direct_address(sys, object)
  const pfn = Math.floor(object * sys.frames_per_byte)
  const first = object % page_bytes(sys) === 0 && (sys.page.flags[pfn]! & PG.tail) === 0
  if (first && kasan_byte_accessible(sys, address)) return false
  kasan_report_invalid_free(sys, address, first ? 'double-free' : 'invalid-free', ip ?? kasan_caller(sys))
  return true
}

/** An area of the vmalloc space came to be, of which the first `size` bytes may be used; `page` is its first, `pages`
 * are all with the guard page. @kernel mm/kasan/shadow.c:kasan_populate_vmalloc, __kasan_unpoison_vmalloc */
export function kasan_unpoison_vmalloc(sys: Sys, page: number, pages: number, size: number): void {
  if (!kasan_enabled(sys)) return
  kasan_poison_vmalloc(sys, page, pages)
  kasan_unpoison(sys, page_start(sys, page), size)
}

/** An area of the vmalloc space goes. @kernel mm/kasan/shadow.c:__kasan_poison_vmalloc */
export function kasan_poison_vmalloc(sys: Sys, page: number, pages: number): void {
  if (!kasan_enabled(sys)) return
  kasan_poison(sys, page_start(sys, page), pages * page_bytes(sys), KASAN_VMALLOC_INVALID)
}
