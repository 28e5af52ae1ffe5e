// What a capture of /sys/kernel/slab gives to the model: a cache's flags, and where its slabs are.
import {
  SLAB_ACCOUNT,
  SLAB_CACHE_DMA,
  SLAB_CACHE_DMA32,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_HWCACHE_ALIGN,
  SLAB_KMALLOC,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TRACE,
  SLAB_TYPESAFE_BY_RCU,
} from '../mm/slab_flags.ts'
import { readCounter, type SlabSysfsCache } from '../report/proc/slab_sysfs.ts'

const FLAGS: Readonly<Record<string, number>> = {
  cache_dma: SLAB_CACHE_DMA,
  destroy_by_rcu: SLAB_TYPESAFE_BY_RCU,
  hwcache_align: SLAB_HWCACHE_ALIGN,
  poison: SLAB_POISON,
  reclaim_account: SLAB_RECLAIM_ACCOUNT,
  red_zone: SLAB_RED_ZONE,
  sanity_checks: SLAB_CONSISTENCY_CHECKS,
  store_user: SLAB_STORE_USER,
  trace: SLAB_TRACE,
}

/** Flags that attributes show; two have none and are letters of the folder's name, and kmalloc's caches are so by name. */
export function flagsOf({ name, attributes }: SlabSysfsCache): number {
  const letters = /^:([a-zA-Z]+)-/.exec(name)?.[1] ?? ''
  let flags = 0
  for (const [attribute, bit] of Object.entries(FLAGS)) if (attributes.get(attribute) === '1') flags |= bit
  if (letters.includes('A')) flags |= SLAB_ACCOUNT
  if (letters.includes('D')) flags |= SLAB_CACHE_DMA32
  if (/^(dma-)?kmalloc-/.test(name)) flags |= SLAB_KMALLOC
  return flags >>> 0
}

/** Where the slabs of a cache are. */
export interface SlabCounters {
  /** By node. */
  readonly nodes: readonly {
    readonly slabs: number
    readonly partial: number
    readonly objectsPartial: number
    readonly cpuSlabs: number
  }[]
  /** By CPU: slabs of its partial list. */
  readonly cpuPartial: readonly number[]
}

/** The counters that a capture shows; null where one of them cannot be read. */
export function givenCounters({ attributes }: SlabSysfsCache, nr_nodes: number, nr_cpus: number): SlabCounters | null {
  const read = (name: string): number[] | null => {
    const counter = readCounter(attributes.get(name) ?? '')
    if (counter === null) return null
    if (counter.parts.size === 0) return Array.from({ length: nr_nodes }, (_, nid) => (nid === 0 ? counter.sum : 0))
    return Array.from({ length: nr_nodes }, (_, nid) => counter.parts.get(nid)?.value ?? 0)
  }
  const columns = ['slabs', 'partial', 'objects_partial', 'cpu_slabs'].map(read)
  // Kernels for one processor, and those without the lists, show no parts.
  const cpus = attributes.has('slabs_cpu_partial') ? readCounter(attributes.get('slabs_cpu_partial')!) : EMPTY
  if (cpus === null || columns.includes(null)) return null
  const [slabs, partial, objectsPartial, cpuSlabs] = columns as number[][]
  return {
    nodes: slabs!.map((count, nid) => ({
      slabs: count,
      partial: partial![nid]!,
      objectsPartial: objectsPartial![nid]!,
      cpuSlabs: cpuSlabs![nid]!,
    })),
    cpuPartial: Array.from({ length: nr_cpus }, (_, cpu) =>
      cpus.parts.size === 0 && cpu === 0 ? cpus.count : (cpus.parts.get(cpu)?.count ?? 0),
    ),
  }
}

const EMPTY = { sum: 0, count: 0, parts: new Map<number, { value: number; count: number }>() }
