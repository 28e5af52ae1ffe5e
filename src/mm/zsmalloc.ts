// zsmalloc: objects of any size up to a page, packed into zspages of a few frames that need not lie side by side. Each class
// of sizes has as many frames a zspage as waste least; classes that would be packed alike are one.
// Laws: a zspage's frames are allocated and counted (nr_zspages); those with room are on the list of their class; a zspage
// without objects is given back at once.
import { __GFP_HIGHMEM, __GFP_KSWAPD_RECLAIM, __GFP_MOVABLE, __GFP_NOWARN } from './gfp.ts'
import type { Kernel } from './kernel.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { alloc_page } from './page_alloc/alloc_pages.ts'
import { put_page } from './page_ref.ts'
import { __mod_zone_page_state } from './vmstat.ts'
import { zone_item } from './vmstat_item.ts'
import { ZS_MAX_PAGES, ZS_SIZE_CLASSES } from './zsmalloc_tables.ts'

const NR_ZSPAGES: number = zone_item('nr_zspages')
/** @kernel mm/zsmalloc.c:ZS_MIN_ALLOC_SIZE */
const MIN_SIZE = 32
const GFP = __GFP_KSWAPD_RECLAIM | __GFP_NOWARN | __GFP_HIGHMEM | __GFP_MOVABLE

/** How the classes of a kernel pack. */
interface Packing {
  /** The class that serves a class: the largest that is packed alike. */
  readonly merged: Uint8Array
  readonly pages: Uint8Array
  readonly objects: Uint16Array
  /** Objects larger than this have a frame of their own: they are stored as they are. */
  readonly huge: number
}

const packings = new WeakMap<Kernel, Packing>()

const class_size = (index: number, delta: number): number => MIN_SIZE + index * delta

/** Frames of a zspage that waste least; the fewest where several do. @kernel mm/zsmalloc.c:get_pages_per_zspage */
function get_pages_per_zspage(size: number, page_bytes: number, most: number): number {
  let [best, used] = [1, 0]
  for (let pages = 1; pages <= most; pages++) {
    const bytes = pages * page_bytes
    const percent = Math.floor(((bytes - (bytes % size)) * 100) / bytes)
    if (percent > used) [best, used] = [pages, percent]
  }
  return best
}

/** @kernel mm/zsmalloc.c:zs_create_pool */
function packing_of(sys: Sys): Packing {
  const known = packings.get(sys.kernel)
  if (known) return known
  const delta = sys.page_bytes >> 8
  const merged = new Uint8Array(ZS_SIZE_CLASSES)
  const pages = new Uint8Array(ZS_SIZE_CLASSES)
  const objects = new Uint16Array(ZS_SIZE_CLASSES)
  let huge = 0
  for (let index = ZS_SIZE_CLASSES - 1; index >= 0; index--) {
    const size = Math.min(class_size(index, delta), sys.page_bytes)
    pages[index] = get_pages_per_zspage(size, sys.page_bytes, sys.kernel.reclaim.zs_max_pages)
    objects[index] = Math.floor((pages[index]! * sys.page_bytes) / size)
    const above = index + 1 < ZS_SIZE_CLASSES ? merged[index + 1]! : index
    const alike = pages[above] === pages[index] && objects[above] === objects[index]
    merged[index] = alike ? above : index
    if (huge === 0 && objects[index]! > 1) huge = size
  }
  const packing = { merged, pages, objects, huge }
  packings.set(sys.kernel, packing)
  return packing
}

/** Size from which an object has a frame of its own. @kernel mm/zsmalloc.c:zs_huge_class_size */
export const zs_huge_class_size = (sys: Sys): number => packing_of(sys).huge

/** The zspage of a new object of a pool; 0 = no memory. @kernel mm/zsmalloc.c:zs_malloc
 * @differs which of its places in the zspage an object has is not told: the frames hold no bytes */
export function zs_malloc(sys: Sys, pool: number, size: number): number {
  const packing = packing_of(sys)
  const delta = sys.page_bytes >> 8
  const index = Math.min(ZS_SIZE_CLASSES - 1, Math.max(0, Math.ceil((size - MIN_SIZE) / delta)))
  const own = packing.merged[index]!
  const list = pool * ZS_SIZE_CLASSES + own
  let row = sys.zs_class.partial[list]!
  if (row === 0) {
    row = alloc_zspage(sys, pool, own, packing.pages[own]!)
    if (row === 0) return 0
    link(sys, list, row)
  }
  sys.zspage.inuse[row]! += 1
  if (sys.zspage.inuse[row] === packing.objects[own]) unlink(sys, list, row)
  return row
}

