// What the page allocator computes from the sizes of the zones: min_free_kbytes, watermarks, lowmem_reserve, counter
// thresholds, per-CPU list sizes. Law: every number is made of the managed pages *of the moment it is computed*; later
// growth (the initial ramdisk and init sections are freed) changes nothing until something is written.
//   boot   init_per_zone_wmark_min: min_free_kbytes, watermarks, thresholds, lowmem_reserve
//          start_stop_khugepaged:   min_free_kbytes may rise; watermarks again
//   later  a sysctl is written (mm/sysctl.ts)
import { clamp, int_sqrt } from '../../base/bits.ts'
import { zone_type } from '../kernel.ts'
import { MIGRATE_PCPTYPES, type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../mmzone.ts'

/** Bytes at which MemTotal is enough for transparent huge pages. @kernel mm/huge_memory.c:hugepage_init */
const THP_MIN_BYTES = 512 * 1024 * 1024
const SWAP_CLUSTER_MAX = 32

/** `a * b / c` without remainder, exact where the product passes 2^53. */
function muldiv(a: number, b: number, c: number): number {
  const product = a * b
  if (product <= Number.MAX_SAFE_INTEGER) return Math.floor(product / c)
  return Number((BigInt(a) * BigInt(b)) / BigInt(c))
}

const kernel_zone_is = (sys: Sys, zone: number, type: number): boolean => zone % sys.nr_zone_types === type

/** Whether a zone has no direct map: HIGHMEM, and MOVABLE where it is made of high memory.
 * @kernel include/linux/mmzone.h:is_highmem_idx */
export function is_highmem(sys: Sys, zone: number): boolean {
  const highmem = zone_type(sys.kernel, 'HighMem')
  if (highmem < 0) return false
  if (kernel_zone_is(sys, zone, highmem)) return true
  return kernel_zone_is(sys, zone, zone_type(sys.kernel, 'Movable')) && sys.machine.movable_zone[0] === highmem
}

/** Pages above the high watermarks of all zones that ordinary kernel memory may come from.
 * @kernel mm/page_alloc.c:nr_free_buffer_pages */
export function nr_free_buffer_pages(sys: Sys): number {
  const normal = zone_type(sys.kernel, 'Normal')
  let pages = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    if (zone % sys.nr_zone_types > normal) continue
    const high = sys.zone.watermark[4 * zone + WMARK_HIGH]! + sys.zone.watermark_boost[zone]!
    pages += Math.max(sys.zone.managed_pages[zone]! - high, 0)
  }
  return pages
}

/** min_free_kbytes = 4 √(kB of low memory), 128 … 262144, but never below what a user wrote.
 * @kernel mm/page_alloc.c:calculate_min_free_kbytes */
export function calculate_min_free_kbytes(sys: Sys): void {
  const lowmem_kbytes = nr_free_buffer_pages(sys) * page_kbytes(sys)
  const value = int_sqrt(lowmem_kbytes * 16)
  if (value > sys.sysctl.user_min_free_kbytes[0]!) sys.sysctl.min_free_kbytes[0] = clamp(value, 128, 262144)
}

const page_kbytes = (sys: Sys): number => 2 ** (sys.kernel.PAGE_SHIFT - 10)

/** Enough free memory that a huge page can be made: two pageblocks a zone, and one for each pair of mobility types that
 * could mix, but at most 5 % of low memory. @kernel mm/khugepaged.c:set_recommended_min_free_kbytes */
export function set_recommended_min_free_kbytes(sys: Sys): void {
  if (sys.sysctl.khugepaged_min_free[0] === 0) {
    calculate_min_free_kbytes(sys)
  } else {
    const normal = zone_type(sys.kernel, 'Normal')
    let nr_zones = 0
    for (let zone = 0; zone < sys.nr_zones; zone++)
      if (zone % sys.nr_zone_types <= normal && sys.zone.present_pages[zone]! > 0) nr_zones++
    const blocks = nr_zones * (2 + MIGRATE_PCPTYPES * MIGRATE_PCPTYPES)
    const pages = Math.min(blocks * sys.pageblock_nr_pages, Math.floor(nr_free_buffer_pages(sys) / 20))
    sys.sysctl.min_free_kbytes[0] = Math.max(sys.sysctl.min_free_kbytes[0]!, pages * page_kbytes(sys))
  }
  setup_per_zone_wmarks(sys)
}

/** Memory of the machine that the allocator manages, pages. @kernel include/linux/mm.h:totalram_pages */
export function totalram_pages(sys: Sys): number {
  return sys.zone.managed_pages.reduce((sum, pages) => sum + pages, 0)
}

/** Transparent huge pages at boot: too little memory switches them off and leaves min_free_kbytes alone.
 * @kernel mm/huge_memory.c:hugepage_init */
export function hugepage_init(sys: Sys, enabled: boolean): void {
  if (!sys.kernel.config.TRANSPARENT_HUGEPAGE) return
  const enough = totalram_pages(sys) * 2 ** sys.kernel.PAGE_SHIFT >= THP_MIN_BYTES
  sys.sysctl.khugepaged_min_free[0] = enabled && enough ? 1 : 0
  if (enough) set_recommended_min_free_kbytes(sys)
}

/** Watermarks of all zones, then the sizes that follow from them. @kernel mm/page_alloc.c:setup_per_zone_wmarks */
export function setup_per_zone_wmarks(sys: Sys): void {
  const pages_min = Math.floor(sys.sysctl.min_free_kbytes[0]! / page_kbytes(sys))
  const lowmem_pages = sum_sharing_pages(sys)
  for (let zone = 0; zone < sys.nr_zones; zone++) set_zone_wmarks(sys, zone, pages_min, lowmem_pages)
  for (let zone = 0; zone < sys.nr_zones; zone++) zone_pcp_update(sys, zone)
}

