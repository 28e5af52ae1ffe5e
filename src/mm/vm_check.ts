// The laws of virtual memory, checked against the state: areas, page tables, mapcounts, counts of resident pages.

import { pmd_pfn } from './huge_memory.ts'
import { mm_counter_exact } from './mm_counter.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageAnon } from './page_ref.ts'
import { entry_at, entry_pfn } from './pgtable.ts'
import { is_swap_pte, pte_none, pte_pfn } from './pte.ts'
import { MAX_SWAPFILES, swap_entry_type } from './swapops.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import * as F from './vm_flags.ts'
import { accountable } from './vma.ts'
import { huge_zero_pfn } from './zero_page.ts'

/** All broken laws of processes. @ours */
export function vm_check(sys: Sys): string[] {
  const broken: string[] = []
  if (sys.task.state.length === 0) return broken
  const mapped = new Map<number, number>()
  const whole = new Map<number, number>()
  let committed = 0
  for (let mm = 1; mm < sys.mm.users.length; mm++)
    if (sys.mm.users[mm]! > 0) {
      committed += areas_check(sys, mm, broken)
      entries_check(sys, mm, mapped, whole, broken)
      tables_check(sys, mm, broken)
    }
  for (let inode = 1; inode < sys.inode.kind.length; inode++) committed += sys.inode.reserved[inode]!
  if (committed !== sys.vm_state.vm_committed_as[0])
    broken.push(`vm_committed_as ${sys.vm_state.vm_committed_as[0]}, areas were promised ${committed} pages`)
  mapcounts_check(sys, mapped, whole, broken)
  return broken
}

/** Areas are in order, in the tree, and their sums are those of the address space; returns promised pages. */
function areas_check(sys: Sys, mm: number, broken: string[]): number {
  const { start, end, flags, next, prev, rb, chain } = sys.vma
  let [count, total, locked, promised, last, before] = [0, 0, 0, 0, 0, 0]
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; before = vma, vma = next[vma]!) {
    const at = `mm ${mm} area ${vma}`
    const pages = end[vma]! - start[vma]!
    if (pages <= 0 || start[vma]! < last) broken.push(`${at}: empty, or overlaps the one below`)
    if (sys.vma.mm[vma] !== mm || prev[vma] !== before) broken.push(`${at}: not where its list says`)
    const up = rb[3 * vma + 2]!
    if (up === 0 ? sys.mm.vma_root[mm] !== vma : rb[3 * up] !== vma && rb[3 * up + 1] !== vma)
      broken.push(`${at}: its parent in the tree does not know it`)
    if (sys.vma.anon_vma[vma] !== 0 && chain[vma] === 0) broken.push(`${at}: an anon_vma and no chain to it`)
    count++
    total += pages
    last = end[vma]!
    if ((flags[vma]! & F.VM_LOCKED) !== 0) locked += pages
    if (accountable(flags[vma]!)) promised += pages
  }
  if (count !== sys.mm.map_count[mm]) broken.push(`mm ${mm}: map_count ${sys.mm.map_count[mm]}, ${count} areas`)
  if (total !== sys.mm.total_vm[mm]) broken.push(`mm ${mm}: total_vm ${sys.mm.total_vm[mm]}, areas have ${total} pages`)
  if (locked !== sys.mm.locked_vm[mm]) broken.push(`mm ${mm}: locked_vm ${sys.mm.locked_vm[mm]}, ${locked} pages`)
  return promised
}

