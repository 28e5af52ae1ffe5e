// What /proc/PID tells of an address space: smaps (how much of an area is resident, and of what kind), pagemap (where each
// page is). Looking changes nothing.

import { pmd_pfn } from './huge_memory.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageAnon } from './page_ref.ts'
import { is_swap_pte, pte_none, pte_pfn } from './pte.ts'
import { page_mapcount } from './rmap.ts'
import { MAX_SWAPFILES, swap_entry_offset, swap_entry_type } from './swapops.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { VM_HUGETLB, VM_LOCKED, VM_SOFTDIRTY } from './vm_flags.ts'
import { vma_lookup } from './vma.ts'
import { huge_zero_pfn } from './zero_page.ts'

/** Sums of smaps: bytes, but for the Pss ones, which are bytes / 4096 of a byte.
 * @kernel fs/proc/task_mmu.c:struct mem_size_stats */
export interface MemSizeStats {
  resident: number
  shared_clean: number
  shared_dirty: number
  private_clean: number
  private_dirty: number
  referenced: number
  anonymous: number
  lazyfree: number
  anonymous_thp: number
  shmem_thp: number
  swap: number
  pss: number
  pss_anon: number
  pss_file: number
  pss_shmem: number
  pss_dirty: number
  pss_locked: number
  swap_pss: number
  shared_hugetlb: number
  private_hugetlb: number
}

/** All zero. @ours */
export function mem_size_stats(): MemSizeStats {
  return {
    resident: 0,
    shared_clean: 0,
    shared_dirty: 0,
    private_clean: 0,
    private_dirty: 0,
    referenced: 0,
    anonymous: 0,
    lazyfree: 0,
    anonymous_thp: 0,
    shmem_thp: 0,
    swap: 0,
    pss: 0,
    pss_anon: 0,
    pss_file: 0,
    pss_shmem: 0,
    pss_dirty: 0,
    pss_locked: 0,
    swap_pss: 0,
    shared_hugetlb: 0,
    private_hugetlb: 0,
  }
}

/** Pss counts in so small parts. @kernel fs/proc/task_mmu.c:PSS_SHIFT */
const PSS_UNIT = 4096

