// vm_map_ram: mappings of a short life. Small ones come out of blocks of 4 MiB, front to back and never twice, each
// rounded up to a power of two; a block goes when all of it was used and given back. Large ones are areas of their own.
import { address_of, format_address } from '../base/address.ts'
import { get_order } from '../base/bits.ts'
import { INIT_LIST_HEAD, list_add_tail, list_del, list_entries } from '../image/list.ts'
import { GFP_KERNEL } from './gfp.ts'
import { kasan_poison_vmalloc, kasan_unpoison_vmalloc } from './kasan_vmalloc.ts'
import { might_sleep } from './might_sleep.ts'
import type { Sys } from './mmzone.ts'
import { vmalloc_to_pfn, vmap_pages_range, vunmap_range } from './pgtable_map.ts'
import { nr_vmap_blocks, take_row, VMAP_BBMAP_BITS, VMAP_MAX_ALLOC } from './vmalloc_types.ts'
import { find_vmap_area } from './vmap_area.ts'
import {
  __purge_vmap_area_lazy,
  alloc_vmap_area,
  free_vmap_area_noflush,
  free_vmap_block,
  purge_fragmented_blocks_allcpus,
} from './vmap_lazy.ts'

/** Empty queues of blocks. @kernel mm/vmalloc.c:vmalloc_init */
export function vmap_block_queues_init(sys: Sys): void {
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) INIT_LIST_HEAD(sys.vmap_block.link, nr_vmap_blocks(sys) + cpu)
}

/** A block whose first 2^order pages are handed out; 0 = no room. @kernel mm/vmalloc.c:new_vmap_block */
function new_vmap_block(sys: Sys, order: number): number {
  const { start, end, unused_block, used_blocks } = sys.vmalloc
  const va = alloc_vmap_area(sys, VMAP_BBMAP_BITS, VMAP_BBMAP_BITS, start[0]!, end[0]!, GFP_KERNEL)
  if (va === 0) return 0
  const table = sys.vmap_block
  const block = take_row(unused_block, used_blocks, table.link, 2, nr_vmap_blocks(sys))
  const cpu = sys.machine.this_cpu[0]!
  sys.vmap_area.block[va] = block
  table.va[block] = va
  table.free[block] = VMAP_BBMAP_BITS - 2 ** order
  table.dirty[block] = 0
  table.dirty_min[block] = VMAP_BBMAP_BITS
  table.dirty_max[block] = 0
  table.cpu[block] = cpu
  list_add_tail(table.link, block, nr_vmap_blocks(sys) + cpu)
  return block
}

/** First page of 2^order pages out of the running CPU's blocks; -1 = no room. @kernel mm/vmalloc.c:vb_alloc */
function vb_alloc(sys: Sys, order: number): number {
  const { link, free, va } = sys.vmap_block
  const pages = 2 ** order
  const head = nr_vmap_blocks(sys) + sys.machine.this_cpu[0]!
  for (let block = link[2 * head]!; block !== head; block = link[2 * block]!) {
    if (free[block]! < pages) continue
    const page = sys.vmap_area.va_start[va[block]!]! + VMAP_BBMAP_BITS - free[block]!
    free[block] = free[block]! - pages
    if (free[block] === 0) list_del(link, block)
    return page
  }
  const block = new_vmap_block(sys, order)
  return block === 0 ? -1 : sys.vmap_area.va_start[va[block]!]!
}

/** Gives 2^order pages of a block back. @kernel mm/vmalloc.c:vb_free */
function vb_free(sys: Sys, block: number, page: number, order: number): void {
  const { va, dirty, dirty_min, dirty_max } = sys.vmap_block
  const offset = page - sys.vmap_area.va_start[va[block]!]!
  dirty_min[block] = Math.min(dirty_min[block]!, offset)
  dirty_max[block] = Math.max(dirty_max[block]!, offset + 2 ** order)
  dirty[block] = dirty[block]! + 2 ** order
  if (dirty[block] === VMAP_BBMAP_BITS) free_vmap_block(sys, block)
}

/** Maps frames at following addresses; first page, 0 = no room. @kernel mm/vmalloc.c:vm_map_ram */
export function vm_map_ram(sys: Sys, pfns: ArrayLike<number>): number {
  const count = pfns.length
  if (count === 0) throw new RangeError('vm_map_ram of 0 pages')
  const page = count <= VMAP_MAX_ALLOC(sys) ? vb_alloc(sys, get_order(count)) : large_map(sys, count)
  if (page < 0) return 0
  kasan_unpoison_vmalloc(sys, page, count * sys.page_bytes)
  if (vmap_pages_range(sys, page, pfns)) return page
  unmap_ram(sys, find_vmap_area(sys, page), page, count)
  return 0
}

function large_map(sys: Sys, count: number): number {
  const { start, end } = sys.vmalloc
  const va = alloc_vmap_area(sys, count, 1, start[0]!, end[0]!, GFP_KERNEL)
  return va === 0 ? -1 : sys.vmap_area.va_start[va]!
}

/** Undoes vm_map_ram of `count` pages at `page`. @kernel mm/vmalloc.c:vm_unmap_ram
 * @differs what vm_map_ram did not give is reported, and left alone; the kernel stops, or is wrong from then on */
export function vm_unmap_ram(sys: Sys, page: number, count: number): void {
  might_sleep(sys, 'mm/vmalloc.c')
  const va = find_vmap_area(sys, page)
  const block = va === 0 ? 0 : sys.vmap_area.block[va]!
  const small = count <= VMAP_MAX_ALLOC(sys)
  if (va === 0 || sys.vmap_area.vm[va] !== 0 || small !== (block !== 0) || !is_mapping(sys, va, page, count)) {
    sys.printk?.(
      `kernel BUG at mm/vmalloc.c: vm_unmap_ram of ${count} pages at ${format_address(address_of(page * sys.page_bytes), sys.kernel.BITS_PER_LONG)}`,
    )
    return
  }
  unmap_ram(sys, va, page, count)
}

function unmap_ram(sys: Sys, va: number, page: number, count: number): void {
  const block = sys.vmap_area.block[va]!
  kasan_poison_vmalloc(sys, page, count)
  vunmap_range(sys, page, page + count)
  if (block !== 0) vb_free(sys, block, page, get_order(count))
  else free_vmap_area_noflush(sys, va)
}

/** Whether so many pages are mapped in an area, and are a whole one where it is no block. */
function is_mapping(sys: Sys, va: number, page: number, count: number): boolean {
  const { va_start, va_end, block } = sys.vmap_area
  if (block[va] === 0) return va_start[va] === page && va_end[va] === page + count
  if (count < 1 || page + 2 ** get_order(count) > va_end[va]!) return false
  for (let at = page; at < page + count; at++) if (vmalloc_to_pfn(sys, at) < 0) return false
  return true
}

/** Flushes everything that is mapped no more, so that a frame has no other address.
 * @kernel mm/vmalloc.c:vm_unmap_aliases */
export function vm_unmap_aliases(sys: Sys): void {
  might_sleep(sys, 'mm/vmalloc.c')
  purge_fragmented_blocks_allcpus(sys)
  __purge_vmap_area_lazy(sys)
}

/** Blocks that a CPU may still hand pages out of, oldest first. @ours */
export function vmap_blocks_of(sys: Sys, cpu: number): number[] {
  return list_entries(sys.vmap_block.link, nr_vmap_blocks(sys) + cpu)
}
