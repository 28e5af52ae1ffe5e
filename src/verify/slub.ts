// Scripts of allocations and frees under SLUB (custom, part F, slab/ and slabcpu/): every object, the node's partial and
// all slabs after every step, and the complete state at every dump. A check is a line.
// Taken as given: the kernel (first line), the first dump, and which frame a new slab gets, since that is the page
// allocator's.
import { check } from '../mm/check.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { kmem_cache_create_usercopy, kmem_cache_shrink, slab_check } from '../mm/kmem_cache.ts'
import { note_slab_setup } from '../mm/kmem_cache_rows.ts'
import { PG } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { NO_CACHE, NUMA_NO_NODE } from '../mm/slab_allocator.ts'
import { cache_geometry } from '../mm/slab_caches.ts'
import type { SlabSetup } from '../mm/slab_common.ts'
import { slab_alloc_node, slab_free } from '../mm/slub.ts'
import type { SlubGeometry } from '../mm/slub_geometry.ts'
import { slab_address } from '../mm/slub_slab.ts'
import { RecordedFrames } from './recorded_frames.ts'
import { metaOf } from './recorded_kernel.ts'
import { requestOfRow, rowOfCache, slabSetupOf } from './recorded_slab.ts'
import { largestFrame, type Row, rowsOf, type ScriptOf, scriptKind } from './slab_script.ts'
import { readSlubState, slubStateRow, unlistedSlabs } from './slub_state.ts'
import type { JsonLine, VerifyKind } from './types.ts'

const SLUB_FILE = /(^|\/)slab(cpu)?\/[^/]*\.jsonl(\.gz)?$/
/** What only SLUB's recordings have: SLAB's lie in folders of the same names. */
const SLUB_ALONE = '"allocator":"slub"'

/** Kind `slub` of `mmtwin verify`. */
export const slubKind: VerifyKind = scriptKind({
  kind: 'slub',
  files: SLUB_FILE,
  alone: SLUB_ALONE,
  needs: 'a kernel that is modelled, a cache, and a first dump',
  open: lines => SlubPlayer.of(lines),
  laws: sys => [...slab_check(sys), ...check(sys)],
})

/** A machine with the recorded cache alone. */
class SlubPlayer implements ScriptOf {
  readonly sys: Sys
  private readonly frames: RecordedFrames
  private readonly setup: SlabSetup
  private readonly cache: number
  readonly dumped: readonly unknown[] = ['cpu', 'node']
  private readonly slots = new Map<unknown, number>()

  static of(lines: readonly JsonLine[]): SlubPlayer | null {
    const meta = metaOf(lines[0])
    const rows = rowsOf(lines)
    const cacheRow = rows.find(({ t }) => t === 'cache')
    const [begin, end] = ['state', 'endstate'].map(t => rows.findIndex(row => row.t === t)) as [number, number]
    if (meta === null || cacheRow === undefined || begin < 0 || end < begin) return null
    const dump = rows.slice(begin, end)
    const slab_pages = 2 ** Number(cacheRow.order)
    const spare = Math.ceil((largestFrame(lines) + 1) / slab_pages) * slab_pages + slab_pages
    const frames = spare + Math.max(unlistedSlabs(dump), 0) * slab_pages
    const player = new SlubPlayer(slabSetupOf(meta, [cacheRow]), meta.cmdline, cacheRow, frames)
    return readSlubState(player.sys, player.cache, dump, spare) ? player : null
  }

  private constructor(setup: SlabSetup, cmdline: string, cacheRow: Row, frames: number) {
    const request = requestOfRow(setup, cacheRow)
    const geometry = cache_geometry(setup, request) as SlubGeometry | null
    if (geometry === null) throw new RangeError(`no slab holds an object of ${request.size} bytes`)
    const gfp = GFP_KERNEL | geometry.allocflags
    this.setup = setup
    this.frames = new RecordedFrames(setup.kernel, setup.nr_cpus, frames, gfp, geometry.order)
    this.sys = this.frames.sys
    note_slab_setup(this.sys, { ...setup, cmdline, totalram_pages: 0 })
    const ctor = request.ctor ? { name: 'recorded', construct: () => {} } : null
    this.cache = kmem_cache_create_usercopy(this.sys, request, ctor)
    if (this.cache === NO_CACHE) throw new RangeError(`the cache ${request.name} cannot be made`)
  }

  get live(): number {
    return this.slots.size
  }

  dump(row: Row): Row {
    return slubStateRow(this.sys, this.cache, row)
  }

  cacheRow(row: Row): Row {
    const request = requestOfRow(this.setup, row)
    const geometry = cache_geometry(this.setup, request)!
    return { ...row, ...rowOfCache({ ...geometry, ...request, refcount: 1, geometry }, row), t: 'cache' }
  }

  step(row: readonly unknown[]): unknown {
    const [op, slot, cpu] = row as [unknown, unknown, number]
    if (op === 'shrink') {
      kmem_cache_shrink(this.sys, this.cache)
      this.frames.collect()
      return row.length > 1 ? ['shrink', ...this.counts()] : ['shrink']
    }
    if (!(Number.isInteger(cpu) && cpu >= 0 && cpu < this.sys.nr_cpus)) return null
    this.sys.machine.this_cpu[0] = cpu
    if (op === 'a') return this.alloc(row)
    const object = this.slots.get(slot)
    if (op !== 'f' || object === undefined) return null
    this.slots.delete(slot)
    slab_free(this.sys, this.cache, object)
    this.frames.collect()
    return [op, slot, cpu, ...this.counts()]
  }

  private alloc([op, slot, cpu, size, pfn]: readonly unknown[]): unknown {
    const { sys, cache } = this
    const slab = Number(pfn)
    if (this.slots.has(slot)) return null
    if ((sys.page.flags[slab]! & PG.slab) === 0) this.frames.offer(slab)
    const object = slab_alloc_node(sys, cache, GFP_KERNEL, NUMA_NO_NODE, Number(size))
    this.frames.collect()
    if (object === 0) return [op, slot, cpu, size, -1, -1, ...this.counts()]
    this.slots.set(slot, object)
    return [op, slot, cpu, size, ...this.placeOf(object), ...this.counts()]
  }

  /** Frame of an object's slab, and its number there. */
  private placeOf(object: number): [number, number] {
    const { sys, cache } = this
    const pfn = Math.floor(object * sys.frames_per_byte)
    const slab = (sys.page.flags[pfn]! & PG.tail) !== 0 ? sys.page.index[pfn]! : pfn
    const offset = object - slab_address(sys, slab) - sys.slub_cache.red_left_pad[cache]!
    return [slab, offset / sys.kmem_cache.size[cache]!]
  }

  private counts(): [number, number] {
    const { nr_partial, nr_slabs } = this.sys.slub_node
    const node = this.cache * this.sys.nr_nodes
    return [nr_partial[node]!, nr_slabs[node]!]
  }
}
