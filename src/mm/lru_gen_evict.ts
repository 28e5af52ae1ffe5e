// Eviction of the multi-generational LRU: pages of the oldest generation of the type that refaults less. Pages that turn
// out to be younger, or protected by their tier, or under writeback are sorted into their generation on the way.
import { list_add, list_add_tail, list_del } from '../image/list.ts'
import { __GFP_IO } from './gfp.ts'
import {
  folio_lru_gen,
  folio_lru_refs,
  get_nr_gens,
  LRU_GEN_MASK,
  LRU_GEN_SHIFT,
  LRU_REFS_FLAGS,
  LRU_REFS_MASK,
  LRU_REFS_WIDTH,
  lru_gen_del_folio,
  lru_gen_from_seq,
  lru_gen_head,
  lru_gen_update_size,
  lru_tier_from_refs,
} from './lru_gen.ts'
import { should_run_aging, try_to_inc_max_seq } from './lru_gen_aging.ts'
import { get_tier_idx, get_type_to_scan } from './lru_gen_refault.ts'
import { try_to_inc_min_seq } from './lru_gen_seq.ts'
import { is_member } from './memcg_tree.ts'
import { cull_from_generation } from './mlock_folio.ts'
import { PG } from './mm_types.ts'
import { managed_zone, page_zone, type Sys, WMARK_HIGH, WMARK_LOW } from './mmzone.ts'
import { wmark_pages, zone_watermark_ok } from './page_alloc/watermark.ts'
import { cond_resched } from './reclaim_clock.ts'
import { MAX_NR_TIERS, MIN_NR_GENS } from './reclaim_tables.ts'
import { folio_mapped } from './rmap.ts'
import { folio_putback_lru, lru_add_drain, lru_putback } from './swap.ts'
import { count_scan, current_is_kswapd, skip_event } from './vmscan_lists.ts'
import { new_stat, shrink_folio_list } from './vmscan_pages.ts'
import { count_vm_events } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from './vmstat_item.ts'

/** @kernel mm/vmscan.c:MIN_LRU_BATCH */
const MIN_LRU_BATCH = 64
/** @kernel mm/vmscan.c:MAX_LRU_BATCH */
const MAX_LRU_BATCH = 4096
const DEF_PRIORITY = 12
const ITEMS: number = NODE_STAT_ITEMS.length
const ACTIVATE: number = node_item('workingset_activate_anon')
const PGREFILL: number = vm_event('pgrefill')
const { reclaim: RECLAIM, dirty: DIRTY, writeback: WRITEBACK, locked: LOCKED } = PG
const { referenced: REFERENCED, active: ACTIVE, unevictable: UNEVICTABLE, mlocked: MLOCKED } = PG

/** The next generation's slot for a page that is not evicted now. @kernel mm/vmscan.c:folio_inc_gen */
function folio_inc_gen(sys: Sys, pfn: number, node: number, type: number, reclaiming: boolean): number {
  const { flags } = sys.page
  const old = lru_gen_from_seq(sys.lru_gen.min_seq[2 * node + type]!)
  const is = folio_lru_gen(sys, pfn)
  if (is >= 0 && is !== old) return is
  const next = (old + 1) % 4
  const cleared = flags[pfn]! & ~(LRU_GEN_MASK | LRU_REFS_MASK | LRU_REFS_FLAGS)
  flags[pfn] = cleared | ((next + 1) << LRU_GEN_SHIFT) | (reclaiming ? RECLAIM : 0)
  lru_gen_update_size(sys, pfn, old, next)
  return next
}

/** Puts a page that is not to be evicted where it belongs; false = it may be. @kernel mm/vmscan.c:sort_folio */
function sort_folio(sys: Sys, pfn: number, node: number, type: number, tier_idx: number): boolean {
  const { link } = sys.link
  const flags = sys.page.flags[pfn]!
  const zone_type = sys.zone_idx[page_zone(sys, pfn)]!
  if ((flags & MLOCKED) !== 0) {
    cull_from_generation(sys, pfn)
    return true
  }
  const gen = folio_lru_gen(sys, pfn)
  if (gen !== lru_gen_from_seq(sys.lru_gen.min_seq[2 * node + type]!)) {
    // A walk over page tables has promoted it.
    list_del(link, pfn)
    list_add(link, pfn, lru_gen_head(sys, node, gen, type, zone_type))
    return true
  }
  const refs = folio_lru_refs(sys, pfn)
  const tier = lru_tier_from_refs(refs)
  if (tier > tier_idx || refs === 2 ** LRU_REFS_WIDTH) {
    const next = folio_inc_gen(sys, pfn, node, type, false)
    list_del(link, pfn)
    list_add_tail(link, pfn, lru_gen_head(sys, node, next, type, zone_type))
    sys.lru_gen.protected[(2 * node + type) * MAX_NR_TIERS + tier]! += 1
    if (!sys.kernel.reclaim.lru_gen_counts_all_refaults) sys.node_stat.vm_stat[node * ITEMS + ACTIVATE + type]! += 1
    return true
  }
  if ((flags & (LOCKED | WRITEBACK)) !== 0 || (type === 1 && (flags & DIRTY) !== 0)) {
    const next = folio_inc_gen(sys, pfn, node, type, true)
    list_del(link, pfn)
    list_add(link, pfn, lru_gen_head(sys, node, next, type, zone_type))
    return true
  }
  return false
}

