// Reclaim of a node: how many pages of each list are scanned at a priority, and the rounds over the lists. Everything
// that a round needs to go on is in a row of scan_control, so that kswapd can be stopped between two batches.
// Law: priority 12 scans 1/4096 of a list, each lower one twice as much.
import { lru_gen_enabled } from './lru_gen.ts'
import { lru_gen_shrink_lruvec } from './lru_gen_evict.ts'
import { inactive_is_low, lruvec_lru_size, lruvec_size } from './lruvec.ts'
import { managed_zone, type Sys } from './mmzone.ts'
import { high_wmark_pages } from './page_alloc/watermark.ts'
import { cond_resched } from './reclaim_clock.ts'
import { LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE } from './reclaim_tables.ts'
import { shrink_slab } from './shrinker.ts'
import { age_active_anon, current_is_kswapd, SWAP_CLUSTER_MAX, shrink_list } from './vmscan_lists.ts'
import { zone_page_state } from './vmstat.ts'
import { NODE_STAT_ITEMS, NR_FREE_PAGES, node_item } from './vmstat_item.ts'

/** Where reclaim begins. @kernel include/linux/mmzone.h:DEF_PRIORITY */
export const DEF_PRIORITY = 12
/** @kernel mm/vmscan.c:DEACTIVATE_ANON */
const DEACTIVATE_ANON = 1
const DEACTIVATE_FILE = 2

const ITEMS: number = NODE_STAT_ITEMS.length
const ACTIVATE_ANON: number = node_item('workingset_activate_anon')
const ALL_LISTS = 4

/** Whether pages can go to swap. @kernel mm/vmscan.c:can_reclaim_anon_pages */
export function can_reclaim_anon_pages(sys: Sys): boolean {
  return sys.swap_state.nr_swap_pages[0]! > 0
}

/** A fresh row of scan_control. @ours */
export function scan_control_init(sys: Sys, sc: number, gfp: number, order: number, reclaim_idx: number): void {
  const control = sys.scan_control
  for (const column of Object.values(control))
    column.fill(0, (column.length / (sys.nr_nodes + 1)) * sc, (column.length / (sys.nr_nodes + 1)) * (sc + 1))
  control.gfp_mask[sc] = gfp
  control.order[sc] = order
  control.reclaim_idx[sc] = reclaim_idx
  control.priority[sc] = DEF_PRIORITY
  control.initial_priority[sc] = DEF_PRIORITY
  control.may_writepage[sc] = 1
  control.may_unmap[sc] = 1
  control.may_swap[sc] = 1
  control.nr_to_reclaim[sc] = SWAP_CLUSTER_MAX
}

/** What the shares of the lists depend on, as it is when the node is begun. @kernel mm/vmscan.c:prepare_scan_count */
function prepare_scan_count(sys: Sys, node: number, sc: number): void {
  const control = sys.scan_control
  const { vm_stat } = sys.node_stat
  control.anon_cost[sc] = sys.lruvec.anon_cost[node]!
  control.file_cost[sc] = sys.lruvec.file_cost[node]!
  let may = 0
  for (let file = 0; file < 2; file++) {
    const refaulted = vm_stat[node * ITEMS + ACTIVATE_ANON + file] !== sys.lruvec.refaults[2 * node + file]
    const wanted = control.force_deactivate[sc] === 1 || refaulted || inactive_is_low(sys, node, 2 * file)
    if (wanted) may |= 1 << file
  }
  control.may_deactivate[sc] = may
  const priority = control.priority[sc]!
  const inactive_file = lruvec_size(sys, node, LRU_INACTIVE_FILE)
  const enough = shift_right(inactive_file, priority) > 0 && (may & DEACTIVATE_FILE) === 0
  control.cache_trim_mode[sc] = enough ? 1 : 0
  const anon = lruvec_size(sys, node, LRU_INACTIVE_ANON)
  const tiny = is_file_tiny(sys, node) && (may & DEACTIVATE_ANON) === 0 && shift_right(anon, priority) > 0
  control.file_is_tiny[sc] = tiny ? 1 : 0
}

const shift_right = (pages: number, by: number): number => Math.floor(pages / 2 ** by)

/** Whether all pages of files together, and what is free, do not reach the high watermarks. */
function is_file_tiny(sys: Sys, node: number): boolean {
  let [free, high] = [0, 0]
  for (let type = 0; type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    free += zone_page_state(sys, zone, NR_FREE_PAGES)
    if (managed_zone(sys, zone)) high += high_wmark_pages(sys, zone)
  }
  const file = lruvec_size(sys, node, LRU_INACTIVE_FILE) + lruvec_size(sys, node, LRU_ACTIVE_FILE)
  return file + free <= high
}

/** Pages of each list to scan: all of them at the last priority, one kind where the other is of no use, else shares by
 * swappiness and by what each kind has cost. @kernel mm/vmscan.c:get_scan_count */
function get_scan_count(sys: Sys, node: number, sc: number): void {
  const control = sys.scan_control
  const swappiness = sys.sysctl.swappiness[0]!
  let [anon, file, all] = [1, 1, 1]
  if (control.may_swap[sc] === 0 || !can_reclaim_anon_pages(sys)) anon = 0
  else if (control.priority[sc] === 0 && swappiness !== 0) all = 1
  else if (control.file_is_tiny[sc] === 1) file = 0
  else if (control.cache_trim_mode[sc] === 1) anon = 0
  else {
    const total = control.anon_cost[sc]! + control.file_cost[sc]!
    const anon_cost = total + control.anon_cost[sc]!
    const file_cost = total + control.file_cost[sc]!
    const sum = anon_cost + file_cost
    anon = Math.floor((swappiness * (sum + 1)) / (anon_cost + 1))
    file = Math.floor(((200 - swappiness) * (sum + 1)) / (file_cost + 1))
    all = anon + file
  }
  for (let lru = 0; lru < ALL_LISTS; lru++) {
    const size = lruvec_lru_size(sys, node, lru, control.reclaim_idx[sc]!)
    const share = lru < LRU_INACTIVE_FILE ? anon : file
    const scan = Math.floor((shift_right(size, control.priority[sc]!) * share) / all)
    control.nr[ALL_LISTS * sc + lru] = scan
    control.targets[ALL_LISTS * sc + lru] = scan
  }
}

