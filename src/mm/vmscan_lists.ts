// One batch of a list: taken off from its tail, looked at, put back or freed. The inactive lists are where pages are
// reclaimed; active pages are moved to them when they are too few.
import { list_add, list_del } from '../image/list.ts'
import { folio_is_file_lru, inactive_is_low, lru_head, lru_note_cost, update_lru_size } from './lruvec.ts'
import { is_member } from './memcg_tree.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { areas_that_used, page_referenced } from './page_referenced.ts'
import { spend } from './reclaim_clock.ts'
import { LRU_INACTIVE_ANON } from './reclaim_tables.ts'
import { folio_putback_lru, lru_add_drain, lru_putback } from './swap.ts'
import { VM_EXEC } from './vm_flags.ts'
import { new_stat, shrink_folio_list } from './vmscan_pages.ts'
import { count_vm_events } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from './vmstat_item.ts'

/** Pages of a batch. @kernel include/linux/swap.h:SWAP_CLUSTER_MAX */
export const SWAP_CLUSTER_MAX = 32

const ITEMS: number = NODE_STAT_ITEMS.length
const ISOLATED: number = node_item('nr_isolated_anon')
const { lru: LRU, active: ACTIVE, workingset: WORKINGSET, unevictable: UNEVICTABLE, mlocked: MLOCKED } = PG
const PGREFILL: number = vm_event('pgrefill')
const PGDEACTIVATE: number = vm_event('pgdeactivate')
const SCAN: readonly number[] = [vm_event('pgscan_direct'), vm_event('pgscan_kswapd')]
const STEAL: readonly number[] = [vm_event('pgsteal_direct'), vm_event('pgsteal_kswapd')]
const SCAN_TYPE: readonly number[] = [vm_event('pgscan_anon'), vm_event('pgscan_file')]
const STEAL_TYPE: readonly number[] = [vm_event('pgsteal_anon'), vm_event('pgsteal_file')]
const SKIP: readonly number[] = ['dma', 'dma32', 'normal', 'high', 'movable', 'device'].map(zone =>
  vm_event(`pgskip_${zone}` as 'pgskip_dma'),
)
const SKIP_OF = { DMA: 0, DMA32: 1, Normal: 2, HighMem: 3, Movable: 4, Device: 5 } as const

/** Row of the pgskip event of a zone type. @ours */
export const skip_event = (sys: Sys, zone_type: number): number => SKIP[SKIP_OF[sys.kernel.zones[zone_type]!]]!

/** Frames of the batch at work; reclaim is not nested, and a batch is over when a function returns. */
const taken = new Int32Array(4096 + 64)
let scanned = 0

/** Whether the process that reclaims is a kswapd: its row comes before that of direct reclaim. @kernel include/linux/swap.h:current_is_kswapd */
export const current_is_kswapd = (sys: Sys, sc: number): boolean => sc < sys.nr_nodes

/** Counts pages looked at and pages freed. @ours */
export function count_scan(sys: Sys, sc: number, file: number, scan: number, steal: number): void {
  const who = current_is_kswapd(sys, sc) ? 1 : 0
  const memcg = sys.scan_control.memcg[sc]!
  if (memcg !== 0) {
    sys.memcg.pgscan[memcg]! += scan
    sys.memcg.pgsteal[memcg]! += steal
  }
  count_vm_events(sys, SCAN[who]!, scan)
  count_vm_events(sys, SCAN_TYPE[file]!, scan)
  count_vm_events(sys, STEAL[who]!, steal)
  count_vm_events(sys, STEAL_TYPE[file]!, steal)
}

/** Takes up to `nr_to_scan` pages off a list's tail into `taken`; pages of zones that do not help go to its head and
 * count as scanned. @kernel mm/vmscan.c:isolate_lru_folios */
function isolate_lru_folios(sys: Sys, node: number, sc: number, lru: number, nr_to_scan: number): number {
  const { link } = sys.link
  const { flags, _refcount } = sys.page
  const head = lru_head(sys, node, lru)
  const reclaim_idx = sys.scan_control.reclaim_idx[sc]!
  let [scan, nr_taken, nr_skipped] = [0, 0, 0]
  // Skipped pages form a chain through their links, the last one first.
  let chain = -1
  const memcg = sys.scan_control.memcg[sc]!
  // Pages of other groups stay where they are: the walk goes on behind them.
  let behind_them = head
  while (scan < nr_to_scan && link[2 * behind_them + 1] !== head) {
    const pfn = link[2 * behind_them + 1]!
    if (memcg !== 0 && !is_member(sys, pfn, memcg)) {
      behind_them = pfn
      continue
    }
    const zone = page_zone(sys, pfn)
    list_del(link, pfn)
    if (sys.zone_idx[zone]! > reclaim_idx) {
      nr_skipped++
      link[2 * pfn] = chain
      chain = pfn
      count_vm_events(sys, skip_event(sys, sys.zone_idx[zone]!), 1)
      continue
    }
    scan++
    flags[pfn] = flags[pfn]! & ~LRU
    _refcount[pfn] = _refcount[pfn]! + 1
    update_lru_size(sys, zone, lru, -1)
    taken[nr_taken++] = pfn
  }
  put_skipped(link, chain, head)
  scanned = scan + nr_skipped
  sys.trace.mm_vmscan_lru_isolate?.(
    reclaim_idx,
    sys.scan_control.order[sc]!,
    nr_to_scan,
    scanned,
    nr_skipped,
    nr_taken,
    sys.kernel.reclaim.traces_isolate_mode ? 0 : Number.NaN,
    lru,
  )
  return nr_taken
}

