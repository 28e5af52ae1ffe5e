// Objects and caches of objects as modules call them.
import type { Gfp } from '../../base/units.ts'
import { __GFP_ZERO } from '../../mm/gfp.ts'
import { warn } from '../../mm/kernel_taint.ts'
import type { Constructor } from '../../mm/kernel_text.ts'
import {
  kcalloc,
  kfree,
  kfree_sensitive,
  kmalloc,
  kmalloc_array,
  kmalloc_node,
  krealloc,
  ksize,
  ZERO_SIZE_PTR,
} from '../../mm/kmalloc.ts'
import {
  kmem_cache_alloc_bulk,
  kmem_cache_alloc_node,
  kmem_cache_create,
  kmem_cache_destroy,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_shrink,
  kmem_cache_size,
} from '../../mm/kmem_cache.ts'
import { NUMA_NO_NODE } from '../../mm/slab_allocator.ts'
import type { ModuleContext } from './context.ts'
import { node } from './page_calls.ts'
import { Cache, type Pointer } from './pointer.ts'

export interface SlabCalls {
  /** At least `size` bytes; null = there is no memory. @kernel include/linux/slab.h:kmalloc */
  kmalloc(size: number, gfp: Gfp): Pointer | null
  /** @kernel include/linux/slab.h:kzalloc */
  kzalloc(size: number, gfp: Gfp): Pointer | null
  /** @kernel include/linux/slab.h:kmalloc_array */
  kmalloc_array(n: number, size: number, gfp: Gfp): Pointer | null
  /** @kernel include/linux/slab.h:kcalloc */
  kcalloc(n: number, size: number, gfp: Gfp): Pointer | null
  /** @kernel include/linux/slab.h:kmalloc_node */
  kmalloc_node(size: number, gfp: Gfp, nid: number): Pointer | null
  /** @kernel mm/slab_common.c:krealloc */
  krealloc(object: Pointer | null, size: number, gfp: Gfp): Pointer | null
  /** Bytes that the owner may use. @kernel mm/slab_common.c:ksize */
  ksize(object: Pointer | null): number
  /** As kmalloc, for functions that allocate in the name of their caller. @kernel mm/slab_common.c:__kmalloc_node_track_caller */
  kmalloc_track_caller(size: number, gfp: Gfp): Pointer | null
  /** Overwrites memory with zeros and gives it back. @kernel mm/slab_common.c:kfree_sensitive */
  kfree_sensitive(object: Pointer | null): void
  /** NULL is nothing to free. @kernel mm/slab_common.c:kfree */
  kfree(object: Pointer | null): void
  /** A cache of objects; null where there can be none, which is reported. `ctor` may only write its object.
   * @kernel mm/slab_common.c:kmem_cache_create */
  kmem_cache_create(
    name: string,
    size: number,
    align: number,
    flags: number,
    ctor: ((object: Pointer) => void) | null,
  ): Cache | null
  /** @kernel mm/slab_common.c:kmem_cache_destroy */
  kmem_cache_destroy(cache: Cache | null): void
  /** @kernel mm/slub.c:kmem_cache_alloc */
  kmem_cache_alloc(cache: Cache, gfp: Gfp): Pointer | null
  /** @kernel include/linux/slab.h:kmem_cache_zalloc */
  kmem_cache_zalloc(cache: Cache, gfp: Gfp): Pointer | null
  /** @kernel mm/slub.c:kmem_cache_alloc_node */
  kmem_cache_alloc_node(cache: Cache, gfp: Gfp, nid: number): Pointer | null
  /** @kernel mm/slub.c:kmem_cache_free */
  kmem_cache_free(cache: Cache, object: Pointer): void
  /** Objects at once, all or none. @kernel mm/slub.c:kmem_cache_alloc_bulk */
  kmem_cache_alloc_bulk(cache: Cache, gfp: Gfp, count: number): Pointer[]
  /** @kernel mm/slub.c:kmem_cache_free_bulk */
  kmem_cache_free_bulk(cache: Cache, objects: readonly Pointer[]): void
  /** 0 = the cache has no slab left. @kernel mm/slab_common.c:kmem_cache_shrink */
  kmem_cache_shrink(cache: Cache): number
  /** Bytes of an object. @kernel mm/slab_common.c:kmem_cache_size */
  kmem_cache_size(cache: Cache): number
}

type Kmalloc =
  | 'kmalloc_track_caller'
  | 'kfree_sensitive'
  | 'kmalloc'
  | 'kzalloc'
  | 'kmalloc_array'
  | 'kcalloc'
  | 'kmalloc_node'
  | 'krealloc'
  | 'ksize'
  | 'kfree'

export function slabCalls(ctx: ModuleContext): SlabCalls {
  return { ...kmallocCalls(ctx), ...cacheCalls(ctx) }
}

/** Notes an object that the module has now. */
function taken(ctx: ModuleContext, paddr: number, call: string, bytes: number): Pointer | null {
  if (paddr > ZERO_SIZE_PTR) ctx.objects.set(paddr, { call, bytes })
  return ctx.object(paddr)
}

/** Physical address of an object to give back; what cannot be one is reported, -1. */
function given(ctx: ModuleContext, object: Pointer, who: string): number {
  const paddr = ctx.paddrOf(object)
  if (paddr < 0) warn(ctx.sys, who, `${who}: object pointer: 0x${object} is not in the direct map`)
  else ctx.objects.delete(paddr)
  return paddr
}

