// Huge pages that processes ask for by name: a pool that was set aside, from which areas reserve what they may need.
// Laws: free = pages on the pool's list; resv <= free; a fault in an area that reserved never fails for want of a page.

import { anon_vma_prepare } from './anon_vma.ts'
import { filemap_get_folio } from './filemap.ts'
import { __GFP_COMP, __GFP_NORETRY, __GFP_NOWARN, GFP_HIGHUSER } from './gfp.ts'
import { pmd_pfn } from './huge_memory.ts'
import { PG, PG_anon_exclusive } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_pages } from './page_alloc/alloc_pages.ts'
import { entry_clear } from './pgtable.ts'
import { massaged_hi, set_pte } from './pte.ts'
import { soft_dirty } from './soft_dirty.ts'
import { pmd_alloc, pmd_none, pmd_offset } from './user_pgtable.ts'
import { clear_highpage, copy_user_highpage } from './vm_alloc.ts'
import { FAULT_FLAG_WRITE, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_NORESERVE, VM_SHARED, VM_WRITE } from './vm_flags.ts'
import { linear_page_index, vma_inode } from './vma.ts'
import { vm_event } from './vmstat_item.ts'
import { xa_find, xa_load, xa_store } from './xarray.ts'

const HTLB_SUCCESS: number = vm_event('htlb_buddy_alloc_success')
const HTLB_FAIL: number = vm_event('htlb_buddy_alloc_fail')
const GFP: number = GFP_HIGHUSER | __GFP_COMP | __GFP_NOWARN

const pages_of = (sys: Sys): number => 2 ** sys.kernel.huge_order

/** Whether a block is a page of the pool: its first tail says so. @kernel mm/hugetlb.c:PageHuge */
export function PageHuge(sys: Sys, head: number): boolean {
  return (sys.page.flags[head]! & PG.head) !== 0 && (sys.page.flags[head + 1]! & PG.owner_priv_1) !== 0
}

/** One page more from the page allocator; -1 = there is none. @kernel mm/hugetlb.c:alloc_fresh_huge_page */
function alloc_fresh(sys: Sys, gfp: number): number {
  const pfn = alloc_pages(sys, gfp, sys.kernel.huge_order)
  sys.vm_event.count[pfn < 0 ? HTLB_FAIL : HTLB_SUCCESS]! += 1
  if (pfn < 0) return -1
  sys.page.flags[pfn + 1]! |= PG.owner_priv_1
  sys.vm_state.hugetlb_total[0]! += 1
  return pfn
}

function enqueue(sys: Sys, pfn: number): void {
  sys.page.private[pfn] = sys.vm_state.hugetlb_head[0]!
  sys.vm_state.hugetlb_head[0] = pfn + 1
  sys.vm_state.hugetlb_free[0]! += 1
}

function dequeue(sys: Sys): number {
  const pfn = sys.vm_state.hugetlb_head[0]! - 1
  if (pfn < 0) return -1
  sys.vm_state.hugetlb_head[0] = sys.page.private[pfn]!
  sys.page.private[pfn] = 0
  sys.vm_state.hugetlb_free[0]! -= 1
  return pfn
}

function give_to_buddy(sys: Sys, pfn: number): void {
  sys.page.flags[pfn + 1]! &= ~PG.owner_priv_1
  sys.vm_state.hugetlb_total[0]! -= 1
  __free_pages(sys, pfn, sys.kernel.huge_order)
}

/** vm.nr_hugepages: makes the pool as large as it can become, or as small as it may. @kernel mm/hugetlb.c:set_max_huge_pages */
export function set_max_huge_pages(sys: Sys, count: number): void {
  const { hugetlb_total, hugetlb_free, hugetlb_resv, hugetlb_surplus } = sys.vm_state
  while (hugetlb_surplus[0]! > 0 && count > hugetlb_total[0]! - hugetlb_surplus[0]!) hugetlb_surplus[0]! -= 1
  while (hugetlb_total[0]! - hugetlb_surplus[0]! < count) {
    const pfn = alloc_fresh(sys, GFP | __GFP_NORETRY)
    if (pfn < 0) return
    enqueue(sys, pfn)
  }
  const keep = Math.max(count, hugetlb_resv[0]! + hugetlb_total[0]! - hugetlb_free[0]!)
  while (hugetlb_total[0]! - hugetlb_surplus[0]! > keep) {
    const pfn = dequeue(sys)
    if (pfn < 0) break
    give_to_buddy(sys, pfn)
  }
  // What is in use and above the wish goes when it is freed.
  while (hugetlb_total[0]! - hugetlb_surplus[0]! > count) hugetlb_surplus[0]! += 1
}

/** vm.nr_overcommit_hugepages. @kernel mm/hugetlb.c:hugetlb_overcommit_handler */
export function set_overcommit_huge_pages(sys: Sys, count: number): void {
  sys.vm_state.hugetlb_overcommit[0] = count
}

