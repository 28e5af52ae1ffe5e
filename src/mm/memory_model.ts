// How a frame number finds its struct page. One formula for all models:
//   page = start[pfn >>> shift] + (pfn & mask)      start = -1 where there is no memory map
// FLATMEM is one section over all memory, DISCONTIGMEM one span per node (shift = the largest that separates nodes),
// SPARSEMEM one section per SECTION_SIZE_BITS. A "page" is a number of struct pages from the start of mem_map.
// The twin keeps its own columns by pfn; these tables say where the real kernel has the struct, and which frames have one.
import type { Sys } from './mmzone.ts'

/** The tables of a machine's memory model. */
export interface MemoryModelTable {
  readonly shift: number
  readonly mask: number
  /** Number of the first struct page of each section; -1 = no memory map. */
  readonly start: Float64Array
  /** struct pages in all sections. */
  readonly pages: number
}

/** A run of frames that has memory. */
export interface FrameRange {
  readonly start_pfn: number
  readonly end_pfn: number
  readonly node: number
}

/** The table for a machine with memory at `ranges`, ascending. @ours */
export function memory_model_table(sys: Sys, ranges: readonly FrameRange[]): MemoryModelTable {
  const { memory_model } = sys.kernel
  if (memory_model === 'FLATMEM') return table(31, ranges, sys.machine.max_pfn[0]!)
  const shift = memory_model === 'SPARSEMEM' ? sys.kernel.SECTION_SIZE_BITS - sys.kernel.PAGE_SHIFT : node_shift(ranges)
  return table(shift, ranges, sys.machine.max_pfn[0]!)
}

function table(shift: number, ranges: readonly FrameRange[], max_pfn: number): MemoryModelTable {
  const section = 2 ** shift
  const start = new Float64Array(Math.max(1, Math.ceil(max_pfn / section))).fill(-1)
  let pages = 0
  for (const { start_pfn, end_pfn } of ranges)
    for (let at = Math.floor(start_pfn / section); at * section < end_pfn; at++) {
      if (start[at] !== -1) continue
      start[at] = pages
      pages += Math.min(section, max_pfn - at * section)
    }
  return { shift, mask: section - 1, start, pages }
}

/** log2 of the largest aligned span that never holds frames of two nodes. @kernel mm/numa.c:memory_present */
function node_shift(ranges: readonly FrameRange[]): number {
  let shift = 31
  for (let i = 1; i < ranges.length; i++) {
    const [below, above] = [ranges[i - 1]!, ranges[i]!]
    if (below.node === above.node) continue
    const last = below.end_pfn - 1
    shift = Math.min(shift, 31 - Math.clz32(last ^ above.start_pfn))
  }
  return shift
}

/** Number of the struct page of a frame, -1 where it has none. @kernel include/asm-generic/memory_model.h:__pfn_to_page */
export function pfn_to_page(model: MemoryModelTable, pfn: number): number {
  const start = model.start[Math.floor(pfn / 2 ** model.shift)] ?? -1
  return start < 0 ? -1 : start + (model.mask === 0 ? 0 : pfn % (model.mask + 1))
}

/** The frame of a struct page, -1 for a number that is none. @kernel include/asm-generic/memory_model.h:__page_to_pfn */
export function page_to_pfn(model: MemoryModelTable, page: number): number {
  const section = model.start.findLastIndex(start => start >= 0 && start <= page)
  if (section < 0 || page >= model.pages) return -1
  return section * 2 ** model.shift + (page - model.start[section]!)
}

/** Whether a frame has a struct page. A hole inside a section has one, too. @kernel include/linux/mmzone.h:pfn_valid */
export function pfn_valid(model: MemoryModelTable, pfn: number): boolean {
  return pfn_to_page(model, pfn) >= 0
}
