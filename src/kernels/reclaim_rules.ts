// Rules of reclaim as two generations. See ReclaimRules.
import type { ReclaimRules } from '../mm/reclaim_rules.ts'

/** 6.1: only I/O costs; the multi-generational LRU is there and off. */
export const reclaim_6_1: ReclaimRules = {
  batch_size: 15,
  cost: nr_io => nr_io,
  has_lru_gen: true,
  lru_gen_boot: 0,
  lru_gen_seq: (sys, node, type, late) => sys.lru_gen.min_seq[2 * node + type]! + (late ? 1 : 0),
  lru_gen_counts_all_refaults: false,
  lru_gen_spares_refaulted: true,
  lru_gen_age_node: true,
  vma_recency: false,
  traces_isolate_mode: true,
  oom_reaper_delay: 2_000_000,
  mlocks_huge_mappings: true,
  swap_zeromap: false,
  zs_max_pages: 4,
  zswap_exclusive: false,
}

/** Kernels before it: two lists only. */
export const reclaim_classic: ReclaimRules = { ...reclaim_6_1, has_lru_gen: false }

/** 6.12: pages that were put back cost, too; the multi-generational LRU is on. */
export const reclaim_6_12: ReclaimRules = {
  batch_size: 31,
  cost: (nr_io, nr_rotated) => 32 * nr_io + nr_rotated,
  has_lru_gen: true,
  lru_gen_boot: 7,
  lru_gen_seq(sys, node, type, late, reclaiming) {
    const { max_seq, min_seq } = sys.lru_gen
    const [youngest, oldest] = [max_seq[node]!, min_seq[2 * node + type]!]
    if (late) return youngest - 1
    return reclaiming || oldest + 2 >= youngest ? oldest : oldest + 1
  },
  lru_gen_counts_all_refaults: true,
  lru_gen_spares_refaulted: false,
  lru_gen_age_node: false,
  vma_recency: true,
  traces_isolate_mode: false,
  oom_reaper_delay: 2_000_000,
  mlocks_huge_mappings: false,
  swap_zeromap: true,
  zs_max_pages: 8,
  zswap_exclusive: true,
}
