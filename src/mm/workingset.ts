// Refault distance. The age of a node's inactive lists is the number of pages that left them, evicted or activated. An
// evicted page leaves a shadow with that age; when it comes back, the difference says how many pages more the inactive
// list would have needed to keep it. If the active pages could have made that room, it is activated at once.
// A shadow is a number below 2^30: age << 7 | node << 1 | workingset.
import { lru_gen_enabled } from './lru_gen.ts'
import { lru_gen_eviction, lru_gen_refault } from './lru_gen_refault.ts'
import { folio_is_file_lru, lru_note_cost, lruvec_size } from './lruvec.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE } from './reclaim_tables.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'

const ITEMS: number = NODE_STAT_ITEMS.length
const REFAULT: number = node_item('workingset_refault_anon')
const ACTIVATE: number = node_item('workingset_activate_anon')
const RESTORE: number = node_item('workingset_restore_anon')
const { active: ACTIVE, workingset: WORKINGSET } = PG

/** Bits of the age in a shadow. @kernel mm/workingset.c:EVICTION_MASK */
const AGE_BITS = 23
const AGES: number = 2 ** AGE_BITS

/** log2 of the pages by which ages count, so that an age tells more pages apart than there are.
 * @kernel mm/workingset.c:bucket_order */
function bucket(sys: Sys): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(sys.nr_frames)) - AGE_BITS)
}

const node_of = (sys: Sys, pfn: number): number => sys.zone_to_nid[page_zone(sys, pfn)]!

/** @kernel mm/workingset.c:pack_shadow */
export function pack_shadow(age: number, node: number, workingset: number): number {
  return (age % AGES) * 128 + ((node & 63) << 1) + workingset
}

/** The age of a shadow. @kernel mm/workingset.c:unpack_shadow */
export const shadow_age = (shadow: number): number => Math.floor(shadow / 128)
export const shadow_node = (shadow: number): number => (shadow >> 1) & 63
export const shadow_workingset = (shadow: number): number => shadow & 1

/** Pages that left the inactive lists. @kernel mm/workingset.c:workingset_age_nonresident */
export function workingset_age_nonresident(sys: Sys, node: number, nr_pages: number): void {
  const { nonresident_age } = sys.lruvec
  nonresident_age[node] = nonresident_age[node]! + nr_pages
}

/** The shadow of a page that is being evicted. @kernel mm/workingset.c:workingset_eviction */
export function workingset_eviction(sys: Sys, pfn: number): number {
  if (lru_gen_enabled(sys)) return lru_gen_eviction(sys, pfn)
  const node = node_of(sys, pfn)
  const age = Math.floor(sys.lruvec.nonresident_age[node]! / bucket(sys))
  workingset_age_nonresident(sys, node, 1)
  return pack_shadow(age, node, (sys.page.flags[pfn]! & WORKINGSET) !== 0 ? 1 : 0)
}

/** A page that comes back. It has its owner's flags, and is on no list yet. @kernel mm/workingset.c:workingset_refault */
export function workingset_refault(sys: Sys, pfn: number, shadow: number): void {
  if (lru_gen_enabled(sys)) {
    lru_gen_refault(sys, pfn, shadow)
    return
  }
  const evicted_from = shadow_node(shadow)
  const file = folio_is_file_lru(sys, pfn)
  const node = node_of(sys, pfn)
  const { vm_stat } = sys.node_stat
  const size = bucket(sys)
  const now = Math.floor(sys.lruvec.nonresident_age[evicted_from]! / size) % AGES
  const distance = ((now - shadow_age(shadow) + AGES) % AGES) * size
  vm_stat[node * ITEMS + REFAULT + file]! += 1
  if (distance > workingset_size(sys, evicted_from, file)) return
  const { flags } = sys.page
  flags[pfn] = flags[pfn]! | ACTIVE
  workingset_age_nonresident(sys, node, 1)
  vm_stat[node * ITEMS + ACTIVATE + file]! += 1
  if (shadow_workingset(shadow) === 0) return
  flags[pfn] = flags[pfn]! | WORKINGSET
  lru_note_cost(sys, node, file, 1, 0)
  vm_stat[node * ITEMS + RESTORE + file]! += 1
}

/** Pages with which a refault competes. */
function workingset_size(sys: Sys, node: number, file: number): number {
  let size = lruvec_size(sys, node, LRU_ACTIVE_FILE)
  if (file === 0) size += lruvec_size(sys, node, LRU_INACTIVE_FILE)
  if (sys.swap_state.nr_swap_pages[0]! > 0) {
    size += lruvec_size(sys, node, LRU_ACTIVE_ANON)
    if (file === 1) size += lruvec_size(sys, node, LRU_INACTIVE_ANON)
  }
  return size
}

/** A page becomes active because it was used. @kernel mm/workingset.c:workingset_activation */
export function workingset_activation(sys: Sys, pfn: number): void {
  workingset_age_nonresident(sys, node_of(sys, pfn), 1)
}
