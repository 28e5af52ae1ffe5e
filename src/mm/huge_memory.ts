// Huge pages that processes get without asking: one entry of the pmd level maps a block of 2^huge_order pages. Law: for
// each such entry an empty table is kept (deposited), so that the entry can be split at any time without memory.
// Counting: the block's first tail keeps how many entries map it as a whole (see rmap.ts), its flags whether some pages are
// mapped by themselves at the same time.

import { folio_mark_dirty } from './filemap.ts'
import { add_mm_counter } from './mm_counter.ts'
import { PG, PG_anon_exclusive, PG_double_map } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { mod_node_page_state, PageAnon, put_page } from './page_ref.ts'
import { entry_clear, entry_write } from './pgtable.ts'
import type { Pgprot } from './pgtable_types.ts'
import { massaged_hi, pte_modify, pte_pfn, set_pte } from './pte.ts'
import { compound_mapcount, page_remove_rmap } from './rmap.ts'
import { pmd_none, pmd_trans_huge, pte_alloc_one, pte_free, pte_offset } from './user_pgtable.ts'
import { MM_ANONPAGES, MM_SHMEMPAGES, VM_WRITE } from './vm_flags.ts'
import { folio_mark_accessed, munlock_vma_folio } from './vm_lru.ts'
import { node_item, vm_event } from './vmstat_item.ts'
import { huge_zero_pfn, mm_get_huge_zero_page, zero_page } from './zero_page.ts'

const NR_ANON_THPS: number = node_item('nr_anon_transparent_hugepages')
const THP_SPLIT_PMD: number = vm_event('thp_split_pmd')

/** Keeps an empty table for a huge entry: the block's deposit is a chain through page.private of the tables, which begins
 * at the table of the entry. @kernel mm/pgtable-generic.c:pgtable_trans_huge_deposit */
export function pgtable_trans_huge_deposit(sys: Sys, pmd: number, table: number): void {
  const holder = table_of(sys, pmd)
  sys.page.private[table] = sys.page.private[holder]!
  sys.page.private[holder] = table + 1
}

/** @kernel mm/pgtable-generic.c:pgtable_trans_huge_withdraw */
export function pgtable_trans_huge_withdraw(sys: Sys, pmd: number): number {
  const holder = table_of(sys, pmd)
  const table = sys.page.private[holder]! - 1
  sys.page.private[holder] = sys.page.private[table]!
  sys.page.private[table] = 0
  return table
}

/** Frame of the table that an entry lies in. */
const table_of = (sys: Sys, word: number): number => sys.physmem_slot.pfn[word >>> (sys.page_shift - 2)]!

/** Frame of the block that a huge entry maps. @kernel arch/x86/include/asm/pgtable.h:pmd_pfn */
export function pmd_pfn(sys: Sys, pmd: number): number {
  const pages = 2 ** sys.kernel.huge_order
  const pfn = pte_pfn(sys, pmd)
  return pfn - (pfn % pages)
}

/** Unmaps a huge page. @kernel mm/huge_memory.c:zap_huge_pmd */
export function zap_huge_pmd(sys: Sys, vma: number, pmd: number): void {
  const mm = sys.vma.mm[vma]!
  const { pgtable } = sys.kernel
  const lo = sys.physmem_words[pmd]!
  const pfn = pmd_pfn(sys, pmd)
  entry_clear(sys, pmd)
  if (pfn === huge_zero_pfn(sys)) {
    pte_free(sys, mm, pgtable_trans_huge_withdraw(sys, pmd))
    return
  }
  const pages = 2 ** sys.kernel.huge_order
  const anon = PageAnon(sys, pfn)
  page_remove_rmap(sys, pfn, vma, true)
  if (!anon) {
    if ((lo & pgtable.DIRTY) !== 0) folio_mark_dirty(sys, pfn)
    if ((lo & pgtable.ACCESSED) !== 0) folio_mark_accessed(sys, pfn)
  } else pte_free(sys, mm, pgtable_trans_huge_withdraw(sys, pmd))
  add_mm_counter(sys, mm, anon ? MM_ANONPAGES : MM_SHMEMPAGES, -pages)
  put_page(sys, pfn)
}

/** Puts a table of single entries in the place of a huge entry; the block stays one. @kernel mm/huge_memory.c:__split_huge_pmd */
export function split_huge_pmd(sys: Sys, vma: number, pmd: number, page: number): void {
  if (!pmd_trans_huge(sys, pmd)) return
  sys.vm_event.count[THP_SPLIT_PMD]! += 1
  const pages = 2 ** sys.kernel.huge_order
  const first = Math.floor(page / pages) * pages
  const pfn = pmd_pfn(sys, pmd)
  if (pfn === huge_zero_pfn(sys)) split_huge_zero(sys, vma, pmd, first)
  else if (!PageAnon(sys, pfn)) zap_huge_pmd(sys, vma, pmd)
  else {
    split_anon(sys, pmd, first, pfn)
    // Its mapping as a whole is gone; locked again are pages when reclaim meets them.
    munlock_vma_folio(sys, pfn, vma, true)
  }
}

/** The table that was kept for the entry takes its place. */
function replace_by_table(sys: Sys, pmd: number): void {
  const table = pgtable_trans_huge_withdraw(sys, pmd)
  entry_write(sys, pmd, table, sys.kernel.pgtable._PAGE_TABLE)
}

