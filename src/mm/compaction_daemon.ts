// kcompactd, one a node: kswapd asks it for a high order when it goes to sleep, and for whole pageblocks after a boost.
import { compact_control, compact_zone } from './compaction.ts'
import {
  COMPACT_COMPLETE,
  COMPACT_CONTINUE,
  COMPACT_PARTIAL_SKIPPED,
  COMPACT_SUCCESS,
  compaction_defer_reset,
  compaction_deferred,
  compaction_suitable,
  defer_compaction,
} from './compaction_suitable.ts'
import { MIGRATE_MOVABLE, managed_zone, type Sys } from './mmzone.ts'
import { drain_all_pages } from './page_alloc/pcp.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'

const WAKE: number = vm_event('compact_daemon_wake')
const MIGRATE_SCANNED: number = vm_event('compact_daemon_migrate_scanned')
const FREE_SCANNED: number = vm_event('compact_daemon_free_scanned')

/** Whether compaction of any zone can begin. @kernel mm/compaction.c:kcompactd_node_suitable */
function kcompactd_node_suitable(sys: Sys, node: number, order: number, highest_zoneidx: number): boolean {
  for (let type = 0; type <= highest_zoneidx && type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (managed_zone(sys, zone) && compaction_suitable(sys, zone, order, 0, highest_zoneidx) === COMPACT_CONTINUE)
      return true
  }
  return false
}

/** Asks a node's kcompactd; it runs when the CPU is free next. @kernel mm/compaction.c:wakeup_kcompactd */
export function wakeup_kcompactd(sys: Sys, node: number, order: number, highest_zoneidx: number): void {
  if (order === 0 || !sys.kernel.config.COMPACTION) return
  const { kcompactd_order, kcompactd_zoneidx } = sys.kswapd
  if (!kcompactd_node_suitable(sys, node, order, highest_zoneidx)) return
  sys.trace.mm_compaction_wakeup_kcompactd?.(node, order, highest_zoneidx)
  kcompactd_order[node] = Math.max(kcompactd_order[node]!, order)
  kcompactd_zoneidx[node] = highest_zoneidx
}

/** Does what a node's kcompactd was asked for; false = it was not. @kernel mm/compaction.c:kcompactd_do_work */
export function kcompactd_step(sys: Sys, node: number): boolean {
  const { kcompactd_order, kcompactd_zoneidx } = sys.kswapd
  const order = kcompactd_order[node]!
  if (order === 0) return false
  kcompactd_order[node] = 0
  const highest_zoneidx = kcompactd_zoneidx[node]!
  sys.trace.mm_compaction_kcompactd_wake?.(node, order, highest_zoneidx)
  count_vm_events(sys, WAKE, 1)
  for (let type = 0; type <= highest_zoneidx && type < sys.nr_zone_types; type++)
    compact_one(sys, node * sys.nr_zone_types + type, order, highest_zoneidx)
  sys.trace.mm_compaction_kcompactd_sleep?.(node)
  return true
}

function compact_one(sys: Sys, zone: number, order: number, highest_zoneidx: number): void {
  if (!managed_zone(sys, zone) || compaction_deferred(sys, zone, order)) return
  if (compaction_suitable(sys, zone, order, 0, highest_zoneidx) !== COMPACT_CONTINUE) return
  const cc = compact_control(zone, order, { migratetype: MIGRATE_MOVABLE, highest_zoneidx })
  const status = compact_zone(sys, cc)
  if (status === COMPACT_SUCCESS) compaction_defer_reset(sys, zone, order, false)
  else if (status === COMPACT_PARTIAL_SKIPPED || status === COMPACT_COMPLETE) {
    drain_all_pages(sys, zone)
    defer_compaction(sys, zone, order)
  }
  count_vm_events(sys, MIGRATE_SCANNED, cc.migrate_scanned)
  count_vm_events(sys, FREE_SCANNED, cc.free_scanned)
}

/** Writes to /proc/sys/vm/compact_memory: all zones, whole. @kernel mm/compaction.c:compact_nodes */
export function compact_nodes(sys: Sys): void {
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    if (!managed_zone(sys, zone)) continue
    drain_all_pages(sys, zone)
    const facts = { migratetype: MIGRATE_MOVABLE, highest_zoneidx: sys.nr_zone_types - 1 }
    compact_zone(sys, compact_control(zone, -1, { ...facts, whole_zone: true, ignore_skip_hint: true }))
  }
}
