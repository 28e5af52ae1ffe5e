// Page caches: which page of a file lies in which frame. A slot may hold a shadow instead of a page: what reclaim noted
// when it took the page away. Laws: a cached page has its inode as mapping, its index, and a reference of the cache;
// inode.nrpages counts pages, not shadows.
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_order, mod_node_page_state, put_page } from './page_ref.ts'
import { INODE_SHMEM } from './vm_flags.ts'
import { node_item } from './vmstat_item.ts'
import { xa_find, xa_load, xa_store } from './xarray.ts'

const NR_FILE_PAGES: number = node_item('nr_file_pages')
const NR_SHMEM: number = node_item('nr_shmem')
const NR_FILE_DIRTY: number = node_item('nr_dirty')
const NR_DIRTIED: number = node_item('nr_dirtied')

/** What is at an index: frame + 1, 0 = nothing, < 0 = -1 - value. @kernel mm/filemap.c:filemap_get_entry */
export function filemap_get_entry(sys: Sys, inode: number, index: number): number {
  return xa_load(sys, inode, index)
}

/** The frame of a file's page; -1 = it is not cached. No reference is taken. @kernel mm/filemap.c:__filemap_get_folio */
export function filemap_get_folio(sys: Sys, inode: number, index: number): number {
  const entry = xa_load(sys, inode, index)
  return entry > 0 ? entry - 1 : -1
}

/** Puts a locked page into the cache, which takes a reference; returns what was there: 0, or -1 - value of a shadow.
 * @kernel mm/filemap.c:__filemap_add_folio */
export function __filemap_add_folio(sys: Sys, pfn: number, inode: number, index: number): number {
  const { _refcount, mapping, index: indexes } = sys.page
  const pages = 2 ** compound_order(sys, pfn)
  let shadow = 0
  for (let i = 0; i < pages; i++) {
    const old = xa_store(sys, inode, index + i, pfn + i + 1)
    if (old < 0) shadow = old
  }
  _refcount[pfn]! += pages
  mapping[pfn] = inode
  indexes[pfn] = index
  sys.inode.nrpages[inode]! += pages
  mod_node_page_state(sys, pfn, NR_FILE_PAGES, pages)
  if (sys.inode.kind[inode] === INODE_SHMEM) mod_node_page_state(sys, pfn, NR_SHMEM, pages)
  return shadow
}

/** The same for a page that a reader brings: it goes to the LRU lists, and a shadow tells whether it should have stayed.
 * @kernel mm/filemap.c:filemap_add_folio */
export function filemap_add_folio(sys: Sys, pfn: number, inode: number, index: number): void {
  sys.page.flags[pfn]! |= PG.locked
  const shadow = __filemap_add_folio(sys, pfn, inode, index)
  if (shadow < 0) sys.seams.lru?.workingset_refault?.(sys, pfn, -1 - shadow)
  sys.seams.lru?.folio_add_lru(sys, pfn)
}

/** Takes a page out of the cache and leaves `shadow` (-1 = nothing) there; the cache's reference is the caller's now.
 * @kernel mm/filemap.c:__filemap_remove_folio */
export function __filemap_remove_folio(sys: Sys, pfn: number, shadow: number): void {
  const { mapping, index, flags } = sys.page
  const inode = mapping[pfn]!
  const pages = 2 ** compound_order(sys, pfn)
  if ((flags[pfn]! & PG.dirty) !== 0) folio_account_cleaned(sys, pfn)
  for (let i = 0; i < pages; i++) xa_store(sys, inode, index[pfn]! + i, shadow < 0 ? 0 : -1 - shadow)
  sys.inode.nrpages[inode]! -= pages
  mod_node_page_state(sys, pfn, NR_FILE_PAGES, -pages)
  if (sys.inode.kind[inode] === INODE_SHMEM) mod_node_page_state(sys, pfn, NR_SHMEM, -pages)
  mapping[pfn] = 0
}

/** Takes a page out of the cache and gives the cache's reference up. @kernel mm/filemap.c:filemap_remove_folio */
export function filemap_remove_folio(sys: Sys, pfn: number): void {
  const pages = 2 ** compound_order(sys, pfn)
  __filemap_remove_folio(sys, pfn, -1)
  for (let i = 1; i < pages; i++) sys.page._refcount[pfn]! -= 1
  put_page(sys, pfn)
}

/** First index from `index` to `last` with a page or a value; -1 = none. @kernel mm/filemap.c:find_get_entry */
export function filemap_find(sys: Sys, inode: number, index: number, last: number): number {
  return xa_find(sys, inode, index, last)
}

/** First index from `index` on, of at most `most`, that is not cached. @kernel mm/filemap.c:page_cache_next_miss */
export function page_cache_next_miss(sys: Sys, inode: number, index: number, most: number): number {
  let at = index
  for (let i = 0; i < most && xa_load(sys, inode, at) > 0; i++) at++
  return at
}

/** First index below `index`, of at most `most`, that is not cached. @kernel mm/filemap.c:page_cache_prev_miss */
export function page_cache_prev_miss(sys: Sys, inode: number, index: number, most: number): number {
  let at = index
  for (let i = 0; i < most && at >= 0 && xa_load(sys, inode, at) > 0; i++) at--
  return at
}

/** Whether a file's dirty pages are written back to a disk. @kernel include/linux/backing-dev.h:mapping_can_writeback */
export function mapping_can_writeback(sys: Sys, inode: number): boolean {
  return inode > 0 && sys.inode.kind[inode] === INODE_REGULAR_KIND
}
const INODE_REGULAR_KIND = 1

/** Marks a page dirty; true = it was clean. @kernel mm/page-writeback.c:folio_mark_dirty */
export function folio_mark_dirty(sys: Sys, pfn: number): boolean {
  const { flags, mapping } = sys.page
  flags[pfn]! &= ~PG.reclaim
  if ((flags[pfn]! & PG.dirty) !== 0) return false
  flags[pfn]! |= PG.dirty
  const inode = mapping[pfn]!
  if (mapping_can_writeback(sys, inode)) {
    sys.inode.dirty[inode]! += 1
    mod_node_page_state(sys, pfn, NR_FILE_DIRTY, 1)
    mod_node_page_state(sys, pfn, NR_DIRTIED, 1)
  }
  return true
}

/** A dirty page goes away, or is written now. @kernel mm/page-writeback.c:folio_account_cleaned */
export function folio_account_cleaned(sys: Sys, pfn: number): void {
  const inode = sys.page.mapping[pfn]!
  sys.page.flags[pfn]! &= ~PG.dirty
  if (!mapping_can_writeback(sys, inode)) return
  sys.inode.dirty[inode]! -= 1
  mod_node_page_state(sys, pfn, NR_FILE_DIRTY, -1)
}