/** @kernel mm/huge_memory.c:__split_huge_zero_page_pmd */
function split_huge_zero(sys: Sys, vma: number, pmd: number, first: number): void {
  const { pgtable } = sys.kernel
  const prot = pgtable.protection_map[sys.vma.flags[vma]! & 15]!
  const pages = 2 ** sys.kernel.huge_order
  replace_by_table(sys, pmd)
  for (let page = first; page < first + pages; page++)
    set_pte(sys, pte_offset(sys, pmd, page), zero_page(sys), prot.lo | pgtable.SPECIAL, massaged_hi(sys, prot.hi))
}

/** @kernel mm/huge_memory.c:__split_huge_pmd_locked */
function split_anon(sys: Sys, pmd: number, first: number, pfn: number): void {
  const { pgtable } = sys.kernel
  const { flags, _mapcount, private: count } = sys.page
  const pages = 2 ** sys.kernel.huge_order
  const lo = sys.physmem_words[pmd]!
  const hi = pgtable.entry_bytes === 8 ? sys.physmem_words[pmd + 1]! & 0x80000000 : 0
  if ((lo & pgtable.DIRTY) !== 0) flags[pfn]! |= PG.dirty
  const exclusive = (flags[pfn]! & PG_anon_exclusive) !== 0
  replace_by_table(sys, pmd)
  sys.page._refcount[pfn]! += pages - 1
  // PAT has its bit elsewhere in entries of the lowest level: bit 7 there is not "huge".
  // Whether it was written the block knows from now on.
  const low = (lo & 0xfff & ~pgtable.PSE & ~pgtable.DIRTY) >>> 0
  for (let i = 0; i < pages; i++) {
    _mapcount[pfn + i]! += 1
    if (exclusive) flags[pfn + i]! |= PG_anon_exclusive
    set_pte(sys, pte_offset(sys, pmd, first + i), pfn + i, low, hi)
  }
  if (compound_mapcount(sys, pfn) > 1 && (flags[pfn + 1]! & PG_double_map) === 0) {
    flags[pfn + 1]! |= PG_double_map
    for (let i = 0; i < pages; i++) _mapcount[pfn + i]! += 1
  }
  count[pfn + 1]! -= 1
  if (count[pfn + 1] === 0) {
    mod_node_page_state(sys, pfn, NR_ANON_THPS, -1)
    if ((flags[pfn + 1]! & PG_double_map) !== 0) {
      flags[pfn + 1]! &= ~PG_double_map
      for (let i = 0; i < pages; i++) _mapcount[pfn + i]! -= 1
    }
  }
}

/** A fork's copy of a huge entry: both may read, neither may write. False = no memory. @kernel mm/huge_memory.c:copy_huge_pmd */
export function copy_huge_pmd(sys: Sys, dst: number, to: number, from: number): boolean {
  const words = sys.physmem_words
  const { RW, ACCESSED, entry_bytes } = sys.kernel.pgtable
  const mm = sys.vma.mm[dst]!
  const pfn = pmd_pfn(sys, from)
  const zero = pfn === huge_zero_pfn(sys)
  // Files' huge pages are found again by faults.
  if (!zero && !PageAnon(sys, pfn)) return true
  const table = pte_alloc_one(sys, mm)
  if (table < 0) return false
  if (zero) mm_get_huge_zero_page(sys, mm)
  else {
    sys.page._refcount[pfn]! += 1
    sys.page.flags[pfn]! &= ~PG_anon_exclusive
    sys.page.private[pfn + 1]! += 1
    add_mm_counter(sys, mm, MM_ANONPAGES, 2 ** sys.kernel.huge_order)
  }
  pgtable_trans_huge_deposit(sys, to, table)
  words[from] = (words[from]! & ~RW) >>> 0
  words[to] = (words[from]! & ~ACCESSED) >>> 0
  if (entry_bytes === 8) words[to + 1] = words[from + 1]!
  return true
}

/** A huge entry follows its area. @kernel mm/huge_memory.c:change_huge_pmd */
export function change_huge_pmd(sys: Sys, vma: number, pmd: number, prot: Pgprot): void {
  const { RW, DIRTY } = sys.kernel.pgtable
  const pfn = pmd_pfn(sys, pmd)
  pte_modify(sys, pmd, prot)
  const lo = sys.physmem_words[pmd]!
  const mine = PageAnon(sys, pfn) && (sys.page.flags[pfn]! & PG_anon_exclusive) !== 0
  if ((sys.vma.flags[vma]! & VM_WRITE) !== 0 && mine && (lo & DIRTY) !== 0 && (lo & 1) !== 0)
    sys.physmem_words[pmd] = (lo | RW) >>> 0
}

/** Moves a huge entry to another address; false = it cannot move as a whole. @kernel mm/huge_memory.c:move_huge_pmd */
export function move_huge_pmd(sys: Sys, from: number, to: number): boolean {
  if (!pmd_none(sys, to)) return false
  const words = sys.physmem_words
  const table = pgtable_trans_huge_withdraw(sys, from)
  pgtable_trans_huge_deposit(sys, to, table)
  words[to] = words[from]!
  if (sys.kernel.pgtable.entry_bytes === 8) words[to + 1] = words[from + 1]!
  entry_clear(sys, from)
  return true
}
