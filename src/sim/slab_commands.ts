// Commands of caches, their objects and kmalloc. `cache` is a row of kmem_cache, an object its physical address. A cache that
// is gone is for the kernel to report, as is an object that is none.
import type { Gfp, Paddr } from '../base/units.ts'
import { __GFP_ZERO } from '../mm/gfp.ts'
import { kasan_check_range } from '../mm/kasan.ts'
import { kasan_enabled } from '../mm/kasan_shadow.ts'
import { kcalloc, kfree, kmalloc, kmalloc_node, krealloc, ksize } from '../mm/kmalloc.ts'
import {
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_alloc_node,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_shrink,
} from '../mm/kmem_cache.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __va } from '../mm/page_address.ts'
import { memset } from '../mm/physmem.ts'

/** Where a command runs; default: the CPU that runs now. */
export interface OnCpu {
  readonly cpu?: number
}

interface OnNode extends OnCpu {
  readonly nid?: number
}

export type SlabCommand =
  | (OnCpu & {
      readonly op: 'kmem_cache_create'
      readonly name: string
      readonly size: number
      readonly align?: number
      /** SLAB_* bits. */
      readonly flags?: number
    })
  | (OnNode & { readonly op: 'kmem_cache_alloc' | 'kmem_cache_zalloc'; readonly cache: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'kmem_cache_free'; readonly cache: number; readonly object: Paddr })
  | (OnCpu & {
      readonly op: 'kmem_cache_alloc_bulk'
      readonly cache: number
      readonly gfp: Gfp
      readonly count: number
    })
  | (OnCpu & { readonly op: 'kmem_cache_free_bulk'; readonly cache: number; readonly objects: readonly Paddr[] })
  | (OnCpu & { readonly op: 'kmem_cache_shrink' | 'kmem_cache_destroy'; readonly cache: number })
  | (OnNode & { readonly op: 'kmalloc' | 'kzalloc'; readonly size: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'kcalloc'; readonly count: number; readonly size: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'krealloc'; readonly object: Paddr; readonly size: number; readonly gfp: Gfp })
  | (OnCpu & { readonly op: 'ksize' | 'kfree'; readonly object: Paddr })
  | (OnCpu & { readonly op: 'memset'; readonly object: Paddr; readonly value: number; readonly bytes: number })

export interface SlabResult {
  /** Row of a cache; -1 = it could not be made. */
  readonly cache?: number
  /** Physical address of an object; 0 = no memory. */
  readonly object?: Paddr
  /** Objects that came at once; all or none. */
  readonly objects?: readonly Paddr[]
  readonly bytes?: number
  /** What kmem_cache_shrink says: 0 = the cache has no slab left. */
  readonly error?: number
}

type Handlers = {
  readonly [Name in SlabCommand['op']]: (sys: Sys, command: SlabCommand & { op: Name }) => SlabResult
}

const nothing = (_: unknown): SlabResult => ({})

const cached = (sys: Sys, cache: number, gfp: Gfp, nid: number | undefined): SlabResult => ({
  object: nid === undefined ? kmem_cache_alloc(sys, cache, gfp) : kmem_cache_alloc_node(sys, cache, gfp, nid),
})

const sized = (sys: Sys, size: number, gfp: Gfp, nid: number | undefined): SlabResult => ({
  object: nid === undefined ? kmalloc(sys, size, gfp) : kmalloc_node(sys, size, gfp, nid),
})

export const SLAB_HANDLERS: Handlers = {
  kmem_cache_create: (sys, { name, size, align, flags }) => ({
    cache: kmem_cache_create(sys, name, size, align, flags),
  }),
  kmem_cache_alloc: (sys, { cache, gfp, nid }) => cached(sys, cache, gfp, nid),
  kmem_cache_zalloc: (sys, { cache, gfp, nid }) => cached(sys, cache, gfp | __GFP_ZERO, nid),
  kmem_cache_free: (sys, { cache, object }) => nothing(kmem_cache_free(sys, cache, object)),
  kmem_cache_alloc_bulk: (sys, { cache, gfp, count }) => {
    const objects = new Float64Array(count)
    return { objects: [...objects.subarray(0, kmem_cache_alloc_bulk(sys, cache, gfp, count, objects))] }
  },
  kmem_cache_free_bulk: (sys, { cache, objects }) =>
    nothing(kmem_cache_free_bulk(sys, cache, objects.length, Float64Array.from(objects))),
  kmem_cache_shrink: (sys, { cache }) => ({ error: kmem_cache_shrink(sys, cache) }),
  kmem_cache_destroy: (sys, { cache }) => nothing(kmem_cache_destroy(sys, cache)),
  kmalloc: (sys, { size, gfp, nid }) => sized(sys, size, gfp, nid),
  kzalloc: (sys, { size, gfp, nid }) => sized(sys, size, gfp | __GFP_ZERO, nid),
  kcalloc: (sys, { count, size, gfp }) => ({ object: kcalloc(sys, count, size, gfp) }),
  krealloc: (sys, { object, size, gfp }) => ({ object: krealloc(sys, object, size, gfp) }),
  ksize: (sys, { object }) => ({ bytes: ksize(sys, object) }),
  kfree: (sys, { object }) => nothing(kfree(sys, object)),
  memset: (sys, { object, value, bytes }) => nothing(fill(sys, object, value, bytes)),
}

/** A write of the kernel's own code; with KASAN one that it reports is not done. */
function fill(sys: Sys, object: Paddr, value: number, bytes: number): void {
  if (!kasan_enabled(sys) || kasan_check_range(sys, __va(sys, object), bytes, true)) memset(sys, object, value, bytes)
}

export const SLAB_REQUIRED: { readonly [Name in SlabCommand['op']]: readonly string[] } = {
  kmem_cache_create: ['name', 'size'],
  kmem_cache_alloc: ['cache', 'gfp'],
  kmem_cache_zalloc: ['cache', 'gfp'],
  kmem_cache_free: ['cache', 'object'],
  kmem_cache_alloc_bulk: ['cache', 'gfp', 'count'],
  kmem_cache_free_bulk: ['cache', 'objects'],
  kmem_cache_shrink: ['cache'],
  kmem_cache_destroy: ['cache'],
  kmalloc: ['size', 'gfp'],
  kzalloc: ['size', 'gfp'],
  kcalloc: ['count', 'size', 'gfp'],
  krealloc: ['object', 'size', 'gfp'],
  ksize: ['object'],
  kfree: ['object'],
  memset: ['object', 'value', 'bytes'],
}
