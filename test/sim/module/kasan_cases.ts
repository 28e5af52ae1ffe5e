// The cases of the kernel's own KASAN tests, by their names (6.1; another name of later kernels behind it), each as a
// small program for the twin in words of ours. `must` does something that has to be reported, once or more; everything
// outside of it must not be. Each runs on 6.1 and on 6.12; where their rules differ, `later` has what 6.12 does.
import type { ModuleKernel } from '../../../src/sim/module/kernel_api.ts'
import type { Cache, Mempool, Pointer } from '../../../src/sim/module/pointer.ts'

export type Must = (action: () => unknown) => void

export interface KasanCase {
  readonly name: string
  readonly run: (k: ModuleKernel, must: Must) => void
  /** Kinds of the reports, one for each `must`. */
  readonly kinds: readonly string[]
  /** What 6.12 does, where that is something else: the program, where it is another one, and the kinds. */
  readonly later?: { readonly run?: (k: ModuleKernel, must: Must) => void; readonly kinds: readonly string[] }
  readonly note?: string
}

const GRANULE = 8
const OOB = 'slab-out-of-bounds'
const UAF = 'use-after-free'
const up = (size: number): number => Math.ceil(size / GRANULE) * GRANULE
/** Largest size that caches serve. */
const MAX_CACHE = 8192
/** A size that ends inside of a granule. */
const UNEVEN = 128 - GRANULE - 5
/** A size that ends with a granule. */
const EVEN = 128 - GRANULE

const got = <T>(value: T | null): T => {
  if (value === null) throw new Error('there is no memory')
  return value
}
const kmalloc = (k: ModuleKernel, size: number): Pointer => got(k.kmalloc(size, k.GFP_KERNEL))
const x = (k: ModuleKernel, at: Pointer): void => k.writeb(0x78, at)

/** Writes behind `size` bytes: within the last granule where it is not full, and in the next one. */
function behind(k: ModuleKernel, must: Must, at: Pointer, size: number): void {
  must(() => x(k, at.plus(size)))
  must(() => x(k, at.plus(up(size))))
}

function more(k: ModuleKernel, must: Must, from: number, to: number): void {
  const moved = got(k.krealloc(kmalloc(k, from), to, k.GFP_KERNEL))
  for (const at of [from - 1, from, Math.floor((from + to) / 2), to - 1]) x(k, moved.plus(at))
  behind(k, must, moved, to)
  k.kfree(moved)
}

function less(k: ModuleKernel, must: Must, from: number, to: number): void {
  const moved = got(k.krealloc(kmalloc(k, from), to, k.GFP_KERNEL))
  x(k, moved.plus(to - 1))
  behind(k, must, moved, to)
  for (const at of [Math.floor((from + to) / 2), from - 1, from]) must(() => x(k, moved.plus(at)))
  k.kfree(moved)
}

/** An object of kmalloc with one wrong access, then its free. */
const object =
  (size: number, wrong: (k: ModuleKernel, at: Pointer) => unknown): KasanCase['run'] =>
  (k, must) => {
    const at = kmalloc(k, size)
    must(() => wrong(k, at))
    k.kfree(at)
  }

/** The same after its free. */
const freed =
  (size: number, wrong: (k: ModuleKernel, at: Pointer) => unknown): KasanCase['run'] =>
  (k, must) => {
    const at = kmalloc(k, size)
    k.kfree(at)
    must(() => wrong(k, at))
  }

const fill = (size: number, from: number, bytes: number): KasanCase['run'] =>
  object(size, (k, at) => k.memset(at.plus(from), 0, bytes))

/** An object of a cache of its own. */
const cached =
  (size: number, flags: (k: ModuleKernel) => number, use: (k: ModuleKernel, must: Must, c: Cache) => void) =>
  (k: ModuleKernel, must: Must): void => {
    const cache = got(k.kmem_cache_create('test_cache', size, 0, flags(k), null))
    use(k, must, cache)
    k.kmem_cache_destroy(cache)
  }

type PoolKind = 'kmalloc' | 'large' | 'slab' | 'page'