/** Takes a page off its list; false = the request does not allow it. @kernel mm/vmscan.c:isolate_folio */
function isolate_folio(sys: Sys, pfn: number, sc: number): boolean {
  const { flags, _refcount } = sys.page
  const needs_io = (flags[pfn]! & DIRTY) !== 0 || (sys.page.mapping[pfn]! < 0 && (flags[pfn]! & PG.owner_priv_1) === 0)
  if ((sys.scan_control.gfp_mask[sc]! & __GFP_IO) === 0 && needs_io) return false
  _refcount[pfn] = _refcount[pfn]! + 1
  flags[pfn] = flags[pfn]! & ~PG.lru
  if ((flags[pfn]! & REFERENCED) === 0) flags[pfn] = flags[pfn]! & ~(LRU_REFS_MASK | LRU_REFS_FLAGS)
  flags[pfn] = flags[pfn]! & ~(RECLAIM | REFERENCED)
  lru_gen_del_folio(sys, pfn, true)
  return true
}

const isolated_pages = new Int32Array(MAX_LRU_BATCH + MIN_LRU_BATCH)
let nr_isolated = 0

/** Pages of the oldest generation of a type into `isolated_pages`; returns the pages looked at, 0 = no progress.
 * @kernel mm/vmscan.c:scan_folios */
function scan_folios(sys: Sys, node: number, sc: number, type: number, tier: number): number {
  const { link } = sys.link
  const start = nr_isolated
  let remaining = MAX_LRU_BATCH
  let [scanned, sorted] = [0, 0]
  if (get_nr_gens(sys, node, type) === MIN_NR_GENS) return 0
  const gen = lru_gen_from_seq(sys.lru_gen.min_seq[2 * node + type]!)
  for (let zone_type = sys.scan_control.reclaim_idx[sc]!; zone_type >= 0; zone_type--) {
    const head = lru_gen_head(sys, node, gen, type, zone_type)
    let skipped = 0
    while (link[2 * head] !== head) {
      const pfn = link[2 * head + 1]!
      scanned++
      if (sort_folio(sys, pfn, node, type, tier)) sorted++
      else if (isolate_folio(sys, pfn, sc)) isolated_pages[nr_isolated++] = pfn
      else {
        list_del(link, pfn)
        list_add(link, pfn, head)
        skipped++
      }
      if (--remaining === 0 || Math.max(nr_isolated - start, skipped) >= MIN_LRU_BATCH) break
    }
    if (skipped > 0) count_vm_events(sys, skip_event(sys, zone_type), skipped)
    if (remaining === 0 || nr_isolated - start >= MIN_LRU_BATCH) break
  }
  count_scan(sys, sc, type, nr_isolated - start, 0)
  count_vm_events(sys, PGREFILL, sorted)
  return nr_isolated > start || remaining === 0 ? scanned : 0
}

let type_scanned = 0

/** @kernel mm/vmscan.c:isolate_folios */
function isolate_folios(sys: Sys, node: number, sc: number, swappiness: number): number {
  const { min_seq } = sys.lru_gen
  const [anon, file] = [min_seq[2 * node]!, min_seq[2 * node + 1]!]
  let tier = -1
  let type = 1
  if (swappiness === 0) type = 1
  else if (anon < file) type = 0
  else if (swappiness === 1) type = 1
  else if (swappiness === 200) type = 0
  else {
    const choice = get_type_to_scan(sys, node, swappiness)
    type = choice & 1
    tier = choice >> 1
  }
  let scanned = 0
  for (let i = swappiness === 0 ? 1 : 0; i < 2; i++) {
    if (tier < 0) tier = get_tier_idx(sys, node, type)
    scanned = scan_folios(sys, node, sc, type, tier)
    if (scanned > 0) break
    type = 1 - type
    tier = -1
  }
  type_scanned = type
  return scanned
}

