// Reclaim within a control group: the lists are those of the node, and pages of others are passed over where they stand, so
// that what is left of a list is the group's own, in its own order.
// @differs the kernel has lists and costs for each group; here costs are the node's, and sizes those when reclaim began.

import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { lru_gen_enabled } from './lru_gen.ts'
import { evict_members } from './lru_gen_evict.ts'
import { folio_lru_list } from './lruvec.ts'
import { is_member } from './memcg_tree.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { cond_resched } from './reclaim_clock.ts'
import { lru_add_drain_all } from './swap.ts'
import { DEF_PRIORITY, scan_control_init } from './vmscan.ts'
import { direct_row } from './vmscan_direct.ts'
import { SWAP_CLUSTER_MAX, shrink_active_list, shrink_inactive_list } from './vmscan_lists.ts'

const LISTS = 4

/** Pages of a group on each node's lists. */
function sizes_of(sys: Sys, memcg: number): Float64Array {
  const sizes = new Float64Array(LISTS * sys.nr_nodes)
  const { id } = sys.page_memcg
  const { flags } = sys.page
  for (let pfn = 0; pfn < id.length; pfn++) {
    if (id[pfn] === 0 || (flags[pfn]! & PG.lru) === 0 || !is_member(sys, pfn, memcg)) continue
    const lru = folio_lru_list(sys, pfn)
    if (lru < LISTS) sizes[LISTS * sys.zone_to_nid[page_zone(sys, pfn)]! + lru]! += 1
  }
  return sizes
}

/** Slots that a group may still take. @kernel mm/memcontrol.c:mem_cgroup_get_nr_swap_pages */
export function mem_cgroup_get_nr_swap_pages(sys: Sys, memcg: number): number {
  let slots = sys.swap_state.nr_swap_pages[0]!
  const { swap_max, swap_usage, parent } = sys.memcg
  for (let group = memcg; group !== 0; group = parent[group]!)
    slots = Math.min(slots, swap_max[group]! - swap_usage[group]!)
  return Math.max(0, slots)
}

/** Frees pages of a group and of those below it; returns how many. @kernel mm/vmscan.c:try_to_free_mem_cgroup_pages */
export function try_to_free_mem_cgroup_pages(sys: Sys, memcg: number, pages: number, may_swap: boolean): number {
  const control = sys.scan_control
  const sc = direct_row(sys)
  lru_add_drain_all(sys)
  scan_control_init(sys, sc, GFP_HIGHUSER_MOVABLE, 0, sys.nr_zone_types - 1)
  control.memcg[sc] = memcg
  control.may_swap[sc] = may_swap ? 1 : 0
  control.nr_to_reclaim[sc] = Math.max(pages, SWAP_CLUSTER_MAX)
  sys.trace.mm_vmscan_memcg_reclaim_begin?.(0, GFP_HIGHUSER_MOVABLE)
  sys.reclaim_clock.reclaiming[0]! += 1
  const sizes = sizes_of(sys, memcg)
  for (; control.priority[sc]! >= 0; control.priority[sc]! -= 1) {
    if (control.priority[sc]! < DEF_PRIORITY - 2) control.may_writepage[sc] = 1
    for (let node = 0; node < sys.nr_nodes; node++) shrink_group(sys, node, sc, sizes.subarray(LISTS * node))
    if (control.vec_reclaimed[sc]! >= control.nr_to_reclaim[sc]!) break
  }
  sys.reclaim_clock.reclaiming[0]! -= 1
  sys.trace.mm_vmscan_memcg_reclaim_end?.(control.vec_reclaimed[sc]!)
  cond_resched(sys)
  return control.vec_reclaimed[sc]!
}

/** A group's pages of a node at a priority. @kernel mm/vmscan.c:shrink_node_memcgs */
function shrink_group(sys: Sys, node: number, sc: number, sizes: Float64Array): void {
  const control = sys.scan_control
  const [anon, file] = shares(sys, sc, sizes)
  const priority = control.priority[sc]!
  if (lru_gen_enabled(sys)) {
    for (const [type, share, at] of [
      [0, anon, 0],
      [1, file, 2],
    ] as const)
      if (share > 0) evict_type(sys, node, sc, type, Math.floor((sizes[at]! + sizes[at + 1]!) / 2 ** priority))
    return
  }
  for (let lru = 0; lru < LISTS; lru += 2) {
    const share = lru === 0 ? anon : file
    // As many inactive pages as active ones, else the latter follow.
    const low = sizes[lru]! < sizes[lru + 1]! || control.force_deactivate[sc] === 1
    const active = low ? Math.floor((sizes[lru + 1]! * share) / 2 ** priority) : 0
    if (share > 0)
      for (let done = 0; done < active; done += SWAP_CLUSTER_MAX)
        shrink_active_list(sys, node, sc, lru + 1, Math.min(SWAP_CLUSTER_MAX, active - done))
    const inactive = Math.floor((Math.max(sizes[lru]!, active) * share) / 2 ** priority)
    for (let done = 0; done < inactive && !is_enough(sys, sc); done += SWAP_CLUSTER_MAX)
      shrink_inactive_list(sys, node, sc, lru, Math.min(SWAP_CLUSTER_MAX, inactive - done))
  }
}

const is_enough = (sys: Sys, sc: number): boolean =>
  sys.scan_control.vec_reclaimed[sc]! >= sys.scan_control.nr_to_reclaim[sc]!

function evict_type(sys: Sys, node: number, sc: number, type: number, pages: number): void {
  for (let done = 0; done < pages && !is_enough(sys, sc); ) {
    const scanned = evict_members(sys, node, sc, type)
    if (scanned === 0) return
    done += scanned
  }
}

/** Parts of the two kinds, 0 … 1, by swappiness and by what each has cost. @kernel mm/vmscan.c:get_scan_count */
function shares(sys: Sys, sc: number, sizes: Float64Array): [anon: number, file: number] {
  const control = sys.scan_control
  const swappiness = sys.sysctl.swappiness[0]!
  const memcg = control.memcg[sc]!
  if (control.may_swap[sc] === 0 || swappiness === 0 || mem_cgroup_get_nr_swap_pages(sys, memcg) === 0) return [0, 1]
  if (control.priority[sc] === 0) return [1, 1]
  if (sizes[2]! / 2 ** control.priority[sc]! >= 1 && sizes[2]! >= sizes[3]!) return [0, 1]
  const total = sys.lruvec.anon_cost[0]! + sys.lruvec.file_cost[0]!
  const [anon_cost, file_cost] = [total + sys.lruvec.anon_cost[0]!, total + sys.lruvec.file_cost[0]!]
  const sum = anon_cost + file_cost
  const anon = Math.floor((swappiness * (sum + 1)) / (anon_cost + 1))
  const file = Math.floor(((200 - swappiness) * (sum + 1)) / (file_cost + 1))
  return [anon / (anon + file), file / (anon + file)]
}
