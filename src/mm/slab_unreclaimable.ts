// The caches that a report lists when slabs hold more than all lists of pages: those whose objects cannot be given up.
import { cache_rows, kmem_cache_name } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { slab_allocator } from './slab_allocators.ts'
import { SLAB_RECLAIM_ACCOUNT } from './slab_flags.ts'
import type { SlabUse } from './vm_seams.ts'

/** State of slabs from which on all caches can be made. @kernel mm/slab.h:enum slab_state FULL */
const READY = 2

/** Caches with objects, the newest first; bytes. @kernel mm/slab_common.c:dump_unreclaimable_slab */
export function unreclaimable_slabs(sys: Sys): SlabUse[] {
  if (sys.slab_state.slab_state[0] !== READY || sys.kernel.slab === 'SLOB') return []
  const { flags, size } = sys.kmem_cache
  const all: SlabUse[] = []
  for (const cache of cache_rows(sys).reverse()) {
    if ((flags[cache]! & SLAB_RECLAIM_ACCOUNT) !== 0) continue
    const { active_objs, num_objs } = slab_allocator(sys).slabinfo(sys, cache)
    if (num_objs === 0) continue
    const bytes = size[cache]!
    all.push({ name: kmem_cache_name(sys, cache), used: active_objs * bytes, total: num_objs * bytes })
  }
  return all
}
