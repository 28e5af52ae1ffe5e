// Linux 6.12 for x86_64 as Debian builds it: per-CPU lists that tune themselves, ZONE_MOVABLE without a share of
// min_free_kbytes, GFP_NOWAIT that does not warn.

import type { Kernel } from '../mm/kernel.ts'
import { define_kernel } from './define_kernel.ts'
import { GFP_6_12 } from './gfp_features.ts'
import { memcg_stats_6_12 } from './memcg_stats.ts'
import { page_alloc_6_12 } from './page_alloc_rules.ts'
import { zone_set_pageset_high_and_batch_6_12 } from './pageset_6_12.ts'
import { proc_6_12 } from './proc_items.ts'
import { reclaim_6_12 } from './reclaim_rules.ts'
import { RECORD_X86_64_6_1 } from './x86_64_6_1.ts'

/** Linux 6.12, x86_64, 4-level page tables. */
export const x86_64_6_12: Kernel = define_kernel({
  ...RECORD_X86_64_6_1,
  name: '6.12-x86_64',
  release: '6.12',
  config: { ...RECORD_X86_64_6_1.config, NUMA_MEMBLKS: true, SLUB_KMALLOC_REDZONE: true },
  movable_shares_min_free: false,
  split_rss_counting: false,
  bss_is_heap: false,
  report_text: {
    blank_before_thp: false,
    rss_columns: true,
    uid_in_stack: true,
    hwpoisoned: true,
    mark_victim_tells: true,
    memcg_stats: memcg_stats_6_12,
    memcg_stats_in_one_message: false,
  },
  kasan: { ksize_unpoisons: false, exact_mempools: true, frees_after_rcu: true, tells_state: true },
  ...page_alloc_6_12,
  zone_set_pageset_high_and_batch: zone_set_pageset_high_and_batch_6_12,
  gfp_features: GFP_6_12,
  proc_generation: proc_6_12,
  stack_generation: '6.12',
  reclaim: reclaim_6_12,
})
