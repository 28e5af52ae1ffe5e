// Mapping and unmapping. Areas are placed top down: the highest hole below mmap_base that fits. Laws: total_vm and its
// parts count the pages of all areas; accounted areas are promised (overcommit.ts).
import { unlink_anon_vmas } from './anon_vma.ts'
import { fput, get_file, new_inode, open_inode, unlink_inode } from './files.ts'
import { populate } from './gup.ts'
import { hugetlb_acct_memory } from './hugetlb.ts'
import { free_pgtables, unmap_page_range } from './memory_zap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory, OVERCOMMIT_NEVER, vm_unacct_memory } from './overcommit.ts'
import * as F from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'
import { free_vm_rows } from './vm_rows.ts'
import { ROWS_VMA } from './vm_tables.ts'
import {
  accountable,
  find_vma,
  find_vma_intersection,
  is_data_mapping,
  vm_area_alloc,
  vm_area_free,
  vm_stat_account,
  vma_below,
  vma_link,
  vma_unlink,
} from './vma.ts'
import { DEFAULT_MAX_MAP_COUNT, split_vma, vma_merge } from './vma_merge.ts'

/** First page that a mapping without privileges may use. @kernel security/min_addr.c:mmap_min_addr */
const MMAP_MIN_PAGE = 16
/** Pages below a stack that nothing else may use. @kernel mm/mmap.c:stack_guard_gap */
export const STACK_GUARD_GAP = 256

/** What mmap is asked for; pages, not bytes. */
export interface MmapRequest {
  /** Wished first page; 0 = none. */
  readonly page?: number
  readonly pages: number
  readonly prot: number
  readonly flags: number
  /** Row of an open file; 0 = anonymous. */
  readonly file?: number
  readonly pgoff?: number
}

/** First page that an area's guard leaves to others below it. @kernel include/linux/mm.h:vm_start_gap */
export function vm_start_gap(sys: Sys, vma: number): number {
  const start = sys.vma.start[vma]!
  return (sys.vma.flags[vma]! & F.VM_GROWSDOWN) !== 0 ? Math.max(0, start - STACK_GUARD_GAP) : start
}

/** A hole for `pages` below mmap_base, aligned to `align` pages; -ENOMEM = none.
 * @kernel mm/mmap.c:arch_get_unmapped_area_topdown */
export function get_unmapped_area(sys: Sys, mm: number, wish: number, pages: number, align = 1): number {
  const { task_size, mmap_base } = sys.mm
  if (pages > task_size[mm]!) return -F.ENOMEM
  if (wish > 0 && wish + pages <= task_size[mm]! && wish >= MMAP_MIN_PAGE) {
    const above = find_vma(sys, mm, wish)
    const below = vma_below(sys, mm, wish)
    if ((above === 0 || wish + pages <= vm_start_gap(sys, above)) && (below === 0 || wish >= sys.vma.end[below]!))
      return wish
  }
  const top = hole_below(sys, mm, mmap_base[mm]!, pages, align)
  if (top >= 0) return top
  // Nothing fits below: look from the bottom of that part up, to the end of the address space.
  for (let at = Math.floor(task_size[mm]! / 3), vma = find_vma(sys, mm, at); at + pages <= task_size[mm]!; ) {
    if (vma === 0 || at + pages <= vm_start_gap(sys, vma)) return Math.ceil(at / align) * align
    at = Math.ceil(sys.vma.end[vma]! / align) * align
    vma = sys.vma.next[vma]!
  }
  return -F.ENOMEM
}

function hole_below(sys: Sys, mm: number, limit: number, pages: number, align: number): number {
  let top = limit
  let below = vma_below(sys, mm, limit)
  const across = find_vma(sys, mm, limit)
  if (across !== 0 && vm_start_gap(sys, across) < top) top = vm_start_gap(sys, across)
  if (across !== 0 && sys.vma.start[across]! < limit) below = sys.vma.prev[across]!
  for (;;) {
    const floor = below === 0 ? MMAP_MIN_PAGE : sys.vma.end[below]!
    const at = Math.floor((top - pages) / align) * align
    if (at >= floor) return at
    if (below === 0) return -1
    top = vm_start_gap(sys, below)
    below = sys.vma.prev[below]!
  }
}

