// Commands of memory pools over a cache, kmalloc or pages. `pool` is a row of mempool; an element is a physical address, of
// pools of pages a frame.
import type { Gfp, Order } from '../base/units.ts'
import { kfree, kmalloc } from '../mm/kmalloc.ts'
import { kmem_cache_alloc, kmem_cache_free } from '../mm/kmem_cache.ts'
import {
  MEMPOOL_WOULD_WAIT,
  mempool_alloc,
  mempool_create,
  mempool_destroy,
  mempool_free,
  mempool_resize,
  mempool_text,
} from '../mm/mempool.ts'
import { mempool_kmalloc_functions, mempool_pages, mempool_slab_functions } from '../mm/mempool_ready.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { OnCpu } from './slab_commands.ts'

export type MempoolCommand =
  | (OnCpu & { readonly op: 'mempool_create_slab_pool'; readonly min_nr: number; readonly cache: number })
  | (OnCpu & { readonly op: 'mempool_create_kmalloc_pool'; readonly min_nr: number; readonly size: number })
  | (OnCpu & { readonly op: 'mempool_create_page_pool'; readonly min_nr: number; readonly order: Order })
  | (OnCpu & { readonly op: 'mempool_alloc'; readonly pool: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'mempool_free'; readonly pool: number; readonly element: number })
  | (OnCpu & { readonly op: 'mempool_resize'; readonly pool: number; readonly min_nr: number })
  | (OnCpu & { readonly op: 'mempool_destroy'; readonly pool: number })

export interface MempoolResult {
  /** Row of a pool; -1 = it could not be filled. */
  readonly pool?: number
  /** An element; 0, of pools of pages -1 = none. */
  readonly element?: number
  /** The caller would sleep until an element comes back. */
  readonly waits?: boolean
  readonly error?: number
}

type Handlers = {
  readonly [Name in MempoolCommand['op']]: (sys: Sys, command: MempoolCommand & { op: Name }) => MempoolResult
}

const SLAB = mempool_slab_functions({ kmem_cache_alloc, kmem_cache_free })
const KMALLOC = mempool_kmalloc_functions({ kmalloc, kfree })

/** Images know these functions by numbers: an image of elsewhere may have pools, too. */
export function knowPools(): void {
  for (const functions of [SLAB, KMALLOC, mempool_pages]) mempool_text(functions)
}

export const MEMPOOL_HANDLERS: Handlers = {
  mempool_create_slab_pool: (sys, { min_nr, cache }) => ({ pool: mempool_create(sys, min_nr, SLAB, cache) }),
  mempool_create_kmalloc_pool: (sys, { min_nr, size }) => ({ pool: mempool_create(sys, min_nr, KMALLOC, size) }),
  mempool_create_page_pool: (sys, { min_nr, order }) => ({ pool: mempool_create(sys, min_nr, mempool_pages, order) }),
  mempool_alloc: (sys, { pool, gfp }) => {
    const element = mempool_alloc(sys, pool, gfp)
    return element === MEMPOOL_WOULD_WAIT ? { element: 0, waits: true } : { element }
  },
  mempool_free: (sys, { pool, element }) => nothing(mempool_free(sys, element, pool)),
  mempool_resize: (sys, { pool, min_nr }) => ({ error: mempool_resize(sys, pool, min_nr) }),
  mempool_destroy: (sys, { pool }) => nothing(mempool_destroy(sys, pool)),
}

const nothing = (_: unknown): MempoolResult => ({})

export const MEMPOOL_REQUIRED: { readonly [Name in MempoolCommand['op']]: readonly string[] } = {
  mempool_create_slab_pool: ['min_nr', 'cache'],
  mempool_create_kmalloc_pool: ['min_nr', 'size'],
  mempool_create_page_pool: ['min_nr', 'order'],
  mempool_alloc: ['pool', 'gfp'],
  mempool_free: ['pool', 'element'],
  mempool_resize: ['pool', 'min_nr'],
  mempool_destroy: ['pool'],
}
