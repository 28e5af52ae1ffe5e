// Alpha of the 2.6 years: pages of 8 KiB, 64-bit, all memory reachable by DMA of the platform's window, DISCONTIGMEM.
// @differs the allocator is that of 6.1, as with the other 2.6 profile.
import { GiB } from '../base/units.ts'
import type { Kernel } from '../mm/kernel.ts'
import { define_kernel } from './define_kernel.ts'
import { RECORD_I386_6_1 } from './i386_6_1.ts'
import { reclaim_classic } from './reclaim_rules.ts'

/** Linux 2.6, Alpha with NUMA and DISCONTIGMEM, 8 KiB pages. */
export const alpha_2_6: Kernel = define_kernel({
  ...RECORD_I386_6_1,
  name: '2.6-alpha',
  release: '2.6',
  arch: 'alpha',
  PAGE_SHIFT: 13,
  memory_model: 'DISCONTIGMEM',
  sizeof_page: 56,
  PAGE_OFFSET: 0xfffffc0000000000,
  pgtable_levels: 3,
  VMALLOC_RESERVE: 0,
  VMALLOC_END: 0,
  DMA_LIMIT: 2 * GiB,
  stack_generation: '2.6',
  reclaim: reclaim_classic,
  config: {
    ...RECORD_I386_6_1.config,
    NUMA: true,
    HIGHMEM: false,
    TRANSPARENT_HUGEPAGE: false,
    HUGETLB_PAGE: false,
    ZSMALLOC: false,
    ZSWAP: false,
    KSM: false,
    MEMORY_BALLOON: false,
    THREAD_INFO_IN_TASK: false,
    SCHED_STACK_END_CHECK: false,
  },
})
