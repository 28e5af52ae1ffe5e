// Which counters a kernel has, from its configuration: /proc/vmstat prints the same names in the same order on every
// kernel of a release, and leaves out what was not compiled in.
import type { KernelConfig, KernelProc, ZoneName } from '../mm/kernel.ts'
import { NODE_STAT_ITEMS, NUMA_STAT_ITEMS, VM_EVENTS, ZONE_STAT_ITEMS } from '../mm/vmstat_item.ts'

/** Counters that came after 6.1, and where some that both have are counted. */
export interface ProcGeneration {
  /** Names that this release does not have, or has elsewhere. */
  readonly without: readonly string[]
  readonly vmstat_memmap: boolean
  readonly zoneinfo_promo: boolean
  readonly kmemleak_crc: boolean
  readonly kpageflags_of_folio: boolean
}

/** 6.1 counts demotions as events. */
export const proc_6_1: ProcGeneration = {
  without: [
    'nr_unaccepted',
    'nr_iommu_pages',
    'node:pgdemote_kswapd',
    'node:pgdemote_direct',
    'pgdemote_khugepaged',
    'node:pgdemote_khugepaged',
    'pgsteal_khugepaged',
    'pgscan_khugepaged',
    'zone_reclaim_success',
    'thp_underused_split_page',
    'swpin_zero',
    'swpout_zero',
    'zswpwb',
  ],
  vmstat_memmap: false,
  zoneinfo_promo: false,
  kmemleak_crc: false,
  kpageflags_of_folio: false,
}

/** 6.12 counts demotions per node. */
export const proc_6_12: ProcGeneration = {
  without: ['event:pgdemote_kswapd', 'event:pgdemote_direct', 'event:pgdemote_khugepaged'],
  vmstat_memmap: true,
  zoneinfo_promo: true,
  kmemleak_crc: true,
  kpageflags_of_folio: true,
}

/** Names that exist only with a switch; a name may start like several of them. */
function missing(config: KernelConfig): readonly RegExp[] {
  const { NUMA, NUMA_BALANCING, COMPACTION, HUGETLB_PAGE, CMA, TRANSPARENT_HUGEPAGE, SWAP } = config
  const rules: readonly (readonly [boolean, RegExp])[] = [
    [config.ZSMALLOC, /^nr_zspages$/],
    [NUMA, /^zone_reclaim_/],
    [SWAP, /^(nr_swapcached|swap_ra|swap_ra_hit)$/],
    [SWAP && config.KSM, /^ksm_swpin_copy$/],
    [SWAP, /^swp(in|out)_zero$/],
    [NUMA_BALANCING, /^(numa_(pte|huge_pte|hint|pages_migrated)|pgpromote_)/],
    [COMPACTION, /^(pgmigrate|thp_migration|compact)_/],
    [HUGETLB_PAGE, /^htlb_/],
    [CMA, /^cma_/],
    [TRANSPARENT_HUGEPAGE, /^thp_(?!migration)/],
    [config.MEMORY_BALLOON, /^balloon_/],
    [config.KSM, /^cow_ksm$/],
    [config.ZSWAP, /^zswp/],
  ]
  return rules.filter(([has]) => !has).map(([, name]) => name)
}

/** 32-bit page tables have no level whose huge entry could be split. */
const pud = (bits: number): readonly RegExp[] => (bits === 32 ? [/^thp_split_pud$/] : [])

function without_zones(zones: readonly ZoneName[]): readonly RegExp[] {
  const names: readonly (readonly [ZoneName, string])[] = [
    ['DMA', 'dma'],
    ['DMA32', 'dma32'],
    ['HighMem', 'high'],
    ['Device', 'device'],
  ]
  return names
    .filter(([zone]) => !zones.includes(zone))
    .map(([, name]) => new RegExp(`^(pgalloc|allocstall|pgskip)_${name}$`))
}

/** The counters of a kernel with this configuration. @ours */
export function kernel_proc(
  generation: ProcGeneration,
  config: KernelConfig,
  zones: readonly ZoneName[],
  bits: number,
): KernelProc {
  const patterns = [...missing(config), ...without_zones(zones), ...pud(bits)]
  const has =
    (kind: string) =>
    (name: string): boolean =>
      !generation.without.includes(name) &&
      !generation.without.includes(`${kind}:${name}`) &&
      !patterns.some(pattern => pattern.test(name))
  return {
    zone_stat: ZONE_STAT_ITEMS.filter(has('zone')),
    numa_stat: config.NUMA ? NUMA_STAT_ITEMS : [],
    node_stat: NODE_STAT_ITEMS.filter(has('node')),
    vm_events: VM_EVENTS.filter(has('event')),
    vmstat_memmap: generation.vmstat_memmap,
    zoneinfo_promo: generation.zoneinfo_promo,
    kmemleak_crc: generation.kmemleak_crc,
    kpageflags_of_folio: generation.kpageflags_of_folio,
  }
}
