// The multi-generational LRU: pages in the order of generations, each of them lists by type and zone. max_seq is the
// youngest generation, min_seq the oldest of each type; a generation's lists are in slot seq % MAX_NR_GENS.
// Laws: a page's flags name its slot + 1; nr_pages counts it there, even before it is moved to that slot's list, which
// eviction does when it meets it; the two youngest generations count as active.
import { list_add, list_add_tail, list_del } from '../image/list.ts'
import { update_lru_size } from './lruvec.ts'
import { get_current } from './mm_counter.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { MAX_NR_GENS, NR_LRU_LISTS } from './reclaim_tables.ts'

/** A page's generation + 1 in its flags: 3 bits. @kernel include/linux/mmzone.h:LRU_GEN_MASK */
export const LRU_GEN_SHIFT = 26
export const LRU_GEN_MASK: number = 7 << LRU_GEN_SHIFT
/** How often it was used through a file descriptor: 2 bits. @kernel include/linux/mmzone.h:LRU_REFS_MASK */
export const LRU_REFS_SHIFT = 29
export const LRU_REFS_MASK: number = 3 << LRU_REFS_SHIFT
export const LRU_REFS_WIDTH = 2
/** @kernel include/linux/mmzone.h:LRU_REFS_FLAGS */
export const LRU_REFS_FLAGS: number = PG.referenced | PG.workingset

/** lru_gen.enabled: in use; page tables are walked; their upper levels tell what was used. @kernel include/linux/mmzone.h:LRU_GEN_CORE */
export const LRU_GEN_CORE = 1
export const LRU_GEN_MM_WALK = 2
export const LRU_GEN_NONLEAF_YOUNG = 4

const GENS: number = MAX_NR_GENS
const LISTS: number = NR_LRU_LISTS
const [SWAPBACKED, ACTIVE, UNEVICTABLE, SWAPCACHE]: readonly number[] = [
  PG.swapbacked,
  PG.active,
  PG.unevictable,
  PG.owner_priv_1,
]
const [RECLAIM, DIRTY, WRITEBACK]: readonly number[] = [PG.reclaim, PG.dirty, PG.writeback]

/** @kernel include/linux/mm_inline.h:lru_gen_enabled */
export function lru_gen_enabled(sys: Sys): boolean {
  return (sys.lru_gen.enabled[0]! & LRU_GEN_CORE) !== 0
}

/** Whether the running task is in a fault of an area that has recency. @kernel include/linux/mm_inline.h:lru_gen_in_fault */
export function lru_gen_in_fault(sys: Sys): boolean {
  return get_current(sys) !== 0 && sys.vm_cpu.in_lru_fault[sys.machine.this_cpu[0]!] !== 0
}

/** Slot of a generation. @kernel include/linux/mm_inline.h:lru_gen_from_seq */
export function lru_gen_from_seq(seq: number): number {
  return seq % GENS
}

/** Slot that a page's flags name; -1 = it is on no such list. @kernel include/linux/mm_inline.h:folio_lru_gen */
export function folio_lru_gen(sys: Sys, pfn: number): number {
  return ((sys.page.flags[pfn]! & LRU_GEN_MASK) >>> LRU_GEN_SHIFT) - 1
}

/** Head of a slot's list of a type and zone type. @ours */
export function lru_gen_head(sys: Sys, node: number, gen: number, type: number, zone_type: number): number {
  const heads = LISTS + 8 * sys.nr_zone_types
  return sys.lru_list_base + node * heads + LISTS + (2 * gen + type) * sys.nr_zone_types + zone_type
}

/** Whether a slot is one of the two youngest generations. @kernel include/linux/mm_inline.h:lru_gen_is_active */
export function lru_gen_is_active(sys: Sys, node: number, gen: number): boolean {
  const max = sys.lru_gen.max_seq[node]!
  return gen === lru_gen_from_seq(max) || gen === lru_gen_from_seq(max - 1)
}

/** Generations of a type. @kernel mm/vmscan.c:get_nr_gens */
export function get_nr_gens(sys: Sys, node: number, type: number): number {
  return sys.lru_gen.max_seq[node]! - sys.lru_gen.min_seq[2 * node + type]! + 1
}