/** Begins a node at the row's priority. @kernel mm/vmscan.c:shrink_node */
export function shrink_node_begin(sys: Sys, node: number, sc: number): void {
  const control = sys.scan_control
  control.dirty[sc] = 0
  control.unqueued_dirty[sc] = 0
  control.congested[sc] = 0
  control.writeback[sc] = 0
  control.immediate[sc] = 0
  control.taken[sc] = 0
  control.file_taken[sc] = 0
  control.vec_reclaimed[sc] = 0
  control.lru[sc] = 0
  if (lru_gen_enabled(sys)) return
  prepare_scan_count(sys, node, sc)
  get_scan_count(sys, node, sc)
  const direct = !current_is_kswapd(sys, sc)
  control.proportional[sc] = direct && control.priority[sc] === DEF_PRIORITY ? 1 : 0
}

/** One batch of the next list; false = the node is done at this priority. @kernel mm/vmscan.c:shrink_lruvec */
export function shrink_lruvec_step(sys: Sys, node: number, sc: number): boolean {
  const control = sys.scan_control
  const { nr } = control
  const base = ALL_LISTS * sc
  if (control.lru[sc] === 0 && nr[base]! + nr[base + LRU_INACTIVE_FILE]! + nr[base + LRU_ACTIVE_FILE]! === 0)
    return false
  const lru = control.lru[sc]!
  const batch = Math.min(nr[base + lru]!, SWAP_CLUSTER_MAX)
  if (batch > 0) {
    nr[base + lru]! -= batch
    shrink_list(sys, node, sc, lru, batch)
  }
  control.lru[sc] = (lru + 1) % ALL_LISTS
  return control.lru[sc] !== 0 || round_goes_on(sys, sc)
}

/** After a round over the lists: enough reclaimed? Then the kind with less left to scan stops, and the other scans only
 * as large a part of its share. */
function round_goes_on(sys: Sys, sc: number): boolean {
  const control = sys.scan_control
  const { nr, targets } = control
  if (control.vec_reclaimed[sc]! < control.nr_to_reclaim[sc]! || control.proportional[sc] === 1) return true
  const base = ALL_LISTS * sc
  const nr_anon = nr[base]! + nr[base + 1]!
  const nr_file = nr[base + 2]! + nr[base + 3]!
  if (nr_anon === 0 || nr_file === 0) return false
  const [stop, go] = nr_file > nr_anon ? [base, base + 2] : [base + 2, base]
  const target = targets[stop]! + targets[stop + 1]! + 1
  const percentage = Math.floor((Math.min(nr_anon, nr_file) * 100) / target)
  nr[stop] = 0
  nr[stop + 1] = 0
  for (let lru = go; lru < go + 2; lru++) {
    const done = targets[lru]! - nr[lru]!
    const wanted = Math.floor((targets[lru]! * (100 - percentage)) / 100)
    nr[lru] = wanted - Math.min(wanted, done)
  }
  return true
}

/** Ends a node at this priority: shrinkable slabs, flags for kswapd; returns whether anything was freed.
 * @kernel mm/vmscan.c:shrink_node */
export function shrink_node_end(sys: Sys, node: number, sc: number): boolean {
  const control = sys.scan_control
  control.nr_reclaimed[sc]! += control.vec_reclaimed[sc]!
  if (!lru_gen_enabled(sys)) age_active_anon(sys, node, sc)
  const slab = shrink_slab(sys, control.gfp_mask[sc]!, node, control.priority[sc]!)
  control.nr_reclaimed[sc]! += slab
  const freed = control.vec_reclaimed[sc]! + slab > 0
  if (current_is_kswapd(sys, sc)) {
    if (control.writeback[sc]! > 0 && control.writeback[sc] === control.taken[sc]) sys.kswapd.writeback[node] = 1
    if (control.unqueued_dirty[sc] === control.file_taken[sc]) sys.kswapd.dirty[node] = 1
  }
  if (control.dirty[sc]! > 0 && control.dirty[sc] === control.congested[sc]) sys.lruvec.congested[node] = 1
  if (freed) sys.kswapd.failures[node] = 0
  return freed
}

/** A node at the row's priority, for who does not stop between batches. @kernel mm/vmscan.c:shrink_node */
export function shrink_node(sys: Sys, node: number, sc: number): boolean {
  shrink_node_begin(sys, node, sc)
  if (lru_gen_enabled(sys)) lru_gen_shrink_lruvec(sys, node, sc)
  else while (shrink_lruvec_step(sys, node, sc)) if (sys.scan_control.lru[sc] === 0) cond_resched(sys)
  return shrink_node_end(sys, node, sc)
}

/** Notes how many refaults there were, so that the next reclaim knows whether there were more.
 * @kernel mm/vmscan.c:snapshot_refaults */
export function snapshot_refaults(sys: Sys, node: number): void {
  for (let file = 0; file < 2; file++)
    sys.lruvec.refaults[2 * node + file] = sys.node_stat.vm_stat[node * ITEMS + ACTIVATE_ANON + file]!
}
