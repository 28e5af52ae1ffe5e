// Emptying a swap area: every entry of every process, and every page of a memory file, is brought back to memory.
import { do_swap_page } from './memory_swap.ts'
import { add_mm_counter } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import { is_swap_pte } from './pte.ts'
import { wait_until } from './reclaim_clock.ts'
import { shmem_swapin } from './shmem_swap.ts'
import { folio_free_swap } from './swap_state.ts'
import { drain_slots_cache, swap_free } from './swapfile_slots.ts'
import { SWP_SWAPIN_ERROR, set_swap_entry, swap_entry_offset, swap_entry_type, swp_type } from './swapops.ts'
import { pte_lookup } from './user_pgtable.ts'
import { INODE_SHMEM, MM_SWAPENTS, VM_FAULT_ERROR, VM_FAULT_SIGBUS } from './vm_flags.ts'
import { XA_CHUNK } from './vm_tables.ts'

const ENOMEM = 12
const EBUSY = 16

/** Brings back what lies in an area; 0, or a negated errno. @kernel mm/swapfile.c:try_to_unuse */
export function try_to_unuse(sys: Sys, type: number): number {
  const error = unuse_shmem(sys, type) || unuse_processes(sys, type)
  if (error !== 0) return error
  // Pages under writeback keep their slots until it is over.
  const { io_count, io_head } = sys.reclaim_clock
  while (io_count[0]! > 0) wait_until(sys, sys.reclaim_io.done[io_head[0]!]!)
  const { base, max } = sys.swap_info
  for (let row = base[type]!; row < base[type]! + max[type]!; row++) {
    const pfn = sys.swap_map.folio[row]! - 1
    if (pfn < 0) continue
    // Nobody but the swap cache may have it.
    sys.page._refcount[pfn]! += 1
    folio_free_swap(sys, pfn)
    put_page(sys, pfn)
  }
  drain_slots_cache(sys)
  return sys.swap_info.inuse_pages[type] === 0 ? 0 : -EBUSY
}

/** A page that its device cannot give back is lost to this process: it is told when it needs it.
 * @kernel mm/swapfile.c:unuse_pte */
function set_swapin_error(sys: Sys, mm: number, at: number, type: number): void {
  const offset = swap_entry_offset(sys, at)
  set_swap_entry(sys, at, SWP_SWAPIN_ERROR, 0)
  add_mm_counter(sys, mm, MM_SWAPENTS, -1)
  swap_free(sys, type, offset)
}

/** @kernel mm/shmem.c:shmem_unuse */
function unuse_shmem(sys: Sys, type: number): number {
  for (let inode = 1; inode < sys.inode.kind.length; inode++) {
    if (sys.inode.kind[inode] !== INODE_SHMEM) continue
    for (const [index, entry] of swapped_pages(sys, inode, type))
      if (shmem_swapin(sys, inode, index, entry) === -1) return -ENOMEM
  }
  return 0
}

/** Index and entry of the pages of a memory file that lie in an area. */
function swapped_pages(sys: Sys, inode: number, type: number): [number, number][] {
  const { root, shift, slots, parent, offset } = sys.xa_node
  const found: [number, number][] = []
  for (let node = 1; node < root.length; node++) {
    if (root[node] !== inode + 1 || shift[node] !== 0) continue
    let first = 0
    for (let at = node, scale = XA_CHUNK; parent[at] !== 0; at = parent[at]!, scale *= XA_CHUNK)
      first += offset[at]! * scale
    for (let slot = 0; slot < XA_CHUNK; slot++) {
      const entry = slots[XA_CHUNK * node + slot]!
      if (entry < 0 && swp_type(-1 - entry) === type) found.push([first + slot, -1 - entry])
    }
  }
  return found
}

/** @kernel mm/swapfile.c:unuse_mm */
function unuse_processes(sys: Sys, type: number): number {
  const { mm, start, end } = sys.vma
  for (let vma = 1; vma < mm.length; vma++) {
    if (mm[vma] === 0 || sys.mm.pgd[mm[vma]!] === 0) continue
    const pgd = sys.mm.pgd[mm[vma]!]! - 1
    for (let page = start[vma]!; page < end[vma]!; page++) {
      const at = pte_lookup(sys, pgd, page)
      if (at === -1 || !is_swap_pte(sys, at) || swap_entry_type(sys, at) !== type) continue
      const ret = do_swap_page(sys, vma, page, at, 0)
      if ((ret & VM_FAULT_SIGBUS) !== 0) set_swapin_error(sys, mm[vma]!, at, type)
      else if ((ret & VM_FAULT_ERROR) !== 0) return -ENOMEM
    }
  }
  return 0
}