/** A pool of 4 elements, of which two were taken from the reserve: so the reserve has room for what comes back twice. */
const pooled =
  (kind: PoolKind, size: number, use: (k: ModuleKernel, must: Must, element: Pointer, pool: Mempool) => void) =>
  (k: ModuleKernel, must: Must): void => {
    const cache = kind === 'slab' ? got(k.kmem_cache_create('test_cache', size, 0, 0, null)) : null
    const pool = got(
      kind === 'page'
        ? k.mempool_create_page_pool(4, 2)
        : cache !== null
          ? k.mempool_create_slab_pool(4, cache)
          : k.mempool_create_kmalloc_pool(4, size),
    )
    const [extra, element] = [1, 2].map(() => got(k.mempool_alloc_preallocated(pool))) as [never, never]
    use(k, must, (kind === 'page' ? k.page_address(element as never) : element) as Pointer, pool)
    k.mempool_free(extra, pool)
    k.mempool_destroy(pool)
    k.kmem_cache_destroy(cache)
  }

const poolUse =
  (kind: PoolKind, size: number) =>
  (k: ModuleKernel, must: Must): void =>
    pooled(kind, size, (_, __, element, pool) => {
      k.mempool_free(kind === 'page' ? k.virt_to_page(element) : element, pool)
      must(() => k.readb(element))
    })(k, must)

const poolTwice =
  (kind: PoolKind, size: number) =>
  (k: ModuleKernel, must: Must): void =>
    pooled(kind, size, (_, __, element, pool) => {
      k.mempool_free(element, pool)
      must(() => k.mempool_free(element, pool))
    })(k, must)

const poolInside =
  (kind: PoolKind, size: number) =>
  (k: ModuleKernel, must: Must): void =>
    pooled(kind, size, (_, __, element, pool) => {
      must(() => k.mempool_free(element.plus(1), pool))
      k.mempool_free(element, pool)
    })(k, must)

/** Since 6.8 what a pool hands out may be used as far as it asked for. */
const exactly = (kind: PoolKind, size: number): NonNullable<KasanCase['later']> => ({
  run: (k, must) =>
    pooled(kind, size, (_, __, element, pool) => {
      behind(k, must, element, size)
      k.mempool_free(element, pool)
    })(k, must),
  kinds: [OOB, OOB],
})

const poolBehind =
  (kind: PoolKind, size: number): KasanCase['run'] =>
  (k, must) =>
    pooled(kind, size, (_, __, element, pool) => {
      x(k, element.plus(size))
      x(k, element.plus(up(size)))
      k.mempool_free(element, pool)
    })(k, must)

const WHOLE_SLOT = 'what a pool hands out may be used to the end of its slot; since 6.8 to the bytes asked for'

const MODIFY = [
  ...(['set_bit', '__set_bit', 'clear_bit', '__clear_bit'] as const),
  ...(['clear_bit_unlock', '__clear_bit_unlock', 'change_bit', '__change_bit'] as const),
]
const TEST = [
  ...(['test_and_set_bit', '__test_and_set_bit', 'test_and_set_bit_lock', 'test_and_clear_bit'] as const),
  ...(['__test_and_clear_bit', 'test_and_change_bit', '__test_and_change_bit', 'test_bit'] as const),
  'clear_bit_unlock_is_negative_byte' as const,
]

const CHANGES = ['add', 'sub', 'and', 'andnot', 'or', 'xor'] as const
const STEPS = [
  ...(['inc', 'dec', 'dec_and_test', 'inc_and_test', 'inc_not_zero'] as const),
  ...(['inc_unless_negative', 'dec_unless_positive', 'dec_if_positive'] as const),
]

