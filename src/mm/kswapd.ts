// kswapd, one a node, as a step function. It is woken when a zone is below its low watermark, reclaims until one zone that
// the request may use is above its high watermark, sleeps a tenth of a second to see whether that lasts, and then for long.
// One step is one batch of pages, or the turn from one priority to the next.
// Law: what it is at is in its rows of kswapd and scan_control, so it may be stopped after any step.
import { wakeup_kcompactd } from './compaction_daemon.ts'
import { GFP_KERNEL } from './gfp.ts'
import { lru_gen_enabled } from './lru_gen.ts'
import { should_run_aging, try_to_inc_max_seq } from './lru_gen_aging.ts'
import { get_swappiness, lru_gen_shrink_step } from './lru_gen_evict.ts'
import { managed_zone, type Sys } from './mmzone.ts'
import { set_pgdat_percpu_threshold } from './page_alloc/stat_threshold.ts'
import { high_wmark_pages, zone_watermark_ok_safe } from './page_alloc/watermark.ts'
import { place_kswapd, spend } from './reclaim_clock.ts'
import {
  DEF_PRIORITY,
  scan_control_init,
  shrink_lruvec_step,
  shrink_node_begin,
  shrink_node_end,
  snapshot_refaults,
} from './vmscan.ts'
import { age_active_anon, SWAP_CLUSTER_MAX } from './vmscan_lists.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'

/** kswapd.state. */
export const KSWAPD_SLEEPING = 0
/** It sleeps a tenth of a second. */
export const KSWAPD_NAPPING = 1
/** It was woken, or its nap is over: it looks whether there is work. */
export const KSWAPD_WOKEN = 2
/** It is about to begin a priority. */
export const KSWAPD_BALANCING = 3
/** It is in the middle of one. */
export const KSWAPD_SHRINKING = 4

/** @kernel mm/internal.h:MAX_RECLAIM_RETRIES */
export const MAX_RECLAIM_RETRIES = 16
const NAP = 100_000
const PAGEOUTRUN: number = vm_event('pageoutrun')
const LOW_QUICKLY: number = vm_event('kswapd_low_wmark_hit_quickly')
const HIGH_QUICKLY: number = vm_event('kswapd_high_wmark_hit_quickly')

/** Whether one zone that a request may use is above its high watermark. @kernel mm/vmscan.c:pgdat_balanced */
export function pgdat_balanced(sys: Sys, node: number, order: number, highest_zoneidx: number): boolean {
  let any = false
  for (let type = 0; type <= highest_zoneidx && type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (!managed_zone(sys, zone)) continue
    any = true
    if (zone_watermark_ok_safe(sys, zone, order, high_wmark_pages(sys, zone), highest_zoneidx)) return true
  }
  return !any
}

/** Whether a zone that a request may use has a boost. @kernel mm/vmscan.c:pgdat_watermark_boosted */
function pgdat_watermark_boosted(sys: Sys, node: number, highest_zoneidx: number): boolean {
  for (let type = highest_zoneidx; type >= 0; type--)
    if (sys.zone.watermark_boost[node * sys.nr_zone_types + type]! > 0) return true
  return false
}

/** A zone is short of memory. @kernel mm/vmscan.c:wakeup_kswapd */
export function wakeup_kswapd(sys: Sys, zone: number, gfp: number, order: number, highest_zoneidx: number): void {
  if (!managed_zone(sys, zone)) return
  const node = sys.zone_to_nid[zone]!
  const kswapd = sys.kswapd
  if (kswapd.highest_zoneidx[node]! - 1 < highest_zoneidx) kswapd.highest_zoneidx[node] = highest_zoneidx + 1
  if (kswapd.order[node]! < order) kswapd.order[node] = order
  const asleep = kswapd.state[node] === KSWAPD_SLEEPING || kswapd.state[node] === KSWAPD_NAPPING
  if (!asleep) return
  const hopeless = kswapd.failures[node]! >= MAX_RECLAIM_RETRIES
  const fine = pgdat_balanced(sys, node, order, highest_zoneidx) && !pgdat_watermark_boosted(sys, node, highest_zoneidx)
  if (hopeless || fine) {
    if ((gfp & 0x400) === 0) wakeup_kcompactd(sys, node, order, highest_zoneidx)
    return
  }
  sys.trace.mm_vmscan_wakeup_kswapd?.(node, highest_zoneidx, order, gfp)
  wake(sys, node)
}