/** Evicts a batch; returns the pages looked at, 0 = no progress. @kernel mm/vmscan.c:evict_folios */
function evict_folios(sys: Sys, node: number, sc: number, swappiness: number): number {
  nr_isolated = 0
  let scanned = isolate_folios(sys, node, sc, swappiness)
  const type = type_scanned
  if (try_to_inc_min_seq(sys, node, swappiness !== 0)) scanned++
  if (get_nr_gens(sys, node, swappiness === 0 ? 1 : 0) === MIN_NR_GENS) scanned = 0
  if (nr_isolated > 0) evict_isolated(sys, sc, type)
  return scanned
}

/** Frees what it can of the isolated pages. */
function evict_isolated(sys: Sys, sc: number, type: number): void {
  const before = sys.scan_control.vec_reclaimed[sc]!
  const kswapd = current_is_kswapd(sys, sc)
  let left = shrink_folio_list(sys, isolated_pages, nr_isolated, sc, new_stat(), kswapd)
  left = put_back_rejected(sys, sc, left, false)
  if (left > 0) {
    // Clean by now: their writeback ended while they were off the lists.
    left = shrink_folio_list(sys, isolated_pages, left, sc, new_stat(), kswapd)
    put_back_rejected(sys, sc, left, true)
  }
  const freed = sys.scan_control.vec_reclaimed[sc]! - before
  count_scan(sys, sc, type, 0, freed)
}

/** Evicts a batch of a type's pages that belong to the row's control group, the oldest first; returns how many were looked at.
 * @ours in place of lists of each group */
export function evict_members(sys: Sys, node: number, sc: number, type: number): number {
  const { link } = sys.link
  const { min_seq, max_seq } = sys.lru_gen
  const memcg = sys.scan_control.memcg[sc]!
  nr_isolated = 0
  for (let seq = min_seq[2 * node + type]!; seq <= max_seq[node]! && nr_isolated < MIN_LRU_BATCH; seq++)
    for (let zone_type = sys.scan_control.reclaim_idx[sc]!; zone_type >= 0; zone_type--) {
      const head = lru_gen_head(sys, node, lru_gen_from_seq(seq), type, zone_type)
      for (let pfn = link[2 * head + 1]!; pfn !== head && nr_isolated < MIN_LRU_BATCH; ) {
        const younger = link[2 * pfn + 1]!
        if (is_member(sys, pfn, memcg) && isolate_folio(sys, pfn, sc)) isolated_pages[nr_isolated++] = pfn
        pfn = younger
      }
    }
  const looked_at = nr_isolated
  count_scan(sys, sc, type, looked_at, 0)
  if (looked_at > 0) evict_isolated(sys, sc, type)
  return looked_at
}

/** Puts pages back that were not freed; returns how many are worth another try, at the begin of the list. */
function put_back_rejected(sys: Sys, sc: number, count: number, last_try: boolean): number {
  const { flags } = sys.page
  let retry = 0
  for (let at = 0; at < count; at++) {
    const pfn = isolated_pages[at]!
    const bits = flags[pfn]!
    if ((bits & (UNEVICTABLE | MLOCKED)) !== 0) {
      folio_putback_lru(sys, pfn)
      continue
    }
    if ((bits & RECLAIM) !== 0 && (bits & (DIRTY | WRITEBACK)) !== 0) {
      if ((bits & PG.workingset) !== 0) flags[pfn] = bits | REFERENCED
    } else if (last_try || is_in_use(sys, pfn)) {
      // Not to the oldest generation again.
      flags[pfn] = (bits & ~(LRU_REFS_MASK | LRU_REFS_FLAGS)) | ACTIVE
    } else {
      isolated_pages[retry++] = pfn
      sys.scan_control.nr_scanned[sc]! -= 1
      continue
    }
    lru_putback(sys, pfn)
  }
  return retry
}

const is_in_use = (sys: Sys, pfn: number): boolean =>
  (sys.page.flags[pfn]! & (ACTIVE | REFERENCED | LOCKED | DIRTY | WRITEBACK)) !== 0 || folio_mapped(sys, pfn)

/** Pages to look at in this round; 0 = the generations must be aged first, or there is nothing old, -1 = they were aged.
 * @kernel mm/vmscan.c:get_nr_to_scan */
