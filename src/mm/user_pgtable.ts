// A process's page tables: the way down to an entry, tables made on the way, tables given back when nothing is mapped
// below them. "pmd" is the level above the lowest (with two levels the top one): the one whose entries may map huge pages.
// Law: mm.pgtables_bytes counts the tables below the top level but not the fourth of five levels, as the kernel does.

import { __GFP_HIGHMEM, __GFP_ZERO, GFP_KERNEL_ACCOUNT } from './gfp.ts'
import { memcg_kmem_charge_page } from './memcontrol.ts'
import type { Sys } from './mmzone.ts'
import { __free_page, alloc_page } from './page_alloc/alloc_pages.ts'
import { mod_node_page_state } from './page_ref.ts'
import { adopt_table, entry_at, entry_pfn, entry_write, free_table } from './pgtable.ts'
import { node_item } from './vmstat_item.ts'

const NR_PAGETABLE: number = node_item('nr_page_table_pages')

/** Levels above the lowest. @ours */
export const pmd_depth = (sys: Sys): number => sys.kernel.pgtable.levels.length - 2

/** log2 of the pages that an entry of the pmd level maps. @ours */
export const pmd_order = (sys: Sys): number => sys.kernel.pgtable.levels.at(-2)!.shift - sys.kernel.PAGE_SHIFT

/** Word of the pmd-level entry of a page; -1 = a table above is missing. @kernel mm/memory.c:pmd_off */
export function pmd_offset(sys: Sys, pgd: number, page: number): number {
  const { pgtable, PAGE_SHIFT } = sys.kernel
  const { split, fields } = pgtable.index
  const words = sys.physmem_words
  const { data } = sys.page
  const wide = pgtable.entry_bytes === 8 ? 1 : 0
  const high = Math.floor(page / split)
  const low = page - high * split
  const end = fields.length - 6
  let table = pgd
  for (let at = 0; ; at += 3) {
    const slot = (((fields[at] === 1 ? high : low) >>> fields[at + 1]!) & fields[at + 2]!) << wide
    const word = ((data[table]! - 1) << (PAGE_SHIFT - 2)) + slot
    if (at === end) return word
    const lo = words[word]!
    if ((lo & 1) === 0) return -1
    table = wide === 1 ? ((words[word + 1]! & 0x7ff) << 20) | (lo >>> 12) : lo >>> 12
  }
}

/** Word of the entry of the lowest level below a pmd-level entry that points to a table. @kernel include/linux/pgtable.h:pte_offset_map */
export function pte_offset(sys: Sys, pmd: number, page: number): number {
  const { pgtable, PAGE_SHIFT } = sys.kernel
  const words = sys.physmem_words
  const lo = words[pmd]!
  if (pgtable.entry_bytes === 8) {
    const table = ((words[pmd + 1]! & 0x7ff) << 20) | (lo >>> 12)
    return ((sys.page.data[table]! - 1) << (PAGE_SHIFT - 2)) + ((page % 512) << 1)
  }
  return ((sys.page.data[lo >>> 12]! - 1) << (PAGE_SHIFT - 2)) + (page % 1024)
}

/** Word of a page's entry of the lowest level; -1 = no table. A huge entry has none either. @ours */
export function pte_lookup(sys: Sys, pgd: number, page: number): number {
  const pmd = pmd_offset(sys, pgd, page)
  return pmd === -1 || !pmd_is_table(sys, pmd) ? -1 : pte_offset(sys, pmd, page)
}

/** Whether a pmd-level entry points to a table. @kernel arch/x86/include/asm/pgtable.h:pmd_bad */
export function pmd_is_table(sys: Sys, pmd: number): boolean {
  const lo = sys.physmem_words[pmd]!
  return (lo & 1) !== 0 && (lo & 0x80) === 0
}

/** @kernel arch/x86/include/asm/pgtable.h:pmd_none */
export function pmd_none(sys: Sys, pmd: number): boolean {
  return (
    (sys.physmem_words[pmd]! & ~0x60) === 0 &&
    (sys.kernel.pgtable.entry_bytes === 4 || sys.physmem_words[pmd + 1] === 0)
  )
}

/** Whether a pmd-level entry maps a huge page (also one that its area allows nobody to touch).
 * @kernel arch/x86/include/asm/pgtable.h:pmd_trans_huge */
export function pmd_trans_huge(sys: Sys, pmd: number): boolean {
  return (sys.physmem_words[pmd]! & 0x80) !== 0
}