/** Promises `delta` pages (or takes promises back); false = the pool cannot. @kernel mm/hugetlb.c:hugetlb_acct_memory */
export function hugetlb_acct_memory(sys: Sys, delta: number): boolean {
  const { hugetlb_free, hugetlb_resv, hugetlb_surplus, hugetlb_overcommit } = sys.vm_state
  if (delta <= 0) {
    hugetlb_resv[0]! += delta
    return_unused_surplus(sys)
    return true
  }
  while (hugetlb_free[0]! - hugetlb_resv[0]! < delta) {
    if (hugetlb_surplus[0]! >= hugetlb_overcommit[0]!) return_unused_surplus(sys)
    if (hugetlb_surplus[0]! >= hugetlb_overcommit[0]!) return false
    const pfn = alloc_fresh(sys, GFP)
    if (pfn < 0) {
      return_unused_surplus(sys)
      return false
    }
    hugetlb_surplus[0]! += 1
    enqueue(sys, pfn)
  }
  hugetlb_resv[0]! += delta
  return true
}

/** Surplus pages that nobody was promised go back. @kernel mm/hugetlb.c:return_unused_surplus_pages */
function return_unused_surplus(sys: Sys): void {
  const { hugetlb_free, hugetlb_resv, hugetlb_surplus } = sys.vm_state
  while (hugetlb_surplus[0]! > 0 && hugetlb_free[0]! > hugetlb_resv[0]!) {
    const pfn = dequeue(sys)
    if (pfn < 0) return
    hugetlb_surplus[0]! -= 1
    give_to_buddy(sys, pfn)
  }
}

/** A page of the pool is not used any more. @kernel mm/hugetlb.c:free_huge_page */
export function put_huge_page(sys: Sys, pfn: number): void {
  if (sys.page._refcount[pfn]! > 1) {
    sys.page._refcount[pfn]! -= 1
    return
  }
  sys.page.flags[pfn]! &= PG.head
  sys.page.mapping[pfn] = 0
  if (sys.vm_state.hugetlb_surplus[0]! > 0) {
    sys.vm_state.hugetlb_surplus[0]! -= 1
    give_to_buddy(sys, pfn)
  } else enqueue(sys, pfn)
}

/** A page for a fault; a promise of the area is used up. @kernel mm/hugetlb.c:alloc_huge_page */
function alloc_huge_page(sys: Sys, promised: boolean): number {
  const { hugetlb_free, hugetlb_resv, hugetlb_surplus, hugetlb_overcommit } = sys.vm_state
  if (!promised && hugetlb_free[0]! <= hugetlb_resv[0]!) {
    if (hugetlb_surplus[0]! >= hugetlb_overcommit[0]!) return -1
    const fresh = alloc_fresh(sys, GFP)
    if (fresh >= 0) hugetlb_surplus[0]! += 1
    return fresh
  }
  const pfn = dequeue(sys)
  if (pfn >= 0 && promised) hugetlb_resv[0]! -= 1
  return pfn
}

/** @kernel mm/hugetlb.c:hugetlb_fault */
export function hugetlb_fault(sys: Sys, vma: number, page: number, flags: number): number {
  const pmd = pmd_alloc(sys, sys.vma.mm[vma]!, page)
  if (pmd < 0) return VM_FAULT_OOM
  if (pmd_none(sys, pmd)) return hugetlb_no_page(sys, vma, page, pmd, flags)
  const { RW, ACCESSED, DIRTY } = sys.kernel.pgtable
  const write = (flags & FAULT_FLAG_WRITE) !== 0
  if (write && (sys.physmem_words[pmd]! & RW) === 0) return hugetlb_wp(sys, vma, pmd)
  sys.physmem_words[pmd] = (sys.physmem_words[pmd]! | ACCESSED | (write ? DIRTY : 0)) >>> 0
  return 0
}

