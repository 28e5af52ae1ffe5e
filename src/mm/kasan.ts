// Generic KASAN for those who give memory out: the page allocator, large kmalloc, vmalloc. They call these hooks, and
// whoever uses memory asks kasan_check_range (kasan_report.ts). Slab objects: kasan_slab.ts.
// Law: a hook of a kernel without KASAN does nothing. Hooks take what the allocators speak in: frames, physical
// addresses of objects, page numbers of the vmalloc space.
import { kasan_free_pages } from './kasan_pages.ts'
import { kasan_quarantine_init, kasan_quarantine_reduce } from './kasan_quarantine.ts'
import { kasan_caller, kasan_report, kasan_report_invalid_free } from './kasan_report.ts'
import {
  direct_address,
  KASAN_PAGE_REDZONE,
  kasan_byte_accessible,
  kasan_enabled,
  kasan_poison,
  kasan_unpoison,
  round_up_granule,
} from './kasan_shadow.ts'
import { PAGE_FREE, PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED, PG } from './mm_types.ts'
import { BLOCK_LAZY, type Sys } from './mmzone.ts'

export { kasan_alloc_pages, kasan_free_pages } from './kasan_pages.ts'
export { kasan_check_range, kasan_report, kasan_report_invalid_free } from './kasan_report.ts'
export {
  kasan_poison_vmalloc,
  kasan_populate_vmalloc,
  kasan_unpoison_vmalloc,
} from './kasan_vmalloc.ts'

/** What page.state says, besides the order, of frames that nobody has. */
const FREE: readonly number[] = [PAGE_FREE, PAGE_PCP]

const page_bytes = (sys: Sys): number => 2 ** sys.kernel.PAGE_SHIFT

/** Begins: frames that are free now must not be used; without `kasan_multi_shot` only the first mistake is told.
 * @kernel arch/x86/mm/kasan_init_64.c:kasan_init
 * @differs the kernel poisons them one by one as boot frees them */
export function kasan_init(sys: Sys, cmdline: string): void {
  if (!kasan_enabled(sys)) return
  sys.kasan_state.single_shot[0] = Number(!/(^|\s)kasan_multi_shot(\s|$)/.test(cmdline))
  const { state } = sys.page
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    const order = (state[pfn]! & PAGE_STATE_ORDER) - 1
    if (order >= 0 && FREE.includes(state[pfn]! & ~PAGE_STATE_ORDER)) kasan_free_pages(sys, pfn, order)
  }
  const { state: blocks } = sys.block
  for (let block = 0; block < blocks.length; block++)
    if (blocks[block] === BLOCK_LAZY) kasan_free_pages(sys, block << sys.block_shift, sys.block_shift)
  const managed = sys.zone.managed_pages.reduce((sum, pages) => sum + pages, 0)
  kasan_quarantine_init(sys, managed)
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

/** Memory of kmalloc that is frames stays where it is, for another size. @kernel mm/kasan/common.c:__kasan_krealloc */
export function kasan_krealloc_large(sys: Sys, object: number, size: number): void {
  kasan_unpoison(sys, direct_address(sys, object), size)
  kasan_kmalloc_large(sys, object, size)
}

/** Bytes may be used from now on. @kernel mm/kasan/common.c:__kasan_unpoison_range */
export function kasan_unpoison_range(sys: Sys, object: number, size: number): void {
  kasan_unpoison(sys, direct_address(sys, object), size)
}

/** Whether some memory may be used; else it is reported as a read of its first byte.
 * @kernel mm/kasan/common.c:__kasan_check_byte */
export function kasan_check_byte(sys: Sys, object: number): boolean {
  if (!kasan_enabled(sys)) return true
  const address = direct_address(sys, object)
  if (kasan_byte_accessible(sys, address)) return true
  kasan_report(sys, { address, size: 1, write: false, ip: kasan_caller(sys) })
  return false
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
