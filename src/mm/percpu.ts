// Memory per CPU: an allocation is as many bytes for each of them, at the same place of each CPU's unit. Chunks of units lie
// at the upper end of the vmalloc area; frames come when the first bytes of a page are taken, and stay while the chunk does.
// Law: a bit for every granule says whether it is taken, another where an allocation begins and where it ends.
// @differs chunks are tried in the order of their creation, where the kernel sorts them by what is free in them; the first
// chunk, which a kernel has from boot with its static data, is one like the others.
import { __GFP_HIGHMEM, GFP_KERNEL } from './gfp.ts'
import { warn } from './kernel_taint.ts'
import { kmemleak_alloc_percpu, kmemleak_free } from './kmemleak.ts'
import { kmemleak_page_key } from './kmemleak_key.ts'
import type { Sys } from './mmzone.ts'
import { __free_page, alloc_page } from './page_alloc/alloc_pages.ts'
import { PCPU_MIN_ALLOC_SIZE, PCPU_UNIT_BYTES, PCPU_UNIT_GRANULES } from './percpu_tables.ts'
import { vmalloc_to_pfn, vmap_pages_range } from './pgtable_map.ts'
import { release_frame_bytes } from './physmem.ts'
import { __get_vm_area_node, find_vm_area, put_vm_struct, remove_vm_area } from './vm_struct.ts'
import { FREE, VM_ALLOC, VM_NO_GUARD, vmap_list } from './vmalloc_types.ts'

/** Where an allocation lies: the first CPU's bytes, a virtual page number and bytes from there. */
export interface PercpuPlace {
  readonly page: number
  readonly offset: number
}

/** Bytes that an allocation may have at most. @kernel include/linux/percpu.h:PCPU_MIN_UNIT_SIZE */
const LARGEST = 32768

const unit_pages = (sys: Sys): number => PCPU_UNIT_BYTES / sys.page_bytes

/** `size` bytes of zeros for each CPU, at multiples of `align`; null = there is no memory.
 * @kernel mm/percpu.c:pcpu_alloc */
export function __alloc_percpu(sys: Sys, size: number, align: number): PercpuPlace | null {
  const power = 2 ** Math.round(Math.log2(align)) === align
  if (!(size > 0 && size <= LARGEST && align <= sys.page_bytes && power)) {
    warn(sys, 'mm/percpu.c', `illegal size (${size}) or align (${align}) for percpu allocation`)
    return null
  }
  const granules = Math.ceil(size / PCPU_MIN_ALLOC_SIZE)
  const step = Math.max(1, align / PCPU_MIN_ALLOC_SIZE)
  const { used } = sys.percpu_chunk
  for (let chunk = 0; chunk < used.length; chunk++) {
    if (used[chunk] === 0 && !pcpu_create_chunk(sys, chunk)) break
    const at = find_granules(sys, chunk, granules, step)
    if (at >= 0) return take(sys, chunk, at, granules, size)
  }
  if (used.every(one => one === 1))
    throw new RangeError(`all ${used.length} chunks of per-CPU memory are full; raise the shape's nr_percpu_chunks`)
  sys.printk?.(`percpu: allocation failed, size=${size} align=${align} atomic=0, failed to allocate new chunk`)
  return null
}

/** The first run of free granules, -1 = there is none. Then the longest run is known, for those who come next.
 * @kernel mm/percpu.c:pcpu_find_block_fit */
function find_granules(sys: Sys, chunk: number, granules: number, step: number): number {
  const { free, hint, contig, contig_at } = sys.percpu_chunk
  const aligned = Math.ceil(contig_at[chunk]! / step) * step
  // As the kernel, which looks at the longest run only: a shorter one may be aligned by luck.
  if (free[chunk]! < granules || aligned + granules > contig_at[chunk]! + contig[chunk]!) return -1
  let longest = 0
  let longest_at = 0
  for (let at = free_from(sys, chunk, hint[chunk]!, false); at < PCPU_UNIT_GRANULES; ) {
    const end = free_from(sys, chunk, at, true)
    const first = Math.ceil(at / step) * step
    if (first + granules <= end) return first
    if (end - at > longest) {
      longest = end - at
      longest_at = at
    }
    at = free_from(sys, chunk, end, false)
  }
  contig[chunk] = longest
  contig_at[chunk] = longest_at
  return -1
}

/** The first granule from `at` on that is taken, or that is free; the end of the unit where there is none. */
function free_from(sys: Sys, chunk: number, at: number, taken: boolean): number {
  const words = sys.percpu_map.taken
  const base = chunk * PCPU_UNIT_GRANULES
  const dull = taken ? 0 : 0xffffffff
  const wanted = Number(taken)
  let here = at
  while (here < PCPU_UNIT_GRANULES) {
    const word = words[(base + here) >>> 5]!
    if (word === dull) here = (here | 31) + 1
    else if (((word >>> (here & 31)) & 1) === wanted) return here
    else here++
  }
  return PCPU_UNIT_GRANULES
}

