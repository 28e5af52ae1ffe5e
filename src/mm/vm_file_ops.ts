// What areas of files answer to faults, by kind of file: a regular file (page cache, readahead, notice of the first write
// to a page), memory files (shmem, tmpfs: a page of zeros where there is none).

import { __filemap_add_folio, filemap_get_entry, filemap_get_folio, folio_mark_dirty } from './filemap.ts'
import { attach_buffers } from './files.ts'
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from './gfp.ts'
import { mem_cgroup_from_current } from './memcg_tree.ts'
import { PG, PG_readahead } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { mmap_read_around, page_cache_async_ra, page_cache_sync_ra, read_page } from './readahead.ts'
import { charge_or_free, clear_highpage, vma_alloc_folio } from './vm_alloc.ts'
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  INODE_REGULAR,
  INODE_SHMEM,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
} from './vm_flags.ts'
import { folio_add_lru } from './vm_lru.ts'
import { vma_inode } from './vma.ts'
import { vm_event } from './vmstat_item.ts'

const PGMAJFAULT: number = vm_event('pgmajfault')
/** Faults that missed the cache before reading around stops. @kernel mm/filemap.c:MMAP_LOTSAMISS */
const MMAP_LOTSAMISS = 100

/** A page of a file, with a reference: its frame, or minus a VM_FAULT_* that is final. `major` in ret[0].
 * @kernel mm/memory.c:__do_fault */
export function file_fault(sys: Sys, vma: number, index: number, flags: number, ret: Int32Array): number {
  const inode = vma_inode(sys, vma)
  if (index >= Math.ceil(sys.inode.size[inode]! / sys.page_bytes)) return -VM_FAULT_SIGBUS
  return sys.inode.kind[inode] === INODE_REGULAR
    ? filemap_fault(sys, vma, inode, index, flags, ret)
    : shmem_fault(sys, vma, inode, index, ret)
}

/** @kernel mm/filemap.c:filemap_fault */
function filemap_fault(sys: Sys, vma: number, inode: number, index: number, flags: number, ret: Int32Array): number {
  const tried = (flags & FAULT_FLAG_TRIED) !== 0
  let pfn = filemap_get_folio(sys, inode, index)
  let dropped = false
  if (pfn >= 0) {
    if (!tried) dropped = do_async_mmap_readahead(sys, vma, inode, pfn, index)
  } else {
    sys.vm_event.count[PGMAJFAULT]! += 1
    ret[0] = VM_FAULT_MAJOR
    dropped = do_sync_mmap_readahead(sys, vma, inode, index)
    pfn = filemap_get_folio(sys, inode, index)
    if (pfn < 0) {
      pfn = read_page(sys, inode, index)
      if (pfn < 0) return -VM_FAULT_OOM
      // Reclaim may run meanwhile: the page is held.
      sys.page._refcount[pfn]! += 1
      sys.seams.lru?.wait_for_io?.(sys, 1)
      sys.page._refcount[pfn]! -= 1
      dropped = true
    }
  }
  // Whoever had to wait let go of the address space, and must look anew.
  if (dropped && !tried && (flags & FAULT_FLAG_ALLOW_RETRY) !== 0) return -(VM_FAULT_RETRY | ret[0]!)
  sys.page._refcount[pfn]! += 1
  return pfn
}

/** @kernel mm/filemap.c:do_sync_mmap_readahead */
function do_sync_mmap_readahead(sys: Sys, vma: number, inode: number, index: number): boolean {
  const file = sys.vma.file[vma]!
  const { ra_pages, mmap_miss } = sys.file
  if ((sys.vma.flags[vma]! & VM_RAND_READ) !== 0 || ra_pages[file] === 0) return false
  if ((sys.vma.flags[vma]! & VM_SEQ_READ) !== 0) {
    page_cache_sync_ra(sys, file, inode, index, ra_pages[file]!)
    return true
  }
  if (mmap_miss[file]! < MMAP_LOTSAMISS * 10) mmap_miss[file]! += 1
  if (mmap_miss[file]! > MMAP_LOTSAMISS) return false
  mmap_read_around(sys, file, inode, index)
  return true
}

