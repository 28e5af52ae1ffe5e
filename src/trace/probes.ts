// Probes: where a running twin tells what it does, one optional function per tracepoint, under the kernel's names.
// Law: arguments are integers (frames, orders, gfp bits, addresses as exact doubles), in the order of the kernel's
// tracepoint; an absent member costs one property test: `sys.trace.mm_page_alloc?.(pfn, order, gfp, migratetype)`.
// A failed allocation reports pfn -1.

export interface Probes {
  mm_page_alloc?: ((pfn: number, order: number, gfp: number, migratetype: number) => void) | undefined
  mm_page_free?: ((pfn: number, order: number) => void) | undefined
  mm_page_free_batched?: ((pfn: number) => void) | undefined
  mm_page_alloc_zone_locked?:
    | ((pfn: number, order: number, migratetype: number, percpu_refill: number) => void)
    | undefined
  mm_page_pcpu_drain?: ((pfn: number, order: number, migratetype: number) => void) | undefined
  mm_page_alloc_extfrag?:
    | ((
        pfn: number,
        alloc_order: number,
        fallback_order: number,
        alloc_migratetype: number,
        fallback_migratetype: number,
        change_ownership: number,
      ) => void)
    | undefined
  kmalloc?:
    | ((call_site: number, ptr: number, bytes_req: number, bytes_alloc: number, gfp: number, node: number) => void)
    | undefined
  kmem_cache_alloc?:
    | ((call_site: number, ptr: number, bytes_req: number, bytes_alloc: number, gfp: number, node: number) => void)
    | undefined
  kfree?: ((call_site: number, ptr: number) => void) | undefined
  kmem_cache_free?: ((call_site: number, ptr: number) => void) | undefined
  rss_stat?: ((mm_id: number, curr: number, member: number, size: number) => void) | undefined
  mm_compaction_begin?:
    | ((zone_start: number, migrate_pfn: number, free_pfn: number, zone_end: number, sync: number) => void)
    | undefined
  mm_compaction_end?:
    | ((
        zone_start: number,
        migrate_pfn: number,
        free_pfn: number,
        zone_end: number,
        sync: number,
        status: number,
      ) => void)
    | undefined
  mm_compaction_isolate_freepages?:
    | ((start_pfn: number, end_pfn: number, nr_scanned: number, nr_taken: number) => void)
    | undefined
  mm_compaction_isolate_migratepages?:
    | ((start_pfn: number, end_pfn: number, nr_scanned: number, nr_taken: number) => void)
    | undefined
  mm_compaction_try_to_compact_pages?: ((order: number, gfp: number, prio: number) => void) | undefined
  /** `idx`: type of the zone; `ret`: COMPACT_*. */
  mm_compaction_finished?: ((nid: number, idx: number, order: number, ret: number) => void) | undefined
  mm_compaction_suitable?: ((nid: number, idx: number, order: number, ret: number) => void) | undefined
  mm_compaction_deferred?: DeferProbe | undefined
  mm_compaction_defer_compaction?: DeferProbe | undefined
  mm_compaction_defer_reset?: DeferProbe | undefined
  mm_compaction_wakeup_kcompactd?: ((nid: number, order: number, highest_zoneidx: number) => void) | undefined
  mm_compaction_kcompactd_wake?: ((nid: number, order: number, highest_zoneidx: number) => void) | undefined
  mm_compaction_kcompactd_sleep?: ((nid: number) => void) | undefined
  mm_compaction_migratepages?: ((nr_migrated: number, nr_failed: number) => void) | undefined
  mm_vmscan_wakeup_kswapd?: ((nid: number, zid: number, order: number, gfp: number) => void) | undefined
  mm_vmscan_kswapd_wake?: ((nid: number, order: number) => void) | undefined
  mm_vmscan_direct_reclaim_begin?: ((order: number, gfp: number) => void) | undefined
  mm_vmscan_direct_reclaim_end?: ((nr_reclaimed: number) => void) | undefined
  /** `isolate_mode`: NaN = the kernel does not print it. */
  mm_vmscan_lru_isolate?:
    | ((
        highest_zoneidx: number,
        order: number,
        nr_requested: number,
        nr_scanned: number,
        nr_skipped: number,
        nr_taken: number,
        isolate_mode: number,
        lru: number,
      ) => void)
    | undefined
  /** `file`: 1 = a page, or a list, of files. */
  mm_vmscan_write_folio?: ((pfn: number, file: number) => void) | undefined
  mm_vmscan_lru_shrink_inactive?:
    | ((
        nid: number,
        nr_scanned: number,
        nr_reclaimed: number,
        nr_dirty: number,
        nr_writeback: number,
        nr_congested: number,
        nr_immediate: number,
        nr_activate_anon: number,
        nr_activate_file: number,
        nr_ref_keep: number,
        nr_unmap_fail: number,
        priority: number,
        file: number,
      ) => void)
    | undefined
  mm_vmscan_lru_shrink_active?:
    | ((
        nid: number,
        nr_taken: number,
        nr_active: number,
        nr_deactivated: number,
        nr_referenced: number,
        priority: number,
        file: number,
      ) => void)
    | undefined
  mm_vmscan_throttled?: ((nid: number, usec_timeout: number, usec_delayed: number, reason: number) => void) | undefined
  mm_vmscan_kswapd_sleep?: ((nid: number) => void) | undefined
  reclaim_retry_zone?:
    | ((
        nid: number,
        zone_idx: number,
        order: number,
        reclaimable: number,
        available: number,
        min_wmark: number,
        no_progress_loops: number,
        wmark_check: number,
      ) => void)
    | undefined
  /** From 6.12 on with kB of memory, tables, the victim's user and wish; before, all but `pid` are NaN. */
  mark_victim?:
    | ((
        pid: number,
        total_vm: number,
        anon_rss: number,
        file_rss: number,
        shmem_rss: number,
        uid: number,
        pgtables: number,
        oom_score_adj: number,
        task: number,
      ) => void)
    | undefined
  oom_score_adj_update?: ((pid: number, oom_score_adj: number, task: number) => void) | undefined
  wake_reaper?: ((pid: number) => void) | undefined
  start_task_reaping?: ((pid: number) => void) | undefined
  finish_task_reaping?: ((pid: number) => void) | undefined
  skip_task_reaping?: ((pid: number) => void) | undefined
  /** `priority` COMPACT_PRIO_*, `result` 0 failed, 1 withdrawn, 2 progress. */
  compact_retry?:
    | ((
        order: number,
        priority: number,
        result: number,
        retries: number,
        max_retries: number,
        should_retry: number,
      ) => void)
    | undefined
  mm_vmscan_memcg_reclaim_begin?: ((order: number, gfp: number) => void) | undefined
  mm_vmscan_memcg_reclaim_end?: ((nr_reclaimed: number) => void) | undefined
  mm_vmscan_node_reclaim_begin?: ((nid: number, order: number, gfp: number) => void) | undefined
  mm_vmscan_node_reclaim_end?: ((nr_reclaimed: number) => void) | undefined
}

/** A request for compaction was put off: how many were since it failed, of how many. */
export type DeferProbe = (
  nid: number,
  idx: number,
  order: number,
  order_failed: number,
  considered: number,
  limit: number,
) => void

/** The names of all tracepoints that a twin can report. */
export type ProbeName = keyof Probes
