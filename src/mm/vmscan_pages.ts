// What becomes of isolated pages: those that were used lately stay, the others are given a slot, unmapped, written if they
// are dirty, and freed. A dirty page is only sent to the device now; it goes when reclaim meets it again, clean.
// Law: every page of the list is freed or put back on an LRU list, and its reference with it.
import { __GFP_FS, __GFP_IO } from './gfp.ts'
import { lru_gen_enabled } from './lru_gen.ts'
import { folio_is_file_lru } from './lruvec.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { folio_test_swapcache, node_of_page, swap_writepage } from './page_io.ts'
import { put_page } from './page_ref.ts'
import { areas_that_used, page_referenced } from './page_referenced.ts'
import { folio_clear_dirty_for_io } from './page_writeback.ts'
import { spend } from './reclaim_clock.ts'
import { folio_mapped } from './rmap.ts'
import { try_to_unmap } from './rmap_walk.ts'
import { add_to_swap, folio_free_swap } from './swap_state.ts'
import { vm_swap_full } from './swapfile_slots.ts'
import { VM_EXEC, VM_LOCKED } from './vm_flags.ts'
import { pageout_file, remove_mapping } from './vmscan_mapping.ts'
import { count_vm_events } from './vmstat.ts'
import { NODE_STAT_ITEMS, node_item, vm_event } from './vmstat_item.ts'

/** What a round over a list found. @kernel include/linux/vmstat.h:struct reclaim_stat */
export interface ReclaimStat {
  dirty: number
  unqueued_dirty: number
  congested: number
  writeback: number
  immediate: number
  pageout: number
  activate_anon: number
  activate_file: number
  ref_keep: number
  unmap_fail: number
}

const ITEMS: number = NODE_STAT_ITEMS.length
const VMSCAN_WRITE: number = node_item('nr_vmscan_write')
const VMSCAN_IMMEDIATE: number = node_item('nr_vmscan_immediate_reclaim')
const PGACTIVATE: number = vm_event('pgactivate')
const PGLAZYFREED: number = vm_event('pglazyfreed')
const { active: ACTIVE, dirty: DIRTY, writeback: WRITEBACK, reclaim: RECLAIM, locked: LOCKED } = PG
const { referenced: REFERENCED, swapbacked: SWAPBACKED, unevictable: UNEVICTABLE, mlocked: MLOCKED } = PG

/** What a page's references say. @kernel mm/vmscan.c:enum folio_references */
const FOLIOREF_RECLAIM = 0
const FOLIOREF_RECLAIM_CLEAN = 1
const FOLIOREF_KEEP = 2
const FOLIOREF_ACTIVATE = 3

/** What is done with a page in the end. */
const FREED = 0
const KEEP = 1
const KEEP_LOCKED = 2
const ACTIVATE_LOCKED = 3

/** @ours */
export function new_stat(): ReclaimStat {
  return {
    dirty: 0,
    unqueued_dirty: 0,
    congested: 0,
    writeback: 0,
    immediate: 0,
    pageout: 0,
    activate_anon: 0,
    activate_file: 0,
    ref_keep: 0,
    unmap_fail: 0,
  }
}

/** Whether a page was used since it was looked at last: second chance. @kernel mm/vmscan.c:folio_check_references */
function folio_check_references(sys: Sys, pfn: number): number {
  const ptes = page_referenced(sys, pfn, true)
  const flags_of_areas = areas_that_used()
  const { flags } = sys.page
  const referenced = (flags[pfn]! & REFERENCED) !== 0
  flags[pfn] = flags[pfn]! & ~REFERENCED
  if ((flags_of_areas & VM_LOCKED) !== 0) return FOLIOREF_ACTIVATE
  const file = folio_is_file_lru(sys, pfn) === 1
  if (ptes > 0) {
    flags[pfn] = flags[pfn]! | REFERENCED
    if (referenced || ptes > 1) return FOLIOREF_ACTIVATE
    // Code that is run is worth more than other pages of files.
    return (flags_of_areas & VM_EXEC) !== 0 && file ? FOLIOREF_ACTIVATE : FOLIOREF_KEEP
  }
  return referenced && file ? FOLIOREF_RECLAIM_CLEAN : FOLIOREF_RECLAIM
}

/** Whether the request allows to write: pages of the swap cache need only the device. @kernel mm/vmscan.c:may_enter_fs */
function may_enter_fs(sys: Sys, pfn: number, gfp: number): boolean {
  if ((gfp & __GFP_FS) !== 0) return true
  return folio_test_swapcache(sys, pfn) && (gfp & __GFP_IO) !== 0
}

