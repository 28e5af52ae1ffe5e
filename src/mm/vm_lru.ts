// The LRU lists as virtual memory uses them. A machine without reclaim has none: its pages are in use until they are freed.
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageCompound } from './page_ref.ts'
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
  else if (lru.mlock_new_folio) lru.mlock_new_folio(sys, pfn)
  else lru.folio_add_lru(sys, pfn)
}

/** An area maps a page from now on; `compound`: as a whole. @kernel mm/internal.h:mlock_vma_folio */
export function mlock_vma_folio(sys: Sys, pfn: number, vma: number, compound: boolean): void {
  if ((sys.vma.flags[vma]! & (LOCKED | SPECIAL)) !== LOCKED) return
  const { lru } = sys.seams
  if (lru?.mlock_folio === undefined) return
  if ((compound && sys.kernel.reclaim.mlocks_huge_mappings) || !PageCompound(sys, pfn))
    lru.mlock_folio(sys, compound_head(sys, pfn))
}

/** A mapping of an area is gone. @kernel mm/internal.h:munlock_vma_folio */
export function munlock_vma_folio(sys: Sys, pfn: number, vma: number, compound: boolean): void {
  if ((sys.vma.flags[vma]! & LOCKED) === 0) return
  const { lru } = sys.seams
  if (lru?.munlock_folio === undefined) return
  // Where any part of a huge page lets go of it: reclaim mends it, if that was too early.
  if (compound || !sys.kernel.reclaim.mlocks_huge_mappings || !PageCompound(sys, pfn))
    lru.munlock_folio(sys, compound_head(sys, pfn))
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
