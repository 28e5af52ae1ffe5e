// What notes that a page was used, in the multi-generational LRU: through file descriptors its tier rises, through page
// tables it goes to the youngest generation.
import { folio_lru_gen, LRU_GEN_MASK, LRU_GEN_SHIFT, LRU_REFS_FLAGS, LRU_REFS_MASK, LRU_REFS_SHIFT } from './lru_gen.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'

/** A use through a file descriptor. @kernel mm/swap.c:folio_inc_refs */
export function folio_inc_refs(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  const bits = flags[pfn]!
  if ((bits & PG.unevictable) !== 0) return
  if ((bits & PG.referenced) === 0) {
    flags[pfn] = bits | PG.referenced
    return
  }
  if ((bits & PG.workingset) === 0) {
    flags[pfn] = bits | PG.workingset
    return
  }
  const refs = (bits & LRU_REFS_MASK) >>> LRU_REFS_SHIFT
  if (refs < 3) flags[pfn] = (bits & ~LRU_REFS_MASK) | ((refs + 1) << LRU_REFS_SHIFT)
}

/**
 * A page that a table says was used goes to generation `gen`; returns the slot it was in, -1 = it is off the lists.
 * It moves to that slot's list when eviction meets it. @kernel mm/vmscan.c:folio_update_gen
 */
export function folio_update_gen(sys: Sys, pfn: number, gen: number): number {
  const { flags } = sys.page
  const old = folio_lru_gen(sys, pfn)
  if (old < 0) {
    // Somebody isolated it: a word for shrink_folio_list.
    flags[pfn] = flags[pfn]! | PG.referenced
    return -1
  }
  const cleared = flags[pfn]! & ~(LRU_GEN_MASK | LRU_REFS_MASK | LRU_REFS_FLAGS)
  flags[pfn] = cleared | ((gen + 1) << LRU_GEN_SHIFT)
  return old
}
