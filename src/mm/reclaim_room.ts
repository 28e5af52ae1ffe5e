// The reclaim room of a machine: what the page allocator and virtual memory ask is answered here.

import { wakeup_kswapd } from './kswapd.ts'
import { lru_gen_init } from './lru_gen_state.ts'
import { mlock_drain_local, mlock_folio, mlock_new_folio, munlock_folio } from './mlock_folio.ts'
import type { Sys } from './mmzone.ts'
import { node_reclaim } from './node_reclaim.ts'
import { oom_seam } from './oom_kill.ts'
import { alloc_pages_reclaim, wake_all_kswapds } from './page_alloc/slowpath.ts'
import { wait_for_read } from './page_io.ts'
import { reclaim_clock_init } from './reclaim_clock.ts'
import { reclaim_pages } from './reclaim_pages.ts'
import { free_shmem_swap, shmem_swapin } from './shmem_swap.ts'
import { unreclaimable_slabs } from './slab_unreclaimable.ts'
import {
  deactivate_page,
  folio_add_lru,
  folio_mark_accessed,
  folio_mark_lazyfree,
  lru_add_drain,
  page_cache_release,
} from './swap.ts'
import { folio_free_swap, free_swap_and_cache, lookup_swap_cache, swapin_readahead } from './swap_state.ts'
import { swap_duplicate, swap_free, vm_swap_full } from './swapfile_slots.ts'
import { workingset_refault } from './workingset.ts'

/** Gives a machine that has processes its reclaim; a machine without rows for it stays as it is. @ours */
export function attach_reclaim(sys: Sys): void {
  if (sys.lruvec.anon_cost.length === 0) return
  sys.reclaim = { wakeup_kswapd, wake_all_kswapds, node_reclaim, alloc_pages_reclaim }
  sys.seams = {
    slab_info: { unreclaimable: unreclaimable_slabs },
    ...sys.seams,
    oom: oom_seam,
    lru: {
      folio_add_lru,
      page_cache_release,
      lru_add_drain,
      folio_mark_accessed,
      folio_mark_lazyfree,
      deactivate_page,
      reclaim_pages,
      mlock_folio,
      mlock_new_folio,
      munlock_folio,
      mlock_drain_local,
      workingset_refault,
      wait_for_io: wait_for_read,
    },
    swap: {
      swap_duplicate,
      swap_free,
      free_swap_and_cache,
      lookup_swap_cache,
      swapin_readahead,
      folio_free_swap,
      vm_swap_full,
      shmem_swapin,
      free_shmem_swap,
      total_swap_pages: other => other.swap_state.total_swap_pages[0]!,
      nr_swap_pages: other => other.swap_state.nr_swap_pages[0]!,
    },
  }
}

/** State of reclaim at boot. @ours */
export function reclaim_init(sys: Sys): void {
  if (sys.lruvec.anon_cost.length === 0) return
  reclaim_clock_init(sys)
  lru_gen_init(sys)
  sys.swap_state.page_cluster[0] = 3
  sys.swap_state.hits[0] = 4
  attach_reclaim(sys)
}
