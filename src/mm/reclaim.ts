// The seam between the page allocator and reclaim: what the slow path asks when memory is short. A machine without a
// reclaim room has `sys.reclaim = null`; its requests then fail as those that must not wait.
import type { Sys } from './mmzone.ts'

export interface Reclaim {
  /** @kernel mm/vmscan.c:wakeup_kswapd */
  wakeup_kswapd(sys: Sys, zone: number, gfp: number, order: number, highest_zoneidx: number): void
  /** @kernel mm/page_alloc.c:wake_all_kswapds */
  wake_all_kswapds(
    sys: Sys,
    order: number,
    gfp: number,
    zonelist: number,
    highest_zoneidx: number,
    nodemask: Uint8Array | null,
  ): void
  /** vm.zone_reclaim_mode: frees pages of this node first; true = the zone may serve now. @kernel mm/vmscan.c:node_reclaim */
  node_reclaim(
    sys: Sys,
    zone: number,
    order: number,
    mark: number,
    highest_zoneidx: number,
    alloc_flags: number,
  ): boolean
  /** Direct compaction, direct reclaim, retries and OOM; a pfn, or -1 when the request fails. */
  alloc_pages_reclaim(
    sys: Sys,
    gfp: number,
    order: number,
    alloc_flags: number,
    zonelist: number,
    highest_zoneidx: number,
    migratetype: number,
    nodemask: Uint8Array | null,
  ): number
}
