// Aging of the multi-generational LRU: all page tables are walked, the marks of entries that were used are taken, their
// pages go to a new youngest generation. A table is walked only if it was touched and, after the first time, if it was
// found dense the last time.

import {
  folio_lru_gen,
  LRU_GEN_MM_WALK,
  LRU_GEN_NONLEAF_YOUNG,
  lru_gen_from_seq,
  lru_gen_update_size,
} from './lru_gen.ts'
import { folio_update_gen } from './lru_gen_access.ts'
import { reset_bloom_filter, test_bloom_filter, update_bloom_filter } from './lru_gen_bloom.ts'
import { inc_max_seq } from './lru_gen_seq.ts'
import { folio_is_file_lru } from './lruvec.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { node_of_page } from './page_io.ts'
import { pte_pfn } from './pte.ts'
import { spend } from './reclaim_clock.ts'
import { MAX_NR_GENS, MIN_NR_GENS } from './reclaim_tables.ts'
import { pmd_is_table, pmd_offset, pte_offset } from './user_pgtable.ts'
import { VM_LOCKED, VM_RAND_READ, VM_SEQ_READ, VM_SPECIAL } from './vm_flags.ts'

const GENS: number = MAX_NR_GENS
const answer = { needed: false, total: 0 }

/** Whether a new generation is due, and the pages of all. The result is overwritten by the next call.
 * @kernel mm/vmscan.c:should_run_aging */
export function should_run_aging(sys: Sys, node: number, can_swap: boolean): { needed: boolean; total: number } {
  const { max_seq, min_seq } = sys.lru_gen
  const max = max_seq[node]!
  const oldest = min_seq[2 * node + (can_swap ? 0 : 1)]!
  let [old, young, total] = [0, 0, 0]
  for (let type = can_swap ? 0 : 1; type < 2; type++)
    for (let seq = min_seq[2 * node + type]!; seq <= max; seq++) {
      const size = generation_size(sys, node, type, lru_gen_from_seq(seq))
      total += size
      if (seq === max) young += size
      else if (seq + MIN_NR_GENS === max) old += size
    }
  answer.total = total
  if (oldest + MIN_NR_GENS > max) {
    answer.needed = true
    if (!sys.kernel.reclaim.lru_gen_age_node) answer.total = 0
  } else if (oldest + MIN_NR_GENS < max) answer.needed = false
  else answer.needed = young * MIN_NR_GENS > total || old * (MIN_NR_GENS + 2) < total
  return answer
}

function generation_size(sys: Sys, node: number, type: number, gen: number): number {
  let size = 0
  for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++)
    size += Math.max(0, sys.lru_gen_size.nr_pages[2 * GENS * (node * sys.nr_zone_types + zone_type) + 2 * gen + type]!)
  return size
}

/** Walks the page tables and begins a new youngest generation, unless somebody else has; false = somebody has.
 * @kernel mm/vmscan.c:try_to_inc_max_seq */
export function try_to_inc_max_seq(
  sys: Sys,
  node: number,
  seq: number,
  can_swap: boolean,
  force_scan: boolean,
): boolean {
  if (seq < sys.lru_gen.max_seq[node]!) return false
  if ((sys.lru_gen.enabled[0]! & LRU_GEN_MM_WALK) !== 0) {
    reset_bloom_filter(sys, node, seq + 1)
    for (let mm = 1; mm < sys.mm.pgd.length; mm++)
      if (sys.mm.pgd[mm] !== 0) walk_mm(sys, node, mm, can_swap, force_scan)
  }
  inc_max_seq(sys, node, can_swap)
  return true
}

/** @kernel mm/vmscan.c:walk_mm */
function walk_mm(sys: Sys, node: number, mm: number, can_swap: boolean, force_scan: boolean): void {
  const { start, end, flags, next, file } = sys.vma
  const per_table = sys.page_bytes / sys.kernel.pgtable.entry_bytes
  const pgd = sys.mm.pgd[mm]! - 1
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = next[vma]!) {
    if ((flags[vma]! & (VM_LOCKED | VM_SPECIAL | VM_SEQ_READ | VM_RAND_READ)) !== 0) continue
    if (file[vma] === 0 && !can_swap) continue
    for (let page = start[vma]!; page < end[vma]!; ) {
      const stop = Math.min(end[vma]!, page - (page % per_table) + per_table)
      walk_table(sys, node, pgd, page, stop, can_swap, force_scan)
      page = stop
    }
  }
}

/** @kernel mm/vmscan.c:walk_pmd_range */
function walk_table(
  sys: Sys,
  node: number,
  pgd: number,
  page: number,
  stop: number,
  can_swap: boolean,
  force_scan: boolean,
): void {
  const words = sys.physmem_words
  const { ACCESSED } = sys.kernel.pgtable
  const pmd = pmd_offset(sys, pgd, page)
  if (pmd === -1 || !pmd_is_table(sys, pmd)) return
  if ((sys.lru_gen.enabled[0]! & LRU_GEN_NONLEAF_YOUNG) !== 0) {
    if ((words[pmd]! & ACCESSED) === 0) return
    words[pmd] = words[pmd]! & ~ACCESSED
  }
  const first = pte_offset(sys, pmd, page)
  const table = first >>> (sys.page_shift - 2)
  const seq = sys.lru_gen.max_seq[node]!
  if (!force_scan && !filter_allows(sys, node, seq, table)) return
  if (walk_entries(sys, node, first, stop - page, can_swap)) update_bloom_filter(sys, node, seq + 1, table)
}

/** The first generations have no filter yet. */
function filter_allows(sys: Sys, node: number, seq: number, table: number): boolean {
  return seq <= GENS - 1 || test_bloom_filter(sys, node, seq, table)
}

/** Takes the marks of a table's entries; returns whether it is dense. @kernel mm/vmscan.c:walk_pte_range */
function walk_entries(sys: Sys, node: number, first: number, count: number, can_swap: boolean): boolean {
  const words = sys.physmem_words
  const { ACCESSED, DIRTY, entry_bytes } = sys.kernel.pgtable
  const { flags, mapping } = sys.page
  const youngest = lru_gen_from_seq(sys.lru_gen.max_seq[node]!)
  let [young, total] = [0, 0]
  spend(sys, count * 0.05)
  for (let i = 0; i < count; i++) {
    const at = first + (i * entry_bytes) / 4
    const low = words[at]!
    total++
    if ((low & 1) === 0 || (low & ACCESSED) === 0) continue
    const pfn = pte_pfn(sys, at)
    if ((flags[pfn]! & PG.reserved) !== 0 || mapping[pfn] === 0 || node_of_page(sys, pfn) !== node) continue
    if (folio_is_file_lru(sys, pfn) === 0 && !can_swap) continue
    words[at] = low & ~ACCESSED
    young++
    const own = mapping[pfn]! < 0 && (flags[pfn]! & (PG.swapbacked | PG.owner_priv_1)) === PG.swapbacked
    if ((low & DIRTY) !== 0 && !own) flags[pfn] = flags[pfn]! | PG.dirty
    const old = folio_lru_gen(sys, pfn) < 0 ? folio_update_gen(sys, pfn, youngest) : promote(sys, pfn, youngest)
    if (old < 0) continue
  }
  return young * (64 / entry_bytes) >= total
}

function promote(sys: Sys, pfn: number, youngest: number): number {
  const old = folio_update_gen(sys, pfn, youngest)
  if (old !== youngest) lru_gen_update_size(sys, pfn, old, youngest)
  return old
}
