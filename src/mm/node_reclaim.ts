// vm.zone_reclaim_mode: rather reclaim on this node than go to another one.
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { lruvec_size } from './lruvec.ts'
import type { Sys } from './mmzone.ts'
import { zone_watermark_ok } from './page_alloc/watermark.ts'
import { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } from './reclaim_tables.ts'
import { scan_control_init, shrink_node } from './vmscan.ts'
import { count_vm_events } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from './vmstat_item.ts'

/** Bits of vm.zone_reclaim_mode. @kernel include/uapi/linux/mempolicy.h */
const RECLAIM_ZONE = 1
const RECLAIM_WRITE = 2
const RECLAIM_UNMAP = 4
/** Distance above which a node is remote. @kernel include/linux/topology.h:RECLAIM_DISTANCE */
const RECLAIM_DISTANCE = 30
/** vm.min_unmapped_ratio: per cent of a node. */
const MIN_UNMAPPED_RATIO = 1
const NODE_RECLAIM_PRIORITY = 4
const SUCCESS: number = vm_event('zone_reclaim_success')
const FAILED: number = vm_event('zone_reclaim_failed')
const ITEMS: number = NODE_STAT_ITEMS.length
const NR_FILE_MAPPED: number = node_item('nr_mapped')

/** Frees pages of a zone's node where the mode allows it; true = the zone may serve now. @kernel mm/vmscan.c:node_reclaim */
export function node_reclaim(
  sys: Sys,
  zone: number,
  order: number,
  mark: number,
  highest_zoneidx: number,
  alloc_flags: number,
): boolean {
  const mode = sys.sysctl.zone_reclaim_mode[0]!
  if ((mode & (RECLAIM_ZONE | RECLAIM_WRITE | RECLAIM_UNMAP)) === 0 || sys.reclaim_clock.reclaiming[0]! > 0)
    return false
  const node = sys.zone_to_nid[zone]!
  const here = sys.cpu.numa_mem[sys.machine.this_cpu[0]!]!
  // Other nodes' memory is their own business.
  if (node !== here || sys.distance.distance[node * sys.nr_nodes + here]! > RECLAIM_DISTANCE) return false
  if (unmapped_pages(sys, node, mode) <= Math.floor((sys.node.present_pages[node]! * MIN_UNMAPPED_RATIO) / 100))
    return false
  const sc = sys.nr_nodes
  scan_control_init(sys, sc, GFP_HIGHUSER_MOVABLE, order, highest_zoneidx)
  const control = sys.scan_control
  control.may_writepage[sc] = (mode & RECLAIM_WRITE) !== 0 ? 1 : 0
  control.may_unmap[sc] = (mode & RECLAIM_UNMAP) !== 0 ? 1 : 0
  control.nr_to_reclaim[sc] = Math.max(1 << order, 32)
  control.priority[sc] = NODE_RECLAIM_PRIORITY
  sys.trace.mm_vmscan_node_reclaim_begin?.(node, order, GFP_HIGHUSER_MOVABLE)
  sys.reclaim_clock.reclaiming[0]! += 1
  do shrink_node(sys, node, sc)
  while (control.nr_reclaimed[sc]! < control.nr_to_reclaim[sc]! && --control.priority[sc]! >= 0)
  sys.reclaim_clock.reclaiming[0]! -= 1
  sys.trace.mm_vmscan_node_reclaim_end?.(control.nr_reclaimed[sc]!)
  const enough = control.nr_reclaimed[sc]! >= 1 << order
  count_vm_events(sys, enough ? SUCCESS : FAILED, 1)
  return enough && zone_watermark_ok(sys, zone, order, mark, highest_zoneidx, alloc_flags)
}

/** Pages of files that may be reclaimed at once. @kernel mm/vmscan.c:node_pagecache_reclaimable */
function unmapped_pages(sys: Sys, node: number, mode: number): number {
  const file = lruvec_size(sys, node, LRU_INACTIVE_FILE) + lruvec_size(sys, node, LRU_ACTIVE_FILE)
  if ((mode & RECLAIM_UNMAP) !== 0) return file
  return Math.max(0, file - sys.node_stat.vm_stat[node * ITEMS + NR_FILE_MAPPED]!)
}