/** Whether a zone has its min from a fixed rule and not from min_free_kbytes. */
function has_fixed_min(sys: Sys, zone: number): boolean {
  if (is_highmem(sys, zone)) return true
  return !sys.kernel.movable_shares_min_free && kernel_zone_is(sys, zone, zone_type(sys.kernel, 'Movable'))
}

/** Managed pages of the zones that share min_free_kbytes. */
function sum_sharing_pages(sys: Sys): number {
  let pages = 0
  for (let zone = 0; zone < sys.nr_zones; zone++) if (!has_fixed_min(sys, zone)) pages += sys.zone.managed_pages[zone]!
  return pages
}

/** @kernel mm/page_alloc.c:__setup_per_zone_wmarks */
function set_zone_wmarks(sys: Sys, zone: number, pages_min: number, lowmem_pages: number): void {
  const managed = sys.zone.managed_pages[zone]!
  const share = lowmem_pages === 0 ? 0 : muldiv(pages_min, managed, lowmem_pages)
  const min = has_fixed_min(sys, zone) ? clamp(Math.floor(managed / 1024), SWAP_CLUSTER_MAX, 128) : share
  const scale = muldiv(managed, sys.sysctl.watermark_scale_factor[0]!, 10000)
  const gap = Math.max(Math.floor(share / 4), scale)
  const { watermark, watermark_boost } = sys.zone
  watermark_boost[zone] = 0
  watermark[4 * zone + WMARK_MIN] = min
  watermark[4 * zone + WMARK_LOW] = min + gap
  watermark[4 * zone + WMARK_HIGH] = min + 2 * gap
  watermark[4 * zone + WMARK_PROMO] = min + 3 * gap
}

/** @kernel mm/page_alloc.c:zone_pcp_update */
export function zone_pcp_update(sys: Sys, zone: number): void {
  sys.kernel.zone_set_pageset_high_and_batch(sys, zone)
}

/** Pages of each zone that requests allowed in a higher zone must leave: the managed pages above it, up to and with
 * theirs, by the zone's ratio. @kernel mm/page_alloc.c:setup_per_zone_lowmem_reserve */
export function setup_per_zone_lowmem_reserve(sys: Sys): void {
  const types = sys.nr_zone_types
  const { managed_pages, lowmem_reserve } = sys.zone
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    const first = zone - (zone % types)
    const ratio = sys.sysctl.lowmem_reserve_ratio[zone - first]!
    const clear = ratio === 0 || managed_pages[zone] === 0
    let above = 0
    for (let type = zone - first + 1; type < types; type++) {
      above += managed_pages[first + type]!
      lowmem_reserve[8 * zone + type] = clear ? 0 : Math.floor(above / ratio)
    }
  }
}

/** Number of the highest set bit from 1; 0 for 0. */
const fls = (value: number): number => 32 - Math.clz32(value)

/** How far a CPU's counter may be from 0 before it is folded. @kernel mm/vmstat.c:calculate_normal_threshold */
export function calculate_normal_threshold(sys: Sys, zone: number): number {
  const units = Math.floor(sys.zone.managed_pages[zone]! / 2 ** (27 - sys.kernel.PAGE_SHIFT))
  return Math.min(125, 2 * fls(sys.nr_cpus) * (1 + fls(units)))
}

/** Thresholds of all zones, and the level of free memory below which the CPUs' differences could hide an empty zone.
 * @kernel mm/vmstat.c:refresh_zone_stat_thresholds */
export function refresh_zone_stat_thresholds(sys: Sys): void {
  if (!sys.kernel.config.SMP) return
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    if (sys.zone.present_pages[zone] === 0) continue
    const threshold = calculate_normal_threshold(sys, zone)
    for (let cpu = 0; cpu < sys.nr_cpus; cpu++) sys.pcp.stat_threshold[zone * sys.nr_cpus + cpu] = threshold
    set_percpu_drift_mark(sys, zone, sys.nr_cpus * threshold)
  }
}

function set_percpu_drift_mark(sys: Sys, zone: number, max_drift: number): void {
  const { watermark, watermark_boost, percpu_drift_mark } = sys.zone
  const tolerate_drift = watermark[4 * zone + WMARK_LOW]! - watermark[4 * zone + WMARK_MIN]!
  if (max_drift > tolerate_drift)
    percpu_drift_mark[zone] = watermark[4 * zone + WMARK_HIGH]! + watermark_boost[zone]! + max_drift
}

/** The first computation at boot, when all of memory is with the allocator.
 * @kernel mm/page_alloc.c:init_per_zone_wmark_min */
export function init_per_zone_wmark_min(sys: Sys): void {
  calculate_min_free_kbytes(sys)
  setup_per_zone_wmarks(sys)
  refresh_zone_stat_thresholds(sys)
  setup_per_zone_lowmem_reserve(sys)
}

/** Defaults of vm.*. @kernel mm/page_alloc.c:sysctl_lowmem_reserve_ratio */
export function sysctl_defaults(sys: Sys): void {
  const ratios: Readonly<Record<string, number>> = { DMA: 256, DMA32: 256, Normal: 32 }
  const { sysctl, machine } = sys
  sys.kernel.zones.forEach((name, type) => {
    sysctl.lowmem_reserve_ratio[type] = ratios[name] ?? 0
  })
  sysctl.min_free_kbytes[0] = 1024
  sysctl.user_min_free_kbytes[0] = -1
  sysctl.watermark_scale_factor[0] = 10
  sysctl.watermark_boost_factor[0] = 15000
  sysctl.swappiness[0] = 60
  sysctl.oom_dump_tasks[0] = 1
  machine.numa_stats[0] = sys.kernel.config.NUMA ? 1 : 0
}
