// From a new page to its LRU list and between the lists. A CPU collects pages in batches and moves a batch at once; a
// page in a batch has one reference more and is on no list, or on the one that it shall leave.
// Law: PG.lru is set by the batch that puts the page on a list.
import { lru_gen_enabled, lru_gen_in_fault } from './lru_gen.ts'
import { folio_inc_refs } from './lru_gen_access.ts'
import { lruvec_add_folio, lruvec_add_folio_tail, lruvec_del_folio } from './lruvec.ts'
import { clear_mlocked, folio_evictable, mlock_drain_local, set_mlock_count } from './mlock_folio.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { put_page } from './page_ref.ts'
import {
  BATCH_ACTIVATE,
  BATCH_ADD,
  BATCH_DEACTIVATE,
  BATCH_DEACTIVATE_FILE,
  BATCH_LAZYFREE,
  BATCH_MLOCK,
  BATCH_ROTATE,
  MAX_BATCH,
  NR_BATCHES,
} from './reclaim_tables.ts'
import { folio_mapped } from './rmap.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'
import { workingset_activation, workingset_age_nonresident } from './workingset.ts'

const [PGACTIVATE, PGDEACTIVATE, PGROTATED, PGLAZYFREE] = [
  vm_event('pgactivate'),
  vm_event('pgdeactivate'),
  vm_event('pgrotated'),
  vm_event('pglazyfree'),
] as const
const CULLED: number = vm_event('unevictable_pgs_culled')
const RESCUED: number = vm_event('unevictable_pgs_rescued')
const { lru: LRU, active: ACTIVE, referenced: REFERENCED, unevictable: UNEVICTABLE, mlocked: MLOCKED } = PG
const { reclaim: RECLAIM, dirty: DIRTY, writeback: WRITEBACK, swapbacked: SWAPBACKED, locked: LOCKED } = PG

const row = (sys: Sys, batch: number): number => sys.machine.this_cpu[0]! * NR_BATCHES + batch

/** Adds a page to a batch of the running CPU, which is emptied when it is full. @kernel mm/swap.c:folio_batch_add_and_move */
function batch_add(sys: Sys, batch: number, pfn: number): void {
  const at = row(sys, batch)
  const nr = sys.lru_batch.nr[at]!
  sys.lru_batch.pfn[at * MAX_BATCH + nr] = pfn
  sys.lru_batch.nr[at] = nr + 1
  sys.page._refcount[pfn] = sys.page._refcount[pfn]! + 1
  if (nr + 1 >= sys.kernel.reclaim.batch_size) batch_move(sys, batch)
}

/** Does with each page of a batch what the batch is for. @kernel mm/swap.c:folio_batch_move_lru */
function batch_move(sys: Sys, batch: number): void {
  const at = row(sys, batch)
  const { nr, pfn: pfns } = sys.lru_batch
  const count = nr[at]!
  nr[at] = 0
  for (let i = 0; i < count; i++) {
    const pfn = pfns[at * MAX_BATCH + i]!
    move_one(sys, batch, pfn)
    put_page(sys, pfn)
  }
}

function move_one(sys: Sys, batch: number, pfn: number): void {
  const { flags } = sys.page
  if (batch === BATCH_ADD) {
    lru_add_fn(sys, pfn)
    return
  }
  if ((flags[pfn]! & LRU) === 0) return
  if (batch === BATCH_ACTIVATE) folio_activate_fn(sys, pfn)
  else if (batch === BATCH_ROTATE) lru_move_tail_fn(sys, pfn)
  else if (batch === BATCH_DEACTIVATE_FILE) lru_deactivate_file_fn(sys, pfn)
  else if (batch === BATCH_DEACTIVATE) lru_deactivate_fn(sys, pfn)
  else if (batch === BATCH_LAZYFREE) lru_lazyfree_fn(sys, pfn)
}

/** @kernel mm/swap.c:lru_add_fn */
function lru_add_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  const was_unevictable = (flags[pfn]! & UNEVICTABLE) !== 0
  if (folio_evictable(sys, pfn)) {
    flags[pfn] = flags[pfn]! & ~UNEVICTABLE
    if (was_unevictable) count_vm_events(sys, RESCUED, 1)
  } else {
    flags[pfn] = (flags[pfn]! & ~ACTIVE) | UNEVICTABLE
    // Whether a batch that waits has counted it nobody knows here: rather too few.
    set_mlock_count(sys, pfn, 0)
    if (!was_unevictable) count_vm_events(sys, CULLED, 1)
  }
  lruvec_add_folio(sys, pfn)
  flags[pfn] = flags[pfn]! | LRU
}

