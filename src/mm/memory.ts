// Page faults: from an address that the processor could not use to a page behind it. The order of questions is the
// kernel's: is there a table, may a huge page serve, is the entry empty (a first touch, of a file or not), is the page in
// swap, is it a write that the entry forbids.
// Law: a handled fault leaves an entry that allows the access, or says why not (VM_FAULT_*).
import { anon_vma_prepare } from './anon_vma.ts'
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { handle_huge_pmd } from './huge_fault.ts'
import { hugetlb_fault } from './hugetlb.ts'
import { do_fault } from './memory_file.ts'
import { do_swap_page } from './memory_swap.ts'
import { do_wp_page } from './memory_wp.ts'
import { add_mm_counter_fast, check_sync_rss_stat, get_current } from './mm_counter.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { check_stable_address_space } from './oom_reaper.ts'
import { put_page } from './page_ref.ts'
import { massaged_hi } from './pte.ts'
import { page_add_new_anon_rmap } from './rmap.ts'
import { soft_dirty } from './soft_dirty.ts'
import { pmd_alloc, pmd_is_table, pmd_none, pte_alloc, pte_offset } from './user_pgtable.ts'
import { alloc_anon_folio, clear_highpage } from './vm_alloc.ts'
import {
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  MM_ANONPAGES,
  VM_FAULT_ERROR,
  VM_FAULT_FALLBACK,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_HUGETLB,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WRITE,
} from './vm_flags.ts'
import { lru_cache_add_inactive_or_unevictable } from './vm_lru.ts'
import { vm_event } from './vmstat_item.ts'
import { zero_page } from './zero_page.ts'

const PGFAULT: number = vm_event('pgfault')
const PGMAJFAULT: number = vm_event('pgmajfault')
const WRITE: number = FAULT_FLAG_WRITE
const UPTODATE: number = PG.uptodate

/** Resolves a fault at a page of an area. @kernel mm/memory.c:handle_mm_fault */
export function handle_mm_fault(sys: Sys, vma: number, page: number, flags: number): number {
  const { count } = sys.vm_event
  count[PGFAULT] = count[PGFAULT]! + 1
  const task = get_current(sys)
  check_sync_rss_stat(sys, task)
  const vm_flags = sys.vma.flags[vma]!
  const cpu = sys.machine.this_cpu[0]!
  sys.vm_cpu.in_lru_fault[cpu] = (vm_flags & (VM_SEQ_READ | VM_RAND_READ)) === 0 ? 1 : 0
  const ret = (vm_flags & VM_HUGETLB) !== 0 ? hugetlb_fault(sys, vma, page, flags) : fault_in(sys, vma, page, flags)
  sys.vm_cpu.in_lru_fault[cpu] = 0
  if ((ret & (VM_FAULT_ERROR | VM_FAULT_RETRY)) !== 0 || task === 0) return ret
  // What had to be tried again after I/O was a major fault.
  if (sys.memcg.used.length !== 0) count_memcg_fault(sys, task, (ret & VM_FAULT_MAJOR) !== 0)
  if ((ret & VM_FAULT_MAJOR) !== 0 || (flags & FAULT_FLAG_TRIED) !== 0) sys.task.maj_flt[task]! += 1
  else sys.task.min_flt[task] = sys.task.min_flt[task]! + 1
  return ret
}

/** @kernel include/linux/memcontrol.h:count_memcg_event_mm @differs when the fault is over */
function count_memcg_fault(sys: Sys, task: number, major: boolean): void {
  const group = sys.task.memcg[task]!
  if (group === 0) return
  sys.memcg.pgfault[group]! += 1
  if (major) sys.memcg.pgmajfault[group]! += 1
}

/** Counts a fault that waits for I/O. @kernel include/linux/vmstat.h:count_vm_event */
export function count_major_fault(sys: Sys): void {
  sys.vm_event.count[PGMAJFAULT]! += 1
}

/** @kernel mm/memory.c:__handle_mm_fault */
function fault_in(sys: Sys, vma: number, page: number, flags: number): number {
  const mm = sys.vma.mm[vma]!
  const pmd = pmd_alloc(sys, mm, page)
  if (pmd < 0) return VM_FAULT_OOM
  if (!pmd_is_table(sys, pmd)) {
    const ret = handle_huge_pmd(sys, vma, page, pmd, flags)
    if ((ret & VM_FAULT_FALLBACK) === 0) return ret
  }
  return handle_pte_fault(sys, mm, vma, page, pmd, flags)
}