/** Frees what it can of `count` isolated pages, and leaves the others at the begin of `list`, the first one first;
 * returns how many are left. `ignore_references`: pages that were used lately go, too. @kernel mm/vmscan.c:shrink_folio_list */
export function shrink_folio_list(
  sys: Sys,
  list: Int32Array,
  count: number,
  sc: number,
  stat: ReclaimStat,
  kswapd: boolean,
  ignore_references = false,
): number {
  const { flags } = sys.page
  const { nr_scanned } = sys.scan_control
  let left = 0
  for (let at = 0; at < count; at++) {
    const pfn = list[at]!
    spend(sys, sys.reclaim_clock.scan[0]!)
    if ((flags[pfn]! & LOCKED) !== 0) {
      list[left++] = pfn
      continue
    }
    flags[pfn] = flags[pfn]! | LOCKED
    nr_scanned[sc] = nr_scanned[sc]! + 1
    const verdict = shrink_one_folio(sys, pfn, sc, stat, kswapd, ignore_references)
    if (verdict === FREED) continue
    if (verdict === ACTIVATE_LOCKED) activate_locked(sys, pfn, stat)
    if (verdict !== KEEP) flags[pfn] = flags[pfn]! & ~LOCKED
    list[left++] = pfn
  }
  count_vm_events(sys, PGACTIVATE, stat.activate_anon + stat.activate_file)
  return left
}

function activate_locked(sys: Sys, pfn: number, stat: ReclaimStat): void {
  const { flags } = sys.page
  // A page that is used again does not need its slot where slots are scarce.
  if (folio_test_swapcache(sys, pfn) && (vm_swap_full(sys) || (flags[pfn]! & MLOCKED) !== 0)) folio_free_swap(sys, pfn)
  if ((flags[pfn]! & MLOCKED) !== 0) return
  if (folio_is_file_lru(sys, pfn) === 1) stat.activate_file++
  else stat.activate_anon++
  flags[pfn] = flags[pfn]! | ACTIVE
}

function shrink_one_folio(
  sys: Sys,
  pfn: number,
  sc: number,
  stat: ReclaimStat,
  kswapd: boolean,
  ignore_references: boolean,
): number {
  const { flags } = sys.page
  if ((flags[pfn]! & (UNEVICTABLE | MLOCKED)) !== 0) return ACTIVATE_LOCKED
  const mapped = folio_mapped(sys, pfn)
  if (sys.scan_control.may_unmap[sc] === 0 && mapped) return KEEP_LOCKED
  // A walk over page tables has found it in use after it was isolated.
  if (!ignore_references && mapped && (flags[pfn]! & REFERENCED) !== 0 && lru_gen_enabled(sys)) return KEEP_LOCKED
  if ((flags[pfn]! & (DIRTY | WRITEBACK)) !== 0 && under_writeback(sys, pfn, stat, kswapd)) return ACTIVATE_LOCKED
  const references = ignore_references ? FOLIOREF_RECLAIM : folio_check_references(sys, pfn)
  if (references === FOLIOREF_ACTIVATE) return ACTIVATE_LOCKED
  if (references === FOLIOREF_KEEP) {
    stat.ref_keep++
    return KEEP_LOCKED
  }
  return evict(sys, pfn, sc, stat, kswapd, references, mapped)
}

/** Counts dirty pages and those under writeback; true = it is under writeback. */
function under_writeback(sys: Sys, pfn: number, stat: ReclaimStat, kswapd: boolean): boolean {
  const { flags } = sys.page
  const writeback = (flags[pfn]! & WRITEBACK) !== 0
  const file = folio_is_file_lru(sys, pfn) === 1
  // Anonymous pages are dirty all the time: only those of files count.
  if (file || writeback) stat.dirty++
  if (file && !writeback) stat.unqueued_dirty++
  if (!writeback) return false
  if ((flags[pfn]! & RECLAIM) !== 0) stat.congested++
  if (kswapd && (flags[pfn]! & RECLAIM) !== 0 && sys.kswapd.writeback[node_of_page(sys, pfn)] === 1) stat.immediate++
  else {
    flags[pfn] = flags[pfn]! | RECLAIM
    stat.writeback++
  }
  return true
}

