// Counters of a captured machine: zone, node, NUMA and event counters by their names, as zoneinfo and vmstat print them.
// NR_FREE_PAGES is not among them: it is what is on the lists.
import type { Sys } from '../../mm/mmzone.ts'
import {
  NODE_STAT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  NUMA_STAT_ITEMS,
  VM_EVENTS,
  ZONE_STAT_ITEMS,
} from '../../mm/vmstat_item.ts'
import type { Snapshot } from '../../report/snapshot.ts'

/** Enters every counter that the machine has a place for. */
export function setCounters(sys: Sys, { zoneinfo, vmstat }: Snapshot): void {
  for (const { node, name, counters } of zoneinfo?.zones ?? []) {
    const type = (sys.kernel.zones as readonly string[]).indexOf(name)
    if (type < 0) continue
    const zone = node * sys.nr_zone_types + type
    enter(ZONE_STAT_ITEMS, counters, sys.zone_stat.vm_stat, zone * NR_VM_ZONE_STAT_ITEMS, 1)
    enter(NUMA_STAT_ITEMS, counters, sys.numa_stat.count, zone * NUMA_STAT_ITEMS.length, 0)
  }
  for (const { node, counters } of zoneinfo?.nodes ?? [])
    enter(NODE_STAT_ITEMS, counters, sys.node_stat.vm_stat, node * NODE_STAT_ITEMS.length, 0)
  if (vmstat) enter(VM_EVENTS, vmstat.counters, sys.vm_event.count, 0, 0)
}

function enter(
  names: readonly string[],
  counters: ReadonlyMap<string, number>,
  values: Int32Array | Float64Array,
  at: number,
  from: number,
): void {
  for (let i = from; i < names.length; i++) {
    const value = counters.get(names[i]!)
    if (value !== undefined) values[at + i] = value
  }
}