/** @kernel mm/memory.c:handle_pte_fault */
function handle_pte_fault(sys: Sys, mm: number, vma: number, page: number, pmd: number, flags: number): number {
  if (pmd_none(sys, pmd)) {
    if (sys.vma.file[vma] !== 0) return do_fault(sys, vma, page, pmd, flags)
    return do_anonymous_page(sys, mm, vma, page, pmd, flags)
  }
  const at = pte_offset(sys, pmd, page)
  const words = sys.physmem_words
  const lo = words[at]!
  if ((lo & ~0x60) === 0 && (sys.kernel.pgtable.entry_bytes === 4 || words[at + 1] === 0)) {
    if (sys.vma.file[vma] !== 0) return do_fault(sys, vma, page, pmd, flags)
    return do_anonymous_page(sys, mm, vma, page, pmd, flags)
  }
  if ((lo & 0x101) === 0) return do_swap_page(sys, vma, page, at, flags)
  const { ACCESSED, DIRTY, RW } = sys.kernel.pgtable
  if ((flags & (WRITE | FAULT_FLAG_UNSHARE)) !== 0) {
    if ((lo & RW) === 0) return do_wp_page(sys, vma, page, at, flags)
    if ((flags & WRITE) !== 0) words[at] = (words[at]! | DIRTY | soft_dirty(sys)) >>> 0
  }
  words[at] = (words[at]! | ACCESSED) >>> 0
  return 0
}

/** First touch of memory that is no file's: a read gets the page of zeros, a write a page. @kernel mm/memory.c:do_anonymous_page */
function do_anonymous_page(sys: Sys, mm: number, vma: number, page: number, pmd: number, flags: number): number {
  const vm_flags = sys.vma.flags[vma]!
  // A shared area without a file behind it has nothing to share.
  if ((vm_flags & VM_SHARED) !== 0) return VM_FAULT_SIGBUS
  if (!pte_alloc(sys, mm, pmd)) return VM_FAULT_OOM
  const { pgtable } = sys.kernel
  const words = sys.physmem_words
  const prot = pgtable.protection_map[vm_flags & 15]!
  const hi = massaged_hi(sys, prot.hi)
  if ((flags & WRITE) === 0) {
    if (!check_stable_address_space(sys, mm)) return VM_FAULT_SIGBUS
    const zero = zero_page(sys)
    const at = pte_offset(sys, pmd, page)
    words[at] = ((zero << 12) | prot.lo | pgtable.SPECIAL) >>> 0
    if (pgtable.entry_bytes === 8) words[at + 1] = ((zero >>> 20) | hi) >>> 0
    return 0
  }
  anon_vma_prepare(sys, vma)
  const pfn = alloc_anon_folio(sys, GFP_HIGHUSER_MOVABLE, 0, vma, page)
  if (pfn < 0) return VM_FAULT_OOM
  clear_highpage(sys, pfn)
  sys.page.flags[pfn] = sys.page.flags[pfn]! | UPTODATE
  const at = pte_offset(sys, pmd, page)
  let low = prot.lo
  if ((vm_flags & VM_WRITE) !== 0) low |= pgtable.RW | pgtable.DIRTY | soft_dirty(sys)
  const stable = check_stable_address_space(sys, mm)
  if (!stable || !is_entry_empty(sys, at)) {
    put_page(sys, pfn)
    return stable ? 0 : VM_FAULT_SIGBUS
  }
  add_mm_counter_fast(sys, mm, MM_ANONPAGES, 1)
  page_add_new_anon_rmap(sys, pfn, vma, page)
  lru_cache_add_inactive_or_unevictable(sys, pfn, vma)
  words[at] = ((pfn << 12) | low) >>> 0
  if (pgtable.entry_bytes === 8) words[at + 1] = ((pfn >>> 20) | hi) >>> 0
  return 0
}

/** Reclaim ran while the page was allocated, and may have changed what this area maps. */
const is_entry_empty = (sys: Sys, at: number): boolean => sys.physmem_words[at] === 0
