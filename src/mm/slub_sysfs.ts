// The attributes of SLUB's caches as /sys/kernel/slab shows them, one text each, and those that can be written.
// Law: reading changes nothing; a store that is refused returns the kernel's error and changes nothing.
import { list_entries } from '../image/list.ts'
import { symbol_name } from './kernel_text.ts'
import { alias_names } from './kmem_alias.ts'
import { cache_rows, kmem_cache_name, slab_setup_of } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { slab_unmergeable } from './slab_common.ts'
import {
  SLAB_ACCOUNT,
  SLAB_CACHE_DMA,
  SLAB_CACHE_DMA32,
  SLAB_CONSISTENCY_CHECKS,
  SLAB_HWCACHE_ALIGN,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TRACE,
  SLAB_TYPESAFE_BY_RCU,
} from './slab_flags.ts'
import { slub } from './slub_allocator.ts'
import { flush_all, partial_slabs } from './slub_cpu.ts'
import { node_free_objects } from './slub_info.ts'
import { partial_list } from './slub_lists.ts'
import { kmem_cache_debug, kmem_cache_has_cpu_partial, slab_inuse, slab_node } from './slub_slab.ts'
import { validate_slab_cache } from './slub_validate.ts'

const EIO = 5
const EINVAL = 22

type Show = (sys: Sys, cache: number) => string

/** A counter by node: the sum, and with NUMA the nodes that have some. @kernel mm/slub.c:show_slab_objects */
function by_node(sys: Sys, count: (node: number) => number): string {
  const nodes = Array.from({ length: sys.nr_nodes }, (_, nid) => count(nid))
  const shown = nodes.flatMap((value, nid) => (sys.kernel.config.NUMA && value !== 0 ? [` N${nid}=${value}`] : []))
  return nodes.reduce((sum, value) => sum + value, 0) + shown.join('')
}

/** A counter of a cache's rows of `sys.slub_node`. */
const nodes_of =
  (count: (sys: Sys, row: number) => number): Show =>
  (sys, cache) =>
    by_node(sys, nid => count(sys, cache * sys.nr_nodes + nid))

/** Objects in use in a node's partial slabs. @kernel mm/slub.c:count_inuse */
function count_inuse(sys: Sys, row: number): number {
  const slabs = list_entries(sys.link.link, partial_list(sys, row))
  return slabs.reduce((sum, slab) => sum + slab_inuse(sys, slab), 0)
}

/** Slabs that CPUs own, each on the node of the first of them. */
const cpu_slabs: Show = (sys, cache) => {
  const nodes = new Array<number>(sys.nr_nodes).fill(0)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const c = cache * sys.nr_cpus + cpu
    const [own, first] = [sys.slub_cpu.slab[c]! - 1, sys.slub_cpu.partial[c]! - 1]
    if (own >= 0) nodes[slab_node(sys, cache, own) - cache * sys.nr_nodes]! += 1
    if (first >= 0) nodes[slab_node(sys, cache, first) - cache * sys.nr_nodes]! += partial_slabs(sys, first)
  }
  return by_node(sys, nid => nodes[nid]!)
}

/** Partial slabs of CPUs and their objects, taken to be half full. @kernel mm/slub.c:slabs_cpu_partial_show */
const slabs_cpu_partial: Show = (sys, cache) => {
  const each = sys.slub_cache.oo[cache]! & 0xffff
  const shown = (slabs: number): string => `${Math.trunc((slabs * each) / 2)}(${slabs})`
  const slabs = Array.from({ length: sys.nr_cpus }, (_, cpu) => {
    const first = sys.slub_cpu.partial[cache * sys.nr_cpus + cpu]! - 1
    return first < 0 ? 0 : partial_slabs(sys, first)
  })
  const cpus = slabs.flatMap((count, cpu) => (count > 0 && sys.kernel.config.SMP ? [` C${cpu}=${shown(count)}`] : []))
  return shown(slabs.reduce((sum, count) => sum + count, 0)) + cpus.join('')
}

const column =
  (name: 'align' | 'object_size' | 'size' | 'usersize'): Show =>
  (sys, cache) =>
    `${sys.kmem_cache[name][cache]}`

const flag =
  (bit: number): Show =>
  (sys, cache) =>
    (sys.kmem_cache.flags[cache]! & bit) !== 0 ? '1' : '0'

/** By name, sorted. @kernel mm/slub.c:slab_attrs */
const ATTRIBUTES: Readonly<Record<string, Show>> = {
  aliases: (sys, cache) => `${Math.max(sys.kmem_cache.refcount[cache]! - 1, 0)}`,
  align: column('align'),
  cache_dma: flag(SLAB_CACHE_DMA),
  cpu_partial: (sys, cache) => `${sys.slub_cache.cpu_partial[cache]}`,
  cpu_slabs,
  ctor: (sys, cache) => {
    const ctor = sys.kmem_cache.ctor[cache]!
    return ctor === 0 ? '' : symbol_name(ctor)
  },
  destroy_by_rcu: flag(SLAB_TYPESAFE_BY_RCU),
  hwcache_align: flag(SLAB_HWCACHE_ALIGN),
  min_partial: (sys, cache) => `${sys.slub_cache.min_partial[cache]}`,
  object_size: column('object_size'),
  objects: nodes_of((sys, row) => sys.slub_node.total_objects[row]! - node_free_objects(sys, row)),
  objects_partial: nodes_of(count_inuse),
  objs_per_slab: (sys, cache) => `${sys.slub_cache.oo[cache]! & 0xffff}`,
  order: (sys, cache) => `${sys.slub_cache.oo[cache]! >>> 16}`,
  partial: nodes_of((sys, row) => sys.slub_node.nr_partial[row]!),
  poison: flag(SLAB_POISON),
  reclaim_account: flag(SLAB_RECLAIM_ACCOUNT),
  red_zone: flag(SLAB_RED_ZONE),
  remote_node_defrag_ratio: () => '100',
  sanity_checks: flag(SLAB_CONSISTENCY_CHECKS),
  shrink: () => '',
  slab_size: column('size'),
  slabs: nodes_of((sys, row) => sys.slub_node.nr_slabs[row]!),
  slabs_cpu_partial,
  store_user: flag(SLAB_STORE_USER),
  total_objects: nodes_of((sys, row) => sys.slub_node.total_objects[row]!),
  trace: flag(SLAB_TRACE),
  usersize: column('usersize'),
  validate: () => '',
}