function wake(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  if (kswapd.state[node] === KSWAPD_NAPPING) {
    // Woken early: what it was at comes back if nobody asks for more.
    kswapd.highest_zoneidx[node] = taken_zoneidx(sys, node) + 1
    if (kswapd.order[node]! < kswapd.reclaim_order[node]!) kswapd.order[node] = kswapd.reclaim_order[node]!
    count_vm_events(sys, LOW_QUICKLY, 1)
  } else set_pgdat_percpu_threshold(sys, node, true)
  kswapd.state[node] = KSWAPD_WOKEN
  kswapd.until[node] = 0
  place_kswapd(sys, node)
}

/** The zone type asked for, or the one of the last run. @kernel mm/vmscan.c:kswapd_highest_zoneidx */
function taken_zoneidx(sys: Sys, node: number): number {
  const asked = sys.kswapd.highest_zoneidx[node]!
  return asked === 0 ? sys.kswapd.zoneidx[node]! : asked - 1
}

/** When a napping or waiting kswapd goes on. @ours */
export function kswapd_until(sys: Sys, node: number): number {
  return sys.kswapd.until[node]!
}

/** One step. @kernel mm/vmscan.c:kswapd */
export function kswapd_step(sys: Sys, node: number): void {
  const { state } = sys.kswapd
  spend(sys, 5)
  if (state[node] === KSWAPD_NAPPING) nap_is_over(sys, node)
  else if (state[node] === KSWAPD_WOKEN) begin_run(sys, node)
  else if (state[node] === KSWAPD_BALANCING) begin_priority(sys, node)
  else if (state[node] === KSWAPD_SHRINKING) shrink_step(sys, node)
}

/** @kernel mm/vmscan.c:kswapd */
function begin_run(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  kswapd.alloc_order[node] = kswapd.order[node]!
  kswapd.zoneidx[node] = taken_zoneidx(sys, node)
  kswapd.order[node] = 0
  kswapd.highest_zoneidx[node] = 0
  sys.trace.mm_vmscan_kswapd_wake?.(node, kswapd.alloc_order[node]!)
  count_vm_events(sys, PAGEOUTRUN, 1)
  kswapd.boost[node] = 0
  for (let type = 0; type <= kswapd.zoneidx[node]! && type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    sys.kswapd_zone.boost[zone] = sys.zone.watermark_boost[zone]!
    kswapd.boost[node]! += sys.zone.watermark_boost[zone]!
  }
  kswapd.boosted[node] = kswapd.boost[node]! > 0 ? 1 : 0
  scan_control_init(sys, node, GFP_KERNEL, kswapd.alloc_order[node]!, kswapd.zoneidx[node]!)
  sys.scan_control.memcgs_need_aging[node] = 1
  kswapd.state[node] = KSWAPD_BALANCING
}

/** Enough? Else the next priority. @kernel mm/vmscan.c:balance_pgdat */
function begin_priority(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  const control = sys.scan_control
  const idx = kswapd.zoneidx[node]!
  kswapd.step_reclaimed[node] = control.nr_reclaimed[node]!
  kswapd.raise_priority[node] = 1
  const balanced = pgdat_balanced(sys, node, control.order[node]!, idx)
  if (!balanced && kswapd.boost[node]! > 0) {
    // Real shortage goes before the boost: once more from the begin, with all means.
    kswapd.boost[node] = 0
    control.priority[node] = DEF_PRIORITY
    return
  }
  if (kswapd.boost[node] === 0 && balanced) {
    end_run(sys, node)
    return
  }
  if (kswapd.boost[node]! > 0 && control.priority[node] === DEF_PRIORITY - 2) kswapd.raise_priority[node] = 0
  control.may_writepage[node] = kswapd.boost[node] === 0 ? 1 : 0
  control.may_swap[node] = kswapd.boost[node] === 0 ? 1 : 0
  kswapd_age_node(sys, node)
  if (control.priority[node]! < DEF_PRIORITY - 2) control.may_writepage[node] = 1
  control.nr_scanned[node] = 0
  control.nr_to_reclaim[node] = pages_to_reclaim(sys, node)
  shrink_node_begin(sys, node, node)
  kswapd.state[node] = KSWAPD_SHRINKING
}

/** @kernel mm/vmscan.c:kswapd_shrink_node */
function pages_to_reclaim(sys: Sys, node: number): number {
  let pages = 0
  for (let type = 0; type <= sys.scan_control.reclaim_idx[node]! && type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (managed_zone(sys, zone)) pages += Math.max(high_wmark_pages(sys, zone), SWAP_CLUSTER_MAX)
  }
  return pages
}

