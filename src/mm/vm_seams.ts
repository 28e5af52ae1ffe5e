// What virtual memory asks of rooms that a machine may do without: the LRU lists, swap, memory policies. Not state: who
// attaches a machine or forks it sets them again.
import type { Sys } from './mmzone.ts'

/** The lists of pages that reclaim goes through. */
export interface LruSeam {
  /** A page that is in use now; it reaches its list when the CPU's batch is full. @kernel mm/swap.c:folio_add_lru */
  folio_add_lru(sys: Sys, pfn: number): void
  /** Takes a page that nobody uses any more off its list. @kernel mm/swap.c:__page_cache_release */
  page_cache_release(sys: Sys, pfn: number): void
  /** Empties the running CPU's batches into the lists. @kernel mm/swap.c:lru_add_drain */
  lru_add_drain(sys: Sys): void
  /** @kernel mm/swap.c:folio_mark_accessed */
  folio_mark_accessed(sys: Sys, pfn: number): void
  /** A page comes back whose shadow is still there. @kernel mm/workingset.c:workingset_refault */
  workingset_refault?(sys: Sys, pfn: number, shadow: number): void
  /** @kernel mm/swap.c:folio_mark_lazyfree */
  folio_mark_lazyfree?(sys: Sys, pfn: number): void
  /** Who dirties too much helps to write. @kernel mm/page-writeback.c:balance_dirty_pages_ratelimited */
  balance_dirty_pages?(sys: Sys): void
  /** Reading pages from a disk takes its time. @kernel mm/filemap.c:folio_wait_bit_common */
  wait_for_io?(sys: Sys, pages: number): void
  /** @kernel mm/swap.c:deactivate_page */
  deactivate_page?(sys: Sys, pfn: number): void
  /** A new page of an area that is locked in memory. @kernel mm/mlock.c:mlock_new_folio */
  mlock_new_folio?(sys: Sys, pfn: number): void
  /** A page of an area that is locked in memory was mapped. @kernel mm/mlock.c:mlock_folio */
  mlock_folio?(sys: Sys, pfn: number): void
  /** @kernel mm/mlock.c:munlock_folio */
  munlock_folio?(sys: Sys, pfn: number): void
  /** Empties the running CPU's batch of pages to lock and unlock. @kernel mm/mlock.c:mlock_drain_local */
  mlock_drain_local?(sys: Sys): void
  /** Writes pages out at once; returns how many were freed. @kernel mm/vmscan.c:reclaim_pages */
  reclaim_pages?(sys: Sys, pfns: readonly number[]): number
}

/** Swap areas and the swap cache. An entry is type and offset. */
export interface SwapSeam {
  /** One user more of an entry; 0 or a negated errno. @kernel mm/swapfile.c:swap_duplicate */
  swap_duplicate(sys: Sys, type: number, offset: number): number
  /** One user less of an entry. @kernel mm/swapfile.c:free_swap_and_cache */
  free_swap_and_cache(sys: Sys, type: number, offset: number): void
  /** @kernel mm/swapfile.c:swap_free */
  swap_free(sys: Sys, type: number, offset: number): void
  /** The page of an entry in the swap cache, -1 = it is not there. @kernel mm/swap_state.c:lookup_swap_cache */
  lookup_swap_cache(sys: Sys, type: number, offset: number, vma: number, page: number): number
  /** Reads an entry, and its neighbours; -1 = no memory. The page is in the swap cache, one reference is the caller's.
   * @kernel mm/swap_state.c:swapin_readahead */
  swapin_readahead(sys: Sys, type: number, offset: number, vma: number, page: number): number
  /** Takes a page out of the swap cache where nothing else needs its entry. @kernel mm/swapfile.c:folio_free_swap */
  folio_free_swap(sys: Sys, pfn: number): boolean
  /** Whether the area's swap is more than half full. @kernel include/linux/swap.h:vm_swap_full */
  vm_swap_full(sys: Sys): boolean
  /** Gives up the slot that a page of a memory file was swapped to. @kernel mm/shmem.c:shmem_free_swap */
  free_shmem_swap?(sys: Sys, inode: number, entry: number): void
  /** Reads a page of a memory file back; -1 = no memory, -2 = it could not be read. @kernel mm/shmem.c:shmem_swapin_folio */
  shmem_swapin?(sys: Sys, inode: number, index: number, entry: number): number
  /** Whether the device wants pages unchanged while it writes them. @kernel mm/swapfile.c:data_race */
  stable_pages?(sys: Sys, type: number): boolean
  /** Users of an entry. @kernel mm/swapfile.c:swp_swapcount */
  swp_swapcount?(sys: Sys, type: number, offset: number): number
  /** Pages of swap there are in all. @kernel mm/swapfile.c:total_swap_pages */
  total_swap_pages(sys: Sys): number
  /** Free ones of them. @kernel mm/swapfile.c:nr_swap_pages */
  nr_swap_pages(sys: Sys): number
}

/** Memory policies. */
export interface PolicySeam {
  /** A block for a page of an area by the area's policy, or the task's. @kernel mm/mempolicy.c:vma_alloc_folio */
  vma_alloc_folio(sys: Sys, gfp: number, order: number, vma: number, page: number): number
}

/** Kills when memory is out. */
export interface OomSeam {
  /** A fault could not get memory. @kernel mm/oom_kill.c:pagefault_out_of_memory */
  pagefault_out_of_memory(sys: Sys): void
  /** A request found nothing and may not fail: a process must go; true = one does. @kernel mm/oom_kill.c:out_of_memory */
  out_of_memory?(sys: Sys, gfp: number, order: number, zonelist: number, nodemask: Uint8Array | null): boolean
}

/** A cache of objects that cannot be reclaimed, bytes. */
export interface SlabUse {
  readonly name: string
  readonly used: number
  readonly total: number
}

/** Who knows the caches of objects of a captured machine; a booted one counts its own. */
export interface SlabInfoSeam {
  unreclaimable(sys: Sys): readonly SlabUse[]
}

export interface VmSeams {
  slab_info?: SlabInfoSeam
  lru?: LruSeam
  swap?: SwapSeam
  policy?: PolicySeam
  oom?: OomSeam
}
