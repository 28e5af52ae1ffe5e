// Per-CPU page lists as 6.1 has them: a fixed high mark, and batches of frees that double while nothing is allocated.
import { clamp } from '../base/bits.ts'
import type { PcpRules } from '../mm/kernel.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys, ZONE_RECLAIM_ACTIVE } from '../mm/mmzone.ts'

/** log2 by which a batch may grow at most. */
const CONFIG_PCP_BATCH_SCALE_MAX = 5

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const COSTLY_ORDER: number = PAGE_ALLOC_COSTLY_ORDER
const RECLAIM_ACTIVE: number = ZONE_RECLAIM_ACTIVE

/** Pages a list may hold; 0 = give everything back. @kernel mm/page_alloc.c:nr_pcp_high */
function nr_pcp_high(sys: Sys, pcp: number, zone: number, free_high: boolean): number {
  const high = sys.pcp.high[pcp]!
  if (high === 0 || free_high) return 0
  if ((sys.zone.flags[zone]! & RECLAIM_ACTIVE) === 0) return high
  return Math.min(sys.pcp.batch[pcp]! << 2, high)
}

/** Pages to give back, more each time until something is allocated again. @kernel mm/page_alloc.c:nr_pcp_free */
function nr_scaled_free(sys: Sys, pcp: number, high: number): number {
  const batch = sys.pcp.batch[pcp]!
  if (high < batch) return 1
  const factor = sys.pcp.free_factor[pcp]!
  const most = high - batch
  const scaled = batch << factor
  if (scaled < most && factor < CONFIG_PCP_BATCH_SCALE_MAX) sys.pcp.free_factor[pcp] = factor + 1
  return clamp(scaled, batch, most)
}

export const pcp_6_1: PcpRules = {
  on_alloc(sys, pcp) {
    sys.pcp.free_factor[pcp] = sys.pcp.free_factor[pcp]! >> 1
  },
  nr_pcp_alloc(sys, pcp, _zone, order) {
    const batch = sys.pcp.batch[pcp]!
    return batch > 1 ? Math.max(batch >> order, 2) : batch
  },
  nr_pcp_free(sys, pcp, zone, order) {
    const count = sys.pcp.count[pcp]!
    // Freeing small blocks of more than one page in a row: the lists are of no use, and the blocks may merge.
    const free_high = order !== 0 && order <= COSTLY_ORDER && sys.pcp.free_factor[pcp] !== 0
    const high = nr_pcp_high(sys, pcp, zone, free_high)
    if (count < high) return 0
    return free_high ? count : nr_scaled_free(sys, pcp, high)
  },
}