export const KASAN_CASES: readonly KasanCase[] = [
  {
    name: 'kmalloc_oob_right',
    run: (k, must) => {
      const at = kmalloc(k, UNEVEN)
      must(() => x(k, at.plus(UNEVEN)))
      must(() => x(k, at.plus(UNEVEN + 5)))
      must(() => k.readb(at.plus(UNEVEN + GRANULE + 5)))
      k.kfree(at)
    },
    kinds: [OOB, OOB, OOB],
  },
  { name: 'kmalloc_oob_left', run: object(15, (k, at) => k.readb(at.plus(-1))), kinds: [OOB] },
  {
    name: 'kmalloc_node_oob_right',
    run: (k, must) => {
      const at = got(k.kmalloc_node(4096, k.GFP_KERNEL, 0))
      must(() => k.readb(at.plus(4096)))
      k.kfree(at)
    },
    kinds: [OOB],
  },
  {
    name: 'kmalloc_track_caller_oob_right',
    run: (k, must) => {
      const at = got(k.kmalloc_track_caller(EVEN, k.GFP_KERNEL))
      must(() => x(k, at.plus(EVEN)))
      k.kfree(at)
    },
    kinds: [OOB],
    note: 'once; the twin has no variant for a node',
  },
  {
    name: 'kmalloc_pagealloc_oob_right (kmalloc_large_oob_right)',
    run: object(MAX_CACHE + 10, (k, at) => k.writeb(0, at.plus(MAX_CACHE + 10))),
    kinds: [OOB],
  },
  {
    name: 'kmalloc_pagealloc_uaf (kmalloc_large_uaf)',
    run: freed(MAX_CACHE + 10, (k, at) => k.readb(at)),
    kinds: [UAF],
  },
  {
    name: 'kmalloc_pagealloc_invalid_free (kmalloc_large_invalid_free)',
    run: object(MAX_CACHE + 10, (k, at) => k.kfree(at.plus(1))),
    kinds: ['invalid-free'],
  },
  {
    name: 'pagealloc_uaf (page_alloc_uaf)',
    run: (k, must) => {
      const at = got(k.__get_free_pages(k.GFP_KERNEL, 4))
      k.free_pages(at, 4)
      must(() => k.readb(at))
    },
    kinds: [UAF],
  },
  {
    name: 'kmalloc_large_oob_right (kmalloc_big_oob_right)',
    run: object(MAX_CACHE - 256, (k, at) => k.writeb(0, at.plus(MAX_CACHE - 256))),
    kinds: [OOB],
  },
  { name: 'krealloc_more_oob', run: (k, must) => more(k, must, 201, 235), kinds: [OOB, OOB] },
  { name: 'krealloc_less_oob', run: (k, must) => less(k, must, 235, 201), kinds: [OOB, OOB, OOB, OOB, OOB] },
  {
    name: 'krealloc_pagealloc_more_oob (krealloc_large_more_oob)',
    run: (k, must) => more(k, must, MAX_CACHE + 201, MAX_CACHE + 235),
    kinds: [OOB, OOB],
  },
  {
    name: 'krealloc_pagealloc_less_oob (krealloc_large_less_oob)',
    run: (k, must) => less(k, must, MAX_CACHE + 235, MAX_CACHE + 201),
    kinds: [OOB, OOB, OOB, OOB, OOB],
  },
  {
    name: 'krealloc_uaf',
    run: (k, must) => {
      const at = kmalloc(k, 201)
      k.kfree(at)
      must(() => {
        if (k.krealloc(at, 235, k.GFP_KERNEL) !== null) throw new Error('krealloc of freed memory succeeded')
      })
      must(() => k.readb(at))
    },
    kinds: [UAF, UAF],
  },
  {
    name: 'kmalloc_oob_16',
    run: (k, must) => {
      const [to, from] = [kmalloc(k, 13), kmalloc(k, 16)]
      must(() => k.memcpy(to, from, 16))
      k.kfree(to)
      k.kfree(from)
    },
    kinds: [OOB],
  },
  {
    name: 'kmalloc_uaf_16',
    run: (k, must) => {
      const [to, from] = [kmalloc(k, 16), kmalloc(k, 16)]
      k.kfree(from)
      must(() => k.memcpy(to, from, 16))
      k.kfree(to)
    },
    kinds: [UAF],
  },
  { name: 'kmalloc_oob_in_memset', run: fill(EVEN, 0, EVEN + GRANULE), kinds: [OOB] },
  { name: 'kmalloc_oob_memset_2', run: fill(EVEN, EVEN - 1, 2), kinds: [OOB] },
  { name: 'kmalloc_oob_memset_4', run: fill(EVEN, EVEN - 3, 4), kinds: [OOB] },
  { name: 'kmalloc_oob_memset_8', run: fill(EVEN, EVEN - 7, 8), kinds: [OOB] },
  { name: 'kmalloc_oob_memset_16', run: fill(EVEN, EVEN - 15, 16), kinds: [OOB] },
  {
    name: 'kmalloc_memmove_negative_size',
    run: object(64, (k, at) => k.memmove(at, at.plus(4), -2)),
    kinds: ['out-of-bounds'],
  },
  { name: 'kmalloc_memmove_invalid_size', run: object(64, (k, at) => k.memmove(at, at.plus(4), 64)), kinds: [OOB] },
  { name: 'kmalloc_uaf', run: freed(10, (k, at) => k.readb(at.plus(8))), kinds: [UAF] },
  { name: 'kmalloc_uaf_memset', run: freed(33, (k, at) => k.memset(at, 0, 33)), kinds: [UAF] },
  {
    name: 'kmalloc_uaf2',
    run: (k, must) => {
      const first = kmalloc(k, 43)
      k.kfree(first)
      const second = kmalloc(k, 43)
      if (second.equals(first)) throw new Error('the quarantine gave the object back at once')
      must(() => k.readb(first.plus(40)))
      k.kfree(second)
    },
    kinds: [UAF],
  },
  {
    name: 'kmalloc_uaf3',
    run: (k, must) => {
      const first = kmalloc(k, 100)
      k.kfree(first)
      k.kfree(kmalloc(k, 100))
      must(() => k.readb(first.plus(8)))
    },
    kinds: [UAF],
  },
  {
    name: 'kfree_via_page',
    run: k => {
      const at = kmalloc(k, 8)
      const page = got(k.page_address(got(k.virt_to_page(at))))
      k.kfree(page.plus(at.minus(page)))
    },
    kinds: [],
  },
  {
    name: 'kfree_via_phys',
    run: k => {
      const at = kmalloc(k, 8)
      const pfn = k.page_to_pfn(got(k.virt_to_page(at)))
      const page = got(k.page_address(got(k.pfn_to_page(pfn))))
      k.kfree(page.plus(at.minus(page)))
    },
    kinds: [],
  },
  {
    name: 'kmem_cache_oob',
    run: cached(
      200,
      () => 0,
      (k, must, cache) => {
        const at = got(k.kmem_cache_alloc(cache, k.GFP_KERNEL))
        must(() => k.readb(at.plus(200)))
        k.kmem_cache_free(cache, at)
      },
    ),
    kinds: [OOB],
  },
  {
    name: 'kmem_cache_accounted',
    run: cached(
      200,
      k => k.SLAB_ACCOUNT,
      (k, _must, cache) => {
        for (let at = 0; at < 5; at++) k.kmem_cache_free(cache, got(k.kmem_cache_alloc(cache, k.GFP_KERNEL)))
      },
    ),
    kinds: [],
  },
  {
    name: 'kmem_cache_bulk',
    run: cached(
      200,
      () => 0,
      (k, _must, cache) => {
        const objects = k.kmem_cache_alloc_bulk(cache, k.GFP_KERNEL, 10)
        for (const each of objects) for (const at of [0, 199]) k.writeb(42, each.plus(at))
        k.kmem_cache_free_bulk(cache, objects)
      },
    ),
    kinds: [],
  },
  {
    name: 'ksize_unpoisons_memory',
    run: (k, must) => {
      const at = kmalloc(k, UNEVEN)
      const size = k.ksize(at)
      x(k, at.plus(UNEVEN))
      x(k, at.plus(size - 1))
      must(() => k.readb(at.plus(size)))
      k.kfree(at)
    },
    kinds: [OOB],
    later: {
      run: (k, must) => {
        const at = kmalloc(k, UNEVEN)
        const size = k.ksize(at)
        for (const offset of [UNEVEN, UNEVEN + 5, size - 1]) must(() => x(k, at.plus(offset)))
        k.kfree(at)
      },
      kinds: [OOB, OOB, OOB],
    },
    note: 'since 6.2 ksize only tells',
  },
  {
    name: 'ksize_uaf',
    run: (k, must) => {
      const at = kmalloc(k, EVEN)
      k.kfree(at)
      must(() => k.ksize(at))
      must(() => k.readb(at))
      must(() => k.readb(at.plus(EVEN)))
    },
    kinds: [UAF, UAF, UAF],
  },
  {
    name: 'rcu_uaf',
    run: (k, must) => {
      const at = kmalloc(k, 32)
      k.call_rcu(at, object => {
        k.kfree(object)
        must(() => k.writeb(1, object))
      })
      k.rcu_barrier()
    },
    kinds: [UAF],
  },
  {
    name: 'workqueue_uaf',
    run: (k, must) => {
      const at = kmalloc(k, 32)
      k.queue_work(at, object => k.kfree(object))
      k.flush_workqueue()
      must(() => k.readb(at))
    },
    kinds: [UAF],
  },
  {
    name: 'kmem_cache_double_free',
    run: cached(
      200,
      () => 0,
      (k, must, cache) => {
        const at = got(k.kmem_cache_alloc(cache, k.GFP_KERNEL))
        k.kmem_cache_free(cache, at)
        must(() => k.kmem_cache_free(cache, at))
      },
    ),
    kinds: ['double-free'],
  },
  {
    name: 'kmem_cache_invalid_free',
    run: cached(
      200,
      k => k.SLAB_TYPESAFE_BY_RCU,
      (k, must, cache) => {
        const at = got(k.kmem_cache_alloc(cache, k.GFP_KERNEL))
        must(() => k.kmem_cache_free(cache, at.plus(1)))
        k.kmem_cache_free(cache, at)
      },
    ),
    kinds: ['invalid-free'],
  },
  {
    name: 'kasan_memchr',
    run: (k, must) => {
      const at = got(k.kzalloc(24, k.GFP_KERNEL))
      must(() => k.memchr(at, 0x31, 25))
      k.kfree(at)
    },
    kinds: [OOB],
  },
  {
    name: 'kasan_memcmp',
    run: (k, must) => {
      const [at, other] = [got(k.kzalloc(24, k.GFP_KERNEL)), got(k.kzalloc(72, k.GFP_KERNEL))]
      must(() => k.memcmp(at, other, 25))
      k.kfree(at)
      k.kfree(other)
    },
    kinds: [OOB],
  },
  {
    name: 'kasan_strings',
    run: (k, must) => {
      const [at, two] = [got(k.kzalloc(24, k.GFP_KERNEL)), got(k.kzalloc(2, k.GFP_KERNEL))]
      k.writeb(0x32, two)
      k.kfree(at)
      const text = at.plus(16)
      must(() => k.strchr(text, 0x31))
      must(() => k.strrchr(text, 0x31))
      must(() => k.strcmp(text, two))
      must(() => k.strncmp(text, two, 1))
      must(() => k.strlen(text))
      must(() => k.strnlen(text, 1))
      k.kfree(two)
    },
    kinds: Array.from({ length: 6 }, () => UAF),
  },
  {
    name: 'kasan_bitops_generic',
    run: (k, must) => {
      const bits = got(k.kzalloc(9, k.GFP_KERNEL))
      for (const name of MODIFY) must(() => k[name](64, bits))
      for (const name of TEST) must(() => k[name](72, bits))
      k.kfree(bits)
    },
    kinds: Array.from({ length: MODIFY.length + TEST.length }, () => OOB),
  },
  {
    name: 'kmalloc_double_kzfree',
    run: (k, must) => {
      const at = kmalloc(k, 16)
      k.kfree_sensitive(at)
      must(() => k.kfree_sensitive(at))
    },
    kinds: [UAF],
  },
  {
    name: 'vmalloc_oob',
    run: (k, must) => {
      const size = 2048 - GRANULE - 5
      const at = got(k.vmalloc(size))
      x(k, at)
      x(k, at.plus(size - 1))
      must(() => k.readb(at.plus(size)))
      must(() => k.readb(at.plus(size + 5)))
      const frame = got(k.page_address(got(k.vmalloc_to_page(at))))
      x(k, frame)
      x(k, frame.plus(size - 1))
      k.vfree(at)
    },
    kinds: ['vmalloc-out-of-bounds', 'vmalloc-out-of-bounds'],
  },
  {
    name: 'mempool_kmalloc_oob_right',
    run: poolBehind('kmalloc', UNEVEN),
    kinds: [],
    later: exactly('kmalloc', UNEVEN),
    note: WHOLE_SLOT,
  },
  {
    name: 'mempool_kmalloc_large_oob_right',
    run: poolBehind('large', MAX_CACHE + 1),
    kinds: [],
    later: exactly('large', MAX_CACHE + 1),
    note: WHOLE_SLOT,
  },
  {
    name: 'mempool_slab_oob_right',
    run: poolBehind('slab', 123),
    kinds: [],
    later: exactly('slab', 123),
    note: WHOLE_SLOT,
  },
  { name: 'mempool_kmalloc_uaf', run: poolUse('kmalloc', 128), kinds: [UAF] },
  { name: 'mempool_kmalloc_large_uaf', run: poolUse('large', MAX_CACHE + 1), kinds: [UAF] },
  { name: 'mempool_slab_uaf', run: poolUse('slab', 123), kinds: [UAF] },
  { name: 'mempool_page_alloc_uaf', run: poolUse('page', 0), kinds: [UAF] },
  {
    name: 'mempool_page_alloc_double_free',
    run: () => {},
    kinds: [],
    later: {
      run: (k, must) =>
        pooled('page', 0, (_, __, element, pool) => {
          const page = k.virt_to_page(element)
          k.mempool_free(page, pool)
          must(() => k.mempool_free(page, pool))
        })(k, must),
      kinds: ['double-free'],
    },
    note: 'not run on 6.1, which does not look',
  },
  {
    name: 'kmem_cache_rcu_uaf',
    run: () => {},
    kinds: [],
    later: {
      run: cached(
        200,
        k => k.SLAB_TYPESAFE_BY_RCU,
        (k, must, cache) => {
          const at = got(k.kmem_cache_alloc(cache, k.GFP_KERNEL))
          k.writeb(1, at)
          k.kmem_cache_free(cache, at)
          // Readers may still look.
          k.readb(at)
          k.rcu_barrier()
          must(() => k.readb(at))
        },
      ),
      kinds: [UAF],
    },
    note: 'not run on 6.1: it came with SLUB_RCU_DEBUG',
  },
  {
    name: 'kasan_atomics',
    run: (k, must) => {
      const bytes = got(k.kzalloc(48, k.GFP_KERNEL))
      const safe = got(k.kzalloc(8, k.GFP_KERNEL))
      const unsafe = bytes.plus(48)
      must(() => k.READ_ONCE(unsafe))
      must(() => k.WRITE_ONCE(unsafe, 42))
      must(() => k.smp_load_acquire(unsafe))
      must(() => k.smp_store_release(unsafe, 42))
      for (const size of ['atomic_', 'atomic_long_'] as const) {
        must(() => k[`${size}read`](unsafe))
        must(() => k[`${size}set`](unsafe, 42))
        for (const change of CHANGES) must(() => k[`${size}${change}`](42, unsafe))
        for (const step of STEPS) must(() => k[`${size}${step}`](unsafe))
        must(() => k[`${size}xchg`](unsafe, 42))
        must(() => k[`${size}cmpxchg`](unsafe, 21, 42))
        must(() => k[`${size}try_cmpxchg`](unsafe, safe, 42))
        must(() => k[`${size}try_cmpxchg`](safe, unsafe, 42))
        must(() => k[`${size}sub_and_test`](42, unsafe))
        must(() => k[`${size}add_negative`](42, unsafe))
        must(() => k[`${size}add_unless`](unsafe, 21, 42))
      }
      k.kfree(bytes)
      k.kfree(safe)
    },
    kinds: Array.from({ length: 4 + 2 * (2 + CHANGES.length + STEPS.length + 7) }, () => OOB),
  },
  { name: 'mempool_kmalloc_double_free', run: poolTwice('kmalloc', 128), kinds: ['double-free'] },
  { name: 'mempool_kmalloc_large_double_free', run: poolTwice('large', MAX_CACHE + 1), kinds: ['double-free'] },
  { name: 'mempool_slab_double_free', run: poolTwice('slab', 123), kinds: ['double-free'] },
  { name: 'mempool_kmalloc_invalid_free', run: poolInside('kmalloc', 128), kinds: ['invalid-free'] },
  { name: 'mempool_kmalloc_large_invalid_free', run: poolInside('large', MAX_CACHE + 1), kinds: ['invalid-free'] },
]

const TAGS = 'not run: the kernel runs it with tags in pointers only'

/** Cases that the twin does not run, and why. */
export const OTHER_CASES: readonly (readonly [name: string, why: string])[] = [
  [
    'pagealloc_oob_right (page_alloc_oob_right)',
    'not run: generic KASAN has no red zones around pages, the kernel skips it',
  ],
  ['kasan_bitops_tags', TAGS],
  ['vmalloc_helpers_tags', TAGS],
  ['vmap_tags', TAGS],
  ['vm_map_ram_tags', TAGS],
  ['vmalloc_percpu', TAGS],
  ['match_all_not_assigned', TAGS],
  ['match_all_ptr_tag', TAGS],
  ['match_all_mem_tag', TAGS],
  ['kmem_cache_double_destroy', 'a WARNING, no KASAN report: a cache is a row of the twin, not an object'],
  ['copy_user_test_oob', 'not run: modules of the twin have no memory of a process'],
  ['rust_uaf', 'not run: there is no Rust in the twin'],
]