/** Whether an address space may grow by pages of a kind. @kernel mm/mmap.c:may_expand_vm */
export function may_expand_vm(sys: Sys, mm: number, flags: number, pages: number): boolean {
  const owner = sys.mm.owner[mm]!
  const limit = (row: number): number => (owner === 0 ? Infinity : sys.task.rlim[8 * owner + row]! / sys.page_bytes)
  if (sys.mm.total_vm[mm]! + pages > limit(F.RLIMIT_AS)) return false
  return !is_data_mapping(flags) || sys.mm.data_vm[mm]! + pages <= limit(F.RLIMIT_DATA)
}

/** Bits of an area from the words of mmap. @kernel include/linux/mman.h:calc_vm_prot_bits */
export function vm_flags_of(prot: number, flags: number): number {
  return (
    (prot & 7) |
    ((flags & F.MAP_GROWSDOWN) !== 0 ? F.VM_GROWSDOWN : 0) |
    ((flags & F.MAP_LOCKED) !== 0 ? F.VM_LOCKED : 0)
  )
}

/** Maps pages: the first page, or a negated errno. @kernel mm/mmap.c:do_mmap */
export function do_mmap(sys: Sys, mm: number, request: MmapRequest): number {
  const { pages, prot, flags, file = 0, pgoff = 0 } = request
  const type = flags & 3
  if (pages <= 0 || !Number.isInteger(pages) || type === 0) return -F.EINVAL
  if (sys.mm.map_count[mm]! >= DEFAULT_MAX_MAP_COUNT || free_vm_rows(sys, ROWS_VMA, sys.vma.next) < 3) return -F.ENOMEM
  const shared = type !== F.MAP_PRIVATE
  const huge = (flags & F.MAP_HUGETLB) !== 0
  const align = huge ? 2 ** sys.kernel.huge_order : 1
  if (huge && (pages % align !== 0 || !sys.kernel.config.HUGETLB_PAGE)) return -F.EINVAL
  const page = place(sys, mm, request, align)
  if (page < 0) return page
  let vm_flags = vm_flags_of(prot, flags) | sys.mm.def_flags[mm]! | F.VM_MAYREAD | F.VM_MAYWRITE | F.VM_MAYEXEC
  if (shared) vm_flags |= F.VM_SHARED | F.VM_MAYSHARE
  if (huge) vm_flags |= F.VM_HUGETLB | F.VM_DONTEXPAND
  if ((vm_flags & F.VM_LOCKED) !== 0 && !mlock_allowed(sys, mm, pages)) return -F.EAGAIN
  // Only who need not account may leave it: in mode 2 everybody must.
  if ((flags & F.MAP_NORESERVE) !== 0 && sys.vm_state.overcommit_memory[0] !== OVERCOMMIT_NEVER)
    vm_flags |= F.VM_NORESERVE
  return mmap_region(sys, mm, page, pages, vm_flags >>> 0, file, pgoff, flags)
}

function place(sys: Sys, mm: number, { page = 0, pages, flags }: MmapRequest, align: number): number {
  if ((flags & (F.MAP_FIXED | F.MAP_FIXED_NOREPLACE)) === 0) return get_unmapped_area(sys, mm, page, pages, align)
  if (page % align !== 0) return -F.EINVAL
  if (page + pages > sys.mm.task_size[mm]!) return -F.ENOMEM
  if (page < MMAP_MIN_PAGE) return -F.EPERM
  if ((flags & F.MAP_FIXED_NOREPLACE) !== 0 && find_vma_intersection(sys, mm, page, page + pages) !== 0)
    return -F.EEXIST
  return page
}