/** Adds what an area maps. @kernel fs/proc/task_mmu.c:smap_gather_stats */
export function smap_gather_stats(sys: Sys, vma: number, mss: MemSizeStats): void {
  const [start, end] = [sys.vma.start[vma]!, sys.vma.end[vma]!]
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  const pages = 2 ** pmd_order(sys)
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  for (let page = start; page < end; ) {
    const next = Math.min(Math.floor(page / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, pgd, page)
    if (pmd !== -1 && !pmd_none(sys, pmd)) {
      if (pmd_trans_huge(sys, pmd)) gather_huge(sys, vma, pmd, mss)
      else {
        const first = pte_offset(sys, pmd, page)
        for (let i = 0; i < next - page; i++) gather_pte(sys, vma, first + i * step, mss)
      }
    }
    page = next
  }
}

/** @kernel fs/proc/task_mmu.c:smaps_pte_entry */
function gather_pte(sys: Sys, vma: number, at: number, mss: MemSizeStats): void {
  const lo = sys.physmem_words[at]!
  if (lo === 0 || pte_none(sys, at)) return
  if (is_swap_pte(sys, at)) {
    if (swap_entry_type(sys, at) >= MAX_SWAPFILES) return
    mss.swap += sys.page_bytes
    const users = sys.seams.swap?.swp_swapcount?.(sys, swap_entry_type(sys, at), swap_entry_offset(sys, at)) ?? 1
    mss.swap_pss += Math.floor((sys.page_bytes * PSS_UNIT) / Math.max(1, users))
    return
  }
  const { SPECIAL, ACCESSED, DIRTY } = sys.kernel.pgtable
  if ((lo & SPECIAL) !== 0) return
  account(sys, vma, pte_pfn(sys, at), 1, (lo & ACCESSED) !== 0, (lo & DIRTY) !== 0, mss)
}

/** @kernel fs/proc/task_mmu.c:smaps_pmd_entry */
function gather_huge(sys: Sys, vma: number, pmd: number, mss: MemSizeStats): void {
  const pfn = pmd_pfn(sys, pmd)
  if (pfn === huge_zero_pfn(sys)) return
  const bytes = sys.page_bytes * 2 ** sys.kernel.huge_order
  if ((sys.vma.flags[vma]! & VM_HUGETLB) !== 0) {
    if (sys.page.private[pfn + 1]! >= 2) mss.shared_hugetlb += bytes
    else mss.private_hugetlb += bytes
    return
  }
  if (PageAnon(sys, pfn)) mss.anonymous_thp += bytes
  else mss.shmem_thp += bytes
  const { ACCESSED, DIRTY } = sys.kernel.pgtable
  const lo = sys.physmem_words[pmd]!
  account(sys, vma, pfn, 2 ** sys.kernel.huge_order, (lo & ACCESSED) !== 0, (lo & DIRTY) !== 0, mss)
}

/** @kernel fs/proc/task_mmu.c:smaps_account */
function account(
  sys: Sys,
  vma: number,
  pfn: number,
  pages: number,
  young: boolean,
  dirty: boolean,
  mss: MemSizeStats,
): void {
  const head = compound_head(sys, pfn)
  const flags = sys.page.flags[head]!
  const bytes = pages * sys.page_bytes
  const is_dirty = dirty || (flags & PG.dirty) !== 0
  const anon = PageAnon(sys, pfn)
  if (anon) {
    mss.anonymous += bytes
    if ((flags & PG.swapbacked) === 0 && !is_dirty) mss.lazyfree += bytes
  }
  mss.resident += bytes
  if (young || (flags & PG.referenced) !== 0) mss.referenced += bytes
  const locked = (sys.vma.flags[vma]! & VM_LOCKED) !== 0
  const alone = sys.page._refcount[head] === 1
  const kind = anon ? 'pss_anon' : (flags & PG.swapbacked) !== 0 ? 'pss_shmem' : 'pss_file'
  // What only one holds is counted as a whole: in parts of a byte a huge page is more than 32 bits can say.
  const rounds = alone ? 1 : pages
  for (let i = 0; i < rounds; i++) {
    const mapcount = alone ? 1 : page_mapcount(sys, pfn + i)
    const whole = ((bytes / rounds) * PSS_UNIT) % 2 ** (sys.kernel.BITS_PER_LONG === 32 ? 32 : 53)
    const pss = mapcount >= 2 ? Math.floor(whole / mapcount) : whole
    mss.pss += pss
    mss[kind] += pss
    if (locked) mss.pss_locked += pss
    if (is_dirty) mss.pss_dirty += pss
    const to =
      mapcount < 2 ? (is_dirty ? 'private_dirty' : 'private_clean') : is_dirty ? 'shared_dirty' : 'shared_clean'
    mss[to] += bytes / rounds
  }
}

/** An entry of /proc/PID/pagemap. */
export interface PagemapEntry {
  /** Frame, or type and offset in swap. */
  readonly pfn: number
  readonly present: boolean
  readonly swap: boolean
  /** A page of a file, or of shared memory. */
  readonly file: boolean
  /** Nobody else maps it. */
  readonly exclusive: boolean
  readonly soft_dirty: boolean
}

const NOWHERE: PagemapEntry = {
  pfn: 0,
  present: false,
  swap: false,
  file: false,
  exclusive: false,
  soft_dirty: false,
}

/** Where a page is. @kernel fs/proc/task_mmu.c:pte_to_pagemap_entry */
export function pagemap_entry(sys: Sys, mm: number, page: number): PagemapEntry {
  // Looking changes nothing, not even where the next search begins.
  const kept = sys.mm.vmacache[mm]!
  const vma = vma_lookup(sys, mm, page)
  sys.mm.vmacache[mm] = kept
  const soft = vma !== 0 && sys.kernel.config.MEM_SOFT_DIRTY && (sys.vma.flags[vma]! & VM_SOFTDIRTY) !== 0
  const pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, page)
  if (pmd === -1 || pmd_none(sys, pmd)) return { ...NOWHERE, soft_dirty: soft }
  const huge = pmd_trans_huge(sys, pmd)
  const at = huge ? pmd : pte_offset(sys, pmd, page)
  if (pte_none(sys, at)) return { ...NOWHERE, soft_dirty: soft }
  if (is_swap_pte(sys, at)) {
    const entry = swap_entry_type(sys, at) + swap_entry_offset(sys, at) * 32
    return { ...NOWHERE, pfn: entry, swap: true, soft_dirty: soft || (sys.physmem_words[at]! & 2) !== 0 }
  }
  const lo = sys.physmem_words[at]!
  const pfn = huge ? pmd_pfn(sys, pmd) + (page % 2 ** sys.kernel.huge_order) : pte_pfn(sys, at)
  const special = !huge && (lo & sys.kernel.pgtable.SPECIAL) !== 0
  return {
    pfn,
    present: true,
    swap: false,
    file: !special && !PageAnon(sys, pfn),
    exclusive: !special && page_mapcount(sys, pfn) === 1,
    soft_dirty: soft || (sys.kernel.config.MEM_SOFT_DIRTY && (lo & 0x800) !== 0),
  }
}

/** Rolled up over all areas. @kernel fs/proc/task_mmu.c:show_smaps_rollup */
export function smaps_rollup(sys: Sys, mm: number): MemSizeStats {
  const mss = mem_size_stats()
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!) smap_gather_stats(sys, vma, mss)
  return mss
}
