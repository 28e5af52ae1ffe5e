// The page of zeros that first reads are answered with, and the huge one. Nobody counts the mappings of the small one.
import { __GFP_MOVABLE, __GFP_ZERO, GFP_KERNEL, GFP_TRANSHUGE } from './gfp.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_page, alloc_pages } from './page_alloc/alloc_pages.ts'
import { MMF_HUGE_ZERO_PAGE } from './vm_flags.ts'
import { vm_event } from './vmstat_item.ts'

const THP_ZERO_PAGE_ALLOC: number = vm_event('thp_zero_page_alloc')
const THP_ZERO_PAGE_ALLOC_FAILED: number = vm_event('thp_zero_page_alloc_failed')

/** Frame of the page of zeros. @kernel include/linux/pgtable.h:my_zero_pfn
 * @differs the kernel's lies in its image; here it is a frame of its own */
export function zero_page(sys: Sys): number {
  return sys.vm_state.zero_pfn[0]! - 1
}

/** Makes the page of zeros, once. @kernel arch/x86/kernel/head_64.S:empty_zero_page */
export function zero_page_init(sys: Sys): void {
  if (sys.vm_state.zero_pfn[0] !== 0) return
  const pfn = alloc_page(sys, GFP_KERNEL)
  if (pfn < 0) throw new RangeError('no memory for the page of zeros')
  sys.page.flags[pfn]! |= PG.reserved
  sys.vm_state.zero_pfn[0] = pfn + 1
}

/** Whether a frame is the page of zeros. @kernel include/linux/pgtable.h:is_zero_pfn */
export function is_zero_pfn(sys: Sys, pfn: number): boolean {
  return sys.vm_state.zero_pfn[0] === pfn + 1
}

/** First frame of the huge page of zeros; -1 = there is none. @kernel mm/huge_memory.c:is_huge_zero_page */
export function huge_zero_pfn(sys: Sys): number {
  return sys.vm_state.huge_zero_pfn[0]! - 1
}

/** The huge page of zeros for an address space, which keeps it until it ends; -1 = no memory.
 * @kernel mm/huge_memory.c:mm_get_huge_zero_page */
export function mm_get_huge_zero_page(sys: Sys, mm: number): number {
  const { huge_zero_pfn: huge, huge_zero_refcount } = sys.vm_state
  if ((sys.mm.flags[mm]! & MMF_HUGE_ZERO_PAGE) !== 0) return huge[0]! - 1
  if (huge_zero_refcount[0] === 0) {
    const pfn = alloc_pages(sys, (GFP_TRANSHUGE | __GFP_ZERO) & ~__GFP_MOVABLE, sys.kernel.huge_order)
    sys.vm_event.count[pfn < 0 ? THP_ZERO_PAGE_ALLOC_FAILED : THP_ZERO_PAGE_ALLOC]! += 1
    if (pfn < 0) return -1
    huge[0] = pfn + 1
    // One for the shrinker that frees it when nobody else has it.
    huge_zero_refcount[0] = 1
  }
  huge_zero_refcount[0]! += 1
  sys.mm.flags[mm]! |= MMF_HUGE_ZERO_PAGE
  return huge[0]! - 1
}

/** An address space ends. @kernel mm/huge_memory.c:mm_put_huge_zero_page */
export function mm_put_huge_zero_page(sys: Sys, mm: number): void {
  if ((sys.mm.flags[mm]! & MMF_HUGE_ZERO_PAGE) === 0) return
  sys.mm.flags[mm]! &= ~MMF_HUGE_ZERO_PAGE
  sys.vm_state.huge_zero_refcount[0]! -= 1
}

/** Frees the huge page of zeros where no address space has it; returns pages freed.
 * @kernel mm/huge_memory.c:shrink_huge_zero_page_scan */
export function shrink_huge_zero_page(sys: Sys): number {
  const { huge_zero_pfn: huge, huge_zero_refcount } = sys.vm_state
  if (huge_zero_refcount[0] !== 1) return 0
  __free_pages(sys, huge[0]! - 1, sys.kernel.huge_order)
  huge[0] = huge_zero_refcount[0] = 0
  return 2 ** sys.kernel.huge_order
}
