// Per-CPU page lists as 6.12 has them: the high mark moves between two bounds, refills double while nothing is freed,
// and batches of frees follow what was freed in a row.
import { clamp } from '../base/bits.ts'
import type { PcpRules } from '../mm/kernel.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys, WMARK_HIGH, ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE } from '../mm/mmzone.ts'
import { wmark_pages, zone_watermark_ok } from '../mm/page_alloc/watermark.ts'

/** log2 by which a batch may grow at most. */
const CONFIG_PCP_BATCH_SCALE_MAX = 5
/** The last block freed had more than one page. @kernel include/linux/mmzone.h:PCPF_PREV_FREE_HIGH_ORDER */
const PCPF_PREV_FREE_HIGH_ORDER = 1
/** Small blocks of more than one page wait for a batch. @kernel include/linux/mmzone.h:PCPF_FREE_HIGH_BATCH */
export const PCPF_FREE_HIGH_BATCH = 2

/** Moves the high mark with the load and returns it; 0 = give everything back. @kernel mm/page_alloc.c:nr_pcp_high */
function nr_pcp_high(sys: Sys, pcp: number, zone: number, free_high: boolean): number {
  const { high: highs, free_count, count } = sys.pcp
  const batch = sys.pcp.batch[pcp]!
  const high_min = sys.pcp.high_min[pcp]!
  const high_max = sys.pcp.high_max[pcp]!
  const high = clamp(highs[pcp]!, high_min, high_max)
  if (high === 0) return 0
  if (free_high) {
    highs[pcp] = Math.max(high - (batch << CONFIG_PCP_BATCH_SCALE_MAX), high_min)
    return 0
  }
  const flags = sys.zone.flags[zone]!
  const freed = Math.max(free_count[pcp]!, batch)
  if ((flags & ZONE_RECLAIM_ACTIVE) !== 0) {
    highs[pcp] = Math.max(high - freed, high_min)
    return Math.min(batch << 2, highs[pcp]!)
  }
  if (high_min === high_max) return high
  if ((flags & ZONE_BELOW_HIGH) !== 0) {
    highs[pcp] = Math.max(high - freed, high_min)
    return Math.max(count[pcp]!, high_min)
  }
  const need_high = free_count[pcp]! + batch
  if (count[pcp]! >= high && highs[pcp]! < need_high) highs[pcp] = clamp(need_high, high_min, high_max)
  return high
}

/** Whether small blocks of more than one page are freed in a row, so that the lists had better be emptied. */
function frees_high_orders(sys: Sys, pcp: number, order: number): boolean {
  const { flags, free_count, count } = sys.pcp
  if (order === 0 || order > PAGE_ALLOC_COSTLY_ORDER) {
    flags[pcp]! &= ~PCPF_PREV_FREE_HIGH_ORDER
    return false
  }
  const batch = sys.pcp.batch[pcp]!
  const in_a_row = free_count[pcp]! >= batch && (flags[pcp]! & PCPF_PREV_FREE_HIGH_ORDER) !== 0
  const free_high = in_a_row && ((flags[pcp]! & PCPF_FREE_HIGH_BATCH) === 0 || count[pcp]! >= batch)
  flags[pcp]! |= PCPF_PREV_FREE_HIGH_ORDER
  return free_high
}

/** After pages went back: the zone may be above its high watermark again. */
function forget_below_high(sys: Sys, zone: number): void {
  if ((sys.zone.flags[zone]! & ZONE_BELOW_HIGH) === 0) return
  const movable = sys.kernel.zones.indexOf('Movable')
  if (zone_watermark_ok(sys, zone, 0, wmark_pages(sys, zone, WMARK_HIGH), movable, 0))
    sys.zone.flags[zone]! &= ~ZONE_BELOW_HIGH
}

export const pcp_6_12: PcpRules = {
  on_alloc(sys, pcp) {
    sys.pcp.free_count[pcp]! >>= 1
  },

  nr_pcp_alloc(sys, pcp, zone, order) {
    const { high: highs, alloc_factor } = sys.pcp
    const base_batch = sys.pcp.batch[pcp]!
    const high_min = sys.pcp.high_min[pcp]!
    const high_max = sys.pcp.high_max[pcp]!
    let high = clamp(highs[pcp]!, high_min, high_max)
    if (high < base_batch) return 1
    let batch = order === 0 ? base_batch << alloc_factor[pcp]! : base_batch
    if (high_min !== high_max && (sys.zone.flags[zone]! & ZONE_BELOW_HIGH) === 0) {
      high = Math.min(high + batch, high_max)
      highs[pcp] = high
    }
    if (order === 0) {
      const most = Math.max(high - sys.pcp.count[pcp]! - base_batch, base_batch)
      if (batch <= most && alloc_factor[pcp]! < CONFIG_PCP_BATCH_SCALE_MAX) alloc_factor[pcp]! += 1
      batch = Math.min(batch, most)
    }
    return batch > 1 ? Math.max(batch >> order, 2) : batch
  },

  nr_pcp_free(sys, pcp, zone, order) {
    const { alloc_factor, free_count, count } = sys.pcp
    const batch = sys.pcp.batch[pcp]!
    alloc_factor[pcp]! >>= 1
    const free_high = frees_high_orders(sys, pcp, order)
    if (free_count[pcp]! < batch << CONFIG_PCP_BATCH_SCALE_MAX) free_count[pcp]! += 1 << order
    const high = nr_pcp_high(sys, pcp, zone, free_high)
    if (count[pcp]! < high) return 0
    if (free_high) return Math.min(count[pcp]!, batch << CONFIG_PCP_BATCH_SCALE_MAX)
    return high < batch ? 1 : clamp(free_count[pcp]!, batch, high - batch)
  },

  after_free: forget_below_high,
}
