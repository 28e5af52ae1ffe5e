// Pages and the caches that hold them: out of the cache when they are freed, and how a page of a file is written.
import { __filemap_remove_folio, folio_account_cleaned } from './filemap.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { folio_test_swapcache, swap_writepage } from './page_io.ts'
import { set_page_writeback } from './page_writeback.ts'
import { submit_write } from './reclaim_clock.ts'
import { __delete_from_swap_cache, add_to_swap_cache } from './swap_state.ts'
import { folio_alloc_swap, put_swap_folio, slot_row } from './swapfile_slots.ts'
import { INODE_SHMEM } from './vm_flags.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'
import { workingset_eviction } from './workingset.ts'

const PGPGOUT: number = vm_event('pgpgout')

/** Takes a clean page that only its cache and the caller hold out of the cache, which then remembers when that was;
 * false = somebody else uses it, or it is dirty again. @kernel mm/vmscan.c:__remove_mapping */
export function remove_mapping(sys: Sys, pfn: number): boolean {
  const { _refcount, flags } = sys.page
  if (_refcount[pfn] !== 2 || (flags[pfn]! & PG.dirty) !== 0) return false
  if (folio_test_swapcache(sys, pfn)) {
    const entry = sys.page.private[pfn]!
    __delete_from_swap_cache(sys, pfn, workingset_eviction(sys, pfn))
    put_swap_folio(sys, entry)
  } else {
    const file = (flags[pfn]! & PG.swapbacked) === 0
    __filemap_remove_folio(sys, pfn, file ? workingset_eviction(sys, pfn) : -1)
  }
  _refcount[pfn] = 1
  return true
}

/** Writes a page of a file that is locked and marked clean already; false = it must stay active.
 * @kernel fs/ext4/inode.c:ext4_writepage */
export function pageout_file(sys: Sys, pfn: number): boolean {
  const { flags } = sys.page
  if (sys.inode.kind[sys.page.mapping[pfn]!] === INODE_SHMEM) return shmem_writepage(sys, pfn)
  flags[pfn] = flags[pfn]! | PG.dirty
  folio_account_cleaned(sys, pfn)
  count_vm_events(sys, PGPGOUT, sys.page_bytes / 1024)
  set_page_writeback(sys, pfn)
  flags[pfn] = flags[pfn]! & ~PG.locked
  submit_write(sys, pfn)
  return true
}

/** A page of a memory file goes to swap: its slot takes its place in the file. @kernel mm/shmem.c:shmem_writepage */
function shmem_writepage(sys: Sys, pfn: number): boolean {
  const entry = folio_alloc_swap(sys, pfn)
  if (entry === 0) {
    sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.dirty
    return false
  }
  add_to_swap_cache(sys, pfn, entry)
  sys.swap_map.count[slot_row(sys, entry)]! += 1
  __filemap_remove_folio(sys, pfn, entry)
  sys.page._refcount[pfn]! -= 1
  swap_writepage(sys, pfn)
  return true
}
