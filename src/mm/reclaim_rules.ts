// Rules of reclaim in which kernels really differ.
import type { Sys } from './mmzone.ts'

export interface ReclaimRules {
  /** Pages of a CPU's batch. */
  readonly batch_size: number
  /** What reading or writing `nr_io` pages and putting `nr_rotated` back is worth. */
  cost(nr_io: number, nr_rotated: number): number
  /** There is a multi-generational LRU; its switches at boot, 0 = the two lists are used until a user says otherwise. */
  readonly lru_gen_boot: number
  readonly has_lru_gen: boolean
  /** Generation of a page that is not young: which one above the oldest of its type. */
  lru_gen_seq(sys: Sys, node: number, type: number, late: boolean, reclaiming: boolean): number
  /** Refaults count even if the page's generation is not the oldest any more, and are counted as activations. */
  readonly lru_gen_counts_all_refaults: boolean
  /** A page that came back in a fault counts as used as often as can be counted, and eviction passes over it once. */
  readonly lru_gen_spares_refaulted: boolean
  /** kswapd ages generations before it reclaims; else eviction asks for it when it finds too few old pages. */
  readonly lru_gen_age_node: boolean
  /** Uses through areas that are read in order or at random do not count. */
  readonly vma_recency: boolean
  /** The tracepoint of isolated pages prints a mode, which is 0 (until 6.11). */
  readonly traces_isolate_mode: boolean
  /** Microseconds that an OOM victim has to end by itself before its memory is taken. */
  readonly oom_reaper_delay: number
  /** A huge page is locked and unlocked with its mappings as a whole; else any unmapping of a part unlocks it, and only its
   * first mapping and mlock itself lock it. */
  readonly mlocks_huge_mappings: boolean
  /** Pages that hold only zeros are not written to swap. */
  readonly swap_zeromap: boolean
  /** Frames of a zspage of zsmalloc at most. */
  readonly zs_max_pages: number
  /** What zswap brings back it gives up. */
  readonly zswap_exclusive: boolean
}