/** A page goes from one slot to another, -1 = none: the sizes follow. @kernel include/linux/mm_inline.h:lru_gen_update_size */
export function lru_gen_update_size(sys: Sys, pfn: number, old_gen: number, new_gen: number): void {
  const zone = page_zone(sys, pfn)
  const node = sys.zone_to_nid[zone]!
  const type = (sys.page.flags[pfn]! & SWAPBACKED!) === 0 ? 1 : 0
  const { nr_pages } = sys.lru_gen_size
  const base = 2 * GENS * zone + type
  if (old_gen >= 0) nr_pages[base + 2 * old_gen] = nr_pages[base + 2 * old_gen]! - 1
  if (new_gen >= 0) nr_pages[base + 2 * new_gen] = nr_pages[base + 2 * new_gen]! + 1
  const lru = 2 * type
  const was = old_gen < 0 ? -1 : lru_gen_is_active(sys, node, old_gen) ? lru + 1 : lru
  const is = new_gen < 0 ? -1 : lru_gen_is_active(sys, node, new_gen) ? lru + 1 : lru
  if (was === is) return
  if (was >= 0) update_lru_size(sys, zone, was, -1)
  if (is >= 0) update_lru_size(sys, zone, is, 1)
}

/**
 * Puts a page on the list of the generation it belongs to: the youngest when it is active, a later one when it cannot go
 * at once, else an old one. False = it is unevictable. @kernel include/linux/mm_inline.h:lru_gen_add_folio
 */
export function lru_gen_add_folio(sys: Sys, pfn: number, reclaiming: boolean): boolean {
  const { flags } = sys.page
  const bits = flags[pfn]!
  if ((bits & UNEVICTABLE!) !== 0) return false
  const zone = page_zone(sys, pfn)
  const node = sys.zone_to_nid[zone]!
  const type = (bits & SWAPBACKED!) === 0 ? 1 : 0
  let seq = sys.lru_gen.max_seq[node]!
  if ((bits & ACTIVE!) === 0) {
    const waits = (bits & RECLAIM!) !== 0 && (bits & (DIRTY! | WRITEBACK!)) !== 0
    const late = waits || (type === 0 && (bits & SWAPCACHE!) === 0)
    seq = sys.kernel.reclaim.lru_gen_seq(sys, node, type, late, reclaiming)
  }
  const gen = lru_gen_from_seq(seq)
  flags[pfn] = (bits & ~(LRU_GEN_MASK | ACTIVE!)) | ((gen + 1) << LRU_GEN_SHIFT)
  lru_gen_update_size(sys, pfn, -1, gen)
  const head = lru_gen_head(sys, node, gen, type, sys.zone_idx[zone]!)
  if (reclaiming) list_add_tail(sys.link.link, pfn, head)
  else list_add(sys.link.link, pfn, head)
  return true
}

/** Takes a page off its generation; false = it has none. @kernel include/linux/mm_inline.h:lru_gen_del_folio */
export function lru_gen_del_folio(sys: Sys, pfn: number, reclaiming: boolean): boolean {
  const gen = folio_lru_gen(sys, pfn)
  if (gen < 0) return false
  const { flags } = sys.page
  const active = !reclaiming && lru_gen_is_active(sys, sys.zone_to_nid[page_zone(sys, pfn)]!, gen)
  flags[pfn] = (flags[pfn]! & ~LRU_GEN_MASK) | (active ? ACTIVE! : 0)
  lru_gen_update_size(sys, pfn, gen, -1)
  list_del(sys.link.link, pfn)
  return true
}

/** Times that a page was used through file descriptors, its return from eviction included. @kernel include/linux/mm_inline.h:folio_lru_refs */
export function folio_lru_refs(sys: Sys, pfn: number): number {
  const bits = sys.page.flags[pfn]!
  return ((bits & LRU_REFS_MASK) >>> LRU_REFS_SHIFT) + ((bits & PG.workingset) !== 0 ? 1 : 0)
}

/** log2 of the uses, rounded up. @kernel include/linux/mm_inline.h:lru_tier_from_refs */
export function lru_tier_from_refs(refs: number): number {
  return refs === 0 ? 0 : 32 - Math.clz32(refs)
}