/** A page that nobody used lately. */
function evict(
  sys: Sys,
  pfn: number,
  sc: number,
  stat: ReclaimStat,
  kswapd: boolean,
  references: number,
  mapped: boolean,
): number {
  const { flags } = sys.page
  const gfp = sys.scan_control.gfp_mask[sc]!
  const anon = sys.page.mapping[pfn]! < 0
  const swapbacked = (flags[pfn]! & SWAPBACKED) !== 0
  if (anon && swapbacked && !folio_test_swapcache(sys, pfn)) {
    if ((gfp & __GFP_IO) === 0) return KEEP_LOCKED
    if (!add_to_swap(sys, pfn)) return ACTIVATE_LOCKED
  }
  if (mapped && !try_to_unmap(sys, pfn)) {
    stat.unmap_fail++
    return ACTIVATE_LOCKED
  }
  if ((flags[pfn]! & DIRTY) !== 0) {
    const verdict = pageout_dirty(sys, pfn, sc, stat, kswapd, references, gfp)
    if (verdict !== FREED) return verdict
  }
  return free_folio(sys, pfn, sc, anon && !swapbacked)
}

/** A dirty page; FREED = it is clean now and may go. */
function pageout_dirty(
  sys: Sys,
  pfn: number,
  sc: number,
  stat: ReclaimStat,
  kswapd: boolean,
  references: number,
  gfp: number,
): number {
  const { flags } = sys.page
  if (folio_is_file_lru(sys, pfn) === 1) {
    const patient = !kswapd || (flags[pfn]! & RECLAIM) === 0 || sys.kswapd.dirty[node_of_page(sys, pfn)] === 0
    if (patient) {
      // The flushers write files in better order; the page goes as soon as it is written.
      sys.node_stat.vm_stat[node_of_page(sys, pfn) * ITEMS + VMSCAN_IMMEDIATE]! += 1
      flags[pfn] = flags[pfn]! | RECLAIM
      return ACTIVATE_LOCKED
    }
  }
  if (references === FOLIOREF_RECLAIM_CLEAN || !may_enter_fs(sys, pfn, gfp)) return KEEP_LOCKED
  if (sys.scan_control.may_writepage[sc] === 0) return KEEP_LOCKED
  const verdict = pageout(sys, pfn)
  if (verdict !== KEEP) return verdict
  stat.pageout++
  if ((flags[pfn]! & (WRITEBACK | DIRTY)) !== 0) return KEEP
  // A write that was over at once.
  flags[pfn] = flags[pfn]! | LOCKED
  return FREED
}

/** Writes a page; KEEP = it was sent, and is unlocked. @kernel mm/vmscan.c:pageout */
function pageout(sys: Sys, pfn: number): number {
  const { flags, _refcount } = sys.page
  const swapcache = folio_test_swapcache(sys, pfn)
  // One reference is the isolation's, one the cache's: others mean that somebody works on it.
  if (_refcount[pfn] !== 2) return KEEP_LOCKED
  if (!swapcache && sys.page.mapping[pfn]! < 0) return KEEP_LOCKED
  if (!folio_clear_dirty_for_io(sys, pfn)) return FREED
  flags[pfn] = flags[pfn]! | RECLAIM
  spend(sys, sys.reclaim_clock.write[0]!)
  if (swapcache) swap_writepage(sys, pfn)
  else if (!pageout_file(sys, pfn)) {
    flags[pfn] = flags[pfn]! & ~RECLAIM
    return ACTIVATE_LOCKED
  }
  if ((flags[pfn]! & WRITEBACK) === 0) flags[pfn] = flags[pfn]! & ~RECLAIM
  sys.trace.mm_vmscan_write_folio?.(pfn, folio_is_file_lru(sys, pfn))
  sys.node_stat.vm_stat[node_of_page(sys, pfn) * ITEMS + VMSCAN_WRITE]! += 1
  return KEEP
}

/** A clean page that nothing maps: out of its cache, back to the allocator. */
function free_folio(sys: Sys, pfn: number, sc: number, lazyfree: boolean): number {
  const { flags, _refcount, mapping } = sys.page
  if (lazyfree) {
    if (_refcount[pfn] !== 1) return KEEP_LOCKED
    count_vm_events(sys, PGLAZYFREED, 1)
  } else if (mapping[pfn]! <= 0 && !folio_test_swapcache(sys, pfn)) return KEEP_LOCKED
  else if (!remove_mapping(sys, pfn)) return KEEP_LOCKED
  flags[pfn] = flags[pfn]! & ~(LOCKED | ACTIVE | REFERENCED)
  mapping[pfn] = 0
  spend(sys, sys.reclaim_clock.free[0]!)
  put_page(sys, pfn)
  sys.scan_control.vec_reclaimed[sc]! += 1
  return FREED
}