/** Whether a task may lock so much more. @kernel mm/mmap.c:mlock_future_check */
export function mlock_allowed(sys: Sys, mm: number, pages: number): boolean {
  const owner = sys.mm.owner[mm]!
  if (owner === 0) return true
  return sys.mm.locked_vm[mm]! + pages <= sys.task.rlim[8 * owner + F.RLIMIT_MEMLOCK]! / sys.page_bytes
}

/** @kernel mm/mmap.c:accountable_mapping */
const accountable_mapping = (flags: number): boolean =>
  (flags & (F.VM_NORESERVE | F.VM_SHARED | F.VM_WRITE | F.VM_HUGETLB)) === F.VM_WRITE

/** @kernel mm/mmap.c:mmap_region */
function mmap_region(
  sys: Sys,
  mm: number,
  page: number,
  pages: number,
  flags: number,
  file: number,
  pgoff: number,
  map_flags: number,
): number {
  const end = page + pages
  if (!may_expand_vm(sys, mm, flags, pages - count_range(sys, mm, page, end))) return -F.ENOMEM
  if (find_vma_intersection(sys, mm, page, end) !== 0) {
    const error = do_munmap(sys, mm, page, pages)
    if (error !== 0) return error
  }
  let vm_flags = flags
  if (accountable_mapping(flags)) {
    if (__vm_enough_memory(sys, mm, pages) !== 0) return -F.ENOMEM
    vm_flags |= F.VM_ACCOUNT
  }
  const huge = (flags & F.VM_HUGETLB) !== 0
  if (huge && (flags & F.VM_NORESERVE) === 0 && !hugetlb_acct_memory(sys, pages / 2 ** sys.kernel.huge_order))
    return -F.ENOMEM
  const shared = (flags & F.VM_SHARED) !== 0
  const offset = file === 0 && !shared ? page : pgoff
  if (file === 0 && !shared && !huge) {
    const prev = vma_below(sys, mm, page)
    const merged = vma_merge(sys, mm, prev, page, end, vm_flags >>> 0, 0, 0, offset, 0)
    if (merged !== 0) return finish_mmap(sys, mm, page, pages, vm_flags, map_flags)
  }
  const vma = vm_area_alloc(sys, mm)
  sys.vma.start[vma] = page
  sys.vma.end[vma] = end
  sys.vma.pgoff[vma] = offset
  // A new area counts as written: what was there before is gone.
  sys.vma.flags[vma] = (vm_flags | (sys.kernel.config.MEM_SOFT_DIRTY ? F.VM_SOFTDIRTY : 0)) >>> 0
  sys.vma.file[vma] = file !== 0 ? file : shared ? zero_file(sys, pages, huge, flags) : 0
  if (file !== 0) get_file(sys, file)
  vma_link(sys, mm, vma)
  return finish_mmap(sys, mm, page, pages, vm_flags, map_flags)
}

/** Shared memory without a name lies in a file without a name. @kernel mm/shmem.c:shmem_zero_setup */
function zero_file(sys: Sys, pages: number, huge: boolean, flags: number): number {
  const kind = huge ? F.INODE_HUGETLB : F.INODE_SHMEM
  const inode = new_inode(sys, kind, huge ? '/anon_hugepage (deleted)' : '/dev/zero (deleted)', pages * sys.page_bytes)
  if (!huge && (flags & F.VM_NORESERVE) === 0) {
    sys.vm_state.vm_committed_as[0]! += pages
    sys.inode.reserved[inode] = pages
  }
  const file = open_inode(sys, inode)
  unlink_inode(sys, inode)
  return file
}

function finish_mmap(sys: Sys, mm: number, page: number, pages: number, flags: number, map_flags: number): number {
  vm_stat_account(sys, mm, flags, pages)
  if ((flags & F.VM_LOCKED) !== 0) sys.mm.locked_vm[mm]! += pages
  const filled = (map_flags & (F.MAP_POPULATE | F.MAP_NONBLOCK)) === F.MAP_POPULATE || (flags & F.VM_LOCKED) !== 0
  if (filled) populate(sys, mm, page, page + pages)
  return page
}

