// The LRU lists as virtual memory uses them. A machine without reclaim has none: its pages are in use until they are freed.
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { VM_LOCKED, VM_SPECIAL } from './vm_flags.ts'

const LOCKED: number = VM_LOCKED
const SPECIAL: number = VM_SPECIAL

/** A new page goes to its list. @kernel mm/swap.c:folio_add_lru */
export function folio_add_lru(sys: Sys, pfn: number): void {
  sys.seams.lru?.folio_add_lru(sys, pfn)
}

/** A new page of an area: one of an area that is locked in memory is on no list that reclaim looks through.
 * @kernel mm/swap.c:lru_cache_add_inactive_or_unevictable */
export function lru_cache_add_inactive_or_unevictable(sys: Sys, pfn: number, vma: number): void {
  const { lru } = sys.seams
  if (lru === undefined) return
  if ((sys.vma.flags[vma]! & (LOCKED | SPECIAL)) !== LOCKED) lru.folio_add_lru(sys, pfn)
  else if (lru.mlock_new_page) lru.mlock_new_page(sys, pfn)
  else lru.folio_add_lru(sys, pfn)
}

/** @kernel mm/swap.c:lru_add_drain */
export function lru_add_drain(sys: Sys): void {
  sys.seams.lru?.lru_add_drain(sys)
}

/** @kernel mm/swap.c:folio_mark_accessed */
export function folio_mark_accessed(sys: Sys, pfn: number): void {
  if (sys.seams.lru) sys.seams.lru.folio_mark_accessed(sys, pfn)
  else sys.page.flags[pfn]! |= PG.referenced
}
