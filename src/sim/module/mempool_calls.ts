// Memory pools as modules call them. The allocator behind a pool is a pair of functions of the module, or one of the
// ready ones, which modules may use as parts of their own.
import type { Gfp, Order } from '../../base/units.ts'
import { kasan_frames, kasan_objects, type MempoolKasan } from '../../mm/kasan_mempool.ts'
import {
  MEMPOOL_WOULD_WAIT,
  type MempoolFunctions,
  mempool_alloc,
  mempool_alloc_preallocated,
  mempool_create,
  mempool_destroy,
  mempool_free,
  mempool_resize,
} from '../../mm/mempool.ts'
import type { ModuleContext } from './context.ts'
import type { PageCalls } from './page_calls.ts'
import { type Cache, Mempool, Page, Pointer } from './pointer.ts'
import type { SlabCalls } from './slab_calls.ts'

/** What lies in a pool. */
export type Element = Pointer | Page
export type MempoolAlloc<Data> = (gfp: Gfp, pool_data: Data) => Element | null
export type MempoolFree<Data> = (element: Element, pool_data: Data) => void

export interface MempoolCalls {
  /** A pool with `min_nr` elements in reserve; null where the allocator could not fill it.
   * @kernel mm/mempool.c:mempool_create */
  mempool_create<Data>(
    min_nr: number,
    alloc_fn: MempoolAlloc<Data>,
    free_fn: MempoolFree<Data>,
    pool_data: Data,
  ): Mempool | null
  /** @kernel include/linux/mempool.h:mempool_create_slab_pool */
  mempool_create_slab_pool(min_nr: number, cache: Cache): Mempool | null
  /** @kernel include/linux/mempool.h:mempool_create_kmalloc_pool */
  mempool_create_kmalloc_pool(min_nr: number, size: number): Mempool | null
  /** @kernel include/linux/mempool.h:mempool_create_page_pool */
  mempool_create_page_pool(min_nr: number, order: Order): Mempool | null
  /** The allocator first, then the reserve; null where the mask forbids to wait. @kernel mm/mempool.c:mempool_alloc */
  mempool_alloc(pool: Mempool, gfp: Gfp): Element | null
  /** An element of the reserve alone. @kernel mm/mempool.c:mempool_alloc_preallocated */
  mempool_alloc_preallocated(pool: Mempool): Element | null
  /** Refills the reserve first. @kernel mm/mempool.c:mempool_free */
  mempool_free(element: Element | null, pool: Mempool): void
  /** 0, or a negated errno. @kernel mm/mempool.c:mempool_resize */
  mempool_resize(pool: Mempool, new_min_nr: number): number
  /** @kernel mm/mempool.c:mempool_destroy */
  mempool_destroy(pool: Mempool | null): void
  /** @kernel mm/mempool.c:mempool_alloc_slab */
  mempool_alloc_slab(gfp: Gfp, cache: Cache): Pointer | null
  /** @kernel mm/mempool.c:mempool_free_slab */
  mempool_free_slab(element: Element, cache: Cache): void
  /** @kernel mm/mempool.c:mempool_kmalloc */
  mempool_kmalloc(gfp: Gfp, size: number): Pointer | null
  /** @kernel mm/mempool.c:mempool_kfree */
  mempool_kfree(element: Element, size: number): void
  /** @kernel mm/mempool.c:mempool_alloc_pages */
  mempool_alloc_pages(gfp: Gfp, order: Order): Page | null
  /** @kernel mm/mempool.c:mempool_free_pages */
  mempool_free_pages(element: Element, order: Order): void
}

/** An element as the number that lies in the pool: 0 = NULL, above it a physical address, below it a page: -1 - frame,
 * or a page of the address space, which lie apart. */
const FRAMES = 2 ** 32

function encode(ctx: ModuleContext, element: Element | null): number {
  if (element === null) return 0
  if (element instanceof Page) return -1 - element.pfn
  if (!(element instanceof Pointer)) throw new TypeError('an element of a pool is a pointer or a page')
  const paddr = ctx.paddrOf(element)
  if (paddr > 0) return paddr
  if (ctx.pageOffset(element) !== 0)
    throw new RangeError(`mempool: ${element} is neither in the direct map nor a whole page`)
  return -FRAMES - ctx.pageNumber(element)
}

