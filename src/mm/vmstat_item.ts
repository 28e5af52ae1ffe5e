// The counters of /proc/vmstat: every name that a modelled kernel has, each list in the order in which it prints them.
// A kernel's record says which of them it has (KernelProc); an index here is a row of the image.

/** @kernel include/linux/mmzone.h:enum zone_stat_item */
export const ZONE_STAT_ITEMS = [
  'nr_free_pages',
  'nr_zone_inactive_anon',
  'nr_zone_active_anon',
  'nr_zone_inactive_file',
  'nr_zone_active_file',
  'nr_zone_unevictable',
  'nr_zone_write_pending',
  'nr_mlock',
  'nr_bounce',
  'nr_zspages',
  'nr_free_cma',
  'nr_unaccepted',
] as const
/** @kernel include/linux/mmzone.h:enum numa_stat_item */
export const NUMA_STAT_ITEMS = [
  'numa_hit',
  'numa_miss',
  'numa_foreign',
  'numa_interleave',
  'numa_local',
  'numa_other',
] as const
/** @kernel include/linux/mmzone.h:enum node_stat_item */
export const NODE_STAT_ITEMS = [
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_unevictable',
  'nr_slab_reclaimable',
  'nr_slab_unreclaimable',
  'nr_isolated_anon',
  'nr_isolated_file',
  'workingset_nodes',
  'workingset_refault_anon',
  'workingset_refault_file',
  'workingset_activate_anon',
  'workingset_activate_file',
  'workingset_restore_anon',
  'workingset_restore_file',
  'workingset_nodereclaim',
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_writeback',
  'nr_writeback_temp',
  'nr_shmem',
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
  'nr_vmscan_write',
  'nr_vmscan_immediate_reclaim',
  'nr_dirtied',
  'nr_written',
  'nr_throttled_written',
  'nr_kernel_misc_reclaimable',
  'nr_foll_pin_acquired',
  'nr_foll_pin_released',
  'nr_kernel_stack',
  'nr_page_table_pages',
  'nr_sec_page_table_pages',
  'nr_iommu_pages',
  'nr_swapcached',
  'pgpromote_success',
  'pgpromote_candidate',
  'pgdemote_kswapd',
  'pgdemote_direct',
  'pgdemote_khugepaged',
] as const
/** @kernel include/linux/vm_event_item.h:enum vm_event_item */
export const VM_EVENTS = [
  'pgpgin',
  'pgpgout',
  'pswpin',
  'pswpout',
  'pgalloc_dma',
  'pgalloc_dma32',
  'pgalloc_normal',
  'pgalloc_high',
  'pgalloc_movable',
  'pgalloc_device',
  'allocstall_dma',
  'allocstall_dma32',
  'allocstall_normal',
  'allocstall_high',
  'allocstall_movable',
  'allocstall_device',
  'pgskip_dma',
  'pgskip_dma32',
  'pgskip_normal',
  'pgskip_high',
  'pgskip_movable',
  'pgskip_device',
  'pgfree',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pgfault',
  'pgmajfault',
  'pglazyfreed',
  'pgrefill',
  'pgreuse',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pgsteal_khugepaged',
  'pgdemote_kswapd',
  'pgdemote_direct',
  'pgdemote_khugepaged',
  'pgscan_kswapd',
  'pgscan_direct',
  'pgscan_khugepaged',
  'pgscan_direct_throttle',
  'pgscan_anon',
  'pgscan_file',
  'pgsteal_anon',
  'pgsteal_file',
  'zone_reclaim_success',
  'zone_reclaim_failed',
  'pginodesteal',
  'slabs_scanned',
  'kswapd_inodesteal',
  'kswapd_low_wmark_hit_quickly',
  'kswapd_high_wmark_hit_quickly',
  'pageoutrun',
  'pgrotated',
  'drop_pagecache',
  'drop_slab',
  'oom_kill',
  'numa_pte_updates',
  'numa_huge_pte_updates',
  'numa_hint_faults',
  'numa_hint_faults_local',
  'numa_pages_migrated',
  'pgmigrate_success',
  'pgmigrate_fail',
  'thp_migration_success',
  'thp_migration_fail',
  'thp_migration_split',
  'compact_migrate_scanned',
  'compact_free_scanned',
  'compact_isolated',
  'compact_stall',
  'compact_fail',
  'compact_success',
  'compact_daemon_wake',
  'compact_daemon_migrate_scanned',
  'compact_daemon_free_scanned',
  'htlb_buddy_alloc_success',
  'htlb_buddy_alloc_fail',
  'cma_alloc_success',
  'cma_alloc_fail',
  'unevictable_pgs_culled',
  'unevictable_pgs_scanned',
  'unevictable_pgs_rescued',
  'unevictable_pgs_mlocked',
  'unevictable_pgs_munlocked',
  'unevictable_pgs_cleared',
  'unevictable_pgs_stranded',
  'thp_fault_alloc',
  'thp_fault_fallback',
  'thp_fault_fallback_charge',
  'thp_collapse_alloc',
  'thp_collapse_alloc_failed',
  'thp_file_alloc',
  'thp_file_fallback',
  'thp_file_fallback_charge',
  'thp_file_mapped',
  'thp_split_page',
  'thp_split_page_failed',
  'thp_deferred_split_page',
  'thp_underused_split_page',
  'thp_split_pmd',
  'thp_scan_exceed_none_pte',
  'thp_scan_exceed_swap_pte',
  'thp_scan_exceed_share_pte',
  'thp_split_pud',
  'thp_zero_page_alloc',
  'thp_zero_page_alloc_failed',
  'thp_swpout',
  'thp_swpout_fallback',
  'balloon_inflate',
  'balloon_deflate',
  'balloon_migrate',
  'swap_ra',
  'swap_ra_hit',
  'swpin_zero',
  'swpout_zero',
  'ksm_swpin_copy',
  'cow_ksm',
  'zswpin',
  'zswpout',
  'zswpwb',
  'direct_map_level2_splits',
  'direct_map_level3_splits',
] as const

