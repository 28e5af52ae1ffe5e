// Counters of zones. Each CPU collects small differences and folds them into the global counter when they pass its
// threshold; decisions read the global counter alone, as the kernel's do. Without SMP the threshold is 0.
import type { Sys } from './mmzone.ts'
import {
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_VM_ZONE_STAT_ITEMS,
  NUMA_FOREIGN,
  NUMA_HIT,
  NUMA_LOCAL,
  NUMA_MISS,
  NUMA_OTHER,
  NUMA_STAT_ITEMS,
} from './vmstat_item.ts'

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const ZONE_ITEMS: number = NR_VM_ZONE_STAT_ITEMS
const NUMA_ITEMS: number = NUMA_STAT_ITEMS.length
const [HIT, MISS, FOREIGN]: readonly [number, number, number] = [NUMA_HIT, NUMA_MISS, NUMA_FOREIGN]
const [LOCAL, OTHER]: readonly [number, number] = [NUMA_LOCAL, NUMA_OTHER]

/** Adds `delta` pages to a zone's counter. @kernel mm/vmstat.c:__mod_zone_page_state */
export function __mod_zone_page_state(sys: Sys, zone: number, item: number, delta: number): void {
  const pcp = zone * sys.nr_cpus + sys.machine.this_cpu[0]!
  const diffs = sys.zone_stat_diff.vm_stat_diff
  const at = pcp * ZONE_ITEMS + item
  const diff = diffs[at]! + delta
  const threshold = sys.pcp.stat_threshold[pcp]!
  if (diff > threshold || diff < -threshold) {
    const global = zone * ZONE_ITEMS + item
    sys.zone_stat.vm_stat[global] = sys.zone_stat.vm_stat[global]! + diff
    diffs[at] = 0
  } else {
    diffs[at] = diff
  }
}

/** Accounts pages that enter or leave the free lists. @kernel include/linux/vmstat.h:__mod_zone_freepage_state */
export function __mod_zone_freepage_state(sys: Sys, zone: number, nr_pages: number, migratetype: number): void {
  __mod_zone_page_state(sys, zone, NR_FREE_PAGES, nr_pages)
  if (migratetype === sys.MIGRATE_CMA) __mod_zone_page_state(sys, zone, NR_FREE_CMA_PAGES, nr_pages)
}

/** The global counter, without what CPUs have not folded yet. @kernel include/linux/vmstat.h:zone_page_state */
export function zone_page_state(sys: Sys, zone: number, item: number): number {
  return sys.zone_stat.vm_stat[zone * ZONE_ITEMS + item]!
}

/** The counter with all CPUs' differences, never below 0. @kernel include/linux/vmstat.h:zone_page_state_snapshot */
export function zone_page_state_snapshot(sys: Sys, zone: number, item: number): number {
  let sum = zone_page_state(sys, zone, item)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    sum += sys.zone_stat_diff.vm_stat_diff[(zone * sys.nr_cpus + cpu) * NR_VM_ZONE_STAT_ITEMS + item]!
  return Math.max(sum, 0)
}

/** Folds a CPU's differences of all zones into the global counters. @kernel mm/vmstat.c:refresh_cpu_vm_stats */
export function refresh_cpu_vm_stats(sys: Sys, cpu: number): void {
  const { vm_stat } = sys.zone_stat
  const { vm_stat_diff } = sys.zone_stat_diff
  for (let zone = 0; zone < sys.nr_zones; zone++)
    for (let item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
      const at = (zone * sys.nr_cpus + cpu) * NR_VM_ZONE_STAT_ITEMS + item
      vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + item]! += vm_stat_diff[at]!
      vm_stat_diff[at] = 0
    }
}

/** Adds to an event. @kernel include/linux/vmstat.h:count_vm_events @differs one counter for all CPUs */
export function count_vm_events(sys: Sys, event: number, delta: number): void {
  sys.vm_event.count[event] = sys.vm_event.count[event]! + delta
}

/**
 * Says whether an allocation got the node it preferred and the node it ran on.
 * @kernel mm/page_alloc.c:zone_statistics
 */
export function zone_statistics(sys: Sys, preferred_zone: number, zone: number, nr: number): void {
  if (!sys.kernel.config.NUMA || sys.machine.numa_stats[0] === 0) return
  const { count } = sys.numa_stat
  const node = sys.zone_to_nid[zone]!
  const here = sys.cpu.node[sys.machine.this_cpu[0]!]!
  const row = zone * NUMA_ITEMS
  if (zone === preferred_zone || node === sys.zone_to_nid[preferred_zone]) {
    count[row + HIT] = count[row + HIT]! + nr
  } else {
    count[row + MISS] = count[row + MISS]! + nr
    count[preferred_zone * NUMA_ITEMS + FOREIGN]! += nr
  }
  const where = row + (node === here ? LOCAL : OTHER)
  count[where] = count[where]! + nr
}
