// The borders of the generations: the oldest moves up when it is empty, the youngest when aging is done.
import { list_add_tail, list_del } from '../image/list.ts'
import {
  folio_lru_gen,
  get_nr_gens,
  LRU_GEN_MASK,
  LRU_GEN_SHIFT,
  LRU_REFS_FLAGS,
  LRU_REFS_MASK,
  lru_gen_from_seq,
  lru_gen_head,
  lru_gen_update_size,
} from './lru_gen.ts'
import { reset_ctrl_pos } from './lru_gen_refault.ts'
import { update_lru_size } from './lruvec.ts'
import type { Sys } from './mmzone.ts'
import { MAX_NR_GENS, MIN_NR_GENS } from './reclaim_tables.ts'

const GENS: number = MAX_NR_GENS

/** Whether a generation's lists of a type are empty. */
function is_empty(sys: Sys, node: number, gen: number, type: number): boolean {
  const { link } = sys.link
  for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++) {
    const head = lru_gen_head(sys, node, gen, type, zone_type)
    if (link[2 * head] !== head) return false
  }
  return true
}

/** Moves the oldest generations up over empty ones; false = nothing moved. @kernel mm/vmscan.c:try_to_inc_min_seq */
export function try_to_inc_min_seq(sys: Sys, node: number, can_swap: boolean): boolean {
  const { max_seq, min_seq } = sys.lru_gen
  const next = [min_seq[2 * node]!, min_seq[2 * node + 1]!] as [number, number]
  const first = can_swap ? 0 : 1
  for (let type = first; type < 2; type++)
    while (next[type]! + MIN_NR_GENS <= max_seq[node]! && is_empty(sys, node, lru_gen_from_seq(next[type]!), type))
      next[type]!++
  if (can_swap) {
    // Anonymous pages are never ahead, and files do not go back.
    next[0] = Math.min(next[0], next[1])
    next[1] = Math.max(next[0], min_seq[2 * node + 1]!)
  }
  let moved = false
  for (let type = first; type < 2; type++) {
    if (next[type] === min_seq[2 * node + type]) continue
    reset_ctrl_pos(sys, node, type)
    min_seq[2 * node + type] = next[type]!
    moved = true
  }
  return moved
}

/** Makes room for a generation more: what is left of the oldest joins the next. @kernel mm/vmscan.c:inc_min_seq */
function inc_min_seq(sys: Sys, node: number, type: number, can_swap: boolean): void {
  const { min_seq } = sys.lru_gen
  const { link } = sys.link
  const old = lru_gen_from_seq(min_seq[2 * node + type]!)
  if (type === 1 || can_swap)
    for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++) {
      const head = lru_gen_head(sys, node, old, type, zone_type)
      while (link[2 * head] !== head) {
        const pfn = link[2 * head + 1]!
        list_del(link, pfn)
        list_add_tail(link, pfn, lru_gen_head(sys, node, next_gen(sys, pfn, old), type, zone_type))
      }
    }
  reset_ctrl_pos(sys, node, type)
  min_seq[2 * node + type]! += 1
}

function next_gen(sys: Sys, pfn: number, old: number): number {
  const { flags } = sys.page
  const is = folio_lru_gen(sys, pfn)
  if (is !== old) return is
  const next = (old + 1) % GENS
  const cleared = flags[pfn]! & ~(LRU_GEN_MASK | LRU_REFS_MASK | LRU_REFS_FLAGS)
  flags[pfn] = cleared | ((next + 1) << LRU_GEN_SHIFT)
  lru_gen_update_size(sys, pfn, old, next)
  return next
}

/** Begins a new youngest generation. @kernel mm/vmscan.c:inc_max_seq */
export function inc_max_seq(sys: Sys, node: number, can_swap: boolean): void {
  const { max_seq, birth } = sys.lru_gen
  const { nr_pages } = sys.lru_gen_size
  for (let type = 1; type >= 0; type--)
    if (get_nr_gens(sys, node, type) === GENS) inc_min_seq(sys, node, type, can_swap)
  const max = max_seq[node]!
  // The second youngest stops to count as active, the new one begins.
  const [prev, next] = [lru_gen_from_seq(max - 1), lru_gen_from_seq(max + 1)]
  for (let type = 0; type < 2; type++)
    for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++) {
      const zone = node * sys.nr_zone_types + zone_type
      const base = 2 * GENS * zone + type
      const delta = nr_pages[base + 2 * prev]! - nr_pages[base + 2 * next]!
      if (delta === 0) continue
      update_lru_size(sys, zone, 2 * type, delta)
      update_lru_size(sys, zone, 2 * type + 1, -delta)
    }
  birth[GENS * node + next] = sys.machine.jiffies[0]!
  max_seq[node] = max + 1
}
