// Rules of the page allocator in which kernels really differ, as two generations. See PageAllocRules.
import type { PageAllocRules } from '../mm/kernel.ts'
import { rmqueue_fallback_claim } from '../mm/page_alloc/fallback_claim.ts'
import { rmqueue_fallback_move } from '../mm/page_alloc/fallback_move.ts'
import { pcp_6_1 } from './pcp_6_1.ts'
import { pcp_6_12 } from './pcp_6_12.ts'

/** 6.1: free blocks move between types one by one. */
export const page_alloc_6_1: PageAllocRules = {
  pcp: pcp_6_1,
  watches_high_mark: false,
  freelist_hygiene: false,
  trims_to_buddy: false,
  traces_fast_isolate: false,
  rmqueue_fallback: rmqueue_fallback_move,
  max_highatomic: (sys, zone) => Math.floor(sys.zone.managed_pages[zone]! / 100) + sys.pageblock_nr_pages,
}

/** 6.12: a free block is always on the list of its pageblock's type, and per-CPU lists tune themselves. */
export const page_alloc_6_12: PageAllocRules = {
  pcp: pcp_6_12,
  watches_high_mark: true,
  freelist_hygiene: true,
  trims_to_buddy: true,
  traces_fast_isolate: true,
  rmqueue_fallback: rmqueue_fallback_claim,
  max_highatomic(sys, zone) {
    const hundredth = Math.floor(sys.zone.managed_pages[zone]! / 100)
    const block = sys.pageblock_nr_pages
    return hundredth < block ? 0 : Math.ceil(hundredth / block) * block
  },
}
