// The laws of pages that are locked in memory, checked from scratch. At rest a page on the unevictable list is PG.mlocked; one
// that is PG.mlocked and on another list waits in a batch; its mlock_count is at most the mappings of locked areas and what
// waits to be unlocked; nr_mlock counts the pages.
import { pmd_pfn } from './huge_memory.ts'
import { mlock_count } from './mlock_folio.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { compound_order } from './page_ref.ts'
import { pte_pfn, pte_present } from './pte.ts'
import { BATCH_MLOCK, MAX_BATCH, NR_BATCHES } from './reclaim_tables.ts'
import { pmd_none, pmd_offset, pmd_order, pmd_trans_huge, pte_offset } from './user_pgtable.ts'
import { VM_HUGETLB, VM_LOCKED } from './vm_flags.ts'
import { NR_VM_ZONE_STAT_ITEMS, zone_item } from './vmstat_item.ts'

const LISTED: number = PG.lru | PG.unevictable

/** Adds what is broken. @ours */
export function mlock_check(sys: Sys, broken: string[]): void {
  const { flags } = sys.page
  const waiting = pages_in_batches(sys)
  const locked = new Int32Array(sys.nr_zones)
  let mappings: Map<number, number> | undefined
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    const bits = flags[pfn]!
    if ((bits & PG.mlocked) !== 0)
      locked[page_zone(sys, pfn)]! += (bits & PG.head) !== 0 ? 2 ** compound_order(sys, pfn) : 1
    if ((bits & PG.lru) === 0 || (bits & (PG.mlocked | PG.unevictable)) === 0) continue
    if ((bits & LISTED) !== LISTED) {
      if (!waiting.has(pfn)) broken.push(`frame ${pfn}: mlocked, on a list that reclaim looks through, and in no batch`)
      continue
    }
    if ((bits & PG.mlocked) === 0) broken.push(`frame ${pfn}: on the unevictable list and not mlocked`)
    mappings ??= locked_mappings(sys)
    const most = (mappings.get(pfn) ?? 0) + (waiting.get(pfn) ?? 0)
    if (mlock_count(sys, pfn) > most)
      broken.push(`frame ${pfn}: mlock_count ${mlock_count(sys, pfn)}, locked areas map it ${most} times at most`)
  }
  for (let zone = 0; zone < sys.nr_zones; zone++)
    if (nr_mlock(sys, zone) !== locked[zone])
      broken.push(`zone ${zone}: nr_mlock ${nr_mlock(sys, zone)}, ${locked[zone]} pages are mlocked`)
}

function nr_mlock(sys: Sys, zone: number): number {
  const item = zone_item('nr_mlock')
  let sum = sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + item]!
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    sum += sys.zone_stat_diff.vm_stat_diff[(zone * sys.nr_cpus + cpu) * NR_VM_ZONE_STAT_ITEMS + item]!
  return sum
}

/** How often a page waits in the CPUs' batches. */
function pages_in_batches(sys: Sys): Map<number, number> {
  const waiting = new Map<number, number>()
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const at = cpu * NR_BATCHES + BATCH_MLOCK
    for (let i = 0; i < sys.lru_batch.nr[at]!; i++) {
      const pfn = sys.lru_batch.pfn[at * MAX_BATCH + i]!
      waiting.set(pfn, (waiting.get(pfn) ?? 0) + 1)
    }
  }
  return waiting
}

/** How often locked areas map a page. */
function locked_mappings(sys: Sys): Map<number, number> {
  const mappings = new Map<number, number>()
  for (let mm = 1; mm < sys.mm.users.length; mm++) {
    if (sys.mm.users[mm] === 0) continue
    for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!)
      if ((sys.vma.flags[vma]! & (VM_LOCKED | VM_HUGETLB)) === VM_LOCKED) count_area(sys, mm, vma, mappings)
  }
  return mappings
}

function count_area(sys: Sys, mm: number, vma: number, mappings: Map<number, number>): void {
  const pages = 2 ** pmd_order(sys)
  const end = sys.vma.end[vma]!
  const add = (pfn: number): void => {
    mappings.set(pfn, (mappings.get(pfn) ?? 0) + 1)
  }
  for (let page = sys.vma.start[vma]!; page < end; ) {
    const next = Math.min(Math.floor(page / pages + 1) * pages, end)
    const pmd = pmd_offset(sys, sys.mm.pgd[mm]! - 1, page)
    if (pmd !== -1 && pmd_trans_huge(sys, pmd)) add(pmd_pfn(sys, pmd))
    else if (pmd !== -1 && !pmd_none(sys, pmd))
      for (let at = page; at < next; at++) {
        const pte = pte_offset(sys, pmd, at)
        if (pte_present(sys, pte)) add(pte_pfn(sys, pte))
      }
    page = next
  }
}