/** A chain of skipped pages goes to the head of their list. */
function put_skipped(link: Int32Array, first: number, head: number): void {
  let behind = head
  for (let pfn = first; pfn !== -1; ) {
    const next = link[2 * pfn]!
    list_add(link, pfn, behind)
    behind = pfn
    pfn = next
  }
}

/** Reclaims from an inactive list; returns the pages freed. @kernel mm/vmscan.c:shrink_inactive_list */
export function shrink_inactive_list(sys: Sys, node: number, sc: number, lru: number, nr_to_scan: number): number {
  const file = lru >> 1
  const kswapd = current_is_kswapd(sys, sc)
  lru_add_drain(sys)
  const nr_taken = isolate_lru_folios(sys, node, sc, lru, nr_to_scan)
  const nr_scanned = scanned
  const { vm_stat } = sys.node_stat
  spend(sys, sys.reclaim_clock.scan[0]! * 0.1 * (nr_scanned - nr_taken))
  if (nr_taken === 0) {
    count_scan(sys, sc, file, nr_scanned, 0)
    return 0
  }
  vm_stat[node * ITEMS + ISOLATED + file]! += nr_taken
  const stat = new_stat()
  const before = sys.scan_control.vec_reclaimed[sc]!
  const left = shrink_folio_list(sys, taken, nr_taken, sc, stat, kswapd)
  const freed = sys.scan_control.vec_reclaimed[sc]! - before
  for (let at = 0; at < left; at++) lru_putback(sys, taken[at]!)
  vm_stat[node * ITEMS + ISOLATED + file]! -= nr_taken
  count_scan(sys, sc, file, nr_scanned, freed)
  lru_note_cost(sys, node, file, stat.pageout, nr_scanned - freed)
  const control = sys.scan_control
  control.dirty[sc]! += stat.dirty
  control.congested[sc]! += stat.congested
  control.unqueued_dirty[sc]! += stat.unqueued_dirty
  control.writeback[sc]! += stat.writeback
  control.immediate[sc]! += stat.immediate
  control.taken[sc]! += nr_taken
  if (file === 1) control.file_taken[sc]! += nr_taken
  sys.trace.mm_vmscan_lru_shrink_inactive?.(
    node,
    nr_scanned,
    freed,
    stat.dirty,
    stat.writeback,
    stat.congested,
    stat.immediate,
    stat.activate_anon,
    stat.activate_file,
    stat.ref_keep,
    stat.unmap_fail,
    control.priority[sc]!,
    file,
  )
  return freed
}

const kept = new Int32Array(SWAP_CLUSTER_MAX)

/** Moves active pages to the inactive list; code of files that is in use stays. @kernel mm/vmscan.c:shrink_active_list */
export function shrink_active_list(sys: Sys, node: number, sc: number, lru: number, nr_to_scan: number): void {
  const { flags } = sys.page
  const { vm_stat } = sys.node_stat
  const file = lru >> 1
  lru_add_drain(sys)
  const nr_taken = isolate_lru_folios(sys, node, sc, lru, nr_to_scan)
  vm_stat[node * ITEMS + ISOLATED + file]! += nr_taken
  count_vm_events(sys, PGREFILL, scanned)
  let [nr_kept, nr_deactivated] = [0, 0]
  for (let at = 0; at < nr_taken; at++) {
    const pfn = taken[at]!
    spend(sys, sys.reclaim_clock.scan[0]!)
    if ((flags[pfn]! & (UNEVICTABLE | MLOCKED)) !== 0) {
      folio_putback_lru(sys, pfn)
      continue
    }
    const used = page_referenced(sys, pfn, false) > 0 && (areas_that_used() & VM_EXEC) !== 0
    if (used && folio_is_file_lru(sys, pfn) === 1) {
      kept[nr_kept++] = pfn
      continue
    }
    flags[pfn] = (flags[pfn]! & ~ACTIVE) | WORKINGSET
    taken[nr_deactivated++] = pfn
  }
  for (let at = 0; at < nr_kept; at++) lru_putback(sys, kept[at]!)
  for (let at = 0; at < nr_deactivated; at++) lru_putback(sys, taken[at]!)
  count_vm_events(sys, PGDEACTIVATE, nr_deactivated)
  vm_stat[node * ITEMS + ISOLATED + file]! -= nr_taken
  if (nr_kept > 0) lru_note_cost(sys, node, file, 0, nr_kept)
  sys.trace.mm_vmscan_lru_shrink_active?.(
    node,
    nr_taken,
    nr_kept,
    nr_deactivated,
    nr_kept,
    sys.scan_control.priority[sc]!,
    file,
  )
}

/** One batch of a list; returns the pages freed. @kernel mm/vmscan.c:shrink_list */
export function shrink_list(sys: Sys, node: number, sc: number, lru: number, nr_to_scan: number): number {
  if ((lru & 1) === 0) return shrink_inactive_list(sys, node, sc, lru, nr_to_scan)
  if ((sys.scan_control.may_deactivate[sc]! & (1 << (lru >> 1))) !== 0)
    shrink_active_list(sys, node, sc, lru, nr_to_scan)
  else sys.scan_control.skipped_deactivate[sc] = 1
  return 0
}

/** Keeps the anonymous lists in balance while there is swap. @kernel mm/vmscan.c:age_active_anon */
export function age_active_anon(sys: Sys, node: number, sc: number): void {
  if (sys.swap_state.total_swap_pages[0]! === 0 || !inactive_is_low(sys, node, LRU_INACTIVE_ANON)) return
  shrink_active_list(sys, node, sc, LRU_INACTIVE_ANON + 1, SWAP_CLUSTER_MAX)
}