/** A frame for a table of a process; depth is that of the entry which will point to it. */
function new_table(sys: Sys, mm: number, depth: number): number {
  const lowest = depth === pmd_depth(sys)
  const gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | (lowest && sys.kernel.config.HIGHPTE ? __GFP_HIGHMEM : 0)
  const pfn = alloc_page(sys, gfp)
  if (pfn < 0) return -1
  if (sys.memcg.used.length !== 0 && !memcg_kmem_charge_page(sys, pfn, gfp)) {
    __free_page(sys, pfn)
    return -1
  }
  adopt_table(sys, pfn)
  account(sys, mm, pfn, depth, 1)
  return pfn
}

function account(sys: Sys, mm: number, pfn: number, depth: number, sign: number): void {
  const { levels } = sys.kernel.pgtable
  if (levels.length === 5 && depth === 0) return
  sys.mm.pgtables_bytes[mm]! += sign * sys.page_bytes
  if (depth >= levels.length - 3) mod_node_page_state(sys, pfn, NR_PAGETABLE, sign)
}

/** Word of the pmd-level entry of a page, with the tables above it; -1 = no memory. @kernel mm/memory.c:__pmd_alloc */
export function pmd_alloc(sys: Sys, mm: number, page: number): number {
  const there = pmd_offset(sys, sys.mm.pgd[mm]! - 1, page)
  return there === -1 ? pmd_make(sys, mm, page) : there
}

function pmd_make(sys: Sys, mm: number, page: number): number {
  const end = pmd_depth(sys)
  let table = sys.mm.pgd[mm]! - 1
  for (let depth = 0; ; depth++) {
    const at = entry_at(sys, table, depth, page)
    if (depth === end) return at
    if ((sys.physmem_words[at]! & 1) === 0) {
      const below = new_table(sys, mm, depth)
      if (below < 0) return -1
      entry_write(sys, at, below, sys.kernel.pgtable._PAGE_TABLE)
    }
    table = entry_pfn(sys, at)
  }
}

/** A table for an empty pmd-level entry. False = no memory. @kernel mm/memory.c:__pte_alloc */
export function pte_alloc(sys: Sys, mm: number, pmd: number): boolean {
  if (!pmd_none(sys, pmd)) return true
  const table = new_table(sys, mm, pmd_depth(sys))
  if (table < 0) return false
  entry_write(sys, pmd, table, sys.kernel.pgtable._PAGE_TABLE)
  return true
}

/** An empty table that a huge page keeps for the time when it is split. @kernel mm/pgtable-generic.c:pgtable_trans_huge_deposit */
export function pte_alloc_one(sys: Sys, mm: number): number {
  return new_table(sys, mm, pmd_depth(sys))
}

/** Gives a deposited table back. @kernel mm/huge_memory.c:zap_deposited_table */
export function pte_free(sys: Sys, mm: number, table: number): void {
  account(sys, mm, table, pmd_depth(sys), -1)
  free_table(sys, table)
}

/** Gives tables back that map only pages of [page, end), where nothing else lies in [floor, ceiling).
 * @kernel mm/memory.c:free_pgd_range */
export function free_pgd_range(sys: Sys, mm: number, page: number, end: number, floor: number, ceiling: number): void {
  free_below(sys, mm, sys.mm.pgd[mm]! - 1, 0, page, end, floor, ceiling)
}

/** The same for the tables below one table. */
function free_below(
  sys: Sys,
  mm: number,
  table: number,
  depth: number,
  page: number,
  end: number,
  floor: number,
  ceiling: number,
): void {
  const { levels } = sys.kernel.pgtable
  const pages = 2 ** (levels[depth]!.shift - sys.kernel.PAGE_SHIFT)
  for (let first = Math.floor(page / pages) * pages; first < end; first += pages) {
    const at = entry_at(sys, table, depth, first)
    const lo = sys.physmem_words[at]!
    if ((lo & 1) === 0 || (lo & 0x80) !== 0) continue
    const below = entry_pfn(sys, at)
    if (depth < levels.length - 2)
      free_below(sys, mm, below, depth + 1, Math.max(first, page), Math.min(first + pages, end), floor, ceiling)
    // PAE reads its top entries once only: what they point to stays until the address space goes.
    if (first < floor || first + pages > ceiling || is_preallocated(sys, depth)) continue
    sys.physmem_words[at] = 0
    if (sys.kernel.pgtable.entry_bytes === 8) sys.physmem_words[at + 1] = 0
    account(sys, mm, below, depth, -1)
    free_table(sys, below)
  }
}

/** @kernel arch/x86/mm/pgtable.c:PREALLOCATED_PMDS */
const is_preallocated = (sys: Sys, depth: number): boolean =>
  depth === 0 && sys.kernel.pgtable.levels.length === 3 && sys.kernel.arch === 'i386'
