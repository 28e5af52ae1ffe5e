// Zonelists: for each node the zones to try, nearest node first, in each node from the highest zone down. A node has
// two: all nodes, and itself alone (__GFP_THISNODE). A list is a row of zone rows in `sys.zonelist`, -1 ends it.
import { populated_zone, type Sys } from './mmzone.ts'

/** @kernel include/linux/mmzone.h:ZONELIST_FALLBACK */
export const ZONELIST_FALLBACK = 0
/** @kernel include/linux/mmzone.h:ZONELIST_NOFALLBACK */
export const ZONELIST_NOFALLBACK = 1

/** First entry of a node's list. @kernel include/linux/gfp.h:node_zonelist */
export function node_zonelist(sys: Sys, node: number, kind: number): number {
  return (2 * node + kind) * sys.zonelist_length
}

/** Builds the lists of all nodes. The kernel would put nodes with CPUs back a little, but when it builds the lists no CPU
 * is entered yet. @kernel mm/page_alloc.c:__build_all_zonelists */
export function build_all_zonelists(sys: Sys): void {
  const node_load = new Int32Array(sys.nr_nodes)
  for (let node = 0; node < sys.nr_nodes; node++) build_zonelists(sys, node, node_load)
}

/** @kernel mm/page_alloc.c:build_zonelists */
function build_zonelists(sys: Sys, node: number, node_load: Int32Array): void {
  fill_zonelist(sys, node_zonelist(sys, node, ZONELIST_FALLBACK), node_order(sys, node, node_load))
  fill_zonelist(sys, node_zonelist(sys, node, ZONELIST_NOFALLBACK), [node])
}

/** All nodes from the nearest to the farthest. Among equally far groups, a node that already came first for another
 * one is put back a little, so that overflow spreads over the machine. */
function node_order(sys: Sys, local: number, node_load: Int32Array): number[] {
  const used = new Uint8Array(sys.nr_nodes)
  const order: number[] = []
  let prev = local
  for (let node = find_next_best_node(sys, local, used, node_load); node >= 0; ) {
    if (node_distance(sys, local, node) !== node_distance(sys, local, prev)) node_load[node]! += 1
    order.push(node)
    prev = node
    node = find_next_best_node(sys, local, used, node_load)
  }
  return order
}

/** The nearest node with memory that is not used yet, itself first; a node with a lower number than `local` is a bit
 * farther; among equals the one with the least load. @kernel mm/page_alloc.c:find_next_best_node */
function find_next_best_node(sys: Sys, local: number, used: Uint8Array, node_load: Int32Array): number {
  if (used[local] === 0) {
    used[local] = 1
    return local
  }
  let best = -1
  let least = Number.POSITIVE_INFINITY
  for (let node = 0; node < sys.nr_nodes; node++) {
    if (used[node] !== 0 || sys.node.present_pages[node] === 0) continue
    const value = (node_distance(sys, local, node) + (node < local ? 1 : 0)) * MAX_NUMNODES + node_load[node]!
    if (value < least) {
      least = value
      best = node
    }
  }
  if (best >= 0) used[best] = 1
  return best
}

/** More than any node's load can be. */
const MAX_NUMNODES = 1024

function fill_zonelist(sys: Sys, at: number, nodes: readonly number[]): void {
  const { zones } = sys.zonelist
  for (const node of nodes)
    for (let type = sys.nr_zone_types - 1; type >= 0; type--) {
      const zone = node * sys.nr_zone_types + type
      if (populated_zone(sys, zone)) zones[at++] = zone
    }
  zones[at] = -1
}

/** Distance between two nodes: 10 = the node itself. @kernel drivers/base/arch_numa.c:node_distance */
export function node_distance(sys: Sys, from: number, to: number): number {
  return sys.distance.distance[from * sys.nr_nodes + to]!
}

/** The zones of a list as `[node, zone type]`, for who looks. @ours */
export function zonelist_entries(sys: Sys, node: number, kind: number): [node: number, type: number][] {
  const entries: [number, number][] = []
  const start = node_zonelist(sys, node, kind)
  for (let at = start; sys.zonelist.zones[at] !== -1; at++) {
    const zone = sys.zonelist.zones[at]!
    entries.push([Math.floor(zone / sys.nr_zone_types), zone % sys.nr_zone_types])
  }
  return entries
}
