// Direct reclaim: who wants memory and finds none frees some itself, from a small part of the lists to all of them.
// Law: it is not nested; while it runs no allocation begins another one.

import { compaction_ready } from './compaction_suitable.ts'
import { __GFP_FS } from './gfp.ts'
import { MAX_RECLAIM_RETRIES, wakeup_kswapd } from './kswapd.ts'
import { managed_zone, type Sys, WMARK_MIN } from './mmzone.ts'
import { wmark_pages } from './page_alloc/watermark.ts'
import { cond_resched, wait_until } from './reclaim_clock.ts'
import { fatal_signal_pending } from './task_reserves.ts'
import { DEF_PRIORITY, scan_control_init, shrink_node, snapshot_refaults } from './vmscan.ts'
import { has_reclaimable_pages } from './vmscan_reclaimable.ts'
import { count_vm_events, zone_page_state } from './vmstat.ts'
import { NR_FREE_PAGES, vm_event } from './vmstat_item.ts'

const ALLOCSTALL = {
  DMA: 'dma',
  DMA32: 'dma32',
  Normal: 'normal',
  HighMem: 'high',
  Movable: 'movable',
  Device: 'device',
} as const
const THROTTLED: number = vm_event('pgscan_direct_throttle')
/** A tick of 250 Hz, in microseconds. */
const JIFFY = 4000

/** Row of scan_control of direct reclaim. @ours */
export const direct_row = (sys: Sys): number => sys.nr_nodes

/** Reclaims for a request; returns the pages freed, 0 = no progress. @kernel mm/vmscan.c:try_to_free_pages */
export function try_to_free_pages(
  sys: Sys,
  zonelist: number,
  order: number,
  gfp: number,
  highest_zoneidx: number,
  nodemask: Uint8Array | null,
): number {
  const sc = direct_row(sys)
  scan_control_init(sys, sc, gfp, order, highest_zoneidx)
  throttle_direct_reclaim(sys, zonelist, gfp, highest_zoneidx)
  sys.trace.mm_vmscan_direct_reclaim_begin?.(order, gfp)
  sys.reclaim_clock.reclaiming[0]! += 1
  const freed = do_try_to_free_pages(sys, zonelist, sc, nodemask)
  sys.reclaim_clock.reclaiming[0]! -= 1
  sys.trace.mm_vmscan_direct_reclaim_end?.(freed)
  return freed
}

/** @kernel mm/vmscan.c:do_try_to_free_pages */
function do_try_to_free_pages(sys: Sys, zonelist: number, sc: number, nodemask: Uint8Array | null): number {
  const control = sys.scan_control
  for (;;) {
    const zone_type = sys.kernel.zones[control.reclaim_idx[sc]!]!
    count_vm_events(sys, vm_event(`allocstall_${ALLOCSTALL[zone_type]}` as 'allocstall_dma'), 1)
    do {
      control.nr_scanned[sc] = 0
      shrink_zones(sys, zonelist, sc, nodemask)
      if (control.nr_reclaimed[sc]! >= control.nr_to_reclaim[sc]! || control.compaction_ready[sc] === 1) break
      if (control.priority[sc]! < DEF_PRIORITY - 2) control.may_writepage[sc] = 1
      control.priority[sc]! -= 1
    } while (control.priority[sc]! >= 0)
    for_nodes(sys, zonelist, control.reclaim_idx[sc]!, nodemask, node => {
      snapshot_refaults(sys, node)
      sys.lruvec.congested[node] = 0
    })
    if (control.nr_reclaimed[sc]! > 0) return control.nr_reclaimed[sc]!
    if (control.compaction_ready[sc] === 1) return 1
    if (control.skipped_deactivate[sc] === 0) return 0
    // Active pages were spared; there is nothing else.
    control.priority[sc] = control.initial_priority[sc]!
    control.force_deactivate[sc] = 1
    control.skipped_deactivate[sc] = 0
  }
}