export const NR_VM_ZONE_STAT_ITEMS: number = ZONE_STAT_ITEMS.length

export type ZoneStatItem = (typeof ZONE_STAT_ITEMS)[number]
export type NumaStatItem = (typeof NUMA_STAT_ITEMS)[number]
export type NodeStatItem = (typeof NODE_STAT_ITEMS)[number]
export type VmEventItem = (typeof VM_EVENTS)[number]

/** Row offset of a zone counter. @ours */
export const zone_item = (name: ZoneStatItem): number => ZONE_STAT_ITEMS.indexOf(name)
/** Row offset of a node counter. @ours */
export const node_item = (name: NodeStatItem): number => NODE_STAT_ITEMS.indexOf(name)
/** Row of an event. @ours */
export const vm_event = (name: VmEventItem): number => VM_EVENTS.indexOf(name)

export const NR_FREE_PAGES = 0
export const NR_FREE_CMA_PAGES: number = zone_item('nr_free_cma')

export const NUMA_HIT = 0
export const NUMA_MISS = 1
export const NUMA_FOREIGN = 2
export const NUMA_INTERLEAVE_HIT = 3
export const NUMA_LOCAL = 4
export const NUMA_OTHER = 5

const PGALLOC_OF_ZONE = {
  DMA: vm_event('pgalloc_dma'),
  DMA32: vm_event('pgalloc_dma32'),
  Normal: vm_event('pgalloc_normal'),
  HighMem: vm_event('pgalloc_high'),
  Movable: vm_event('pgalloc_movable'),
  Device: vm_event('pgalloc_device'),
} as const
export const PGFREE: number = vm_event('pgfree')

/** Row of the pgalloc_* event of each zone type of a kernel. @ours */
export function pgalloc_events(zones: readonly (keyof typeof PGALLOC_OF_ZONE)[]): Int32Array {
  return Int32Array.from(zones, name => PGALLOC_OF_ZONE[name])
}