const DEBUG_ONLY = new Set(
  'slabs total_objects objects sanity_checks trace red_zone poison store_user validate'.split(' '),
)

/** Attributes of this kernel's caches, sorted. @kernel mm/slub.c:slab_attrs */
export function slab_attributes({ kernel: { config } }: Sys): string[] {
  const missing = (name: string): boolean =>
    (name === 'remote_node_defrag_ratio' && !config.NUMA) ||
    (name === 'cache_dma' && !config.ZONE_DMA) ||
    (DEBUG_ONLY.has(name) && !config.SLUB_DEBUG)
  return Object.keys(ATTRIBUTES).filter(name => !missing(name))
}

/** The text of an attribute, without the end of its line; null where there is no such attribute.
 * @kernel mm/slub.c:slab_attr_show */
export function slab_attr_show(sys: Sys, cache: number, name: string): string | null {
  return slab_attributes(sys).includes(name) ? ATTRIBUTES[name]!(sys, cache) : null
}

const NUMBER = /^(0x[0-9a-f]+|\d+)\n?$/i

type Store = (sys: Sys, cache: number, value: number) => number

const STORES: Readonly<Record<string, Store>> = {
  min_partial: (sys, cache, value) => {
    sys.slub_cache.min_partial[cache] = Math.min(value, 0x7fffffff)
    return 0
  },
  cpu_partial: (sys, cache, value) => {
    if (value > 0 && !kmem_cache_has_cpu_partial(sys, cache)) return -EINVAL
    const kept = Math.min(value, 0x3fffffff)
    sys.slub_cache.cpu_partial[cache] = kept
    sys.slub_cache.cpu_partial_slabs[cache] = Math.ceil((2 * kept) / (sys.slub_cache.oo[cache]! & 0xffff))
    flush_all(sys, cache)
    return 0
  },
  shrink: (sys, cache, value) => {
    if (value !== 1) return -EINVAL
    slub.shrink(sys, cache)
    return 0
  },
  validate: (sys, cache, value) => {
    if (value !== 1 || !kmem_cache_debug(sys, cache)) return -EINVAL
    validate_slab_cache(sys, cache)
    return 0
  },
}

/** Writes an attribute: 0, -EINVAL for a wrong value, -EIO for one that can only be read.
 * @kernel mm/slub.c:slab_attr_store */
export function slab_attr_store(sys: Sys, cache: number, name: string, text: string): number {
  const store = Object.hasOwn(STORES, name) ? STORES[name]! : null
  if (store === null || slab_attr_show(sys, cache, name) === null) return -EIO
  const words = NUMBER.exec(text.trim())
  const value = words === null ? Number.NaN : Number(words[1])
  return value >= 0 && value <= 0xffffffff ? store(sys, cache, value) : -EINVAL
}

/** Letters of flags in the name that stands for what may be merged. */
const LETTERS: readonly (readonly [number, string])[] = [
  [SLAB_CACHE_DMA, 'd'],
  [SLAB_CACHE_DMA32, 'D'],
  [SLAB_RECLAIM_ACCOUNT, 'a'],
  [SLAB_CONSISTENCY_CHECKS, 'F'],
  [SLAB_ACCOUNT, 'A'],
]

/** Name of a cache that others may join: by what joins it, not by who made it. @kernel mm/slub.c:create_unique_id */
export function create_unique_id(flags: number, size: number): string {
  const letters = LETTERS.flatMap(([bit, letter]) => ((flags & bit) !== 0 ? [letter] : [])).join('')
  return `:${letters}${letters === '' ? '' : '-'}${String(size).padStart(7, '0')}`
}

/** Folders of /sys/kernel/slab: caches by their names there, and links to them. @kernel mm/slub.c:sysfs_slab_add */
export function slab_folders(sys: Sys): { caches: Map<string, number>; links: Map<string, string> } {
  const { object_size, size, align, flags, refcount, ctor, usersize } = sys.kmem_cache
  const setup = slab_setup_of(sys)
  const caches = new Map<string, number>()
  const links = new Map<string, string>()
  for (const row of cache_rows(sys)) {
    const alone = slab_unmergeable(setup, {
      object_size: object_size[row]!,
      size: size[row]!,
      align: align[row]!,
      flags: flags[row]!,
      refcount: refcount[row]!,
      ctor: ctor[row] !== 0,
      usersize: usersize[row]!,
    })
    const name = kmem_cache_name(sys, row)
    const folder = alone ? name : create_unique_id(flags[row]!, size[row]!)
    if (!caches.has(folder)) caches.set(folder, row)
    if (!alone) for (const alias of [name, ...alias_names(sys, row)]) links.set(alias, folder)
  }
  return { caches, links }
}