/** Takes granules, and sees to it that there are frames behind them. */
function take(sys: Sys, chunk: number, at: number, granules: number, size: number): PercpuPlace | null {
  const { page, free, hint } = sys.percpu_chunk
  const offset = at * PCPU_MIN_ALLOC_SIZE
  if (!pcpu_populate_chunk(sys, chunk, offset, size)) return null
  mark(sys, chunk, at, granules, true)
  free[chunk]! -= granules
  if (hint[chunk] === at) hint[chunk] = at + granules
  const place = { page: page[chunk]!, offset }
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    clear(sys, per_cpu_ptr(sys, place, cpu), size)
    if (sys.debug_kmemleak) kmemleak_alloc_percpu(sys, key_of(sys, place, cpu), size)
  }
  return place
}

/** Sets or clears the bits of an allocation. */
function mark(sys: Sys, chunk: number, first: number, granules: number, on: boolean): void {
  const { taken, begins } = sys.percpu_map
  const base = chunk * PCPU_UNIT_GRANULES
  const set = (column: Uint32Array, at: number, value: boolean): void => {
    const mask = 1 << (at & 31)
    if (value) column[(base + at) >>> 5]! |= mask
    else column[(base + at) >>> 5]! &= ~mask
  }
  for (let at = first; at < first + granules; at++) set(taken, at, on)
  set(begins, first, on)
}

/** Zeros, across pages. */
function clear(sys: Sys, { page, offset }: PercpuPlace, size: number): void {
  for (let done = 0; done < size; ) {
    const at = offset + done
    const part = Math.min(size - done, sys.page_bytes - (at % sys.page_bytes))
    const pfn = vmalloc_to_pfn(sys, page + Math.floor(at / sys.page_bytes))
    const slot = sys.page.data[pfn]! - 1
    const base = slot * sys.page_bytes + (at % sys.page_bytes)
    if (slot >= 0) sys.physmem.bytes.fill(0, base, base + part)
    done += part
  }
}

/** A CPU's bytes of an allocation. @kernel include/linux/percpu-defs.h:per_cpu_ptr */
export function per_cpu_ptr(sys: Sys, { page, offset }: PercpuPlace, cpu: number): PercpuPlace {
  return { page: page + cpu * unit_pages(sys), offset }
}

const key_of = (sys: Sys, place: PercpuPlace, cpu: number): number =>
  kmemleak_page_key(sys, per_cpu_ptr(sys, place, cpu).page) + place.offset

/** Frames for the pages of a range in every unit; false = there are not enough, and what came stays for the next.
 * @kernel mm/percpu-vm.c:pcpu_populate_chunk */
function pcpu_populate_chunk(sys: Sys, chunk: number, offset: number, size: number): boolean {
  const [first, last] = [offset, offset + size - 1].map(byte => Math.floor(byte / sys.page_bytes)) as [number, number]
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    for (let at = first; at <= last; at++) {
      const page = sys.percpu_chunk.page[chunk]! + cpu * unit_pages(sys) + at
      if (vmalloc_to_pfn(sys, page) >= 0) continue
      const pfn = alloc_page(sys, GFP_KERNEL | __GFP_HIGHMEM)
      if (pfn < 0) return false
      release_frame_bytes(sys, pfn)
      if (!vmap_pages_range(sys, page, [pfn], sys.kernel.pgtable.PAGE_KERNEL)) {
        __free_page(sys, pfn)
        return false
      }
    }
  return true
}

/** A chunk of address space, as high as one fits. @kernel mm/percpu-vm.c:pcpu_create_chunk */
function pcpu_create_chunk(sys: Sys, chunk: number): boolean {
  const pages = unit_pages(sys) * sys.nr_cpus
  const page = pcpu_get_vm_area(sys, pages)
  if (page === 0) return false
  const { used, free, contig } = sys.percpu_chunk
  used[chunk] = 1
  sys.percpu_chunk.page[chunk] = page
  free[chunk] = contig[chunk] = PCPU_UNIT_GRANULES
  return true
}

/** The highest free range of so many pages; its first page, 0 = there is none. @kernel mm/vmalloc.c:pcpu_get_vm_areas
 * @differs one group of CPUs */
