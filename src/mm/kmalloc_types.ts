// Kinds of kmalloc caches as numbers: rows of `sys.kmalloc_cache`.
import { __GFP_ACCOUNT, __GFP_DMA, __GFP_RECLAIMABLE } from './gfp.ts'
import type { KmallocType } from './kmalloc_caches.ts'

/** @kernel include/linux/slab.h:enum kmalloc_cache_type */
export const KMALLOC_TYPE_NUMBERS: Readonly<Record<KmallocType, number>> = { normal: 0, cgroup: 1, reclaim: 2, dma: 3 }

/** A mask that asks for a kind. */
export const KMALLOC_TYPE_GFP: Readonly<Record<KmallocType, number>> = {
  normal: 0,
  cgroup: __GFP_ACCOUNT,
  reclaim: __GFP_RECLAIMABLE,
  dma: __GFP_DMA,
}
