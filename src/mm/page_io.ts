// Pages to and from swap areas. Writing is a request that completes later, reading waits.
import { PG, PG_swapcache } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { end_page_writeback, set_page_writeback } from './page_writeback.ts'
import { release_frame_bytes } from './physmem.ts'
import { spend, submit_write, wait_until } from './reclaim_clock.ts'
import { forget_slot_bytes, is_zero_filled, read_slot, write_slot } from './swap_bytes.ts'
import { folio_free_swap } from './swap_state.ts'
import { SWP_ZRAM, slot_row } from './swapfile_slots.ts'
import { swp_offset, swp_type } from './swapops.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'
import { UNPACK } from './zslot.ts'
import { ZSWAP_POOL } from './zsmalloc_tables.ts'
import { zswap_loaded, zswap_store } from './zswap.ts'

const ZSWPIN: number = vm_event('zswpin')
const [PSWPIN, PSWPOUT, PGPGIN, PGPGOUT] = [
  vm_event('pswpin'),
  vm_event('pswpout'),
  vm_event('pgpgin'),
  vm_event('pgpgout'),
] as const

/** Sends a page of the swap cache to its slot. It is locked and clean, and comes back unlocked.
 * @kernel mm/page_io.c:swap_writepage */
export function swap_writepage(sys: Sys, pfn: number): void {
  const { flags } = sys.page
  if (folio_free_swap(sys, pfn)) {
    flags[pfn] = flags[pfn]! & ~PG.locked
    return
  }
  const entry = sys.page.private[pfn]!
  const row = slot_row(sys, entry)
  if (sys.kernel.reclaim.swap_zeromap && is_zero_filled(sys, pfn)) {
    sys.swap_map.zero[row] = 1
    flags[pfn] = flags[pfn]! & ~PG.locked
    return
  }
  sys.swap_map.zero[row] = 0
  // What zswap kept of the slot is older than the page.
  if (sys.swap_map.zpool[row] !== 0) forget_slot_bytes(sys, row)
  if (!is_zram(sys, entry) && zswap_store(sys, row, pfn)) {
    set_page_writeback(sys, pfn)
    flags[pfn] = flags[pfn]! & ~PG.locked
    end_page_writeback(sys, pfn)
  } else send_to_slot(sys, pfn, entry)
}

const is_zram = (sys: Sys, entry: number): boolean => (sys.swap_info.flags[swp_type(entry)]! & SWP_ZRAM) !== 0

/** Writes a locked page to its area, which zram does at once. @kernel mm/page_io.c:__swap_writepage */
export function send_to_slot(sys: Sys, pfn: number, entry: number): void {
  const { flags } = sys.page
  count_vm_events(sys, PSWPOUT, 1)
  count_vm_events(sys, PGPGOUT, sys.page_bytes / 1024)
  set_page_writeback(sys, pfn)
  flags[pfn] = flags[pfn]! & ~PG.locked
  if (!write_slot(sys, swp_type(entry), swp_offset(entry), pfn)) write_failed(sys, pfn, entry)
  else if (is_zram(sys, entry)) end_page_writeback(sys, pfn)
  else submit_write(sys, pfn)
}

/** The page stays where it is, dirty. @kernel mm/page_io.c:end_swap_bio_write */
function write_failed(sys: Sys, pfn: number, entry: number): void {
  const { flags } = sys.page
  flags[pfn] = (flags[pfn]! | PG.error | PG.dirty) & ~PG.reclaim
  sys.swap_info.errors[swp_type(entry)]! += 1
  sys.printk?.(`Write-error on swap-device (0:${swp_type(entry)}:${swp_offset(entry) * (sys.page_bytes / 512)})`)
  end_page_writeback(sys, pfn)
}

/** Reads a slot into a page of the swap cache; false = the device failed, and the page is not up to date.
 * @kernel mm/page_io.c:swap_readpage */
export function swap_readpage(sys: Sys, pfn: number): boolean {
  const entry = sys.page.private[pfn]!
  const { flags } = sys.page
  if (sys.swap_map.zero[slot_row(sys, entry)] === 1) {
    release_frame_bytes(sys, pfn)
    flags[pfn] = flags[pfn]! | PG.uptodate
    return true
  }
  const row = slot_row(sys, entry)
  if (sys.swap_map.zpool[row] !== 0) spend(sys, UNPACK)
  if (sys.swap_map.zpool[row] === ZSWAP_POOL + 1) {
    read_slot(sys, swp_type(entry), swp_offset(entry), pfn)
    flags[pfn] = flags[pfn]! | PG.uptodate
    count_vm_events(sys, ZSWPIN, 1)
    zswap_loaded(sys, row, pfn)
    return true
  }
  count_vm_events(sys, PSWPIN, 1)
  count_vm_events(sys, PGPGIN, sys.page_bytes / 1024)
  if (read_slot(sys, swp_type(entry), swp_offset(entry), pfn)) {
    flags[pfn] = flags[pfn]! | PG.uptodate
    return true
  }
  flags[pfn] = (flags[pfn]! | PG.error) & ~PG.uptodate
  sys.swap_info.errors[swp_type(entry)]! += 1
  sys.printk?.(`Read-error on swap-device (0:${swp_type(entry)}:${swp_offset(entry) * (sys.page_bytes / 512)})`)
  return false
}

/** A read of `pages` pages takes its time. @kernel mm/filemap.c:folio_wait_locked */
export function wait_for_read(sys: Sys, pages: number): void {
  const { now, read_latency, transfer } = sys.reclaim_clock
  wait_until(sys, now[0]! + read_latency[0]! + (pages - 1) * transfer[0]!)
}

/** Whether a page is in the swap cache. @kernel include/linux/page-flags.h:folio_test_swapcache */
export function folio_test_swapcache(sys: Sys, pfn: number): boolean {
  return (sys.page.flags[pfn]! & (PG_swapcache | PG.swapbacked)) === (PG_swapcache | PG.swapbacked)
}

/** Node of a page. @ours */
export const node_of_page = (sys: Sys, pfn: number): number => sys.zone_to_nid[page_zone(sys, pfn)]!