function pcpu_get_vm_area(sys: Sys, pages: number): number {
  const { link, va_start, va_end } = sys.vmap_area
  const { start, end } = sys.vmalloc
  const head = vmap_list(sys, FREE)
  const align = unit_pages(sys)
  for (let row = link[2 * head + 1]!; row !== head; row = link[2 * row + 1]!) {
    const page = Math.floor((Math.min(va_end[row]!, end[0]!) - pages) / align) * align
    if (page < Math.max(va_start[row]!, start[0]!)) continue
    const flags = VM_ALLOC | VM_NO_GUARD
    const [bytes, shift] = [pages * sys.page_bytes, sys.page_shift]
    const vm = __get_vm_area_node(sys, bytes, 1, shift, flags, page, page + pages, GFP_KERNEL, 'pcpu_get_vm_areas')
    return vm === 0 ? 0 : page
  }
  return 0
}

/** Gives an allocation back; what is none is reported. A second chunk that holds nothing goes.
 * @kernel mm/percpu.c:free_percpu */
export function free_percpu(sys: Sys, { page, offset }: PercpuPlace): void {
  const chunk = chunk_of(sys, page)
  const at = offset / PCPU_MIN_ALLOC_SIZE
  const granules = chunk < 0 || !Number.isInteger(at) ? 0 : length_of(sys, chunk, at)
  if (granules === 0) {
    warn(sys, 'mm/percpu.c', `free_percpu of what is no allocation: page 0x${page.toString(16)}, offset ${offset}`)
    return
  }
  if (sys.debug_kmemleak)
    for (let cpu = 0; cpu < sys.nr_cpus; cpu++) kmemleak_free(sys, key_of(sys, { page, offset }, cpu))
  mark(sys, chunk, at, granules, false)
  const { free, hint, contig, contig_at, used } = sys.percpu_chunk
  free[chunk]! += granules
  hint[chunk] = Math.min(hint[chunk]!, at)
  // Runs may have been joined: until somebody looks again, all may be one.
  contig[chunk] = PCPU_UNIT_GRANULES
  contig_at[chunk] = 0
  const empty = used.reduce((sum, one, row) => sum + Number(one === 1 && free[row] === PCPU_UNIT_GRANULES), 0)
  if (free[chunk] === PCPU_UNIT_GRANULES && empty > 1) pcpu_destroy_chunk(sys, chunk)
}

const chunk_of = (sys: Sys, page: number): number =>
  sys.percpu_chunk.page.findIndex((first, chunk) => first === page && sys.percpu_chunk.used[chunk] === 1)

/** Granules of the allocation that begins at one; 0 = none does. */
function length_of(sys: Sys, chunk: number, first: number): number {
  const { taken, begins } = sys.percpu_map
  const base = chunk * PCPU_UNIT_GRANULES
  const bit = (column: Uint32Array, at: number): boolean =>
    at < PCPU_UNIT_GRANULES && ((column[(base + at) >>> 5]! >>> (at & 31)) & 1) === 1
  if (!bit(begins, first)) return 0
  let at = first + 1
  while (bit(taken, at) && !bit(begins, at)) at++
  return at - first
}

/** Gives a chunk's frames and its addresses back. @kernel mm/percpu-vm.c:pcpu_destroy_chunk */
function pcpu_destroy_chunk(sys: Sys, chunk: number): void {
  const { page, used, free, hint, contig, contig_at } = sys.percpu_chunk
  const first = page[chunk]!
  const pages = unit_pages(sys) * sys.nr_cpus
  const frames: number[] = []
  for (let at = 0; at < pages; at++) frames.push(vmalloc_to_pfn(sys, first + at))
  const area = find_vm_area(sys, first)
  remove_vm_area(sys, first)
  put_vm_struct(sys, area)
  for (const pfn of frames) if (pfn >= 0) __free_page(sys, pfn)
  used[chunk] = page[chunk] = free[chunk] = hint[chunk] = contig[chunk] = contig_at[chunk] = 0
}

/** Broken laws of the chunks. @ours */
export function percpu_check(sys: Sys): string[] {
  const { used, page, free } = sys.percpu_chunk
  const broken: string[] = []
  for (let chunk = 0; chunk < used.length; chunk++) {
    if (used[chunk] === 0) continue
    let taken = 0
    const base = (chunk * PCPU_UNIT_GRANULES) / 32
    for (let word = base; word < base + PCPU_UNIT_GRANULES / 32; word++)
      for (let bits = sys.percpu_map.taken[word]!; bits !== 0; bits &= bits - 1) taken++
    if (free[chunk] !== PCPU_UNIT_GRANULES - taken)
      broken.push(`percpu chunk ${chunk}: ${free[chunk]} granules free, ${taken} of ${PCPU_UNIT_GRANULES} taken`)
    if (find_vm_area(sys, page[chunk]!) === 0) broken.push(`percpu chunk ${chunk}: no area at its address`)
  }
  return broken
}