/** Pages of a range that are mapped. @kernel mm/mmap.c:count_vma_pages_range */
export function count_range(sys: Sys, mm: number, page: number, end: number): number {
  let pages = 0
  for (let vma = find_vma_intersection(sys, mm, page, end); vma !== 0 && sys.vma.start[vma]! < end; ) {
    pages += Math.min(end, sys.vma.end[vma]!) - Math.max(page, sys.vma.start[vma]!)
    vma = sys.vma.next[vma]!
  }
  return pages
}

/** Unmaps [page, page + pages): 0, or a negated errno. @kernel mm/mmap.c:do_mas_align_munmap */
export function do_munmap(sys: Sys, mm: number, page: number, pages: number): number {
  const end = page + pages
  if (pages <= 0 || page < 0 || end > sys.mm.task_size[mm]! || !Number.isInteger(page)) return -F.EINVAL
  let vma = find_vma_intersection(sys, mm, page, end)
  if (vma === 0) return 0
  if (sys.vma.start[vma]! < page) {
    // In the middle: an area more than before.
    if (end < sys.vma.end[vma]! && sys.mm.map_count[mm]! >= DEFAULT_MAX_MAP_COUNT) return -F.ENOMEM
    if (free_vm_rows(sys, ROWS_VMA, sys.vma.next) < 2) return -F.ENOMEM
    const error = split_vma(sys, vma, page, false)
    if (error !== 0) return error
    vma = sys.vma.next[vma]!
  }
  const last = find_vma(sys, mm, end - 1)
  if (last !== 0 && sys.vma.start[last]! < end && end < sys.vma.end[last]!) {
    const error = split_vma(sys, last, end, false)
    if (error !== 0) return error
    if (last === vma) vma = last
  }
  unmap_region(sys, mm, vma, end)
  return 0
}

/** Unmaps whole areas from `first` up to `end`. @kernel mm/mmap.c:unmap_region */
function unmap_region(sys: Sys, mm: number, first: number, end: number): void {
  const { prev, next, start, end: ends } = sys.vma
  const before = prev[first]!
  const areas: number[] = []
  for (let vma = first; vma !== 0 && start[vma]! < end; vma = next[vma]!) areas.push(vma)
  const ranges = areas.map(vma => [start[vma]!, ends[vma]!] as const)
  const after = next[areas.at(-1)!]!
  lru_add_drain(sys)
  for (const vma of areas) unmap_page_range(sys, vma, start[vma]!, ends[vma]!)
  const ceiling = after === 0 ? Infinity : start[after]!
  free_pgtables(sys, mm, ranges, before === 0 ? 0 : ends[before]!, ceiling)
  for (const vma of areas) remove_vma(sys, mm, vma)
}

/** An area that maps nothing any more goes. @kernel mm/mmap.c:remove_vma */
export function remove_vma(sys: Sys, mm: number, vma: number): void {
  const flags = sys.vma.flags[vma]!
  const pages = sys.vma.end[vma]! - sys.vma.start[vma]!
  vm_stat_account(sys, mm, flags, -pages)
  if ((flags & F.VM_LOCKED) !== 0) sys.mm.locked_vm[mm]! -= pages
  if (accountable(flags)) vm_unacct_memory(sys, pages)
  if ((flags & (F.VM_HUGETLB | F.VM_NORESERVE)) === F.VM_HUGETLB) release_promises(sys, vma, pages)
  const file = sys.vma.file[vma]!
  vma_unlink(sys, mm, vma)
  unlink_anon_vmas(sys, vma)
  vm_area_free(sys, vma)
  if (file !== 0) fput(sys, file)
}

/** What an area of huge pages was promised and did not use. @kernel mm/hugetlb.c:hugetlb_vm_op_close */
function release_promises(sys: Sys, vma: number, pages: number): void {
  const unused = pages / 2 ** sys.kernel.huge_order - sys.vma.huge_used[vma]!
  if (unused > 0) hugetlb_acct_memory(sys, -unused)
}