function kmallocCalls(ctx: ModuleContext): Pick<SlabCalls, Kmalloc> {
  const { sys } = ctx
  return {
    kmalloc: (size, gfp) => taken(ctx, kmalloc(sys, size, gfp), `kmalloc(${size})`, size),
    kzalloc: (size, gfp) => taken(ctx, kmalloc(sys, size, gfp | __GFP_ZERO), `kzalloc(${size})`, size),
    kmalloc_array: (n, size, gfp) =>
      taken(ctx, kmalloc_array(sys, n, size, gfp), `kmalloc_array(${n}, ${size})`, n * size),
    kcalloc: (n, size, gfp) => taken(ctx, kcalloc(sys, n, size, gfp), `kcalloc(${n}, ${size})`, n * size),
    kmalloc_node: (size, gfp, nid) =>
      taken(ctx, kmalloc_node(sys, size, gfp, node(ctx, nid)), `kmalloc_node(${size})`, size),
    krealloc: (object, size, gfp) => {
      const old = object === null ? 0 : ctx.paddrOf(object)
      if (old < 0) return ctx.oops(`krealloc: object pointer: 0x${object} is not in the direct map`)
      const moved = krealloc(sys, old, size, gfp)
      if (moved !== 0) ctx.objects.delete(old)
      return taken(ctx, moved, `krealloc(${size})`, size)
    },
    ksize: object => {
      const paddr = object === null ? 0 : ctx.paddrOf(object)
      return paddr < 0 ? 0 : ksize(sys, paddr)
    },
    kmalloc_track_caller: (size, gfp) => taken(ctx, kmalloc(sys, size, gfp), `kmalloc_track_caller(${size})`, size),
    kfree_sensitive: object => {
      const paddr = object === null ? 0 : given(ctx, object, 'kfree_sensitive')
      if (paddr >= 0) kfree_sensitive(sys, paddr)
    },
    kfree: object => {
      const paddr = object === null ? 0 : given(ctx, object, 'kfree')
      if (paddr >= 0) kfree(sys, paddr)
    },
  }
}

/** A function of the module as a constructor: it sees its object, and can call nothing but what writes memory. */
function constructorOf(ctx: ModuleContext, cache: string, ctor: (object: Pointer) => void): Constructor {
  const construct = (_: unknown, paddr: number): void => {
    ctx.constructors++
    ctx.callBack(() => ctor(ctx.object(paddr)!), undefined)
    ctx.constructors--
  }
  return { name: `${ctx.module}:${cache}:${ctor.name || 'ctor'}`, construct }
}

function cacheCalls(ctx: ModuleContext): Omit<SlabCalls, Kmalloc> {
  const { sys } = ctx
  const alloc = (cache: Cache, gfp: number, nid: number, call: string): Pointer | null =>
    taken(ctx, kmem_cache_alloc_node(sys, cache.row, gfp, nid), `${call}(${cache})`, kmem_cache_size(sys, cache.row))
  return {
    kmem_cache_create: (name, size, align, flags, ctor) => {
      const row = kmem_cache_create(
        sys,
        name,
        size,
        align,
        flags,
        ctor === null ? null : constructorOf(ctx, name, ctor),
      )
      if (row < 0) return null
      const cache = new Cache(name, row)
      ctx.caches.add(cache)
      return cache
    },
    kmem_cache_destroy: cache => {
      if (cache === null) return
      kmem_cache_destroy(sys, cache.row)
      // A cache with objects stays, with no user.
      const stays = sys.kmem_cache.used[cache.row] === 1 && sys.kmem_cache.refcount[cache.row] === 0
      if (!stays) ctx.caches.delete(cache)
    },
    kmem_cache_alloc: (cache, gfp) => alloc(cache, gfp, NUMA_NO_NODE, 'kmem_cache_alloc'),
    kmem_cache_zalloc: (cache, gfp) => alloc(cache, gfp | __GFP_ZERO, NUMA_NO_NODE, 'kmem_cache_zalloc'),
    kmem_cache_alloc_node: (cache, gfp, nid) => alloc(cache, gfp, node(ctx, nid), 'kmem_cache_alloc_node'),
    kmem_cache_free: (cache, object) => {
      const paddr = given(ctx, object, 'kmem_cache_free')
      if (paddr >= 0) kmem_cache_free(sys, cache.row, paddr)
    },
    kmem_cache_alloc_bulk: (cache, gfp, count) => {
      if (count < 0 || count > sys.nr_frames * 2 ** sys.kernel.PAGE_SHIFT)
        throw new RangeError(`kmem_cache_alloc_bulk of ${count} objects`)
      const objects = new Float64Array(count)
      const got = kmem_cache_alloc_bulk(sys, cache.row, gfp, count, objects)
      const bytes = kmem_cache_size(sys, cache.row)
      return Array.from(objects.subarray(0, got), each => taken(ctx, each, `kmem_cache_alloc_bulk(${cache})`, bytes)!)
    },
    kmem_cache_free_bulk: (cache, objects) => {
      const all = objects.map(object => given(ctx, object, 'kmem_cache_free_bulk')).filter(paddr => paddr >= 0)
      kmem_cache_free_bulk(sys, cache.row, all.length, Float64Array.from(all))
    },
    kmem_cache_shrink: cache => kmem_cache_shrink(sys, cache.row),
    kmem_cache_size: cache => kmem_cache_size(sys, cache.row),
  }
}