/** Each node of a zonelist, once and in its order. */
function for_nodes(
  sys: Sys,
  zonelist: number,
  highest_zoneidx: number,
  nodemask: Uint8Array | null,
  visit: (node: number, zone: number) => void,
): void {
  const { zones } = sys.zonelist
  let last = -1
  for (let at = zonelist; zones[at] !== -1; at++) {
    const zone = zones[at]!
    const node = sys.zone_to_nid[zone]!
    if (sys.zone_idx[zone]! > highest_zoneidx || node === last) continue
    if (nodemask !== null && nodemask[node] === 0) continue
    last = node
    visit(node, zone)
  }
}

/** @kernel mm/vmscan.c:shrink_zones */
function shrink_zones(sys: Sys, zonelist: number, sc: number, nodemask: Uint8Array | null): void {
  const control = sys.scan_control
  let first = -1
  for_nodes(sys, zonelist, control.reclaim_idx[sc]!, nodemask, (node, zone) => {
    if (control.order[sc]! > 3 && compaction_ready(sys, zone, control.order[sc]!, control.reclaim_idx[sc]!)) {
      control.compaction_ready[sc] = 1
      return
    }
    if (first === -1) first = node
    shrink_node(sys, node, sc)
  })
  if (first !== -1) consider_reclaim_throttle(sys, first, sc)
}

/** Who reclaims without success waits for others to have some. @kernel mm/vmscan.c:consider_reclaim_throttle */
function consider_reclaim_throttle(sys: Sys, node: number, sc: number): void {
  const control = sys.scan_control
  if (sys.lruvec.congested[node] === 1) reclaim_throttle(sys, node, JIFFY, 3)
  if (control.nr_reclaimed[sc]! > Math.floor(control.nr_scanned[sc]! / 8)) return
  if (control.priority[sc] !== 1 || control.nr_reclaimed[sc]! > 0) return
  // Where kswapd has given up or nothing can be reclaimed, waiting does not help.
  if (sys.kswapd.failures[node]! >= MAX_RECLAIM_RETRIES || !has_reclaimable_pages(sys, node)) cond_resched(sys)
  else reclaim_throttle(sys, node, JIFFY, 2)
}

/** Sleeps for a while. @kernel mm/vmscan.c:reclaim_throttle */
function reclaim_throttle(sys: Sys, node: number, us: number, reason: number): void {
  const begin = sys.reclaim_clock.now[0]!
  wait_until(sys, begin + us)
  sys.trace.mm_vmscan_throttled?.(node, us, sys.reclaim_clock.now[0]! - begin, reason)
}

/** Whether there is enough left below the min watermarks for reclaim itself. @kernel mm/vmscan.c:allow_direct_reclaim */
function allow_direct_reclaim(sys: Sys, node: number): boolean {
  if (sys.kswapd.failures[node]! >= MAX_RECLAIM_RETRIES) return true
  let [reserve, free] = [0, 0]
  for (let type = 0; type <= sys.ZONE_NORMAL; type++) {
    const zone = node * sys.nr_zone_types + type
    if (!managed_zone(sys, zone)) continue
    reserve += wmark_pages(sys, zone, WMARK_MIN)
    free += zone_page_state(sys, zone, NR_FREE_PAGES)
  }
  return reserve === 0 || free > reserve / 2
}

/** Waits for kswapd while the reserves are half gone. @kernel mm/vmscan.c:throttle_direct_reclaim */
function throttle_direct_reclaim(sys: Sys, zonelist: number, gfp: number, highest_zoneidx: number): void {
  const zone = sys.zonelist.zones[zonelist]!
  const node = sys.zone_to_nid[zone]!
  // Who must die shall not wait.
  if (zone < 0 || fatal_signal_pending(sys) || allow_direct_reclaim(sys, node)) return
  count_vm_events(sys, THROTTLED, 1)
  wakeup_kswapd(sys, zone, gfp, 0, Math.min(highest_zoneidx, sys.ZONE_NORMAL))
  const limit = sys.reclaim_clock.now[0]! + ((gfp & __GFP_FS) === 0 ? 250 : 2500) * JIFFY
  while (!allow_direct_reclaim(sys, node) && sys.reclaim_clock.now[0]! < limit)
    wait_until(sys, sys.reclaim_clock.now[0]! + JIFFY)
}
