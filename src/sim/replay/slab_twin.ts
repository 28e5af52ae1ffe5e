// The twin of a machine's caches: a machine of its own with the recorded caches, whose allocator serves the recorded calls.
// It begins with as many slabs as /proc/slabinfo shows. Which objects are free then follows from the trace where pointers are
// addresses, else only how many are. Law: an object of the trace that is in use is an object of the twin that is in use.

import { GFP_KERNEL } from '../../mm/gfp.ts'
import type { Kernel } from '../../mm/kernel.ts'
import { note_slab_setup, set_kmem_cache_name, slab_setup_of } from '../../mm/kmem_cache_rows.ts'
import type { Sys } from '../../mm/mmzone.ts'
import type { SlabInfo } from '../../mm/slab_allocator.ts'
import { ALL_BYTES, is_live, slab_alloc_node, slab_free } from '../../mm/slub.ts'
import { slub } from '../../mm/slub_allocator.ts'
import { unfreeze_partials } from '../../mm/slub_cpu.ts'
import { slub_geometry } from '../../mm/slub_geometry.ts'
import type { SlabinfoCache } from '../../report/proc/slabinfo.ts'
import { plainMachine } from '../plain_machine.ts'
import type { SlabScan } from './slab_scan.ts'

/** Pages beyond those of the start that slabs may take. */
const SPARE_PAGES = 1 << 14

export class SlabTwin {
  readonly sys: Sys
  readonly #caches: readonly SlabinfoCache[]
  readonly #scan: SlabScan
  readonly pageSize: number
  /** Pages that slabs were given since the start. */
  taken = 0
  /** By cache: objects in use. */
  readonly #used: Float64Array
  /** Recorded slabs by their first address, and the twin's slab that stands for each. */
  readonly #slabs: Map<number, number> = new Map()
  /** By cache: objects in use at the start that stand for nobody yet. */
  readonly #anybody: number[][]

  constructor(kernel: Kernel, caches: readonly SlabinfoCache[], scan: SlabScan, cpus: number, cmdline: string) {
    this.#caches = caches
    this.#scan = scan
    this.pageSize = 2 ** kernel.PAGE_SHIFT
    const pages = caches.reduce((sum, { slabs, pagesPerSlab }) => sum + slabs * pagesPerSlab, 0)
    this.sys = plainMachine(kernel, 2 * pages + SPARE_PAGES, cpus, caches.length)
    note_slab_setup(this.sys, { cmdline, nr_cpus: cpus, cache_line_size: 0, totalram_pages: 0 })
    for (const [row, cache] of caches.entries()) this.#create(cache, row)
    this.#used = new Float64Array(caches.length)
    this.#anybody = caches.map((_, row) => this.#populate(row))
  }