/** Entries lie in areas and map pages in use; what is resident is what is counted. */
function entries_check(
  sys: Sys,
  mm: number,
  mapped: Map<number, number>,
  whole: Map<number, number>,
  broken: string[],
): void {
  const rss = [0, 0, 0, 0]
  const pgd = sys.mm.pgd[mm]! - 1
  const pages = 2 ** pmd_order(sys)
  const step = sys.kernel.pgtable.entry_bytes >>> 2
  const add = (to: Map<number, number>, pfn: number): void => {
    to.set(pfn, (to.get(pfn) ?? 0) + 1)
  }
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!)
    for (let page = sys.vma.start[vma]!; page < sys.vma.end[vma]!; ) {
      const next = Math.min(Math.floor(page / pages + 1) * pages, sys.vma.end[vma]!)
      const pmd = pmd_offset(sys, pgd, page)
      if (pmd !== -1 && !pmd_none(sys, pmd)) {
        if (pmd_trans_huge(sys, pmd)) {
          const pfn = pmd_pfn(sys, pmd)
          if (pfn !== huge_zero_pfn(sys)) {
            add(whole, pfn)
            if ((sys.vma.flags[vma]! & F.VM_HUGETLB) === 0) rss[PageAnon(sys, pfn) ? 1 : 3]! += pages
          }
        } else
          for (let i = 0; i < next - page; i++) {
            const at = pte_offset(sys, pmd, page) + i * step
            if (pte_none(sys, at)) continue
            if (is_swap_pte(sys, at)) {
              if (swap_entry_type(sys, at) < MAX_SWAPFILES) rss[F.MM_SWAPENTS]! += 1
            } else if ((sys.physmem_words[at]! & sys.kernel.pgtable.SPECIAL) === 0) {
              const pfn = pte_pfn(sys, at)
              add(mapped, pfn)
              rss[kind(sys, pfn)]! += 1
              if (sys.page._refcount[compound_head(sys, pfn)]! <= 0)
                broken.push(`mm ${mm} page 0x${(page + i).toString(16)}: maps frame ${pfn}, which nobody uses`)
            }
          }
      }
      page = next
    }
  for (const [member, count] of rss.entries()) {
    const counted = mm_counter_exact(sys, mm, member)
    if (counted !== count) broken.push(`mm ${mm}: counter ${member} is ${counted}, ${count} pages are mapped`)
  }
}

function kind(sys: Sys, pfn: number): number {
  if (PageAnon(sys, pfn)) return F.MM_ANONPAGES
  return (sys.page.flags[compound_head(sys, pfn)]! & PG.swapbacked) !== 0 ? F.MM_SHMEMPAGES : F.MM_FILEPAGES
}

/** mm.pgtables_bytes is what the tables take. */
function tables_check(sys: Sys, mm: number, broken: string[]): void {
  const levels = sys.kernel.pgtable.levels
  let tables = 0
  const user = sys.kernel.BITS_PER_LONG === 64 ? levels[0]!.ptrs / 2 : sys.kernel.PAGE_OFFSET / 2 ** levels[0]!.shift
  const below = (table: number, depth: number): void => {
    const step = sys.kernel.pgtable.entry_bytes >>> 2
    const first = entry_at(sys, table, depth, 0)
    for (let i = 0; i < (depth === 0 ? user : levels[depth]!.ptrs); i++) {
      const at = first + i * step
      const lo = sys.physmem_words[at]!
      if ((lo & 1) === 0 && (lo & 0x180) !== 0x180) continue
      if ((lo & 0x80) !== 0) {
        // A huge page that belongs to nobody's pool keeps a table for its split.
        tables += (sys.page.flags[pmd_pfn(sys, at) + 1]! & PG.owner_priv_1) !== 0 ? 0 : 1
        continue
      }
      if (levels.length < 5 || depth > 0) tables++
      if (depth < levels.length - 2) below(entry_pfn(sys, at), depth + 1)
    }
  }
  below(sys.mm.pgd[mm]! - 1, 0)
  if (tables * sys.page_bytes !== sys.mm.pgtables_bytes[mm])
    broken.push(`mm ${mm}: pgtables_bytes ${sys.mm.pgtables_bytes[mm]}, ${tables} tables`)
}

/** page._mapcount is how many entries map a page. */
function mapcounts_check(sys: Sys, mapped: Map<number, number>, whole: Map<number, number>, broken: string[]): void {
  for (const [pfn, count] of whole)
    if (sys.page.private[pfn + 1] !== count)
      broken.push(`huge page ${pfn}: counts ${sys.page.private[pfn + 1]} whole mappings, there are ${count}`)
  for (const [pfn, count] of mapped) {
    const head = compound_head(sys, pfn)
    const doubled = head !== pfn || (sys.page.flags[pfn]! & PG.head) !== 0 ? double(sys, head) : 0
    if (sys.page._mapcount[pfn]! - doubled !== count)
      broken.push(`page ${pfn}: _mapcount ${sys.page._mapcount[pfn]}, ${count} entries map it`)
  }
}

const double = (sys: Sys, head: number): number => ((sys.page.flags[head + 1]! & PG.workingset) !== 0 ? 1 : 0)
