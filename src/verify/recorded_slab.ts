// The kernel and the caches that a recording of caches shows (custom, format E): the allocator by the columns that its
// lines have, and each line as the request that made the cache.
import { with_config } from '../kernels/index.ts'
import type { Kernel, SlabAllocator } from '../mm/kernel.ts'
import type { Cache } from '../mm/slab_caches.ts'
import { type CacheRequest, type SlabSetup, slab_setup } from '../mm/slab_common.ts'
import { SLAB_DEBUG_FLAGS, SLAB_KASAN, SLAB_KMALLOC } from '../mm/slab_flags.ts'
import type { SlubGeometry } from '../mm/slub_geometry.ts'
import { kernelOfMeta, type Meta } from './recorded_kernel.ts'

export type CacheRow = Readonly<Record<string, unknown>>

/** Caches of 6.1 and 6.12 with a part that user space may see, besides those of kmalloc.
 * @kernel mm/slab_common.c:kmem_cache_create_usercopy */
const USERCOPY_CACHES: ReadonlySet<unknown> = new Set([
  'RAW',
  'RAWv6',
  'dentry',
  'fsverity_info',
  'io_kiocb',
  'mm_struct',
  'names_cache',
  'proc_dir_entry',
  'skbuff_head_cache',
  'skbuff_small_head',
  'task_struct',
  'uts_namespace',
])
/** The two highest flags are each allocator's own. */
const INTERNAL_FLAGS = 0xc0000000 | SLAB_KASAN

/** The allocator of a kernel whose caches have these columns, and its switches. */
export function slabKernelOf(meta: Meta, rows: readonly CacheRow[]): Kernel {
  const has = (column: string): boolean => rows.some(row => row[column] !== undefined)
  const slab: SlabAllocator = has('inuse') ? 'SLUB' : has('gfporder') ? 'SLAB' : 'SLOB'
  const cpuPartial = has('cpu_partial')
  return with_config(
    kernelOfMeta(meta, { smp: meta.cpus > 1 || cpuPartial, numa: false }),
    {
      SLUB_DEBUG: slab === 'SLUB',
      SLUB_CPU_PARTIAL: cpuPartial,
      DEBUG_SLAB: has('obj_offset'),
      KASAN: rows.some(({ flags }) => (Number(flags) & SLAB_KASAN) !== 0),
      MEMCG_KMEM: rows.some(({ name }) => String(name).startsWith('kmalloc-cg-')),
    },
    { slab },
  )
}

/** The setup of the machine that made a recording. */
export function slabSetupOf(meta: Meta, rows: readonly CacheRow[]): SlabSetup {
  return slab_setup(slabKernelOf(meta, rows), { nr_cpus: meta.cpus, cmdline: meta.cmdline })
}

/** The request that a line of a running system's caches came from. */
export function requestOfRow({ kernel }: SlabSetup, row: CacheRow): CacheRequest {
  const flags = Number(row.flags)
  const forced = kernel.config.DEBUG_SLAB ? SLAB_DEBUG_FLAGS : 0
  const size = Number(row.object_size)
  const usercopy = (flags & SLAB_KMALLOC) !== 0 || USERCOPY_CACHES.has(row.name)
  return {
    name: String(row.name),
    size,
    align: Number(row.align),
    flags: (flags & ~(INTERNAL_FLAGS | forced)) >>> 0,
    ctor: row.has_ctor === 1,
    usersize: usercopy ? size : 0,
  }
}

/** A cache that a line shows, as it is. */
export function cacheOfRow(setup: SlabSetup, row: CacheRow): Cache {
  const { name, ctor, usersize } = requestOfRow(setup, row)
  const numbers = Object.entries(row).map(([key, value]) => [key, typeof value === 'string' ? Number(value) : value])
  const geometry = { ...Object.fromEntries(numbers), freelist: row.freelist } as unknown as SlubGeometry
  const { object_size, size, align, flags } = geometry
  return { name, object_size, size, align, flags, refcount: Number(row.refcount), ctor, usersize, geometry }
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`

/** A cache as a line: the columns of `like`, in their order. */
export function rowOfCache(cache: Cache, like: CacheRow): CacheRow {
  const { name, refcount, ctor, geometry } = cache
  const fields: CacheRow = { ...geometry, name, refcount, has_ctor: Number(ctor) }
  const shown = (key: string): unknown =>
    key === 'flags' || key === 'allocflags' ? hex(Number(fields[key])) : fields[key]
  return Object.fromEntries(Object.keys(like).map(key => [key, shown(key)]))
}