/** A page that is in use from now on. @kernel mm/swap.c:folio_add_lru */
export function folio_add_lru(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  // What a fault brought in is young, unless its area is read in order or at random.
  if (lru_gen_enabled(sys) && (flags[pfn]! & UNEVICTABLE) === 0 && lru_gen_in_fault(sys))
    flags[pfn] = flags[pfn]! | ACTIVE
  batch_add(sys, BATCH_ADD, pfn)
}

/** @kernel mm/swap.c:folio_activate_fn */
function folio_activate_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & (ACTIVE | UNEVICTABLE)) !== 0) return
  lruvec_del_folio(sys, pfn)
  flags[pfn] = flags[pfn]! | ACTIVE
  lruvec_add_folio(sys, pfn)
  count_vm_events(sys, PGACTIVATE, 1)
}

/** Moves an inactive page to the active list. @kernel mm/swap.c:folio_activate */
export function folio_activate(sys: Sys, pfn: number): void {
  const flags = sys.page.flags[pfn]!
  if ((flags & LRU) !== 0 && (flags & (ACTIVE | UNEVICTABLE)) === 0) batch_add(sys, BATCH_ACTIVATE, pfn)
}

/** A page that waits in a batch becomes active there. @kernel mm/swap.c:__lru_cache_activate_folio */
function lru_cache_activate_folio(sys: Sys, pfn: number): void {
  const at = row(sys, BATCH_ADD)
  const { nr, pfn: pfns } = sys.lru_batch
  for (let i = nr[at]! - 1; i >= 0; i--)
    if (pfns[at * MAX_BATCH + i] === pfn) {
      sys.page.flags[pfn] = sys.page.flags[pfn]! | ACTIVE
      return
    }
}

/** A page was used: inactive, then referenced, then active. @kernel mm/swap.c:folio_mark_accessed */
export function folio_mark_accessed(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if (lru_gen_enabled(sys)) {
    folio_inc_refs(sys, pfn)
    return
  }
  if ((flags[pfn]! & REFERENCED) === 0) {
    flags[pfn] = flags[pfn]! | REFERENCED
  } else if ((flags[pfn]! & (UNEVICTABLE | ACTIVE)) === 0) {
    // A page that waits for its list becomes active at once.
    if ((flags[pfn]! & LRU) !== 0) folio_activate(sys, pfn)
    else lru_cache_activate_folio(sys, pfn)
    flags[pfn] = flags[pfn]! & ~REFERENCED
    workingset_activation(sys, pfn)
  }
}

/** @kernel mm/swap.c:lru_move_tail_fn */
function lru_move_tail_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & UNEVICTABLE) !== 0) return
  lruvec_del_folio(sys, pfn)
  flags[pfn] = flags[pfn]! & ~ACTIVE
  lruvec_add_folio_tail(sys, pfn)
  count_vm_events(sys, PGROTATED, 1)
}

/** A page that was written so that it can go: it goes next. @kernel mm/swap.c:folio_rotate_reclaimable */
export function folio_rotate_reclaimable(sys: Sys, pfn: number): void {
  if ((sys.page.flags[pfn]! & (LOCKED | DIRTY | UNEVICTABLE | LRU)) === LRU) batch_add(sys, BATCH_ROTATE, pfn)
}

/** @kernel mm/swap.c:lru_deactivate_file_fn */
function lru_deactivate_file_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & UNEVICTABLE) !== 0 || folio_mapped(sys, pfn)) return
  const active = (flags[pfn]! & ACTIVE) !== 0
  lruvec_del_folio(sys, pfn)
  flags[pfn] = flags[pfn]! & ~(ACTIVE | REFERENCED)
  if ((flags[pfn]! & (WRITEBACK | DIRTY)) !== 0) {
    // Setting it could confuse readahead, but it is for writeback that it is set.
    lruvec_add_folio(sys, pfn)
    flags[pfn] = flags[pfn]! | RECLAIM
  } else {
    lruvec_add_folio_tail(sys, pfn)
    count_vm_events(sys, PGROTATED, 1)
  }
  if (active) count_vm_events(sys, PGDEACTIVATE, 1)
}

/** A file's page that is not needed soon. @kernel mm/swap.c:deactivate_file_folio */
export function deactivate_file_folio(sys: Sys, pfn: number): void {
  if ((sys.page.flags[pfn]! & UNEVICTABLE) === 0) batch_add(sys, BATCH_DEACTIVATE_FILE, pfn)
}

/** @kernel mm/swap.c:lru_deactivate_fn */
function lru_deactivate_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & UNEVICTABLE) !== 0 || ((flags[pfn]! & ACTIVE) === 0 && !lru_gen_enabled(sys))) return
  lruvec_del_folio(sys, pfn)
  flags[pfn] = flags[pfn]! & ~(ACTIVE | REFERENCED)
  lruvec_add_folio(sys, pfn)
  count_vm_events(sys, PGDEACTIVATE, 1)
}

