// Reading a file ahead of who reads it: a window that grows while the reader goes on in order, and a mark in it at which
// the next window is begun. Law: a page that is being read is in the cache, locked and not up to date; readers of this
// model find it read, since the disk answers at once.

import { filemap_add_folio, filemap_get_entry, page_cache_next_miss, page_cache_prev_miss } from './filemap.ts'
import { __GFP_NORETRY, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { PG, PG_readahead } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { filemap_alloc_folio } from './vm_alloc.ts'
import { vm_event } from './vmstat_item.ts'

const PGPGIN: number = vm_event('pgpgin')
const GFP_READAHEAD: number = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN

/** Reads up to `nr` pages from `index` on into the cache; the one `lookahead` before the end gets the mark.
 * @kernel mm/readahead.c:page_cache_ra_unbounded */
function page_cache_ra_unbounded(sys: Sys, inode: number, index: number, nr: number, lookahead: number): number {
  let read = 0
  for (let i = 0; i < nr; i++) {
    if (filemap_get_entry(sys, inode, index + i) > 0) continue
    if (read_page(sys, inode, index + i, GFP_READAHEAD) < 0) break
    if (i === nr - lookahead) {
      const pfn = filemap_get_entry(sys, inode, index + i) - 1
      sys.page.flags[pfn]! |= PG_readahead
    }
    read++
  }
  if (read > 0) sys.seams.lru?.wait_for_io?.(sys, read)
  return read
}

/** One page of a file, read from the disk; -1 = no memory. @kernel mm/filemap.c:filemap_read_folio */
export function read_page(sys: Sys, inode: number, index: number, gfp = GFP_HIGHUSER_MOVABLE): number {
  const pfn = filemap_alloc_folio(sys, gfp)
  if (pfn < 0) return -1
  // Reclaim may have run: the page can be there by now.
  filemap_add_folio(sys, pfn, inode, index)
  sys.vm_event.count[PGPGIN]! += sys.page_bytes / 1024
  sys.page.flags[pfn] = (sys.page.flags[pfn]! | PG.uptodate | PG.mappedtodisk) & ~PG.locked
  sys.page._refcount[pfn]! -= 1
  return pfn
}

/** @kernel mm/readahead.c:do_page_cache_ra */
function do_page_cache_ra(sys: Sys, inode: number, index: number, nr: number, lookahead: number): void {
  const end = Math.ceil(sys.inode.size[inode]! / sys.page_bytes) - 1
  if (end < 0 || index > end) return
  page_cache_ra_unbounded(sys, inode, index, Math.min(nr, end - index + 1), lookahead)
}

/** @kernel mm/readahead.c:get_init_ra_size */
function get_init_ra_size(size: number, max: number): number {
  const rounded = 2 ** Math.ceil(Math.log2(size))
  return rounded <= max / 32 ? rounded * 4 : rounded <= max / 4 ? rounded * 2 : max
}

/** @kernel mm/readahead.c:get_next_ra_size */
function get_next_ra_size(size: number, max: number): number {
  if (size < Math.floor(max / 16)) return 4 * size
  return size <= Math.floor(max / 2) ? 2 * size : max
}

/** The window around a fault: half before the page, half behind. @kernel mm/filemap.c:do_sync_mmap_readahead */
export function mmap_read_around(sys: Sys, file: number, inode: number, index: number): void {
  const { ra_start, ra_size, ra_async_size, ra_pages } = sys.file
  const pages = ra_pages[file]!
  ra_start[file] = Math.max(0, index - Math.floor(pages / 2))
  ra_size[file] = pages
  ra_async_size[file] = Math.floor(pages / 4)
  do_page_cache_ra(sys, inode, ra_start[file]!, pages, ra_async_size[file]!)
}

/** A reader misses a page. @kernel mm/readahead.c:page_cache_sync_ra */
export function page_cache_sync_ra(sys: Sys, file: number, inode: number, index: number, req: number): void {
  if (sys.file.ra_pages[file] === 0) do_page_cache_ra(sys, inode, index, req, 0)
  else ondemand_readahead(sys, file, inode, index, req, false)
}

/** A reader comes to the mark. @kernel mm/readahead.c:page_cache_async_ra */
export function page_cache_async_ra(
  sys: Sys,
  file: number,
  inode: number,
  pfn: number,
  index: number,
  req: number,
): void {
  if (sys.file.ra_pages[file] === 0 || (sys.page.flags[pfn]! & PG.writeback) !== 0) return
  sys.page.flags[pfn]! &= ~PG_readahead
  ondemand_readahead(sys, file, inode, index, req, true)
}

/** @kernel mm/readahead.c:ondemand_readahead */
function ondemand_readahead(sys: Sys, file: number, inode: number, index: number, req: number, marked: boolean): void {
  const { ra_start, ra_size, ra_async_size, ra_pages, prev_pos } = sys.file
  const max = ra_pages[file]!
  const expected = ra_start[file]! + ra_size[file]! - ra_async_size[file]!
  const set = (start: number, size: number, async_size: number): void => {
    ra_start[file] = start
    ra_size[file] = size
    ra_async_size[file] = async_size
  }
  const initial = (): void => {
    const size = get_init_ra_size(req, max)
    set(index, size, size > req ? size - req : size)
  }
  if (index === 0) initial()
  else if (index === expected || index === ra_start[file]! + ra_size[file]!) {
    const size = get_next_ra_size(ra_size[file]!, max)
    set(ra_start[file]! + ra_size[file]!, size, size)
  } else if (marked) {
    const start = page_cache_next_miss(sys, inode, index + 1, max)
    if (start - index > max) return
    const size = get_next_ra_size(start - index + req, max)
    set(start, size, size)
  } else if (req > max) initial()
  else {
    const prev = prev_pos[file]! < 0 ? -1 : Math.floor(prev_pos[file]! / sys.page_bytes)
    if (index - prev <= 1 && index >= prev) initial()
    else if (!context_readahead(sys, file, inode, index, req, max)) {
      do_page_cache_ra(sys, inode, index, req, 0)
      return
    }
  }
  // The window is read at once: its own mark would be met at its first page, so the next is added to it.
  if (index === ra_start[file] && ra_size[file] === ra_async_size[file]) {
    const add = get_next_ra_size(ra_size[file]!, max)
    if (ra_size[file]! + add <= max) set(index, ra_size[file]! + add, add)
    else set(index, max, max >> 1)
  }
  do_page_cache_ra(sys, inode, ra_start[file]!, ra_size[file]!, ra_async_size[file]!)
}

/** A reader that nothing is known of, but pages before its page are cached. @kernel mm/readahead.c:try_context_readahead */
function context_readahead(sys: Sys, file: number, inode: number, index: number, req: number, max: number): boolean {
  const size = index - 1 - page_cache_prev_miss(sys, inode, index - 1, max)
  if (size <= req) return false
  const long = size >= index ? size * 2 : size
  sys.file.ra_start[file] = index
  sys.file.ra_size[file] = Math.min(long + req, max)
  sys.file.ra_async_size[file] = 1
  return true
}
