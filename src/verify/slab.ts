// Scripts of allocations and frees under SLAB (custom, part F, slab/ and slabcpu/): every object, the node's free and
// total slabs after every step, and the complete state at every dump. A check is a line.
// Taken as given: the kernel (first line; debugging by the columns of the cache), the first dump, and which frame a new
// slab gets, since that is the page allocator's.
import { GFP_KERNEL } from '../mm/gfp.ts'
import { constructor_text } from '../mm/kernel_text.ts'
import { kmalloc_cache_request, kmalloc_indexes, kmalloc_size } from '../mm/kmalloc_caches.ts'
import { PG } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { slab_allocator } from '../mm/slab.ts'
import { NUMA_NO_NODE } from '../mm/slab_allocator.ts'
import { cache_geometry } from '../mm/slab_caches.ts'
import type { CacheRequest, SlabSetup } from '../mm/slab_common.ts'
import type { SlabGeometry } from '../mm/slab_geometry.ts'
import { get_node } from '../mm/slab_node.ts'
import { RecordedFrames } from './recorded_frames.ts'
import { metaOf } from './recorded_kernel.ts'
import { requestOfRow, rowOfCache, slabSetupOf } from './recorded_slab.ts'
import { largestFrame, type Row, rowsOf, type ScriptOf, scriptKind } from './slab_script.ts'
import { objectNumbers, readSlabState, slabStateRow } from './slab_state.ts'
import type { JsonLine, VerifyKind } from './types.ts'

const SLAB_FILE = /(^|\/)slab(cpu)?\/[^/]*\.jsonl(\.gz)?$/
/** What only SLAB's recordings have: SLUB's lie in folders of the same names. */
const SLAB_ALONE = '"allocator":"slab"'

/** Kind `slab` of `mmtwin verify`. */
export const slabKind: VerifyKind = scriptKind({
  kind: 'slab',
  files: SLAB_FILE,
  alone: SLAB_ALONE,
  needs: 'a kernel that is modelled, a cache, and a first dump',
  open: lines => SlabPlayer.of(lines),
  laws: sys => slab_allocator.check(sys),
})

/** A machine with the recorded cache and those of kmalloc. */
class SlabPlayer implements ScriptOf {
  readonly sys: Sys
  private readonly frames: RecordedFrames
  private readonly setup: SlabSetup
  private readonly cache: number
  readonly dumped: readonly unknown[] = ['ac', 'node']
  private readonly slots = new Map<unknown, number>()

  static of(lines: readonly JsonLine[]): SlabPlayer | null {
    const meta = metaOf(lines[0])
    const rows = rowsOf(lines)
    const cacheRow = rows.find(({ t }) => t === 'cache')
    const [begin, end] = ['state', 'endstate'].map(t => rows.findIndex(row => row.t === t)) as [number, number]
    if (meta === null || cacheRow === undefined || begin < 0 || end < begin) return null
    const setup = slabSetupOf(meta, [cacheRow])
    const player = new SlabPlayer(setup, cacheRow, largestFrame(lines) + 1)
    readSlabState(player.sys, player.cache, rows.slice(begin, end))
    return player
  }

  private constructor(setup: SlabSetup, cacheRow: Row, frames: number) {
    const request = requestOfRow(setup, cacheRow)
    const geometry = geometryOf(setup, request)
    this.setup = setup
    this.frames = new RecordedFrames(
      setup.kernel,
      setup.nr_cpus,
      frames,
      GFP_KERNEL | geometry.allocflags,
      geometry.gfporder,
    )
    this.sys = this.frames.sys
    const { kernel } = setup
    slab_allocator.init(this.sys)
    for (const index of kmalloc_indexes(kernel))
      this.sys.kmalloc_cache.cache[index] = 1 + this.enter(kmalloc_cache_request(kernel, kmalloc_size(index), 0))
    this.cache = this.enter(request)
  }

  /** Makes a cache without merging it. */
  private enter(request: CacheRequest): number {
    const { kmem_cache } = this.sys
    const cache = kmem_cache.used.indexOf(0)
    const geometry = geometryOf(this.setup, request)
    for (const name of ['object_size', 'size', 'align', 'flags'] as const) kmem_cache[name][cache] = geometry[name]
    kmem_cache.used[cache] = 1
    kmem_cache.refcount[cache] = 1
    kmem_cache.ctor[cache] = request.ctor ? constructor_text({ name: 'recorded', construct: () => {} }) : 0
    slab_allocator.create(this.sys, cache, geometry)
    return cache
  }

  get live(): number {
    return this.slots.size
  }

  dump(row: Row): Row {
    return slabStateRow(this.sys, this.cache, row)
  }

  cacheRow(row: Row): Row {
    const request = requestOfRow(this.setup, row)
    const geometry = geometryOf(this.setup, request)
    const made = rowOfCache({ ...geometry, ...request, refcount: 1, geometry }, row)
    return { ...row, ...made, t: 'cache' }
  }

  step(row: readonly unknown[]): unknown {
    const [op, slot, cpu] = row
    if (op === 'shrink') {
      slab_allocator.shrink(this.sys, this.cache)
      this.frames.collect()
      return row
    }
    if (!(Number.isInteger(cpu) && (cpu as number) >= 0 && (cpu as number) < this.sys.nr_cpus)) return null
    this.sys.machine.this_cpu[0] = cpu as number
    if (op === 'a') return [...row.slice(0, 4), ...this.alloc(slot, Number(row[4])), ...this.counts()]
    return op === 'f' && this.free(slot) ? ['f', slot, cpu, ...this.counts()] : null
  }

  /** Frame and number of the object that the model gives; a frame that is no slab yet is the next new one. */
  private alloc(slot: unknown, pfn: number): [number, number] {
    if ((this.sys.page.flags[pfn]! & PG.slab) === 0) this.frames.offer(pfn)
    const object = slab_allocator.alloc(this.sys, this.cache, GFP_KERNEL, NUMA_NO_NODE)
    this.frames.collect()
    this.slots.set(slot, object)
    return object === 0 ? [-1, -1] : objectNumbers(this.sys, object - this.sys.slab_cache.obj_offset[this.cache]!)
  }

  private free(slot: unknown): boolean {
    const object = this.slots.get(slot)
    if (object === undefined) return false
    slab_allocator.free(this.sys, this.cache, object)
    this.frames.collect()
    return this.slots.delete(slot)
  }

  private counts(): [number, number] {
    const node = get_node(this.sys, this.cache, 0)
    return [this.sys.slab_node.free_slabs[node]!, this.sys.slab_node.total_slabs[node]!]
  }
}

function geometryOf(setup: SlabSetup, request: CacheRequest): SlabGeometry {
  const geometry = cache_geometry(setup, request)
  if (geometry === null || !('gfporder' in geometry)) throw new RangeError(`no cache of SLAB: ${request.name}`)
  return geometry
}
