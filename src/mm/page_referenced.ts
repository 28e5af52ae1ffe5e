// Whether a page was used: asked of every entry that maps it, as the kind of LRU lists wants it.
import { lru_gen_enabled } from './lru_gen.ts'
import { lru_gen_look_around } from './lru_gen_look_around.ts'
import type { Sys } from './mmzone.ts'
import { PageCompound } from './page_ref.ts'
import { folio_referenced, rmap_walk, WALK_ON, WALK_STOP } from './rmap_walk.ts'
import { VM_LOCKED, VM_RAND_READ, VM_SEQ_READ } from './vm_flags.ts'
import { mlock_vma_folio } from './vm_lru.ts'

const areas = new Int32Array(1)
let count = 0
let around = false

/** Entries that used a page since it was asked last; the flags of their areas are in `areas_that_used`.
 * @kernel mm/rmap.c:folio_referenced */
export function page_referenced(sys: Sys, pfn: number, eviction: boolean): number {
  areas[0] = 0
  if (sys.page._mapcount[pfn] === 0 && (sys.page.flags[pfn]! & 0x10000) === 0) return 0
  around = eviction && lru_gen_enabled(sys)
  if (!around && !sys.kernel.reclaim.vma_recency) return folio_referenced(sys, pfn, areas)
  count = 0
  rmap_walk(sys, pfn, look)
  return count
}

/** Flags of the areas whose entries used the page that was asked for last. @ours */
export const areas_that_used = (): number => areas[0]!

function look(sys: Sys, pfn: number, vma: number, page: number, at: number, huge: boolean): number {
  const vm_flags = sys.vma.flags[vma]!
  const { ACCESSED } = sys.kernel.pgtable
  // Areas read in order or at random have no recency.
  if (sys.kernel.reclaim.vma_recency && (vm_flags & (VM_SEQ_READ | VM_RAND_READ)) !== 0) return WALK_ON
  if ((vm_flags & VM_LOCKED) !== 0 && (huge || !PageCompound(sys, pfn))) {
    mlock_vma_folio(sys, pfn, vma, huge)
    areas[0] = areas[0]! | VM_LOCKED
    count++
    return WALK_STOP
  }
  if ((sys.physmem_words[at]! & ACCESSED) === 0) return WALK_ON
  if (huge || !around) sys.physmem_words[at] = (sys.physmem_words[at]! & ~ACCESSED) >>> 0
  else lru_gen_look_around(sys, pfn, vma, page)
  areas[0] = areas[0]! | vm_flags
  count++
  return WALK_ON
}