function decode(ctx: ModuleContext, number: number): Element | null {
  if (number >= 0) return number === 0 ? null : ctx.object(number)
  return number > -FRAMES ? ctx.page(-1 - number) : ctx.at(-FRAMES - number)
}

/** What KASAN does with pages of a pool. */
const pagesOf = (order: Order): MempoolKasan => ({
  poison: (sys, element) => kasan_frames.poison(sys, -1 - element, order),
  unpoison: (sys, element) => kasan_frames.unpoison(sys, -1 - element, order),
})

/** The same with memory of kmalloc, of which a pool asks for so many bytes. */
const bytesOf = (size: number): MempoolKasan => ({
  poison: (sys, element) => kasan_objects.poison(sys, element, size),
  unpoison: (sys, element) => kasan_objects.unpoison(sys, element, size),
})

export function mempoolCalls(ctx: ModuleContext, slab: SlabCalls, pages: PageCalls): MempoolCalls {
  const { sys } = ctx
  let made = 0
  const functionsOf = <Data>(
    alloc: MempoolAlloc<Data>,
    free: MempoolFree<Data>,
    data: Data,
    kasan: MempoolKasan | null,
  ): MempoolFunctions => ({
    ...(kasan === null ? {} : { kasan }),
    name: `${ctx.module}:mempool:${made++}`,
    nil: 0,
    alloc: (_, gfp) => ctx.callBack(() => encode(ctx, alloc(gfp, data)), 0),
    free: (_, element) => ctx.callBack(() => free(decode(ctx, element)!, data), undefined),
  })
  const create = <Data>(
    min_nr: number,
    alloc: MempoolAlloc<Data>,
    free: MempoolFree<Data>,
    data: Data,
    kasan: MempoolKasan | null = null,
  ): Mempool | null => {
    const row = mempool_create(sys, min_nr, functionsOf(alloc, free, data, kasan), 0)
    if (row < 0) return null
    const pool = new Mempool(row)
    ctx.pools.add(pool)
    return pool
  }
  const ready = readyFunctions(slab, pages)
  return {
    ...ready,
    mempool_create: (min_nr, alloc, free, data) => create(min_nr, alloc, free, data),
    mempool_create_slab_pool: (min_nr, cache) =>
      create(min_nr, ready.mempool_alloc_slab, ready.mempool_free_slab, cache, kasan_objects),
    mempool_create_kmalloc_pool: (min_nr, size) =>
      create(min_nr, ready.mempool_kmalloc, ready.mempool_kfree, size, bytesOf(size)),
    mempool_create_page_pool: (min_nr, order) =>
      create(min_nr, ready.mempool_alloc_pages, ready.mempool_free_pages, order, pagesOf(order)),
    mempool_alloc: (pool, gfp) => {
      const element = mempool_alloc(sys, pool.row, gfp)
      if (element === MEMPOOL_WOULD_WAIT)
        ctx.oops(`mempool_alloc sleeps for ever: ${pool} is empty, and nobody else runs who could give back`)
      return decode(ctx, element)
    },
    mempool_alloc_preallocated: pool => decode(ctx, mempool_alloc_preallocated(sys, pool.row)),
    mempool_free: (element, pool) => mempool_free(sys, encode(ctx, element), pool.row),
    mempool_resize: (pool, new_min_nr) => mempool_resize(sys, pool.row, new_min_nr),
    mempool_destroy: pool => {
      if (pool === null) return
      mempool_destroy(sys, pool.row)
      ctx.pools.delete(pool)
    },
  }
}

type Ready = `mempool_${'alloc_slab' | 'free_slab' | 'kmalloc' | 'kfree' | 'alloc_pages' | 'free_pages'}`

function readyFunctions(slab: SlabCalls, pages: PageCalls): Pick<MempoolCalls, Ready> {
  return {
    mempool_alloc_slab: (gfp, cache) => slab.kmem_cache_alloc(cache, gfp),
    mempool_free_slab: (element, cache) => slab.kmem_cache_free(cache, element as Pointer),
    mempool_kmalloc: (gfp, size) => slab.kmalloc(size, gfp),
    mempool_kfree: element => slab.kfree(element as Pointer),
    mempool_alloc_pages: (gfp, order) => pages.alloc_pages(gfp, order),
    mempool_free_pages: (element, order) => pages.__free_pages(element as Page, order),
  }
}
