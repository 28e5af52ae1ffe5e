// Scripts of kmalloc and of caches under SLOB (custom, part F, slob/): every address, and the three lists at every dump.
// A check is a line. Taken as given: the kernel, the first dump, and which frame a new page is, since that is the page
// allocator's. Objects of others in the pages of the first dump are known by their place alone.
import { list_add_tail, list_entries } from '../image/list.ts'
import { with_slab } from '../kernels/index.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { PAGE_USED } from '../mm/mm_types.ts'
import type { Sys } from '../mm/mmzone.ts'
import { frame_bytes_for_write } from '../mm/physmem.ts'
import { NUMA_NO_NODE } from '../mm/slab_allocator.ts'
import { cache_geometry } from '../mm/slab_caches.ts'
import { type SlabSetup, slab_setup } from '../mm/slab_common.ts'
import { slob_allocator } from '../mm/slob.ts'
import { SLOB_UNIT } from '../mm/slob_geometry.ts'
import { free_blocks, init_slob_page, is_slob_page, page_units, set_free_blocks } from '../mm/slob_page.ts'
import { RecordedFrames } from './recorded_frames.ts'
import { kernelOfMeta, metaOf } from './recorded_kernel.ts'
import { requestOfRow, rowOfCache } from './recorded_slab.ts'
import { largestFrame, type Row, rowsOf, type ScriptOf, scriptKind } from './slab_script.ts'
import type { JsonLine, VerifyKind } from './types.ts'

const SLOB_FILE = /(^|\/)slob\/[^/]*\.jsonl(\.gz)?$/
const LISTS: readonly unknown[] = ['small', 'medium', 'large']

/** Kind `slob` of `mmtwin verify`. */
export const slobKind: VerifyKind = scriptKind({
  kind: 'slob',
  files: SLOB_FILE,
  needs: 'a kernel that is modelled, and a first dump',
  open: lines => SlobPlayer.of(lines),
  laws: sys => slob_allocator.check(sys),
})

interface SlobPage {
  readonly pfn: number
  readonly units: number
  readonly free: readonly [number, number][]
}

class SlobPlayer implements ScriptOf {
  readonly sys: Sys
  private readonly frames: RecordedFrames
  private readonly setup: SlabSetup
  /** Row of the script's cache; -1 where it uses kmalloc. */
  private readonly cache: number
  readonly dumped: readonly unknown[] = ['list']
  private readonly slots = new Map<unknown, number>()

  static of(lines: readonly JsonLine[]): SlobPlayer | null {
    const meta = metaOf(lines[0])
    const rows = rowsOf(lines)
    const [begin, end] = ['state', 'endstate'].map(t => rows.findIndex(row => row.t === t)) as [number, number]
    if (meta === null || begin < 0 || end < begin) return null
    const recorded = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
    const kernel = with_slab(recorded, 'SLOB')
    const setup = slab_setup(kernel, { nr_cpus: meta.cpus, cmdline: meta.cmdline })
    const frames = new RecordedFrames(kernel, meta.cpus, largestFrame(lines) + 1, GFP_KERNEL, 0)
    const player = new SlobPlayer(setup, frames, rows.find(({ t }) => t === 'cache') ?? null)
    for (const row of rows.slice(begin, end)) if (row.t === 'list') player.read(row)
    return player
  }

  private constructor(setup: SlabSetup, frames: RecordedFrames, cacheRow: Row | null) {
    this.setup = setup
    this.frames = frames
    this.sys = frames.sys
    this.cache = cacheRow === null ? -1 : 0
    if (cacheRow === null) return
    const { kmem_cache } = this.sys
    const geometry = this.geometry(cacheRow)
    for (const name of ['object_size', 'size', 'align', 'flags'] as const) kmem_cache[name][0] = geometry[name]
    kmem_cache.used[0] = 1
  }

  private geometry(row: Row): NonNullable<ReturnType<typeof cache_geometry>> {
    const geometry = cache_geometry(this.setup, requestOfRow(this.setup, row))
    if (geometry === null) throw new RangeError(`no cache of SLOB: ${row.name}`)
    return geometry
  }

