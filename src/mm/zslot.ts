// A slot of a swap area whose page is kept in memory, compressed: zram's slots all are, of other areas those that zswap has.
// Law: swap_map.zpool of such a slot is its pool + 1; zspage is the zspage with its object, -1 where the page repeats one
// word and needs none; swap_map.data has the bytes, as of areas without a file.
import { lz_compress } from './lz.ts'
import type { Sys } from './mmzone.ts'
import { frame_bytes } from './physmem.ts'
import { spend } from './reclaim_clock.ts'
import { zs_free, zs_huge_class_size, zs_malloc } from './zsmalloc.ts'

/** What became of a page. */
export const ZSLOT_STORED = 0
export const ZSLOT_NO_MEMORY = 1
export const ZSLOT_POOR = 2

/** Microseconds to pack a page and to unpack one. */
const PACK = 8
export const UNPACK = 3
const SAME = -1

/** Whether a frame repeats one word; one without bytes does. @kernel drivers/block/zram/zram_drv.c:page_same_filled */
export function page_same_filled(sys: Sys, pfn: number): boolean {
  const at = frame_bytes(sys, pfn)
  if (at < 0) return true
  const words = sys.physmem_words
  const wide = sys.kernel.BITS_PER_LONG / 32
  const first = at / 4
  const end = first + sys.page_bytes / 4
  for (let word = first + wide; word < end; word++) if (words[word] !== words[word - wide]) return false
  return true
}

/** Stores a frame in the slot of a row, which has no page; ZSLOT_*. `poor` = what does not compress is stored as it is.
 * @ours for zram_write_page and zswap_store */
export function zslot_store(sys: Sys, row: number, pool: number, pfn: number, poor: boolean): number {
  const { zs_pool, swap_map } = sys
  if (page_same_filled(sys, pfn)) {
    zs_pool.same[pool]! += 1
    note(sys, row, pool, SAME, 0)
    return ZSLOT_STORED
  }
  spend(sys, PACK)
  let size = lz_compress(sys.physmem.bytes, frame_bytes(sys, pfn), sys.page_bytes, null)
  const huge = poor ? size > zs_huge_class_size(sys) : size >= sys.page_bytes
  if (huge && !poor) return ZSLOT_POOR
  if (huge) size = sys.page_bytes
  const zspage = zs_malloc(sys, pool, size)
  if (zspage === 0) return ZSLOT_NO_MEMORY
  if (huge) {
    zs_pool.huge[pool]! += 1
    zs_pool.huge_since[pool]! += 1
  }
  zs_pool.bytes[pool]! += size
  note(sys, row, pool, zspage, size)
  swap_map.zhuge[row] = huge ? 1 : 0
  return ZSLOT_STORED
}

function note(sys: Sys, row: number, pool: number, zspage: number, size: number): void {
  sys.zs_pool.objects[pool]! += 1
  sys.swap_map.zpool[row] = pool + 1
  sys.swap_map.zspage[row] = zspage
  sys.swap_map.zsize[row] = size
}

/** The slot keeps no page any more; its bytes are the caller's. @ours for zram_free_page and zswap_free_entry */
export function zslot_free(sys: Sys, row: number): void {
  const { zpool, zspage, zsize, zhuge } = sys.swap_map
  const pool = zpool[row]! - 1
  const { objects, bytes, same, huge } = sys.zs_pool
  objects[pool]! -= 1
  if (zspage[row] === SAME) same[pool]! -= 1
  else zs_free(sys, pool, zspage[row]!)
  bytes[pool]! -= zsize[row]!
  huge[pool]! -= zhuge[row]!
  zpool[row] = zspage[row] = zsize[row] = zhuge[row] = 0
}
