// Which rows a kernel prints, in its order: the names in zoneinfo, vmstat, meminfo and pagetypeinfo by what was
// configured into it. A reader needs none of this (facts carry the names that were there); a writer fed from a
// simulated machine takes its names from here.
// Notation of the lists: `feature(words)` stands only in kernels with that feature, `zones(word)` is one word per zone.

export type LayoutFeature =
  | 'v6_1'
  | 'v6_12'
  | 'smp'
  | 'dma32'
  | 'highmem'
  | 'device'
  | 'zsmalloc'
  | 'numa'
  | 'numaBalancing'
  | 'swap'
  | 'zswap'
  | 'migration'
  | 'hugetlb'
  | 'cma'
  | 'isolation'
  | 'thp'
  | 'thpPud'
  | 'balloon'
  | 'ksm'
  | 'memoryFailure'
  | 'map4M'
  | 'map2M'
  | 'map1G'

/** The rows of a kernel's /proc files, all in the kernel's order. */
export interface ProcLayout {
  /** Zone names, lowest first. */
  zones: readonly string[]
  migrateTypes: readonly string[]
  /** The kernel prints a "promo" watermark. */
  promo: boolean
  /** Per-CPU counters with a threshold: kernels with SMP. */
  statThreshold: boolean
  /** Counters of a zone in zoneinfo. */
  zoneCounters: readonly string[]
  /** Counters of a node in zoneinfo. */
  nodeCounters: readonly string[]
  vmstat: readonly string[]
  meminfo: readonly string[]
  /** A node's vmstat, meminfo and numastat. */
  nodeVmstat: readonly string[]
  nodeMeminfo: readonly string[]
  numastat: readonly string[]
  /** Where the values of FileHugePages and FilePmdMapped begin in a node's meminfo. */
  fileColumn: 15 | 16
}

const ZONES = 'DMA dma32(DMA32) Normal highmem(HighMem) Movable device(Device)'

const MIGRATE_TYPES = 'Unmovable Movable Reclaimable HighAtomic cma(CMA) isolation(Isolate)'

const ZONE_COUNTERS = `nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file
  nr_zone_active_file nr_zone_unevictable nr_zone_write_pending nr_mlock nr_bounce zsmalloc(nr_zspages) nr_free_cma
  v6_12(nr_unaccepted) numa(numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other)`

const NODE_COUNTERS = `nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable
  nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon
  workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
  workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback
  nr_writeback_temp nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped
  nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written
  nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack
  nr_page_table_pages nr_sec_page_table_pages v6_12(nr_iommu_pages) swap(nr_swapcached)
  numaBalancing(pgpromote_success pgpromote_candidate) v6_12(pgdemote_kswapd pgdemote_direct pgdemote_khugepaged)`

const EVENTS = `nr_dirty_threshold nr_dirty_background_threshold v6_12(nr_memmap_pages nr_memmap_boot_pages)
  pgpgin pgpgout pswpin pswpout zones(pgalloc) zones(allocstall) zones(pgskip) pgfree pgactivate pgdeactivate
  pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd pgsteal_direct v6_12(pgsteal_khugepaged)
  v6_1(pgdemote_kswapd pgdemote_direct) pgscan_kswapd pgscan_direct v6_12(pgscan_khugepaged) pgscan_direct_throttle
  pgscan_anon pgscan_file pgsteal_anon pgsteal_file zoneReclaimSuccess(zone_reclaim_success)
  numa(zone_reclaim_failed) pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
  kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab oom_kill
  numaBalancing(numa_pte_updates numa_huge_pte_updates numa_hint_faults numa_hint_faults_local numa_pages_migrated)
  migration(pgmigrate_success pgmigrate_fail thp_migration_success thp_migration_fail thp_migration_split)
  migration(compact_migrate_scanned compact_free_scanned compact_isolated compact_stall compact_fail compact_success)
  migration(compact_daemon_wake compact_daemon_migrate_scanned compact_daemon_free_scanned)
  hugetlb(htlb_buddy_alloc_success htlb_buddy_alloc_fail) cma(cma_alloc_success cma_alloc_fail)
  unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked
  unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded
  thp(thp_fault_alloc thp_fault_fallback thp_fault_fallback_charge thp_collapse_alloc thp_collapse_alloc_failed)
  thp(thp_file_alloc thp_file_fallback thp_file_fallback_charge thp_file_mapped thp_split_page thp_split_page_failed)
  thp(thp_deferred_split_page) v6_12(thp_underused_split_page) thp(thp_split_pmd thp_scan_exceed_none_pte)
  thp(thp_scan_exceed_swap_pte thp_scan_exceed_share_pte) thpPud(thp_split_pud)
  thp(thp_zero_page_alloc thp_zero_page_alloc_failed thp_swpout thp_swpout_fallback)
  balloon(balloon_inflate balloon_deflate balloon_migrate) swap(swap_ra swap_ra_hit) v6_12(swpin_zero swpout_zero)
  ksm(ksm_swpin_copy cow_ksm) zswap(zswpin zswpout) v6_12(zswpwb) direct_map_level2_splits direct_map_level3_splits
  nr_unstable`

const MEMINFO = `MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon)
  Active(file) Inactive(file) Unevictable Mlocked highmem(HighTotal HighFree LowTotal LowFree) SwapTotal SwapFree
  zswap(Zswap Zswapped) Dirty Writeback AnonPages Mapped Shmem KReclaimable Slab SReclaimable SUnreclaim KernelStack
  PageTables SecPageTables NFS_Unstable Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal VmallocUsed
  VmallocChunk Percpu memoryFailure(HardwareCorrupted)
  thp(AnonHugePages ShmemHugePages ShmemPmdMapped FileHugePages FilePmdMapped) cma(CmaTotal CmaFree)
  v6_12(Unaccepted) hugetlb(HugePages_Total HugePages_Free HugePages_Rsvd HugePages_Surp Hugepagesize Hugetlb)
  DirectMap4k map4M(DirectMap4M) map2M(DirectMap2M) map1G(DirectMap1G)`

