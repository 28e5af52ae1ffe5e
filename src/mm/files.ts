// Inodes and open files: as much of them as memory needs. A file's content is what its cached pages hold; what was never
// written reads as zeros. Law: an inode lives as long as it has a name or an open file.
import { filemap_find, filemap_get_entry, filemap_remove_folio, folio_account_cleaned } from './filemap.ts'
import { remove_inode_hugepages } from './hugetlb.ts'
import { put_text } from './kernel_stack_tables.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { folio_mapped } from './rmap.ts'
import { INODE_HUGETLB, INODE_REGULAR } from './vm_flags.ts'
import { put_vm_row, take_vm_row } from './vm_rows.ts'
import { NAME_LEN, ROWS_FILE, ROWS_INODE } from './vm_tables.ts'
import { xa_store } from './xarray.ts'

/** Pages that readahead reads at most: 128 KiB. @kernel include/linux/pagemap.h:VM_READAHEAD_PAGES */
const RA_KIB = 128

/** A new inode with one name. @kernel fs/inode.c:new_inode */
export function new_inode(sys: Sys, kind: number, name: string, bytes: number): number {
  const inode = take_vm_row(sys, ROWS_INODE, sys.inode.next)
  sys.inode.kind[inode] = kind
  sys.inode.size[inode] = bytes
  sys.inode.nlink[inode] = 1
  sys.inode.ino[inode] = inode
  sys.inode.dev[inode] = kind === INODE_REGULAR ? 0x800 : kind
  put_text(sys.inode.name, inode, NAME_LEN, name)
  return inode
}

/** Opens an inode. @kernel fs/open.c:do_dentry_open */
export function open_inode(sys: Sys, inode: number, flags = 0): number {
  const file = take_vm_row(sys, ROWS_FILE, sys.file.next)
  sys.file.inode[file] = inode
  sys.file.refs[file] = 1
  sys.file.flags[file] = flags
  sys.file.prev_pos[file] = -1
  sys.file.ra_pages[file] = sys.inode.kind[inode] === INODE_REGULAR ? (RA_KIB * 1024) / sys.page_bytes : 0
  sys.inode.refs[inode]! += 1
  return file
}

/** @kernel fs/file_table.c:get_file */
export function get_file(sys: Sys, file: number): void {
  sys.file.refs[file]! += 1
}

/** One user less of an open file. @kernel fs/file_table.c:fput */
export function fput(sys: Sys, file: number): void {
  sys.file.refs[file]! -= 1
  if (sys.file.refs[file] !== 0) return
  const inode = sys.file.inode[file]!
  put_vm_row(sys, ROWS_FILE, sys.file, sys.file.next, file)
  sys.inode.refs[inode]! -= 1
  iput(sys, inode)
}

/** Takes a file's name away. @kernel fs/namei.c:vfs_unlink */
export function unlink_inode(sys: Sys, inode: number): void {
  sys.inode.nlink[inode]! -= 1
  iput(sys, inode)
}

/** The inode goes with its last name and user. @kernel fs/inode.c:iput */
function iput(sys: Sys, inode: number): void {
  if (sys.inode.nlink[inode]! > 0 || sys.inode.refs[inode]! > 0) return
  if (sys.inode.kind[inode] === INODE_HUGETLB) remove_inode_hugepages(sys, inode)
  else truncate_inode_pages(sys, inode, 0, 0x7fffffff)
  sys.vm_state.vm_committed_as[0]! -= sys.inode.reserved[inode]!
  put_vm_row(sys, ROWS_INODE, sys.inode, sys.inode.next, inode)
}

/** Takes all pages of [first, last] out of the cache, whatever they hold; none is mapped.
 * @kernel mm/truncate.c:truncate_inode_pages_range */
export function truncate_inode_pages(sys: Sys, inode: number, first: number, last: number): void {
  for (let at = filemap_find(sys, inode, first, last); at !== -1; at = filemap_find(sys, inode, at + 1, last)) {
    const entry = filemap_get_entry(sys, inode, at)
    if (entry < 0) {
      xa_store(sys, inode, at, 0)
      sys.seams.swap?.free_shmem_swap?.(sys, inode, -1 - entry)
      continue
    }
    const pfn = entry - 1
    if ((sys.page.flags[pfn]! & PG.dirty) !== 0) folio_account_cleaned(sys, pfn)
    drop_buffers(sys, pfn)
    filemap_remove_folio(sys, pfn)
  }
}

/** Takes clean pages that nobody maps out of the cache; returns how many. @kernel mm/truncate.c:invalidate_mapping_pages */
export function invalidate_mapping_pages(sys: Sys, inode: number, first: number, last: number): number {
  const { flags } = sys.page
  let dropped = 0
  sys.seams.lru?.lru_add_drain(sys)
  for (let at = filemap_find(sys, inode, first, last); at !== -1; at = filemap_find(sys, inode, at + 1, last)) {
    const entry = filemap_get_entry(sys, inode, at)
    if (entry <= 0) continue
    const pfn = entry - 1
    if ((flags[pfn]! & (PG.dirty | PG.writeback | PG.locked)) !== 0 || folio_mapped(sys, pfn)) continue
    drop_buffers(sys, pfn)
    filemap_remove_folio(sys, pfn)
    dropped++
  }
  return dropped
}

/** A page's blocks on the disk are known to it, which holds it. @kernel fs/buffer.c:create_empty_buffers */
export function attach_buffers(sys: Sys, pfn: number): void {
  if ((sys.page.flags[pfn]! & PG.private) !== 0) return
  sys.page.flags[pfn]! |= PG.private
  sys.page._refcount[pfn]! += 1
}

/** @kernel fs/buffer.c:try_to_free_buffers */
export function drop_buffers(sys: Sys, pfn: number): void {
  if ((sys.page.flags[pfn]! & PG.private) === 0) return
  sys.page.flags[pfn]! &= ~PG.private
  sys.page._refcount[pfn]! -= 1
}