function get_nr_to_scan(sys: Sys, node: number, sc: number, can_swap: boolean): number {
  const { max_seq, min_seq } = sys.lru_gen
  const aging = should_run_aging(sys, node, can_swap)
  const priority = sys.scan_control.priority[sc]!
  const share = Math.floor(aging.total / 2 ** priority)
  need_aging = aging.needed
  const rules = sys.kernel.reclaim
  if (!aging.needed) return share
  const enough = min_seq[2 * node + (can_swap ? 0 : 1)]! + MIN_NR_GENS <= max_seq[node]!
  if (priority === DEF_PRIORITY) return enough ? share : 0
  if (!rules.lru_gen_age_node) return try_to_inc_max_seq(sys, node, max_seq[node]!, can_swap, false) ? -1 : 0
  // kswapd ages before it evicts.
  if (current_is_kswapd(sys, sc)) return 0
  if (try_to_inc_max_seq(sys, node, max_seq[node]!, can_swap, false)) return share
  return enough ? share : 0
}

let need_aging = false

/** @kernel mm/vmscan.c:get_swappiness */
export function get_swappiness(sys: Sys, sc: number): number {
  if (sys.swap_state.nr_swap_pages[0]! < MIN_LRU_BATCH) return 0
  const swappiness = sys.sysctl.swappiness[0]!
  if (sys.scan_control.may_swap[sc] === 1) return swappiness
  return swappiness !== 0 ? 1 : 0
}

/** Whether a round ends although there is more to look at. @kernel mm/vmscan.c:should_abort_scan */
function should_abort_scan(sys: Sys, node: number, sc: number, begin_seq: number, swapped: boolean): boolean {
  const control = sys.scan_control
  const reclaimed = control.nr_reclaimed[sc]! + control.vec_reclaimed[sc]!
  const kswapd = current_is_kswapd(sys, sc)
  if (!sys.kernel.reclaim.lru_gen_age_node) {
    if (reclaimed - control.last_reclaimed[sc]! >= Math.max(control.nr_to_reclaim[sc]!, 2 << control.order[sc]!))
      return true
    return kswapd && control.order[sc] === 0 && zones_are_safe(sys, node, sc, WMARK_HIGH)
  }
  if (!kswapd) {
    if (sys.lru_gen.max_seq[node]! - begin_seq > 1) return true
    if (reclaimed >= control.nr_to_reclaim[sc]! && swapped) return true
  } else if (reclaimed - control.last_reclaimed[sc]! < control.nr_to_reclaim[sc]!) return false
  if (control.priority[sc]! > DEF_PRIORITY - 2) return false
  if (!zones_are_safe(sys, node, sc, kswapd ? WMARK_HIGH : WMARK_LOW)) return false
  return true
}

/** Whether all zones would still be above a mark with a batch less. */
function zones_are_safe(sys: Sys, node: number, sc: number, mark: number): boolean {
  const idx = sys.scan_control.reclaim_idx[sc]!
  for (let type = 0; type <= idx && type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (!managed_zone(sys, zone)) continue
    if (!zone_watermark_ok(sys, zone, 0, wmark_pages(sys, zone, mark) + MIN_LRU_BATCH, idx, 0)) return false
  }
  return true
}

/** One batch of a round; false = the round is over. The row's `nr` and `targets` keep what it has looked at and shall.
 * @kernel mm/vmscan.c:lru_gen_shrink_lruvec */
export function lru_gen_shrink_step(sys: Sys, node: number, sc: number): boolean {
  const control = sys.scan_control
  const at = 4 * sc
  if (control.lru[sc] === 0) {
    lru_add_drain(sys)
    control.lru[sc] = 1
    control.nr[at] = 0
    control.targets[at] = sys.lru_gen.max_seq[node]!
  }
  const swappiness = get_swappiness(sys, sc)
  const wanted = get_nr_to_scan(sys, node, sc, swappiness !== 0)
  if (wanted <= 0) return false
  const done = evict_folios(sys, node, sc, swappiness)
  if (done === 0) return false
  control.nr[at]! += done
  if (control.nr[at]! < wanted && !should_abort_scan(sys, node, sc, control.targets[at]!, type_scanned === 0))
    return true
  // Without a need for aging kswapd skips it next time.
  const enough = control.nr_reclaimed[sc]! + control.vec_reclaimed[sc]! >= MIN_LRU_BATCH
  if (enough && !need_aging) control.memcgs_need_aging[sc] = 0
  return false
}

/** A whole round. @kernel mm/vmscan.c:lru_gen_shrink_node */
export function lru_gen_shrink_lruvec(sys: Sys, node: number, sc: number): void {
  while (lru_gen_shrink_step(sys, node, sc)) cond_resched(sys)
}