const NODE_MEMINFO = `MemTotal MemFree MemUsed SwapCached Active Inactive Active(anon) Inactive(anon) Active(file)
  Inactive(file) Unevictable Mlocked Dirty Writeback FilePages Mapped AnonPages Shmem KernelStack PageTables
  SecPageTables NFS_Unstable Bounce WritebackTmp KReclaimable Slab SReclaimable SUnreclaim
  thp(AnonHugePages ShmemHugePages ShmemPmdMapped FileHugePages FilePmdMapped) v6_12(Unaccepted)
  hugetlb(HugePages_Total HugePages_Free HugePages_Surp)`

const NUMASTAT = 'numa_hit numa_miss numa_foreign interleave_hit local_node other_node'

/** The rows that a kernel with these features prints. */
export function defineProcLayout(features: readonly LayoutFeature[]): ProcLayout {
  const has = new Set<string>(features)
  if (has.has('v6_12') && has.has('numa')) has.add('zoneReclaimSuccess')
  const zones = expand(ZONES, has, [])
  const [zoneCounters, nodeCounters] = [expand(ZONE_COUNTERS, has, zones), expand(NODE_COUNTERS, has, zones)]
  return {
    zones,
    migrateTypes: expand(MIGRATE_TYPES, has, zones),
    promo: has.has('v6_12'),
    statThreshold: has.has('smp'),
    zoneCounters,
    nodeCounters,
    vmstat: [...zoneCounters, ...nodeCounters, ...expand(EVENTS, has, zones)],
    meminfo: expand(MEMINFO, has, zones),
    nodeVmstat: [...zoneCounters, ...nodeCounters],
    nodeMeminfo: expand(NODE_MEMINFO, has, zones),
    numastat: expand(NUMASTAT, has, zones),
    fileColumn: has.has('v6_12') ? 16 : 15,
  }
}

/** The words of a list that stand in a kernel with these features. Names like `Active(anon)` are words. */
function expand(list: string, has: ReadonlySet<string>, zones: readonly string[]): string[] {
  const words: string[] = []
  for (const [word, feature, group] of list.matchAll(/([a-z]\w*)\(([^)]*)\)|\S+/g)) {
    if (feature === undefined) words.push(word)
    else if (feature === 'zones')
      words.push(...zones.map(zone => `${group}_${ZONE_SUFFIX[zone] ?? zone.toLowerCase()}`))
    else if (has.has(feature)) words.push(...group!.trim().split(/\s+/))
  }
  return words
}

/** How vmstat calls a zone where that is not its name in lower case. */
const ZONE_SUFFIX: Readonly<Record<string, string>> = { HighMem: 'high' }

const DEBIAN = [
  'smp',
  'zsmalloc',
  'swap',
  'zswap',
  'migration',
  'hugetlb',
  'isolation',
  'thp',
  'balloon',
  'ksm',
  'memoryFailure',
] as const
const X86_64 = ['dma32', 'map2M'] as const
const DEBIAN_AMD64 = [...DEBIAN, ...X86_64, 'device', 'numa', 'numaBalancing', 'thpPud'] as const
const BIG = ['smp', 'swap', 'migration', 'hugetlb', 'thp', 'thpPud'] as const

export type ProcLayoutName =
  | '6.1-amd64'
  | '6.1-686'
  | '6.1-686-pae'
  | '6.12-amd64'
  | '6.1.192-x86_64-slub'
  | '6.1.192-x86_64-slab'
  | '6.1.192-x86_64-slob'
  | '6.1.192-x86_64-numa'
  | '6.1.192-x86_64-kasan'
  | '6.1.192-i386-slab'
  | '6.1.192-i386-pae'
  | '6.1.192-i386-2g'

/**
 * The kernels of the recordings: Debian's 6.1 and 6.12, and small kernels built from 6.1.192. CPUs with 1 GiB pages
 * add the feature `map1G`.
 */
export const PROC_LAYOUTS: Readonly<Record<ProcLayoutName, ProcLayout>> = {
  '6.1-amd64': defineProcLayout(['v6_1', ...DEBIAN_AMD64]),
  '6.1-686': defineProcLayout(['v6_1', ...DEBIAN, 'highmem', 'map4M']),
  '6.1-686-pae': defineProcLayout(['v6_1', ...DEBIAN, 'highmem', 'map2M']),
  '6.12-amd64': defineProcLayout(['v6_12', ...DEBIAN_AMD64]),
  '6.1.192-x86_64-slub': defineProcLayout(['v6_1', ...X86_64, ...BIG, 'cma', 'isolation']),
  '6.1.192-x86_64-slab': defineProcLayout(['v6_1', ...X86_64, 'smp', 'migration']),
  '6.1.192-x86_64-slob': defineProcLayout(['v6_1', ...X86_64]),
  '6.1.192-x86_64-numa': defineProcLayout(['v6_1', ...X86_64, ...BIG, 'numa']),
  '6.1.192-x86_64-kasan': defineProcLayout(['v6_1', ...X86_64]),
  '6.1.192-i386-slab': defineProcLayout(['v6_1', 'highmem', 'map4M', 'swap', 'migration']),
  '6.1.192-i386-pae': defineProcLayout(['v6_1', 'highmem', 'map2M', 'migration']),
  '6.1.192-i386-2g': defineProcLayout(['v6_1', 'highmem', 'map4M', 'migration']),
}