  private head(row: Row): number {
    const list = LISTS.indexOf(row.name)
    if (list < 0) throw new RangeError(`SLOB has no list ${row.name}`)
    return this.sys.slab_list_base + list
  }

  /** Puts the pages of a list into the machine. */
  private read(row: Row): void {
    const { page, link } = this.sys
    const head = this.head(row)
    for (const { pfn, free } of row.pages as readonly SlobPage[]) {
      if (!(Number.isInteger(pfn) && pfn >= 0 && page.state[pfn] === 0)) throw new RangeError(`page ${pfn} twice`)
      if (!areBlocks(free, page_units(this.sys)))
        throw new RangeError(`page ${pfn} with blocks ${JSON.stringify(free)}`)
      page.state[pfn] = PAGE_USED | 1
      page._refcount[pfn] = 1
      frame_bytes_for_write(this.sys, pfn)
      init_slob_page(this.sys, pfn, head)
      set_free_blocks(this.sys, pfn, free)
    }
    // Each went to the front: turn the list round.
    const order = list_entries(link.link, head).reverse()
    link.link.set([head, head], 2 * head)
    for (const pfn of order) list_add_tail(link.link, pfn, head)
  }

  get live(): number {
    return this.slots.size
  }

  dump(row: Row): Row {
    return { ...row, pages: list_entries(this.sys.link.link, this.head(row)).map(pfn => this.page(pfn)) }
  }

  cacheRow(row: Row): Row {
    const [geometry, request] = [this.geometry(row), requestOfRow(this.setup, row)]
    return { ...row, ...rowOfCache({ ...geometry, ...request, refcount: 1, geometry }, row), t: 'cache' }
  }

  private page(pfn: number): SlobPage {
    return { pfn, units: this.sys.page.private[pfn]!, free: free_blocks(this.sys, pfn) }
  }

  step(row: readonly unknown[]): unknown {
    const [op, slot, cpu] = row
    if (!(Number.isInteger(cpu) && (cpu as number) >= 0 && (cpu as number) < this.sys.nr_cpus)) return null
    this.sys.machine.this_cpu[0] = cpu as number
    if (op === 'a') return [...row.slice(0, 4), ...this.alloc(slot, Number(row[3]), Number(row[4]))]
    return op === 'f' && this.free(slot) ? row : null
  }

  private alloc(slot: unknown, size: number, pfn: number): [number, number] {
    const { sys, cache } = this
    if (!(size > 0 && size <= 2 ** sys.kernel.PAGE_SHIFT)) throw new RangeError(`an object of ${size} bytes`)
    if (!is_slob_page(sys, pfn)) this.frames.offer(pfn)
    const object =
      cache < 0
        ? slob_allocator.kmalloc!.kmalloc(sys, size, GFP_KERNEL, NUMA_NO_NODE)
        : slob_allocator.alloc(sys, cache, GFP_KERNEL, NUMA_NO_NODE)
    this.frames.collect()
    this.slots.set(slot, object)
    const page = Math.floor(object * sys.frames_per_byte)
    return [page, object - page * 2 ** sys.kernel.PAGE_SHIFT]
  }

  private free(slot: unknown): boolean {
    const object = this.slots.get(slot)
    if (object === undefined) return false
    if (this.cache < 0) slob_allocator.kmalloc!.kfree(this.sys, object)
    else slob_allocator.free(this.sys, this.cache, object)
    this.frames.collect()
    return this.slots.delete(slot)
  }
}

/** Whether pairs of offset and units can be the free blocks of a page. */
function areBlocks(blocks: readonly [number, number][], units: number): boolean {
  let at = 0
  for (const [offset, length] of blocks) {
    const unit = offset / SLOB_UNIT
    if (!(Number.isInteger(unit) && Number.isInteger(length) && unit >= at && length > 0)) return false
    at = unit + length
  }
  return at <= units && blocks.length > 0
}
