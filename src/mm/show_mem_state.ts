// Counters of nodes and zones by their names, for who prints them.
import type { Sys } from './mmzone.ts'
import { NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS, ZONE_STAT_ITEMS } from './vmstat_item.ts'

export type NodeItem = (typeof NODE_STAT_ITEMS)[number]
export type ZoneItem = (typeof ZONE_STAT_ITEMS)[number]

/** A counter of a node; slab is counted in pages here. @kernel include/linux/vmstat.h:node_page_state_pages */
export function node_page_state(sys: Sys, node: number, item: NodeItem): number {
  return Math.max(0, sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + NODE_STAT_ITEMS.indexOf(item)]!)
}

/** The same of all nodes. @kernel include/linux/vmstat.h:global_node_page_state_pages */
export function global_node_page_state(sys: Sys, item: NodeItem): number {
  let sum = 0
  for (let node = 0; node < sys.nr_nodes; node++) sum += node_page_state(sys, node, item)
  return sum
}

/** A counter of a zone. @kernel include/linux/vmstat.h:zone_page_state */
export function zone_item(sys: Sys, zone: number, item: ZoneItem): number {
  return Math.max(0, sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + ZONE_STAT_ITEMS.indexOf(item)]!)
}