/** An object is not needed any more. @kernel mm/zsmalloc.c:zs_free */
export function zs_free(sys: Sys, pool: number, row: number): void {
  const { inuse } = sys.zspage
  const own = sys.zspage.class[row]! - 1
  const list = pool * ZS_SIZE_CLASSES + own
  if (inuse[row] === packing_of(sys).objects[own]) link(sys, list, row)
  inuse[row]! -= 1
  if (inuse[row] !== 0) return
  unlink(sys, list, row)
  free_zspage(sys, pool, row)
}

/** @kernel mm/zsmalloc.c:alloc_zspage */
function alloc_zspage(sys: Sys, pool: number, own: number, pages: number): number {
  const { zswap_state: state, zspage, zs_pool } = sys
  const fresh = state.unused[0] === 0
  if (fresh && state.used[0]! + 1 >= zspage.inuse.length) return 0
  const row = fresh ? state.used[0]! + 1 : state.unused[0]!
  if (fresh) clear_fresh(sys, row)
  for (let i = 0; i < pages; i++) {
    const pfn = alloc_page(sys, GFP)
    if (pfn < 0) {
      for (let got = 0; got < i; got++) put_page(sys, zspage.pfn[row * ZS_MAX_PAGES + got]! - 1)
      zspage.pfn.fill(0, row * ZS_MAX_PAGES, (row + 1) * ZS_MAX_PAGES)
      return 0
    }
    zspage.pfn[row * ZS_MAX_PAGES + i] = pfn + 1
  }
  if (fresh) state.used[0] = row
  else state.unused[0] = zspage.next[row]!
  for (let i = 0; i < pages; i++)
    __mod_zone_page_state(sys, page_zone(sys, zspage.pfn[row * ZS_MAX_PAGES + i]! - 1), NR_ZSPAGES, 1)
  zspage.class[row] = own + 1
  zspage.inuse[row] = zspage.next[row] = zspage.prev[row] = 0
  zs_pool.pages[pool]! += pages
  zs_pool.max_pages[pool] = Math.max(zs_pool.max_pages[pool]!, zs_pool.pages[pool]!)
  return row
}

/** Snapshots hold rows in fours: a state that was undone may have left something in those that come into use. */
function clear_fresh(sys: Sys, row: number): void {
  if ((row & 3) !== 0) return
  for (const column of Object.values(sys.zspage)) {
    const width = column.length / sys.zspage.inuse.length
    column.fill(0, row * width, (row + 4) * width)
  }
}

/** @kernel mm/zsmalloc.c:__free_zspage */
function free_zspage(sys: Sys, pool: number, row: number): void {
  const { zspage, zswap_state } = sys
  for (let at = row * ZS_MAX_PAGES; at < (row + 1) * ZS_MAX_PAGES && zspage.pfn[at] !== 0; at++) {
    const pfn = zspage.pfn[at]! - 1
    __mod_zone_page_state(sys, page_zone(sys, pfn), NR_ZSPAGES, -1)
    put_page(sys, pfn)
    zspage.pfn[at] = 0
    sys.zs_pool.pages[pool]! -= 1
  }
  zspage.class[row] = zspage.prev[row] = 0
  zspage.next[row] = zswap_state.unused[0]!
  zswap_state.unused[0] = row
}

function link(sys: Sys, list: number, row: number): void {
  const { partial } = sys.zs_class
  const { next, prev } = sys.zspage
  next[row] = partial[list]!
  prev[row] = 0
  if (partial[list] !== 0) prev[partial[list]!] = row
  partial[list] = row
}

function unlink(sys: Sys, list: number, row: number): void {
  const { next, prev } = sys.zspage
  if (prev[row] === 0) sys.zs_class.partial[list] = next[row]!
  else next[prev[row]!] = next[row]!
  if (next[row] !== 0) prev[next[row]!] = prev[row]!
  next[row] = prev[row] = 0
}
