// Pages of memory files that are in swap. Law: the file's cache holds -1 - entry in such a page's place, and that is the
// entry's one user.
import { __filemap_add_folio } from './filemap.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import { delete_from_swap_cache, free_swap_and_cache, lookup_swap_cache, swapin_readahead } from './swap_state.ts'
import { swap_free } from './swapfile_slots.ts'
import { MAX_SWAPFILES, SWP_SWAPIN_ERROR, swp_entry, swp_offset, swp_type } from './swapops.ts'
import { xa_store } from './xarray.ts'

/** Brings a page back into its file; no reference is taken. -1 = no memory, -2 = it could not be read.
 * @kernel mm/shmem.c:shmem_swapin_folio */
export function shmem_swapin(sys: Sys, inode: number, index: number, entry: number): number {
  const [type, offset] = [swp_type(entry), swp_offset(entry)]
  if (type >= MAX_SWAPFILES) return -2
  let pfn = lookup_swap_cache(sys, type, offset)
  if (pfn < 0) pfn = swapin_readahead(sys, type, offset, 0, 0)
  if (pfn < 0) return -1
  if ((sys.page.flags[pfn]! & PG.uptodate) === 0) {
    set_swapin_error(sys, inode, index, pfn, entry)
    return -2
  }
  __filemap_add_folio(sys, pfn, inode, index)
  delete_from_swap_cache(sys, pfn)
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.dirty
  swap_free(sys, type, offset)
  sys.page._refcount[pfn]! -= 1
  return pfn
}

/** The page is lost: its place says so, its slot is free. @kernel mm/shmem.c:shmem_set_folio_swapin_error */
function set_swapin_error(sys: Sys, inode: number, index: number, pfn: number, entry: number): void {
  xa_store(sys, inode, index, -1 - swp_entry(SWP_SWAPIN_ERROR, 0))
  delete_from_swap_cache(sys, pfn)
  swap_free(sys, swp_type(entry), swp_offset(entry))
  put_page(sys, pfn)
}

/** A page of a memory file is not needed any more. @kernel mm/shmem.c:shmem_free_swap */
export function free_shmem_swap(sys: Sys, _inode: number, entry: number): void {
  if (swp_type(entry) < MAX_SWAPFILES) free_swap_and_cache(sys, swp_type(entry), swp_offset(entry))
}