/** @kernel mm/filemap.c:do_async_mmap_readahead */
function do_async_mmap_readahead(sys: Sys, vma: number, inode: number, pfn: number, index: number): boolean {
  const file = sys.vma.file[vma]!
  const { ra_pages, mmap_miss } = sys.file
  if ((sys.vma.flags[vma]! & VM_RAND_READ) !== 0 || ra_pages[file] === 0) return false
  if (mmap_miss[file]! > 0) mmap_miss[file]! -= 1
  if ((sys.page.flags[pfn]! & PG_readahead) === 0) return false
  page_cache_async_ra(sys, file, inode, pfn, index, ra_pages[file]!)
  return true
}

/** @kernel mm/shmem.c:shmem_fault */
function shmem_fault(sys: Sys, vma: number, inode: number, index: number, ret: Int32Array): number {
  const pfn = shmem_get_folio(sys, inode, index, vma, ret)
  if (pfn < 0) return pfn === -2 ? -VM_FAULT_SIGBUS : -VM_FAULT_OOM
  sys.page._refcount[pfn]! += 1
  return pfn
}

/** The page of a memory file, made where there is none; -1 = no memory, -2 = it is lost. No reference is taken.
 * @kernel mm/shmem.c:shmem_get_folio_gfp */
export function shmem_get_folio(sys: Sys, inode: number, index: number, vma: number, ret: Int32Array): number {
  const entry = filemap_get_entry(sys, inode, index)
  if (entry > 0) return entry - 1
  if (entry < 0) {
    ret[0] = VM_FAULT_MAJOR
    sys.vm_event.count[PGMAJFAULT]! += 1
    return sys.seams.swap?.shmem_swapin?.(sys, inode, index, -1 - entry) ?? -1
  }
  const pfn = vma_alloc_folio(sys, GFP_HIGHUSER_MOVABLE, 0, vma, 0)
  if (pfn < 0) return -1
  if (sys.memcg.used.length !== 0 && charge_or_free(sys, pfn, 0, mem_cgroup_from_current(sys), GFP_KERNEL) < 0)
    return -1
  clear_highpage(sys, pfn)
  sys.page.flags[pfn]! |= PG.swapbacked | PG.uptodate
  __filemap_add_folio(sys, pfn, inode, index)
  sys.page._refcount[pfn]! -= 1
  folio_add_lru(sys, pfn)
  return pfn
}

/** Whether the file wants to hear of the first write to a clean page. @ours */
export function has_page_mkwrite(sys: Sys, vma: number): boolean {
  return sys.inode.kind[vma_inode(sys, vma)] === INODE_REGULAR
}

/** Whether an area is mapped read-only at first, so that first writes are noticed. @kernel mm/mmap.c:vma_wants_writenotify */
export function vma_wants_writenotify(sys: Sys, vma: number): boolean {
  return (sys.vma.flags[vma]! & VM_SHARED) !== 0 && sys.vma.file[vma] !== 0 && has_page_mkwrite(sys, vma)
}

/** The file prepares its page for a write; 0, or a VM_FAULT_*. @kernel mm/memory.c:do_page_mkwrite */
export function do_page_mkwrite(sys: Sys, vma: number, pfn: number): number {
  // Truncated meanwhile?
  if (sys.page.mapping[pfn] !== vma_inode(sys, vma)) return VM_FAULT_SIGBUS
  attach_buffers(sys, pfn)
  folio_mark_dirty(sys, pfn)
  return 0
}

/** @kernel mm/memory.c:fault_dirty_shared_page */
export function fault_dirty_shared_page(sys: Sys, vma: number, pfn: number): void {
  folio_mark_dirty(sys, pfn)
  if (sys.inode.kind[vma_inode(sys, vma)] !== INODE_SHMEM) sys.seams.lru?.balance_dirty_pages?.(sys)
}
