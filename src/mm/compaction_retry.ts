// Whether a request tries compaction again, and harder.
import type { CompactResult } from './compaction.ts'
import { COMPACT_CONTINUE, COMPACT_SUCCESS, compaction_suitable } from './compaction_suitable.ts'
import { PAGE_ALLOC_COSTLY_ORDER, type Sys } from './mmzone.ts'
import { fatal_signal_pending } from './task_reserves.ts'
import { zone_reclaimable_pages } from './vmscan_reclaimable.ts'

/** @kernel mm/page_alloc.c:MAX_COMPACT_RETRIES */
const MAX_COMPACT_RETRIES = 16
const PRIO_FULL = 0
const PRIO_LIGHT = 1

/** What of a request decides. */
interface CompactState {
  readonly order: number
  readonly zonelist: number
  readonly highest_zoneidx: number
  readonly gfp: number
  compact_priority: number
  compact_retries: number
}

/** @kernel mm/page_alloc.c:should_compact_retry */
export function should_compact_retry(sys: Sys, request: CompactState, result: CompactResult): boolean {
  if (request.order === 0 || fatal_signal_pending(sys)) return false
  const priority = request.compact_priority
  const again = wants_retry(sys, request, result)
  const { failed, skipped, deferred } = result
  const feedback = failed ? 0 : skipped || deferred ? 1 : 2
  const most = max_retries(request)
  sys.trace.compact_retry?.(request.order, priority, feedback, request.compact_retries, most, again ? 1 : 0)
  return again
}

const max_retries = ({ order }: CompactState): number =>
  order > PAGE_ALLOC_COSTLY_ORDER ? MAX_COMPACT_RETRIES / 4 : MAX_COMPACT_RETRIES

function wants_retry(sys: Sys, request: CompactState, result: CompactResult): boolean {
  // Too little memory: reclaim may change that.
  if (result.skipped) return compaction_zonelist_suitable(sys, request)
  if (!result.deferred) {
    request.compact_retries += 1
    if (result.failed && request.compact_priority === PRIO_FULL) return false
    if (!result.failed && request.compact_retries <= max_retries(request)) return true
  }
  const hardest = request.order > PAGE_ALLOC_COSTLY_ORDER ? PRIO_LIGHT : PRIO_FULL
  if (request.compact_priority <= hardest) return false
  request.compact_priority -= 1
  request.compact_retries = 0
  return true
}

/** Whether compaction could begin if all that can go went. @kernel mm/compaction.c:compaction_zonelist_suitable */
function compaction_zonelist_suitable(sys: Sys, { order, zonelist, highest_zoneidx }: CompactState): boolean {
  const { zones } = sys.zonelist
  for (let at = zonelist; zones[at] !== -1; at++) {
    const zone = zones[at]!
    if (sys.zone_idx[zone]! > highest_zoneidx) continue
    const suitable = compaction_suitable(sys, zone, order, 0, highest_zoneidx)
    if (suitable === COMPACT_CONTINUE || suitable === COMPACT_SUCCESS) return true
    if (Math.floor(zone_reclaimable_pages(sys, zone) / order) > 2 << order) return true
  }
  return false
}