/** @kernel mm/vmscan.c:kswapd_age_node */
function kswapd_age_node(sys: Sys, node: number): void {
  const control = sys.scan_control
  if (!lru_gen_enabled(sys)) {
    age_active_anon(sys, node, node)
    return
  }
  control.last_reclaimed[node] = control.nr_reclaimed[node]!
  if (!sys.kernel.reclaim.lru_gen_age_node) return
  if (control.memcgs_need_aging[node] === 0) {
    control.memcgs_need_aging[node] = 1
    return
  }
  const can_swap = get_swappiness(sys, node) !== 0
  if (should_run_aging(sys, node, can_swap).needed)
    try_to_inc_max_seq(sys, node, sys.lru_gen.max_seq[node]!, can_swap, false)
}

function shrink_step(sys: Sys, node: number): void {
  const goes_on = lru_gen_enabled(sys) ? lru_gen_shrink_step(sys, node, node) : shrink_lruvec_step(sys, node, node)
  if (!goes_on) end_priority(sys, node)
}

function end_priority(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  const control = sys.scan_control
  shrink_node_end(sys, node, node)
  kswapd.state[node] = KSWAPD_BALANCING
  // Pages that all wait for their writeback: wait with them.
  if (control.immediate[node]! > 0) kswapd.until[node] = sys.reclaim_clock.now[0]! + NAP
  if (control.order[node]! > 0 && control.nr_reclaimed[node]! >= 2 << control.order[node]!) control.order[node] = 0
  if (control.nr_scanned[node]! >= control.nr_to_reclaim[node]!) kswapd.raise_priority[node] = 0
  const reclaimed = control.nr_reclaimed[node]! - kswapd.step_reclaimed[node]!
  const boost = kswapd.boost[node]!
  kswapd.boost[node] = boost - Math.min(boost, reclaimed)
  const stuck = kswapd.boost[node]! > 0 && reclaimed === 0
  if (!stuck && (kswapd.raise_priority[node] === 1 || reclaimed === 0)) control.priority[node]! -= 1
  if (!stuck && control.priority[node]! >= 1) return
  if (control.nr_reclaimed[node] === 0) kswapd.failures[node]! += 1
  end_run(sys, node)
}

/** The run is over: boosts that it met are paid. @kernel mm/vmscan.c:balance_pgdat */
function end_run(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  const idx = kswapd.zoneidx[node]!
  if (kswapd.boosted[node] === 1) {
    for (let type = 0; type <= idx && type < sys.nr_zone_types; type++) {
      const zone = node * sys.nr_zone_types + type
      const boost = sys.zone.watermark_boost[zone]!
      sys.zone.watermark_boost[zone] = boost - Math.min(boost, sys.kswapd_zone.boost[zone]!)
    }
    wakeup_kcompactd(sys, node, sys.pageblock_order, idx)
  }
  snapshot_refaults(sys, node)
  kswapd.reclaim_order[node] = sys.scan_control.order[node]!
  // A high order that was given up: it waits for what kcompactd makes of it.
  if (kswapd.reclaim_order[node]! >= kswapd.alloc_order[node]!) {
    kswapd.alloc_order[node] = kswapd.order[node]!
    kswapd.reclaim_order[node] = kswapd.order[node]!
    kswapd.zoneidx[node] = taken_zoneidx(sys, node)
  }
  try_to_sleep(sys, node)
}

/** @kernel mm/vmscan.c:prepare_kswapd_sleep */
function prepare_kswapd_sleep(sys: Sys, node: number): boolean {
  const kswapd = sys.kswapd
  if (kswapd.failures[node]! >= MAX_RECLAIM_RETRIES) return true
  if (!pgdat_balanced(sys, node, kswapd.reclaim_order[node]!, kswapd.zoneidx[node]!)) return false
  kswapd.dirty[node] = 0
  kswapd.writeback[node] = 0
  sys.lruvec.congested[node] = 0
  return true
}

/** @kernel mm/vmscan.c:kswapd_try_to_sleep */
function try_to_sleep(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  if (prepare_kswapd_sleep(sys, node)) {
    wakeup_kcompactd(sys, node, kswapd.alloc_order[node]!, kswapd.zoneidx[node]!)
    kswapd.state[node] = KSWAPD_NAPPING
    kswapd.until[node] = sys.reclaim_clock.now[0]! + NAP
    return
  }
  count_vm_events(sys, HIGH_QUICKLY, 1)
  kswapd.state[node] = KSWAPD_WOKEN
}

function nap_is_over(sys: Sys, node: number): void {
  const kswapd = sys.kswapd
  kswapd.until[node] = 0
  if (prepare_kswapd_sleep(sys, node)) {
    sys.trace.mm_vmscan_kswapd_sleep?.(node)
    set_pgdat_percpu_threshold(sys, node, false)
    kswapd.state[node] = KSWAPD_SLEEPING
    return
  }
  count_vm_events(sys, HIGH_QUICKLY, 1)
  kswapd.state[node] = KSWAPD_WOKEN
}
