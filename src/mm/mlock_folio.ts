// Pages that are locked in memory. A CPU collects them in a batch of its own, each with a tag that says what is to be done;
// a page in it has one reference more. Laws: PG.mlocked is set at once and counted in nr_mlock; on the unevictable list, which
// has no links, a page keeps in the place of its link how many areas lock it (mlock_count). It may be too small, never too large:
// then reclaim meets the page and takes it off the other lists again.
import { lru_gen_del_folio } from './lru_gen.ts'
import { lruvec_add_folio, lruvec_del_folio } from './lruvec.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { compound_order, put_page } from './page_ref.ts'
import { BATCH_MLOCK, MAX_BATCH, NR_BATCHES } from './reclaim_tables.ts'
import { __mod_zone_page_state, count_vm_events } from './vmstat.ts'
import { vm_event, zone_item } from './vmstat_item.ts'

const NR_MLOCK: number = zone_item('nr_mlock')
const CULLED: number = vm_event('unevictable_pgs_culled')
const RESCUED: number = vm_event('unevictable_pgs_rescued')
const MLOCKED_EVENT: number = vm_event('unevictable_pgs_mlocked')
const MUNLOCKED_EVENT: number = vm_event('unevictable_pgs_munlocked')
const CLEARED: number = vm_event('unevictable_pgs_cleared')
const STRANDED: number = vm_event('unevictable_pgs_stranded')
const { lru: LRU, active: ACTIVE, unevictable: UNEVICTABLE, mlocked: MLOCKED, head: HEAD } = PG

/** Tags of a batch. */
const TAG_MUNLOCK = 0
const TAG_LRU = 1
const TAG_NEW = 2

const pages_of = (sys: Sys, pfn: number): number =>
  (sys.page.flags[pfn]! & HEAD) !== 0 ? 1 << compound_order(sys, pfn) : 1

/** Whether reclaim may take a page. @kernel mm/internal.h:folio_evictable */
export function folio_evictable(sys: Sys, pfn: number): boolean {
  return (sys.page.flags[pfn]! & MLOCKED) === 0
}

/** How many areas lock a page that is on the unevictable list. @kernel include/linux/mm_types.h:mlock_count */
export const mlock_count = (sys: Sys, pfn: number): number => sys.link.link[2 * pfn + 1]!

/** @kernel include/linux/mm_types.h:mlock_count */
export function set_mlock_count(sys: Sys, pfn: number, count: number): void {
  sys.link.link[2 * pfn + 1] = count
}

function set_mlocked(sys: Sys, pfn: number): void {
  const pages = pages_of(sys, pfn)
  sys.page.flags[pfn] = sys.page.flags[pfn]! | MLOCKED
  __mod_zone_page_state(sys, page_zone(sys, pfn), NR_MLOCK, pages)
  count_vm_events(sys, MLOCKED_EVENT, pages)
}

/** An area that is locked maps a page, or a page of an area is locked now. @kernel mm/mlock.c:mlock_folio */
export function mlock_folio(sys: Sys, pfn: number): void {
  if ((sys.page.flags[pfn]! & MLOCKED) === 0) set_mlocked(sys, pfn)
  batch_add(sys, pfn, TAG_LRU)
}

/** A new page of a locked area: it goes to the unevictable list at once. @kernel mm/mlock.c:mlock_new_folio */
export function mlock_new_folio(sys: Sys, pfn: number): void {
  set_mlocked(sys, pfn)
  batch_add(sys, pfn, TAG_NEW)
}

/** An area does not lock a page any more. Whether it was the last one is found when the batch is emptied.
 * @kernel mm/mlock.c:munlock_folio */
export function munlock_folio(sys: Sys, pfn: number): void {
  batch_add(sys, pfn, TAG_MUNLOCK)
}

function batch_add(sys: Sys, pfn: number, tag: number): void {
  const at = sys.machine.this_cpu[0]! * NR_BATCHES + BATCH_MLOCK
  const { nr, pfn: pfns, tag: tags } = sys.lru_batch
  const count = nr[at]!
  pfns[at * MAX_BATCH + count] = pfn
  tags[at * MAX_BATCH + count] = tag
  nr[at] = count + 1
  sys.page._refcount[pfn] = sys.page._refcount[pfn]! + 1
  // A huge page does not wait.
  if (count + 1 >= sys.kernel.reclaim.batch_size || (sys.page.flags[pfn]! & HEAD) !== 0) mlock_drain_local(sys)
}

