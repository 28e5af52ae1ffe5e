// What the multi-generational LRU learns from pages that come back. Evictions and refaults are counted by type and tier
// while a generation is the oldest; then they go into moving averages. Which type is evicted, and up to which tier,
// follows from comparing refaults per eviction, as a controller compares its set point with what it measures.
// A shadow's age is min_seq << 2 | uses - 1 here.
import { folio_lru_refs, LRU_REFS_MASK, LRU_REFS_WIDTH, lru_gen_in_fault, lru_tier_from_refs } from './lru_gen.ts'
import { folio_is_file_lru } from './lruvec.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { MAX_NR_TIERS } from './reclaim_tables.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'
import { pack_shadow, shadow_age, shadow_node, shadow_workingset } from './workingset.ts'

const ITEMS: number = NODE_STAT_ITEMS.length
const TIERS: number = MAX_NR_TIERS
const REFAULT: number = node_item('workingset_refault_anon')
const ACTIVATE: number = node_item('workingset_activate_anon')
const RESTORE: number = node_item('workingset_restore_anon')
/** Generations that a shadow tells apart. */
const SEQS: number = 2 ** (23 - LRU_REFS_WIDTH)
/** @kernel mm/vmscan.c:MIN_LRU_BATCH */
const MIN_LRU_BATCH = 64

/** The shadow of a page that is being evicted. @kernel mm/workingset.c:lru_gen_eviction */
export function lru_gen_eviction(sys: Sys, pfn: number): number {
  const node = sys.zone_to_nid[page_zone(sys, pfn)]!
  const type = folio_is_file_lru(sys, pfn)
  const refs = folio_lru_refs(sys, pfn)
  sys.lru_gen.evicted[(2 * node + type) * TIERS + lru_tier_from_refs(refs)]! += 1
  const seq = sys.lru_gen.min_seq[2 * node + type]! % SEQS
  return pack_shadow(seq * 2 ** LRU_REFS_WIDTH + Math.max(refs - 1, 0), node, refs !== 0 ? 1 : 0)
}

/** A page that comes back. @kernel mm/workingset.c:lru_gen_refault */
export function lru_gen_refault(sys: Sys, pfn: number, shadow: number): void {
  const node = sys.zone_to_nid[page_zone(sys, pfn)]!
  const type = folio_is_file_lru(sys, pfn)
  const { vm_stat } = sys.node_stat
  const all = sys.kernel.reclaim.lru_gen_counts_all_refaults
  if (all) vm_stat[node * ITEMS + REFAULT + type]! += 1
  const token = shadow_age(shadow)
  const recent = Math.floor(token / 2 ** LRU_REFS_WIDTH) === sys.lru_gen.min_seq[2 * node + type]! % SEQS
  if (shadow_node(shadow) !== node || !recent) return
  if (!all) vm_stat[node * ITEMS + REFAULT + type]! += 1
  const refs = (token & (2 ** LRU_REFS_WIDTH - 1)) + shadow_workingset(shadow)
  sys.lru_gen.refaulted[(2 * node + type) * TIERS + lru_tier_from_refs(refs)]! += 1
  if (all) vm_stat[node * ITEMS + ACTIVATE + type]! += 1
  // It stalled somebody: hotter pages pushed it out, or its uses were nearly as many as are counted.
  const spares = sys.kernel.reclaim.lru_gen_spares_refaulted
  if (!lru_gen_in_fault(sys) && refs < 2 ** LRU_REFS_WIDTH - (spares ? 1 : 0)) return
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.workingset | (spares ? LRU_REFS_MASK : 0)
  vm_stat[node * ITEMS + RESTORE + type]! += 1
}

/** Moves the oldest generation's counts into the averages. @kernel mm/vmscan.c:reset_ctrl_pos */
export function reset_ctrl_pos(sys: Sys, node: number, type: number): void {
  const { avg_refaulted, avg_total, refaulted, evicted } = sys.lru_gen
  const kept = sys.lru_gen.protected
  const base = (2 * node + type) * TIERS
  for (let tier = 0; tier < TIERS; tier++) {
    const at = base + tier
    avg_refaulted[at] = Math.floor((avg_refaulted[at]! + refaulted[at]!) / 2)
    avg_total[at] = Math.floor((avg_total[at]! + evicted[at]! + (tier === 0 ? 0 : kept[at]!)) / 2)
    refaulted[at] = 0
    evicted[at] = 0
    kept[at] = 0
  }
}

/** Whether tier `pv` of a type refaults less than the tier `sp` of a type, weighted by their gains, or hardly at all.
 * @kernel mm/vmscan.c:positive_ctrl_err */
function positive_ctrl_err(sys: Sys, sp: number, sp_gain: number, pv: number, pv_gain: number): boolean {
  const pv_refaulted = refaulted_of(sys, pv)
  if (pv_refaulted < MIN_LRU_BATCH) return true
  const left = pv_refaulted * (total_of(sys, sp) + MIN_LRU_BATCH) * sp_gain
  return left <= (refaulted_of(sys, sp) + 1) * total_of(sys, pv) * pv_gain
}

const refaulted_of = (sys: Sys, at: number): number => sys.lru_gen.avg_refaulted[at]! + sys.lru_gen.refaulted[at]!
/** @kernel mm/vmscan.c:read_ctrl_pos */
function total_of(sys: Sys, at: number): number {
  const total = sys.lru_gen.avg_total[at]! + sys.lru_gen.evicted[at]!
  return at % TIERS === 0 ? total : total + sys.lru_gen.protected[at]!
}

/** Tiers up to this one are evicted, those above are protected. @kernel mm/vmscan.c:get_tier_idx */
export function get_tier_idx(sys: Sys, node: number, type: number): number {
  const base = (2 * node + type) * TIERS
  let tier = 1
  for (; tier < TIERS; tier++) if (!positive_ctrl_err(sys, base, 1, base + tier, 2)) break
  return tier - 1
}

/** The type that refaults less, by swappiness, and its last tier to evict: type + 2 * tier. @kernel mm/vmscan.c:get_type_to_scan */
export function get_type_to_scan(sys: Sys, node: number, swappiness: number): number {
  const anon = 2 * node * TIERS
  const file = anon + TIERS
  const type = positive_ctrl_err(sys, anon, swappiness, file, 200 - swappiness) ? 1 : 0
  const [own, other] = type === 1 ? [file, anon] : [anon, file]
  const [own_gain, other_gain] = type === 1 ? [200 - swappiness, swappiness] : [swappiness, 200 - swappiness]
  let tier = 1
  for (; tier < TIERS; tier++) if (!positive_ctrl_err(sys, other, other_gain, own + tier, own_gain)) break
  return type + 2 * (tier - 1)
}
