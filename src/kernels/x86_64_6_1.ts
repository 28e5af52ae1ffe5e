// Linux 6.1 for x86_64 as Debian builds it: SPARSEMEM, NUMA, transparent huge pages, memory freed late (deferred).
// With 5-level page tables everything but the address space is the same; the processor decides at boot.

import { MiB } from '../base/units.ts'
import type { Kernel, KernelConfig } from '../mm/kernel.ts'
import { define_kernel, type KernelRecord } from './define_kernel.ts'
import { GFP_6_1 } from './gfp_features.ts'
import { memcg_stats_6_1 } from './memcg_stats.ts'
import { page_alloc_6_1 } from './page_alloc_rules.ts'
import { zone_set_pageset_high_and_batch_6_1 } from './pageset_6_1.ts'
import { proc_6_1 } from './proc_items.ts'
import { reclaim_6_1 } from './reclaim_rules.ts'

/** Switches of Debian's amd64 kernels. */
export const DEBIAN_AMD64: KernelConfig = {
  SMP: true,
  NUMA: true,
  CMA: false,
  TRANSPARENT_HUGEPAGE: true,
  HUGETLB_PAGE: true,
  HIGHMEM: false,
  ZONE_DMA: true,
  ZONE_DMA32: true,
  ZONE_DEVICE: true,
  COMPACTION: true,
  MEMORY_ISOLATION: true,
  DEFERRED_STRUCT_PAGE_INIT: true,
  NUMA_EMU: true,
  NUMA_MEMBLKS: false,
  SWAP: true,
  ZSMALLOC: true,
  ZSWAP: true,
  KSM: true,
  MEMORY_BALLOON: true,
  NUMA_BALANCING: true,
  SLUB_DEBUG: true,
  SLUB_CPU_PARTIAL: true,
  DEBUG_SLAB: false,
  KASAN: false,
  DEBUG_KMEMLEAK: false,
  SLAB_FREELIST_HARDENED: true,
  SLAB_FREELIST_RANDOM: true,
  SLUB_KMALLOC_REDZONE: false,
  MEMCG_KMEM: true,
  '4KSTACKS': false,
  VMAP_STACK: true,
  THREAD_INFO_IN_TASK: true,
  SCHED_STACK_END_CHECK: true,
  DEBUG_STACKOVERFLOW: false,
  MEM_SOFT_DIRTY: true,
  HIGHPTE: false,
}

/** Record of `6.1-x86_64`. */
export const RECORD_X86_64_6_1: KernelRecord = {
  name: '6.1-x86_64',
  release: '6.1',
  arch: 'x86_64',
  PAGE_SHIFT: 12,
  NR_PAGE_ORDERS: 11,
  memory_model: 'SPARSEMEM',
  SECTION_SIZE_BITS: 27,
  sizeof_page: 64,
  huge_order: 9,
  nr_pcp_thp: 2,
  PAGE_OFFSET: 0xffff888000000000,
  pgtable_levels: 4,
  VMALLOC_RESERVE: 0,
  VMALLOC_END: 0,
  DMA_LIMIT: 16 * MiB,
  movable_shares_min_free: true,
  split_rss_counting: true,
  bss_is_heap: true,
  report_text: {
    blank_before_thp: true,
    rss_columns: false,
    uid_in_stack: false,
    hwpoisoned: true,
    mark_victim_tells: false,
    memcg_stats: memcg_stats_6_1,
    memcg_stats_in_one_message: true,
  },
  kasan: { ksize_unpoisons: true, exact_mempools: false, frees_after_rcu: false, tells_state: false },
  slab: 'SLUB',
  config: DEBIAN_AMD64,
  ...page_alloc_6_1,
  zone_set_pageset_high_and_batch: zone_set_pageset_high_and_batch_6_1,
  gfp_features: GFP_6_1,
  proc_generation: proc_6_1,
  stack_generation: '6.1',
  reclaim: reclaim_6_1,
}

/** Linux 6.1, x86_64, 4-level page tables. */
export const x86_64_6_1: Kernel = define_kernel(RECORD_X86_64_6_1)

/** Linux 6.1, x86_64, 5-level page tables. */
export const x86_64_6_1_la57: Kernel = define_kernel({
  ...RECORD_X86_64_6_1,
  name: '6.1-x86_64-la57',
  PAGE_OFFSET: 0xff11000000000000,
  pgtable_levels: 5,
})
