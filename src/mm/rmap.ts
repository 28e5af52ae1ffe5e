// Between pages and the entries that map them. Laws: page._mapcount counts the entries of the lowest level that map a page;
// a huge page's page.private of its first tail counts the entries that map it as a whole; an anonymous page's mapping is
// minus its anon_vma, a file's page has its inode there; page.index is where in the mapping it lies.
import { deferred_split_huge_page } from './deferred_split.ts'
import { PG, PG_anon_exclusive, PG_double_map } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, compound_order, mod_node_page_state, PageAnon, PageCompound } from './page_ref.ts'
import { VM_LOCKED } from './vm_flags.ts'
import { mlock_vma_folio, munlock_vma_folio } from './vm_lru.ts'
import { linear_page_index } from './vma.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'

const NR_ANON_MAPPED: number = node_item('nr_anon_pages')
const NR_FILE_MAPPED: number = node_item('nr_mapped')
const NR_ANON_THPS: number = node_item('nr_anon_transparent_hugepages')
const NR_SHMEM_PMDMAPPED: number = node_item('nr_shmem_pmdmapped')
const ITEMS: number = NODE_STAT_ITEMS.length
const NEW_ANON: number = PG.swapbacked | PG_anon_exclusive
const EXCLUSIVE: number = PG_anon_exclusive
const LOCKED: number = VM_LOCKED

/** Entries that map a huge page as a whole. @kernel include/linux/mm.h:compound_mapcount */
export function compound_mapcount(sys: Sys, pfn: number): number {
  const head = compound_head(sys, pfn)
  return (sys.page.flags[head]! & PG.head) === 0 ? 0 : sys.page.private[head + 1]!
}

/** Entries that map a page, as a part of a huge one or by itself. @kernel include/linux/mm.h:page_mapcount */
export function page_mapcount(sys: Sys, pfn: number): number {
  const own = sys.page._mapcount[pfn]!
  if (!PageCompound(sys, pfn)) return own
  const head = compound_head(sys, pfn)
  const doubled = (sys.page.flags[head + 1]! & PG_double_map) !== 0 ? 1 : 0
  return own + compound_mapcount(sys, pfn) - doubled
}

/** Whether any entry maps a block or a page of it. @kernel include/linux/mm.h:folio_mapped */
export function folio_mapped(sys: Sys, pfn: number): boolean {
  const head = compound_head(sys, pfn)
  const pages = 2 ** compound_order(sys, head)
  if (compound_mapcount(sys, head) > 0) return true
  for (let page = head; page < head + pages; page++) if (sys.page._mapcount[page]! > 0) return true
  return false
}

/** A page's number within its owner, also of a part of a huge page. @kernel include/linux/pagemap.h:page_to_pgoff */
export function page_to_pgoff(sys: Sys, pfn: number): number {
  const head = compound_head(sys, pfn)
  return sys.page.index[head]! + (pfn - head)
}

/** A new page that nobody else can have seen; `order` > 0: mapped as a whole. @kernel mm/rmap.c:page_add_new_anon_rmap */
export function page_add_new_anon_rmap(sys: Sys, pfn: number, vma: number, page: number, order = 0): void {
  const { flags, _mapcount, mapping, index } = sys.page
  flags[pfn] = flags[pfn]! | NEW_ANON
  mapping[pfn] = -sys.vma.anon_vma[vma]!
  index[pfn] = linear_page_index(sys, vma, page)
  if (order === 0) _mapcount[pfn] = 1
  else {
    sys.page.private[pfn + 1] = 1
    mod_node_page_state(sys, pfn, NR_ANON_THPS, 1)
  }
  mod_node_page_state(sys, pfn, NR_ANON_MAPPED, 1 << order)
}

/** One entry more for an anonymous page that was mapped before, or comes back from swap. @kernel mm/rmap.c:page_add_anon_rmap */
export function page_add_anon_rmap(sys: Sys, pfn: number, vma: number, page: number, exclusive: boolean): void {
  const { flags, _mapcount, mapping, index } = sys.page
  const first = _mapcount[pfn] === 0 && compound_mapcount(sys, pfn) === 0
  _mapcount[pfn] = _mapcount[pfn]! + 1
  if (first) {
    mod_node_page_state(sys, pfn, NR_ANON_MAPPED, 1)
    if (!PageCompound(sys, pfn)) {
      // Who has the page alone owns it from now on; others keep the eldest, which all of them reach.
      const own = sys.vma.anon_vma[vma]!
      mapping[pfn] = -(exclusive ? own : sys.anon_vma.root[own]!)
      index[pfn] = linear_page_index(sys, vma, page)
    }
  }
  if (exclusive) flags[pfn] = flags[pfn]! | EXCLUSIVE
  mlock_vma_folio(sys, pfn, vma, false)
}

