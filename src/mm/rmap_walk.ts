// From a page to every entry that maps it, in all address spaces, and what reclaim does on the way: asks whether a page
// was used, takes it away from all who map it, makes it clean again, gives its mappings to another frame.
// Law: a walk visits each mapping once; what it finds is page._mapcount entries (and those that map a huge page whole).
import { folio_mark_dirty } from './filemap.ts'
import { split_huge_pmd } from './huge_memory.ts'
import { add_mm_counter, mm_counter_file } from './mm_counter.ts'
import { PG, PG_anon_exclusive, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, mod_node_page_state, PageAnon, PageCompound, put_page } from './page_ref.ts'
import { clear_pte, pte_pfn, pte_present, set_pte } from './pte.ts'
import { page_remove_rmap, page_to_pgoff } from './rmap.ts'
import {
  _PAGE_SWP_EXCLUSIVE,
  _PAGE_SWP_SOFT_DIRTY,
  has_swap_exclusive,
  set_swap_entry,
  swp_offset,
  swp_type,
} from './swapops.ts'
import { pmd_none, pmd_offset, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { MM_ANONPAGES, MM_SWAPENTS, VM_LOCKED, VM_SEQ_READ, VM_SHARED } from './vm_flags.ts'
import { mlock_vma_folio, munlock_vma_folio } from './vm_lru.ts'
import { node_item } from './vmstat_item.ts'

const NR_ANON_MAPPED: number = node_item('nr_anon_pages')
const NR_FILE_MAPPED: number = node_item('nr_mapped')

/** What a visit says: go on, or end the walk. */
export const WALK_ON = 0
export const WALK_STOP = 1

/** `at` is the entry's word; `huge`: it maps the whole block. */
export type RmapVisit = (sys: Sys, pfn: number, vma: number, page: number, at: number, huge: boolean) => number

/** Visits every entry that maps a page; false = a visit ended it. @kernel mm/rmap.c:rmap_walk */
export function rmap_walk(sys: Sys, pfn: number, visit: RmapVisit): boolean {
  const owner = sys.page.mapping[compound_head(sys, pfn)]!
  const index = page_to_pgoff(sys, pfn)
  if (owner < 0) {
    const { vma, next } = sys.anon_vma_chain
    for (let row = sys.anon_vma.head[-owner]!; row !== 0; ) {
      // What a visit does may take areas' chains away, but not this one's successor.
      const following = next[row]!
      if (!visit_area(sys, pfn, vma[row]!, index, visit)) return false
      row = following
    }
  } else if (owner > 0) {
    for (let vma = sys.inode.i_mmap[owner]!; vma !== 0; vma = sys.vma.i_mmap_next[vma]!)
      if (!visit_area(sys, pfn, vma, index, visit)) return false
  }
  return true
}

/** The entry for the page in one area, if it is this page's. @kernel mm/page_vma_mapped.c:page_vma_mapped_walk */
function visit_area(sys: Sys, pfn: number, vma: number, index: number, visit: RmapVisit): boolean {
  const { start, end, pgoff, mm } = sys.vma
  // A page keeps the low 32 bits of its index.
  const page = start[vma]! + ((index - (pgoff[vma]! % 4294967296)) >>> 0)
  if (page >= end[vma]!) return true
  const pmd = pmd_offset(sys, sys.mm.pgd[mm[vma]!]! - 1, page)
  if (pmd === -1 || pmd_none(sys, pmd)) return true
  if (pmd_trans_huge(sys, pmd)) {
    const pages = 2 ** sys.kernel.huge_order
    if (pte_pfn(sys, pmd) - (pte_pfn(sys, pmd) % pages) !== pfn - (pfn % pages)) return true
    return visit(sys, pfn, vma, page, pmd, true) === WALK_ON
  }
  const at = pte_offset(sys, pmd, page)
  if (!pte_present(sys, at) || (sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) !== 0) return true
  return pte_pfn(sys, at) !== pfn || visit(sys, pfn, vma, page, at, false) === WALK_ON
}

/** How often a page was used since the last time this was asked, by entry; vm_flags of those areas in `flags[0]`. A page
 * that an area locks in memory is marked so. @kernel mm/rmap.c:folio_referenced */
export function folio_referenced(sys: Sys, pfn: number, flags: Int32Array): number {
  referenced = 0
  seen = 0
  if (!PageCompound(sys, pfn)) rmap_walk(sys, pfn, referenced_one)
  else walk_compound(sys, pfn, referenced_one)
  flags[0] = seen
  return referenced
}

let referenced = 0
let seen = 0

function referenced_one(sys: Sys, pfn: number, vma: number, _page: number, at: number, huge: boolean): number {
  const vm_flags = sys.vma.flags[vma]!
  if ((vm_flags & VM_LOCKED) !== 0 && (huge || !PageCompound(sys, pfn))) {
    // Nobody took it off the list when it was locked.
    mlock_vma_folio(sys, pfn, vma, huge)
    seen |= VM_LOCKED
    referenced++
    return WALK_STOP
  }
  const { ACCESSED } = sys.kernel.pgtable
  const lo = sys.physmem_words[at]!
  if ((lo & ACCESSED) === 0) return WALK_ON
  sys.physmem_words[at] = (lo & ~ACCESSED) >>> 0
  if ((vm_flags & VM_SEQ_READ) === 0) {
    referenced++
    seen |= vm_flags
  }
  return WALK_ON
}

/** Visits the mappings of all pages of a block, each huge entry once. */
function walk_compound(sys: Sys, pfn: number, visit: RmapVisit): boolean {
  const head = compound_head(sys, pfn)
  const pages = 2 ** ((sys.page.state[head]! & 0x1f) - 1)
  for (let i = 0; i < pages; i++) {
    const part: RmapVisit =
      i === 0 ? visit : (s, p, vma, page, at, huge) => (huge ? WALK_ON : visit(s, p, vma, page, at, huge))
    if (!rmap_walk(sys, head + i, part)) return false
  }
  return true
}

/** Takes a page away from all who map it: an anonymous one of the swap cache leaves swap entries behind. True = nobody maps
 * it now. `ignore_mlock`: also from areas that are locked in memory. @kernel mm/rmap.c:try_to_unmap */
export function try_to_unmap(sys: Sys, pfn: number, ignore_mlock = false): boolean {
  locked_too = ignore_mlock
  if (!PageCompound(sys, pfn)) rmap_walk(sys, pfn, unmap_one)
  else {
    // A huge page is mapped by single entries before they are taken away one by one.
    walk_compound(sys, pfn, split_one)
    walk_compound(sys, pfn, unmap_one)
  }
  return PageCompound(sys, pfn) ? !any_mapped(sys, pfn) : sys.page._mapcount[pfn] === 0
}

let locked_too = false

function any_mapped(sys: Sys, pfn: number): boolean {
  const head = compound_head(sys, pfn)
  const pages = 2 ** ((sys.page.state[head]! & 0x1f) - 1)
  for (let i = 0; i < pages; i++) if (sys.page._mapcount[head + i] !== 0) return true
  return sys.page.private[head + 1] !== 0
}

function split_one(sys: Sys, _pfn: number, vma: number, page: number, at: number, huge: boolean): number {
  if (huge) split_huge_pmd(sys, vma, at, page)
  return WALK_ON
}

/** @kernel mm/rmap.c:try_to_unmap_one */
function unmap_one(sys: Sys, pfn: number, vma: number, _page: number, at: number): number {
  const { page } = sys
  if (!locked_too && (sys.vma.flags[vma]! & VM_LOCKED) !== 0) {
    mlock_vma_folio(sys, pfn, vma, false)
    return WALK_STOP
  }
  const { DIRTY, entry_bytes } = sys.kernel.pgtable
  const head = compound_head(sys, pfn)
  const mm = sys.vma.mm[vma]!
  const lo = sys.physmem_words[at]!
  const hi = entry_bytes === 8 ? sys.physmem_words[at + 1]! : 0
  clear_pte(sys, at)
  if ((lo & DIRTY) !== 0) folio_mark_dirty(sys, head)
  if (page.mapping[head]! < 0) {
    const kept =
      (page.flags[head]! & PG.swapbacked) === 0 ? drop_lazyfree(sys, head) : !leave_swap_entry(sys, pfn, head, at, lo)
    if (kept) {
      sys.physmem_words[at] = lo
      if (entry_bytes === 8) sys.physmem_words[at + 1] = hi
      return WALK_STOP
    }
    add_mm_counter(sys, mm, MM_ANONPAGES, -1)
    if ((page.flags[head]! & PG.swapbacked) !== 0) add_mm_counter(sys, mm, MM_SWAPENTS, 1)
  } else add_mm_counter(sys, mm, mm_counter_file(sys, head), -1)
  page_remove_rmap(sys, pfn, vma)
  if ((sys.vma.flags[vma]! & VM_LOCKED) !== 0) sys.seams.lru?.mlock_drain_local?.(sys)
  put_page(sys, pfn)
  return WALK_ON
}

/** A page whose content nobody needs goes, unless it was written again or is held; true = it stays. */
function drop_lazyfree(sys: Sys, head: number): boolean {
  const { flags, _refcount, _mapcount } = sys.page
  const held = _refcount[head]! > 1 + _mapcount[head]!
  if (!held && (flags[head]! & PG.dirty) === 0) return false
  // Written again: it is a page like others from now on.
  if (!held) flags[head]! |= PG.swapbacked
  return true
}

/** The entry says from now on where the page is; false = it cannot. */
function leave_swap_entry(sys: Sys, pfn: number, head: number, at: number, lo: number): boolean {
  const { swap } = sys.seams
  if (swap === undefined || (sys.page.flags[head]! & PG_swapcache) === 0) return false
  const entry = sys.page.private[head]! + (pfn - head)
  if (swap.swap_duplicate(sys, swp_type(entry), swp_offset(entry)) < 0) return false
  const exclusive = (sys.page.flags[pfn]! & PG_anon_exclusive) !== 0
  sys.page.flags[pfn] = sys.page.flags[pfn]! & ~PG_anon_exclusive
  const soft = sys.kernel.config.MEM_SOFT_DIRTY && (lo & 0x800) !== 0 ? _PAGE_SWP_SOFT_DIRTY : 0
  const alone = exclusive && has_swap_exclusive(sys) ? _PAGE_SWP_EXCLUSIVE : 0
  set_swap_entry(sys, at, swp_type(entry), swp_offset(entry), soft | alone)
  return true
}

/** Before a shared file's page is written back: entries forbid writes and are clean, so that the next write is noticed.
 * Returns how many were changed. @kernel mm/rmap.c:folio_mkclean */
export function folio_mkclean(sys: Sys, pfn: number): number {
  cleaned = 0
  rmap_walk(sys, pfn, mkclean_one)
  return cleaned
}

let cleaned = 0

function mkclean_one(sys: Sys, _pfn: number, vma: number, _page: number, at: number): number {
  const { RW, DIRTY } = sys.kernel.pgtable
  const lo = sys.physmem_words[at]!
  if ((sys.vma.flags[vma]! & VM_SHARED) === 0 || (lo & (RW | DIRTY)) === 0) return WALK_ON
  sys.physmem_words[at] = (lo & ~(RW | DIRTY)) >>> 0
  cleaned++
  return WALK_ON
}

/** Gives all mappings of a page to another frame, with the owner, the index and what belongs to them. An area that locks the
 * page does not lock the old frame any more; returns how many do.
 * @kernel mm/migrate.c:remove_migration_ptes @differs no entry in between says "on its way": nobody could meet it */
export function move_mappings(sys: Sys, from: number, to: number): number {
  target = to
  locked = 0
  rmap_walk(sys, from, move_one)
  const { _mapcount, _refcount, flags } = sys.page
  _mapcount[to] = _mapcount[from]!
  _refcount[to]! += _mapcount[from]!
  _refcount[from]! -= _mapcount[from]!
  flags[to]! |= flags[from]! & PG_anon_exclusive
  flags[from]! &= PageAnon(sys, from) ? ~PG_anon_exclusive : -1
  if (_mapcount[from]! > 0) {
    const item = PageAnon(sys, from) ? NR_ANON_MAPPED : NR_FILE_MAPPED
    mod_node_page_state(sys, from, item, -1)
    mod_node_page_state(sys, to, item, 1)
  }
  _mapcount[from] = 0
  if (locked > 0) sys.seams.lru?.mlock_drain_local?.(sys)
  return locked
}

let target = 0
let locked = 0

function move_one(sys: Sys, pfn: number, vma: number, _page: number, at: number): number {
  if ((sys.vma.flags[vma]! & VM_LOCKED) !== 0) {
    munlock_vma_folio(sys, pfn, vma, false)
    locked++
  }
  const hi = sys.kernel.pgtable.entry_bytes === 8 ? sys.physmem_words[at + 1]! & 0x80000000 : 0
  set_pte(sys, at, target, sys.physmem_words[at]! & 0xfff, hi)
  return WALK_ON
}
