// Files read and written by calls, and written back: as much of it as the page cache sees.

import {
  filemap_add_folio,
  filemap_find,
  filemap_get_entry,
  filemap_get_folio,
  folio_account_cleaned,
  folio_mark_dirty,
} from './filemap.ts'
import { attach_buffers } from './files.ts'
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { PG, PG_readahead } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { page_cache_async_ra, page_cache_sync_ra, read_page } from './readahead.ts'
import { folio_mkclean } from './rmap_walk.ts'
import { clear_highpage, filemap_alloc_folio } from './vm_alloc.ts'
import { shmem_get_folio } from './vm_file_ops.ts'
import { ENOMEM, INODE_REGULAR } from './vm_flags.ts'
import { folio_mark_accessed } from './vm_lru.ts'

const EIO = 5

/** Writes whole pages by a call: 0, or a negated errno. @kernel mm/filemap.c:generic_perform_write */
export function write_file(sys: Sys, file: number, index: number, pages: number): number {
  const inode = sys.file.inode[file]!
  for (let at = index; at < index + pages; at++) {
    const pfn = page_for_write(sys, inode, at)
    if (pfn < 0) return pfn === -2 ? -EIO : -ENOMEM
    sys.page.flags[pfn]! |= PG.uptodate
    if (sys.inode.kind[inode] === INODE_REGULAR) attach_buffers(sys, pfn)
    folio_mark_dirty(sys, pfn)
    if (sys.inode.kind[inode] !== INODE_REGULAR) continue
    sys.seams.lru?.balance_dirty_pages?.(sys)
  }
  sys.inode.size[inode] = Math.max(sys.inode.size[inode]!, (index + pages) * sys.page_bytes)
  return 0
}

function page_for_write(sys: Sys, inode: number, index: number): number {
  const there = filemap_get_folio(sys, inode, index)
  if (there >= 0) return there
  if (sys.inode.kind[inode] !== INODE_REGULAR) return shmem_get_folio(sys, inode, index, 0, new Int32Array(1))
  const pfn = filemap_alloc_folio(sys, GFP_HIGHUSER_MOVABLE)
  if (pfn < 0) return -1
  clear_highpage(sys, pfn)
  filemap_add_folio(sys, pfn, inode, index)
  sys.page.flags[pfn]! &= ~PG.locked
  sys.page._refcount[pfn]! -= 1
  return pfn
}

/** Reads pages by a call, with readahead: 0, or a negated errno. @kernel mm/filemap.c:filemap_read */
export function read_file(sys: Sys, file: number, index: number, pages: number): number {
  const inode = sys.file.inode[file]!
  const end = Math.min(index + pages, Math.ceil(sys.inode.size[inode]! / sys.page_bytes))
  const regular = sys.inode.kind[inode] === INODE_REGULAR
  for (let at = index; at < end; at++) {
    let entry = filemap_get_entry(sys, inode, at)
    if (entry <= 0 && regular) {
      page_cache_sync_ra(sys, file, inode, at, end - at)
      entry = filemap_get_entry(sys, inode, at)
      if (entry <= 0 && read_page(sys, inode, at) < 0) return -ENOMEM
      entry = filemap_get_entry(sys, inode, at)
    }
    // A hole of a memory file is read without a page.
    if (entry <= 0) continue
    const pfn = entry - 1
    if ((sys.page.flags[pfn]! & PG_readahead) !== 0 && regular) page_cache_async_ra(sys, file, inode, pfn, at, end - at)
    // The same page read in small parts counts as used once.
    if (Math.floor(sys.file.prev_pos[file]! / sys.page_bytes) !== at) folio_mark_accessed(sys, pfn)
    sys.file.prev_pos[file] = (at + 1) * sys.page_bytes - 1
  }
  sys.file.pos[file] = end * sys.page_bytes
  return 0
}

/** Writes a file's dirty pages back and waits: entries that map them forbid writes then, so that the next is noticed.
 * @kernel mm/filemap.c:file_write_and_wait_range @differs the disk takes no time and does not fail */
export function do_msync(sys: Sys, inode: number, first: number, pages: number): number {
  let written = 0
  const last = first + pages - 1
  for (let at = filemap_find(sys, inode, first, last); at !== -1; at = filemap_find(sys, inode, at + 1, last)) {
    const pfn = filemap_get_entry(sys, inode, at) - 1
    if (pfn < 0 || (sys.page.flags[pfn]! & PG.dirty) === 0) continue
    folio_mkclean(sys, pfn)
    folio_account_cleaned(sys, pfn)
    written++
  }
  return written
}