/** One entry more for a page of a file. @kernel mm/rmap.c:page_add_file_rmap */
export function page_add_file_rmap(sys: Sys, pfn: number, vma: number, compound = false): void {
  add_file_rmap(sys, pfn, compound)
  mlock_vma_folio(sys, pfn, vma, compound)
}

function add_file_rmap(sys: Sys, pfn: number, compound: boolean): void {
  if (compound) {
    const head = compound_head(sys, pfn)
    sys.page.private[head + 1]! += 1
    if (sys.page.private[head + 1] !== 1) return
    mod_node_page_state(sys, pfn, NR_FILE_MAPPED, 2 ** compound_order(sys, head))
    mod_node_page_state(sys, pfn, NR_SHMEM_PMDMAPPED, 1)
    return
  }
  const { _mapcount } = sys.page
  _mapcount[pfn] = _mapcount[pfn]! + 1
  if (_mapcount[pfn] === 1 && compound_mapcount(sys, pfn) === 0) mod_node_page_state(sys, pfn, NR_FILE_MAPPED, 1)
}

/** One entry less. @kernel mm/rmap.c:page_remove_rmap */
export function page_remove_rmap(sys: Sys, pfn: number, vma: number, compound = false): void {
  remove_rmap(sys, pfn, compound)
  if ((sys.vma.flags[vma]! & LOCKED) !== 0) munlock_vma_folio(sys, pfn, vma, compound)
}

function remove_rmap(sys: Sys, pfn: number, compound: boolean): void {
  if (compound) {
    remove_compound(sys, compound_head(sys, pfn))
    return
  }
  const { _mapcount, flags } = sys.page
  const left = _mapcount[pfn]! - 1
  _mapcount[pfn] = left
  if (left !== 0) return
  if ((flags[pfn]! & (PG.head | PG.tail)) !== 0) {
    remove_part(sys, pfn)
    return
  }
  const item = sys.page.mapping[pfn]! < 0 ? NR_ANON_MAPPED : NR_FILE_MAPPED
  const at = node_row(sys, pfn) + item
  sys.node_stat.vm_stat[at] = sys.node_stat.vm_stat[at]! - 1
}

const node_row = (sys: Sys, pfn: number): number => {
  const zone = sys.block.zone[pfn >>> sys.block_shift]!
  return zone < sys.nr_zones ? sys.zone_to_nid[zone]! * ITEMS : slow_row(sys, pfn)
}

/** A block in which zones meet. */
function slow_row(sys: Sys, pfn: number): number {
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    const start = sys.zone.zone_start_pfn[zone]!
    if (pfn >= start && pfn < start + sys.zone.spanned_pages[zone]!) return sys.zone_to_nid[zone]! * ITEMS
  }
  return 0
}

/** The last entry of its own for a page of a huge one: where it is not mapped as a whole any more, the page can go when
 * the huge one is split. */
function remove_part(sys: Sys, pfn: number): void {
  if (compound_mapcount(sys, pfn) > 0) return
  mod_node_page_state(sys, pfn, PageAnon(sys, pfn) ? NR_ANON_MAPPED : NR_FILE_MAPPED, -1)
  if (PageAnon(sys, pfn)) deferred_split_huge_page(sys, compound_head(sys, pfn))
}

function remove_compound(sys: Sys, head: number): void {
  const { flags, _mapcount, private: count } = sys.page
  count[head + 1]! -= 1
  if (count[head + 1]! > 0) return
  const pages = 2 ** compound_order(sys, head)
  if (!PageAnon(sys, head)) {
    mod_node_page_state(sys, head, NR_FILE_MAPPED, -pages)
    mod_node_page_state(sys, head, NR_SHMEM_PMDMAPPED, -1)
    return
  }
  mod_node_page_state(sys, head, NR_ANON_THPS, -1)
  let gone = pages
  if ((flags[head + 1]! & PG_double_map) !== 0) {
    // Each page was counted once more while some were mapped by themselves.
    flags[head + 1]! &= ~PG_double_map
    gone = 0
    for (let page = head; page < head + pages; page++) if ((_mapcount[page]! -= 1) === 0) gone++
    if (gone > 0 && gone < pages) deferred_split_huge_page(sys, head)
  }
  if (gone > 0) mod_node_page_state(sys, head, NR_ANON_MAPPED, -gone)
}
