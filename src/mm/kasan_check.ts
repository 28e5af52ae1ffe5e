// The laws of KASAN's tables. Law: nobody may use a frame that is free; objects in the quarantine may not be used, and
// the bytes of a queue are those of its objects, unless somebody overwrote the links between them.
import { kasan_queues } from './kasan_quarantine.ts'
import {
  direct_address,
  KASAN_PAGE_FREE,
  kasan_byte_accessible,
  kasan_enabled,
  kasan_mem_to_shadow,
} from './kasan_shadow.ts'
import { PAGE_FREE, PAGE_PCP, PAGE_STATE_ORDER } from './mm_types.ts'
import { BLOCK_LAZY, type Sys } from './mmzone.ts'

/** All broken laws of KASAN's tables. @ours */
export function kasan_check(sys: Sys): string[] {
  if (!kasan_enabled(sys)) return []
  const broken: string[] = []
  const { state } = sys.page
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    const order = (state[pfn]! & PAGE_STATE_ORDER) - 1
    const kind = state[pfn]! & ~PAGE_STATE_ORDER
    if (order >= 0 && (kind === PAGE_FREE || kind === PAGE_PCP)) free_check(sys, pfn, order, broken)
  }
  for (const [block, kind] of sys.block.state.entries())
    if (kind === BLOCK_LAZY) free_check(sys, block << sys.block_shift, sys.block_shift, broken)
  quarantine_check(sys, broken)
  return broken
}

function free_check(sys: Sys, pfn: number, order: number, broken: string[]): void {
  const { bytes } = sys.kasan_shadow
  const start = kasan_mem_to_shadow(sys, direct_address(sys, pfn * sys.page_bytes))
  const end = kasan_mem_to_shadow(sys, direct_address(sys, (pfn + 2 ** order) * sys.page_bytes - 1))
  for (let at = start; at <= end; at++)
    if (bytes[at] !== KASAN_PAGE_FREE) {
      broken.push(`free block ${pfn} of order ${order}: shadow ${bytes[at]} of byte ${(at - start) * 8}`)
      return
    }
}

function quarantine_check(sys: Sys, broken: string[]): void {
  for (const { row, objects, whole } of kasan_queues(sys)) {
    let bytes = 0
    for (const { cache, object } of objects) {
      bytes += sys.kmem_cache.size[cache]!
      if (kasan_byte_accessible(sys, direct_address(sys, object)))
        broken.push(`quarantine ${row}: object ${object} of cache ${cache} may be used`)
    }
    if (whole && bytes !== sys.kasan_qlist.bytes[row])
      broken.push(`quarantine ${row}: ${sys.kasan_qlist.bytes[row]} bytes, its objects have ${bytes}`)
  }
}