  #create({ name, objectSize, objectsPerSlab, pagesPerSlab }: SlabinfoCache, row: number): void {
    const { kmem_cache } = this.sys
    const request = { name, size: objectSize, align: 0, flags: 0, ctor: false, usersize: 0 }
    const geometry = slub_geometry(slab_setup_of(this.sys), request)
    if (geometry === null) throw new RangeError(`slabinfo: no slab holds an object of ${objectSize} bytes (${name})`)
    kmem_cache.used[row] = 1
    kmem_cache.seq[row] = row + 1
    kmem_cache.size[row] = kmem_cache.object_size[row] = objectSize
    kmem_cache.align[row] = geometry.align
    kmem_cache.refcount[row] = 1
    set_kmem_cache_name(this.sys, row, name)
    slub.create(this.sys, row, { ...geometry, order: Math.log2(pagesPerSlab), objects: objectsPerSlab })
  }

  /** Gives a cache the slabs of the start; what is in use and stands for nobody. */
  #populate(row: number): number[] {
    const cache = this.#caches[row]!
    const groups = this.#freeGroups(row).slice(0, cache.slabs)
    const onNode = cache.objects - cache.activeObjects
    const own = this.#slabsFor(row, groups)
    groups.forEach(({ address }, at) => {
      if (address !== null) this.#slabs.set(address, own[at]![0]!)
    })
    const node = nodeGroups(groups, onNode)
    const spare = this.#surplus(own.slice(groups.length), onNode - node.free)
    const free = (at: number, cpu: number): void => {
      this.sys.machine.this_cpu[0] = cpu
      for (const index of groups[at]!.indexes.toReversed()) slab_free(this.sys, row, own[at]![index]!)
    }
    for (let at = 0; at < groups.length; at++) if (node.at.has(at)) free(at, 0)
    this.sys.machine.this_cpu[0] = 0
    for (const object of spare) slab_free(this.sys, row, object)
    unfreeze_partials(this.sys, row)
    for (let at = groups.length - 1; at >= 0; at--) if (!node.at.has(at)) free(at, groups[at]!.cpu)
    this.#used[row] =
      own.length * cache.objectsPerSlab - spare.length - groups.reduce((sum, each) => sum + each.indexes.length, 0)
    const gone = new Set([...spare, ...groups.flatMap(({ indexes }, at) => indexes.map(index => own[at]![index]!))])
    // Stand-ins are taken from the end: those of slabs that are full come first, as in a machine most objects lie in such.
    const rest = own.map((slab, at) => (groups[at]?.address == null ? slab.filter(object => !gone.has(object)) : []))
    return rest.toReversed().flat()
  }

  /** The slabs of the start, all objects handed out: first one for each group. A CPU's first group lies in the slab that
   * the CPU works on, which is the one that was made last there. */
  #slabsFor(row: number, groups: readonly FreeGroup[]): number[][] {
    const count = this.#caches[row]!.slabs
    const make = (cpu: number): number[] => {
      this.sys.machine.this_cpu[0] = cpu
      return this.#newSlab(row)
    }
    const first = groups.map(isFirst)
    const others = Array.from({ length: count - first.filter(Boolean).length }, () => make(0))
    const own = groups.map(({ cpu }, at) => (first[at] ? make(cpu) : others.pop()!))
    return [...own, ...others.toReversed()]
  }

  /** Objects of a new slab, all handed out, by address. */
  #newSlab(row: number): number[] {
    const { objectsPerSlab } = this.#caches[row]!
    const objects = Array.from({ length: objectsPerSlab }, () => this.#take(row))
    return objects.sort((x, y) => x - y)
  }

  #take(row: number): number {
    return slab_alloc_node(this.sys, row, GFP_KERNEL, -1, ALL_BYTES)
  }

  /** Free objects on the node that the trace never took: of slabs that it never touched. */
  #surplus(slabs: readonly number[][], count: number): number[] {
    const spare: number[] = []
    for (const slab of slabs.toReversed()) {
      if (spare.length >= count) break
      spare.push(...slab.slice(0, Math.min(slab.length - 1, count - spare.length)))
    }
    return spare
  }

  /** Slabs with free objects at the start, in the order in which the trace took from them. */
  #freeGroups(row: number): FreeGroup[] {
    const { objectSize, objectsPerSlab } = this.#caches[row]!
    const known = !Number.isNaN(this.#scan.base)
    const groups = new Map<string, FreeGroup>()
    const counts = new Int32Array(this.sys.nr_cpus)
    for (const { pointer, cache, cpu: taker } of this.#scan.freeAtStart) {
      if (cache !== row) continue
      const cpu = taker < this.sys.nr_cpus ? taker : 0
      const key = known ? this.slabAddress(pointer, row) : Math.floor(counts[cpu]! / objectsPerSlab)
      const name = known ? `${key}` : `${cpu} ${key}`
      const group = groups.get(name) ?? { cpu, address: known ? key : null, indexes: [] }
      const index = known ? Math.floor((pointer - key) / objectSize) : counts[cpu]! % objectsPerSlab
      if (index < objectsPerSlab) group.indexes.push(index)
      groups.set(name, group)
      counts[cpu]! += 1
    }
    return [...groups.values()]
  }

  /** Address of the slab that a pointer lies in: slabs lie at multiples of their size. */
  slabAddress(pointer: number, row: number): number {
    const bytes = this.#caches[row]!.pagesPerSlab * this.pageSize
    const from = pointer - this.#scan.base
    return this.#scan.base + Math.floor(from / bytes) * bytes
  }

  /** An object of the twin; 0 = its memory is full. */
  alloc(row: number, cpu: number): number {
    this.sys.machine.this_cpu[0] = cpu < this.sys.nr_cpus ? cpu : 0
    const before = this.slabs(row)
    const object = this.#take(row)
    this.taken += (this.slabs(row) - before) * this.#caches[row]!.pagesPerSlab
    if (object !== 0) this.#used[row]! += 1
    return object
  }

  free(row: number, object: number, cpu: number): void {
    this.sys.machine.this_cpu[0] = cpu < this.sys.nr_cpus ? cpu : 0
    this.#used[row]! -= 1
    slab_free(this.sys, row, object)
  }

  /** Slabs of a cache. */
  slabs(row: number): number {
    return this.sys.slub_node.nr_slabs[row * this.sys.nr_nodes]!
  }

  /** Objects of a cache that somebody has. */
  used(row: number): number {
    return this.#used[row]!
  }

  inUse(object: number): boolean {
    return is_live(this.sys, object)
  }

  /** The object that stands for one that is in use since the start; 0 = there is none. It may
   * have been given back already. */
  standIn(pointer: number, row: number): number {
    const { objectSize } = this.#caches[row]!
    if (!Number.isNaN(this.#scan.base)) {
      const address = this.slabAddress(pointer, row)
      const slab = this.#slabs.get(address)
      if (slab !== undefined) return slab + Math.floor((pointer - address) / objectSize) * objectSize
      return this.#adopt(address, pointer, row)
    }
    return this.#anybody[row]!.pop() ?? 0
  }

  /** A recorded slab that was full until now gets one of the twin's full ones. */
  #adopt(address: number, pointer: number, row: number): number {
    const { objectSize, objectsPerSlab } = this.#caches[row]!
    const rest = this.#anybody[row]!
    if (rest.length === 0) return 0
    const own = rest.at(-1)!
    const bytes = this.#caches[row]!.pagesPerSlab * this.pageSize
    const slab = Math.floor(own / bytes) * bytes
    this.#anybody[row] = rest.filter(object => object < slab || object >= slab + objectsPerSlab * objectSize)
    this.#slabs.set(address, slab)
    return slab + Math.floor((pointer - address) / objectSize) * objectSize
  }

  info(row: number): SlabInfo {
    return slub.slabinfo(this.sys, row)
  }
}

/** Free objects of one slab. */
interface FreeGroup {
  /** The CPU that took the first of them. */
  readonly cpu: number
  /** Of the slab; null where pointers are hashed. */
  readonly address: number | null
  readonly indexes: number[]
}

/** Whether no other group of its CPU comes before. */
const isFirst = ({ cpu }: FreeGroup, at: number, groups: readonly FreeGroup[]): boolean =>
  groups.findIndex(other => other.cpu === cpu) === at

/** The groups that are on the node: as many of the last ones as the file counts free objects there, but none that a CPU
 * took from first. */
function nodeGroups(groups: readonly FreeGroup[], onNode: number): { at: Set<number>; free: number } {
  const at = new Set<number>()
  let free = 0
  for (let i = groups.length - 1; i >= 0; i--) {
    if (isFirst(groups[i]!, i, groups)) continue
    if (free + groups[i]!.indexes.length > onNode) break
    free += groups[i]!.indexes.length
    at.add(i)
  }
  return { at, free }
}