/** MADV_COLD: an active page becomes inactive. @kernel mm/swap.c:deactivate_page */
export function deactivate_page(sys: Sys, pfn: number): void {
  const flags = sys.page.flags[pfn]!
  if ((flags & (LRU | UNEVICTABLE)) === LRU && ((flags & ACTIVE) !== 0 || lru_gen_enabled(sys)))
    batch_add(sys, BATCH_DEACTIVATE, pfn)
}

/** @kernel mm/swap.c:lru_lazyfree_fn */
function lru_lazyfree_fn(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  const swapcache = (flags[pfn]! & PG.owner_priv_1) !== 0
  if (sys.page.mapping[pfn]! >= 0 || (flags[pfn]! & SWAPBACKED) === 0 || swapcache || (flags[pfn]! & UNEVICTABLE) !== 0)
    return
  lruvec_del_folio(sys, pfn)
  // Its content is not needed: it goes with the files, which need no swap.
  flags[pfn] = flags[pfn]! & ~(ACTIVE | REFERENCED | SWAPBACKED)
  lruvec_add_folio(sys, pfn)
  count_vm_events(sys, PGLAZYFREE, 1)
}

/** MADV_FREE. @kernel mm/swap.c:folio_mark_lazyfree */
export function folio_mark_lazyfree(sys: Sys, pfn: number): void {
  const flags = sys.page.flags[pfn]!
  const swapcache = (flags & PG.owner_priv_1) !== 0
  if (sys.page.mapping[pfn]! < 0 && (flags & (SWAPBACKED | LRU | UNEVICTABLE)) === (SWAPBACKED | LRU) && !swapcache)
    batch_add(sys, BATCH_LAZYFREE, pfn)
}

/** Empties the running CPU's batches into the lists. @kernel mm/swap.c:lru_add_drain */
export function lru_add_drain(sys: Sys): void {
  const { nr } = sys.lru_batch
  const first = sys.machine.this_cpu[0]! * NR_BATCHES
  for (let batch = 0; batch < BATCH_MLOCK; batch++) if (nr[first + batch]! > 0) batch_move(sys, batch)
  if (nr[first + BATCH_MLOCK]! > 0) mlock_drain_local(sys)
}

/** Empties every CPU's batches. @kernel mm/swap.c:lru_add_drain_all */
export function lru_add_drain_all(sys: Sys): void {
  const here = sys.machine.this_cpu[0]!
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    sys.machine.this_cpu[0] = cpu
    lru_add_drain(sys)
  }
  sys.machine.this_cpu[0] = here
}

/** Takes a page that nobody uses any more off its list. @kernel mm/swap.c:__page_cache_release */
export function page_cache_release(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if ((flags[pfn]! & LRU) !== 0) {
    lruvec_del_folio(sys, pfn)
    flags[pfn] = flags[pfn]! & ~(LRU | ACTIVE | UNEVICTABLE)
  }
  if ((flags[pfn]! & MLOCKED) !== 0) clear_mlocked(sys, pfn)
}

/** Puts an isolated page back through the batch, and drops its reference. @kernel mm/vmscan.c:folio_putback_lru */
export function folio_putback_lru(sys: Sys, pfn: number): void {
  folio_add_lru(sys, pfn)
  put_page(sys, pfn)
}

/** Takes a page off its list for somebody else; false = it is on none. @kernel mm/vmscan.c:folio_isolate_lru */
export function folio_isolate_lru(sys: Sys, pfn: number): boolean {
  const { flags, _refcount } = sys.page
  if ((flags[pfn]! & LRU) === 0) return false
  flags[pfn] = flags[pfn]! & ~LRU
  _refcount[pfn] = _refcount[pfn]! + 1
  lruvec_del_folio(sys, pfn)
  return true
}

/** Puts a page back on its list at once. @kernel mm/vmscan.c:move_folios_to_lru @differs one page */
export function lru_putback(sys: Sys, pfn: number): void {
  const { flags, _refcount } = sys.page
  if ((flags[pfn]! & (UNEVICTABLE | MLOCKED)) !== 0) {
    folio_putback_lru(sys, pfn)
    return
  }
  flags[pfn] = flags[pfn]! | LRU
  if (_refcount[pfn] === 1) {
    // All others have dropped it meanwhile.
    flags[pfn] = flags[pfn]! & ~LRU
    put_page(sys, pfn)
    return
  }
  lruvec_add_folio(sys, pfn)
  _refcount[pfn] = _refcount[pfn]! - 1
  if ((flags[pfn]! & ACTIVE) !== 0) workingset_age_nonresident(sys, sys.zone_to_nid[page_zone(sys, pfn)]!, 1)
}