/** @kernel mm/hugetlb.c:hugetlb_no_page */
function hugetlb_no_page(sys: Sys, vma: number, page: number, pmd: number, flags: number): number {
  const inode = vma_inode(sys, vma)
  const vm_flags = sys.vma.flags[vma]!
  const shared = (vm_flags & VM_SHARED) !== 0
  const index = Math.floor(linear_page_index(sys, vma, page) / pages_of(sys))
  let pfn = inode === 0 ? -1 : filemap_get_folio(sys, inode, index)
  if (pfn < 0) {
    const area = (sys.vma.end[vma]! - sys.vma.start[vma]!) / pages_of(sys)
    const promised = (vm_flags & VM_NORESERVE) === 0 && sys.vma.huge_used[vma]! < area
    pfn = alloc_huge_page(sys, promised)
    if (pfn < 0) return VM_FAULT_SIGBUS
    if (promised) sys.vma.huge_used[vma]! += 1
    for (let i = 0; i < pages_of(sys); i++) clear_highpage(sys, pfn + i)
    sys.page.flags[pfn]! |= PG.uptodate
    if (shared) add_to_cache(sys, pfn, inode, index)
  } else sys.page._refcount[pfn]! += 1
  if (!shared) own_huge_page(sys, vma, page, pfn)
  sys.page.private[pfn + 1]! += 1
  const { pgtable } = sys.kernel
  const prot = pgtable.protection_map[vm_flags & 15]!
  const write = (vm_flags & VM_WRITE) !== 0 && (shared || (flags & FAULT_FLAG_WRITE) !== 0)
  const low = prot.lo | pgtable.PSE | (write ? pgtable.RW | pgtable.DIRTY | soft_dirty(sys) : 0)
  set_pte(sys, pmd, pfn, low, massaged_hi(sys, prot.hi))
  // A read of a private area maps the page read-only; the write that follows finds it its own.
  return 0
}

function own_huge_page(sys: Sys, vma: number, page: number, pfn: number): void {
  anon_vma_prepare(sys, vma)
  sys.page.mapping[pfn] = -sys.vma.anon_vma[vma]!
  sys.page.index[pfn] = Math.floor(linear_page_index(sys, vma, page) / pages_of(sys))
  sys.page.flags[pfn]! |= PG_anon_exclusive
}

/** The cache counts a page of the pool once. @kernel mm/hugetlb.c:hugetlb_add_to_page_cache */
function add_to_cache(sys: Sys, pfn: number, inode: number, index: number): void {
  hugetlb_cache_store(sys, pfn, inode, index)
  sys.page._refcount[pfn]! += 1
}

function hugetlb_cache_store(sys: Sys, pfn: number, inode: number, index: number): void {
  xa_store(sys, inode, index, pfn + 1)
  sys.inode.nrpages[inode]! += 1
  sys.page.mapping[pfn] = inode
  sys.page.index[pfn] = index
}

/** A write to a private page that others may have, too. @kernel mm/hugetlb.c:hugetlb_wp */
function hugetlb_wp(sys: Sys, vma: number, pmd: number): number {
  const { RW, DIRTY, ACCESSED, PSE, protection_map } = sys.kernel.pgtable
  const old = pmd_pfn(sys, pmd)
  const { flags } = sys.page
  if ((flags[old]! & PG_anon_exclusive) !== 0 || (sys.page.mapping[old]! < 0 && sys.page.private[old + 1] === 1)) {
    flags[old]! |= PG_anon_exclusive
    sys.physmem_words[pmd] = (sys.physmem_words[pmd]! | RW | DIRTY | ACCESSED) >>> 0
    return 0
  }
  const pfn = alloc_huge_page(sys, false)
  if (pfn < 0) return VM_FAULT_SIGBUS
  for (let i = 0; i < pages_of(sys); i++) copy_user_highpage(sys, pfn + i, old + i)
  sys.page.flags[pfn]! |= PG.uptodate | PG_anon_exclusive
  sys.page.mapping[pfn] = -sys.vma.anon_vma[vma]!
  sys.page.index[pfn] = sys.page.index[old]!
  sys.page.private[pfn + 1]! += 1
  sys.page.private[old + 1]! -= 1
  put_huge_page(sys, old)
  const prot = protection_map[sys.vma.flags[vma]! & 15]!
  set_pte(sys, pmd, pfn, prot.lo | PSE | RW | DIRTY | soft_dirty(sys), massaged_hi(sys, prot.hi))
  return 0
}

/** @kernel mm/hugetlb.c:unmap_hugepage_range */
export function unmap_hugepage_range(sys: Sys, vma: number, page: number, end: number): void {
  const pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  for (let at = page; at < end; at += pages_of(sys)) {
    const pmd = pmd_offset(sys, pgd, at)
    if (pmd === -1 || pmd_none(sys, pmd)) continue
    const pfn = pmd_pfn(sys, pmd)
    entry_clear(sys, pmd)
    sys.page.private[pfn + 1]! -= 1
    put_huge_page(sys, pfn)
  }
}

/** Takes the pages of a file of huge pages out of its cache. @kernel fs/hugetlbfs/inode.c:remove_inode_hugepages */
export function remove_inode_hugepages(sys: Sys, inode: number): void {
  for (let at = xa_find(sys, inode, 0, 0x7fffffff); at !== -1; at = xa_find(sys, inode, at + 1, 0x7fffffff)) {
    const pfn = xa_load(sys, inode, at) - 1
    xa_store(sys, inode, at, 0)
    sys.inode.nrpages[inode]! -= 1
    put_huge_page(sys, pfn)
  }
}
