// 32-bit x86 NUMA machines of the 2.6 years: DISCONTIGMEM, one memory map per node, no transparent huge pages.
// @differs the allocator is that of 6.1: 2.6's grouping by mobility, per-CPU lists and watermarks were simpler.
import type { Kernel } from '../mm/kernel.ts'
import { define_kernel } from './define_kernel.ts'
import { RECORD_I386_6_1 } from './i386_6_1.ts'
import { reclaim_classic } from './reclaim_rules.ts'

/** Linux 2.6, i386 with NUMA and DISCONTIGMEM. */
export const i386_2_6_discontigmem: Kernel = define_kernel({
  ...RECORD_I386_6_1,
  name: '2.6-i386-discontigmem',
  release: '2.6',
  memory_model: 'DISCONTIGMEM',
  sizeof_page: 32,
  stack_generation: '2.6',
  reclaim: reclaim_classic,
  config: {
    ...RECORD_I386_6_1.config,
    NUMA: true,
    TRANSPARENT_HUGEPAGE: false,
    ZSMALLOC: false,
    ZSWAP: false,
    KSM: false,
    MEMORY_BALLOON: false,
    THREAD_INFO_IN_TASK: false,
    SCHED_STACK_END_CHECK: false,
  },
})
