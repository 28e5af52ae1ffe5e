// The list of a machine's caches: a request makes a cache, or joins one that fits (merging); a cache goes when its last
// user goes. Law: caches lie in the order of their creation; names are unique among those that are no aliases.
import {
  ALIGN,
  type CacheGeometry,
  type CacheRequest,
  cache_create_mask,
  find_mergeable,
  type MergeCandidate,
  type SlabSetup,
  word_size,
} from './slab_common.ts'
import { type SlabGeometry, slab_geometry } from './slab_geometry.ts'
import { slob_geometry } from './slob_geometry.ts'
import { type SlubGeometry, slub_geometry } from './slub_geometry.ts'

/** A cache of any allocator. */
export type AnyGeometry = CacheGeometry | SlubGeometry | SlabGeometry

/** A cache that exists. */
export interface Cache extends MergeCandidate {
  readonly name: string
  readonly geometry: AnyGeometry
}

/** The cache that a request becomes; null where no slab could hold an object. Flags that the allocator does not know
 * are dropped. @kernel mm/slab_common.c:create_cache */
export function cache_geometry(setup: SlabSetup, request: CacheRequest): AnyGeometry | null {
  const known = { ...request, flags: (request.flags & cache_create_mask(setup.kernel)) >>> 0 }
  switch (setup.kernel.slab) {
    case 'SLUB':
      return slub_geometry(setup, known)
    case 'SLAB':
      return slab_geometry(setup, known)
    case 'SLOB':
      return slob_geometry(setup, known)
  }
}

/** A list of caches with one more user: of a new cache at its end, or of the one at `at`. */
export interface CreatedCache {
  readonly caches: readonly Cache[]
  readonly at: number
}

/** Makes a cache or joins one; null where no slab could hold an object.
 * @kernel mm/slab_common.c:kmem_cache_create_usercopy */
export function create_cache(setup: SlabSetup, caches: readonly Cache[], request: CacheRequest): CreatedCache | null {
  const flags = (request.flags & cache_create_mask(setup.kernel)) >>> 0
  const found = find_mergeable(setup, caches, { ...request, flags })
  if (found >= 0)
    return { caches: caches.with(found, kmem_cache_alias(setup, caches[found]!, request.size)), at: found }
  const geometry = cache_geometry(setup, request)
  if (geometry === null) return null
  const { name, ctor, usersize } = request
  const cache: Cache = { ...common_part(geometry), name, ctor, usersize, refcount: 1, geometry }
  return { caches: [...caches, cache], at: caches.length }
}

const common_part = ({ object_size, size, align, flags }: CacheGeometry): CacheGeometry => ({
  object_size,
  size,
  align,
  flags,
})

/** The cache after one more user whose objects may be larger. @kernel mm/slub.c:__kmem_cache_alias */
export function kmem_cache_alias(setup: SlabSetup, cache: Cache, size: number): Cache {
  const object_size = Math.max(cache.object_size, size)
  const { geometry } = cache
  const joined = { ...geometry, object_size }
  const grown =
    'inuse' in geometry ? { ...joined, inuse: Math.max(geometry.inuse, ALIGN(size, word_size(setup.kernel))) } : joined
  return { ...cache, object_size, refcount: cache.refcount + 1, geometry: grown }
}

/** The list with one user of the cache at `at` less; a cache without users goes.
 * @kernel mm/slab_common.c:kmem_cache_destroy */
export function release_cache(caches: readonly Cache[], at: number): readonly Cache[] {
  const cache = caches[at]!
  return cache.refcount > 1 ? caches.with(at, { ...cache, refcount: cache.refcount - 1 }) : caches.toSpliced(at, 1)
}