/** Empties the running CPU's batch. @kernel mm/mlock.c:mlock_drain_local */
export function mlock_drain_local(sys: Sys): void {
  const at = sys.machine.this_cpu[0]! * NR_BATCHES + BATCH_MLOCK
  const { nr, pfn: pfns, tag: tags } = sys.lru_batch
  const count = nr[at]!
  nr[at] = 0
  for (let i = at * MAX_BATCH; i < at * MAX_BATCH + count; i++) {
    const pfn = pfns[i]!
    if (tags[i] === TAG_LRU) mlock_one(sys, pfn)
    else if (tags[i] === TAG_NEW) mlock_new(sys, pfn)
    else munlock_one(sys, pfn)
  }
  for (let i = at * MAX_BATCH; i < at * MAX_BATCH + count; i++) put_page(sys, pfns[i]!)
}

/** From a list that reclaim looks through to the unevictable one. @kernel mm/mlock.c:__mlock_folio */
function mlock_one(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  // Off the lists: who has it will put it where it belongs.
  if ((flags[pfn]! & LRU) === 0) return
  if (folio_evictable(sys, pfn)) {
    if ((flags[pfn]! & UNEVICTABLE) !== 0) rescue(sys, pfn)
    return
  }
  if ((flags[pfn]! & UNEVICTABLE) !== 0) {
    if ((flags[pfn]! & MLOCKED) !== 0) set_mlock_count(sys, pfn, mlock_count(sys, pfn) + 1)
    return
  }
  lruvec_del_folio(sys, pfn)
  flags[pfn] = (flags[pfn]! & ~ACTIVE) | UNEVICTABLE
  lruvec_add_folio(sys, pfn)
  set_mlock_count(sys, pfn, (flags[pfn]! & MLOCKED) !== 0 ? 1 : 0)
  count_vm_events(sys, CULLED, pages_of(sys, pfn))
}

/** @kernel mm/mlock.c:__mlock_new_folio */
function mlock_new(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  // Unlocked again before the batch was emptied.
  if (!folio_evictable(sys, pfn)) {
    flags[pfn] = flags[pfn]! | UNEVICTABLE
    set_mlock_count(sys, pfn, 1)
    count_vm_events(sys, CULLED, pages_of(sys, pfn))
  }
  lruvec_add_folio(sys, pfn)
  flags[pfn] = flags[pfn]! | LRU
}

/** @kernel mm/mlock.c:__munlock_folio */
function munlock_one(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  const listed = (flags[pfn]! & LRU) !== 0
  if (listed && (flags[pfn]! & UNEVICTABLE) !== 0) {
    const count = mlock_count(sys, pfn)
    if (count > 0) set_mlock_count(sys, pfn, count - 1)
    if (count > 1) return
  }
  // Taken for the last one: where it was not, reclaim finds out.
  if ((flags[pfn]! & MLOCKED) !== 0) {
    const pages = pages_of(sys, pfn)
    flags[pfn] = flags[pfn]! & ~MLOCKED
    __mod_zone_page_state(sys, page_zone(sys, pfn), NR_MLOCK, -pages)
    count_vm_events(sys, listed || (flags[pfn]! & UNEVICTABLE) === 0 ? MUNLOCKED_EVENT : STRANDED, pages)
  }
  if (listed && (flags[pfn]! & UNEVICTABLE) !== 0 && folio_evictable(sys, pfn)) rescue(sys, pfn)
}

/** Back to a list that reclaim looks through. */
function rescue(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  lruvec_del_folio(sys, pfn)
  flags[pfn] = flags[pfn]! & ~UNEVICTABLE
  lruvec_add_folio(sys, pfn)
  count_vm_events(sys, RESCUED, pages_of(sys, pfn))
}

/** A page is freed although an area locked it. @kernel mm/swap.c:__page_cache_release */
export function clear_mlocked(sys: Sys, pfn: number): void {
  const pages = pages_of(sys, pfn)
  sys.page.flags[pfn] = sys.page.flags[pfn]! & ~MLOCKED
  __mod_zone_page_state(sys, page_zone(sys, pfn), NR_MLOCK, -pages)
  count_vm_events(sys, CLEARED, pages)
}

/** The generations' scan meets a page that is locked. @kernel mm/vmscan.c:sort_folio */
export function cull_from_generation(sys: Sys, pfn: number): void {
  lru_gen_del_folio(sys, pfn, true)
  sys.page.flags[pfn] = sys.page.flags[pfn]! | UNEVICTABLE
  lruvec_add_folio(sys, pfn)
  set_mlock_count(sys, pfn, 0)
  count_vm_events(sys, CULLED, pages_of(sys, pfn))
}
