// zswap: pages on their way to a swap area are kept in memory, compressed, as long as the pool has room. A full pool writes
// its oldest pages to their area, and stores again when it has come below a threshold.
// Laws: the list of what is stored goes from the last to the first; a slot is on it just when its zpool is zswap's.
import { __GFP_DIRECT_RECLAIM, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from './gfp.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { alloc_page } from './page_alloc/alloc_pages.ts'
import { totalram_pages } from './page_alloc/setup.ts'
import { send_to_slot } from './page_io.ts'
import { put_page } from './page_ref.ts'
import { has_free_slot } from './physmem.ts'
import { folio_add_lru } from './swap.ts'
import { copy_bytes_to_slot, forget_slot_bytes, read_slot } from './swap_bytes.ts'
import { add_to_swap_cache } from './swap_state.ts'
import { SWAP_HAS_CACHE } from './swapfile_slots.ts'
import { swp_entry } from './swapops.ts'
import { count_vm_events } from './vmstat.ts'
import { vm_event } from './vmstat_item.ts'
import { ZSLOT_NO_MEMORY, ZSLOT_STORED, zslot_store } from './zslot.ts'
import { ZSWAP_POOL } from './zsmalloc_tables.ts'

const POOL: number = ZSWAP_POOL
const ZSWPOUT: number = vm_event('zswpout')
const ZSWPWB: number = vm_event('zswpwb')
/** Pages that in a row could not be written back: then it stops. @kernel mm/zswap.c:MAX_RECLAIM_RETRIES */
const MAX_FAILURES = 14

/** Switches of a module's parameters. */
export const ZSWAP_PARAMETERS = ['enabled', 'max_pool_percent', 'accept_threshold_percent'] as const

/** What zswap is at boot. @kernel mm/zswap.c */
export function zswap_init(sys: Sys): void {
  const { zswap_state } = sys
  if (zswap_state.enabled.length === 0) return
  zswap_state.max_pool_percent[0] = 20
  zswap_state.accept_threshold_percent[0] = 90
}

/** Writes a parameter: 0 or a negated errno. @kernel mm/zswap.c:zswap_enabled_param_set */
export function zswap_parameter(sys: Sys, name: (typeof ZSWAP_PARAMETERS)[number], value: string): number {
  const { zswap_state } = sys
  const text = value.trim()
  if (name === 'enabled') {
    if (!/^([YyNn10]|on|off)$/.test(text)) return -22
    zswap_state.enabled[0] = /^([Yy1]|on)$/.test(text) ? 1 : 0
    return 0
  }
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100) return -22
  zswap_state[name][0] = Number(text)
  return 0
}

const limit = (sys: Sys): number => Math.floor((totalram_pages(sys) * sys.zswap_state.max_pool_percent[0]!) / 100)

/** Whether the pool has come below the threshold. @kernel mm/zswap.c:zswap_can_accept */
function can_accept(sys: Sys): boolean {
  const most = Math.floor((limit(sys) * sys.zswap_state.accept_threshold_percent[0]!) / 100)
  return sys.zs_pool.pages[POOL]! < most
}

/** Keeps a page of the swap cache; false = it must be written to its area. @kernel mm/zswap.c:zswap_store */
export function zswap_store(sys: Sys, row: number, pfn: number): boolean {
  const { zswap_state: state } = sys
  if (state.enabled[0] !== 1 || sys.swap_map.zpool[row] !== 0) return false
  if (sys.zs_pool.pages[POOL]! >= limit(sys)) {
    state.pool_limit_hit[0]! += 1
    state.reached_full[0] = 1
  }
  if (state.reached_full[0] === 1 && !can_accept(sys)) {
    shrink(sys)
    return false
  }
  state.reached_full[0] = 0
  const verdict = zslot_store(sys, row, POOL, pfn, false)
  if (verdict !== ZSLOT_STORED) {
    const reason = verdict === ZSLOT_NO_MEMORY ? state.reject_alloc_fail : state.reject_compress_poor
    reason[0]! += 1
    return false
  }
  list_add(sys, row)
  if (!copy_bytes_to_slot(sys, row, pfn)) {
    forget_slot_bytes(sys, row)
    state.reject_alloc_fail[0]! += 1
    return false
  }
  count_vm_events(sys, ZSWPOUT, 1)
  return true
}

function list_add(sys: Sys, row: number): void {
  const { head, tail } = sys.zswap_state
  const { znext, zprev } = sys.swap_map
  znext[row] = head[0]!
  zprev[row] = 0
  if (head[0] !== 0) zprev[head[0]! - 1] = row + 1
  else tail[0] = row + 1
  head[0] = row + 1
}

/** The slot's copy goes: it leaves the list. @ours */
export function zswap_unlist(sys: Sys, row: number): void {
  const { head, tail } = sys.zswap_state
  const { znext, zprev } = sys.swap_map
  if (zprev[row] === 0) head[0] = znext[row]!
  else znext[zprev[row]! - 1] = znext[row]!
  if (znext[row] === 0) tail[0] = zprev[row]!
  else zprev[znext[row]! - 1] = zprev[row]!
  znext[row] = zprev[row] = 0
}

/** Writes the oldest pages to their areas until the pool accepts again. @kernel mm/zswap.c:shrink_worker
 * @differs at once, not in a worker thread */
function shrink(sys: Sys): void {
  const { zswap_state: state } = sys
  if (state.shrinking[0] === 1) return
  state.shrinking[0] = 1
  for (let failures = 0; failures < MAX_FAILURES && state.tail[0] !== 0 && !can_accept(sys); ) {
    const row = state.tail[0]! - 1
    if (writeback_entry(sys, row)) continue
    failures++
    state.reject_reclaim_fail[0]! += 1
    zswap_unlist(sys, row)
    list_add(sys, row)
  }
  state.shrinking[0] = 0
}

/** A page that is stored is unpacked into the swap cache and written; false = no memory, or somebody has it there already.
 * @kernel mm/zswap.c:zswap_writeback_entry */
function writeback_entry(sys: Sys, row: number): boolean {
  const { count, folio } = sys.swap_map
  // A slot without users waits in a CPU's store for its return.
  if (folio[row]! > 0 || (count[row]! & ~SWAP_HAS_CACHE) === 0) return false
  const pfn = alloc_page(sys, (GFP_HIGHUSER_MOVABLE | __GFP_NOWARN) & ~__GFP_DIRECT_RECLAIM)
  if (pfn < 0) return false
  if (!has_free_slot(sys)) {
    put_page(sys, pfn)
    return false
  }
  const { flags } = sys.page
  const area = area_of(sys, row)
  const offset = row - sys.swap_info.base[area]!
  count[row] = count[row]! | SWAP_HAS_CACHE
  flags[pfn] = flags[pfn]! | PG.locked | PG.swapbacked
  add_to_swap_cache(sys, pfn, swp_entry(area, offset))
  read_slot(sys, area, offset, pfn)
  forget_slot_bytes(sys, row)
  flags[pfn] = flags[pfn]! | PG.uptodate | PG.reclaim
  folio_add_lru(sys, pfn)
  send_to_slot(sys, pfn, swp_entry(area, offset))
  put_page(sys, pfn)
  sys.zswap_state.written_back_pages[0]! += 1
  count_vm_events(sys, ZSWPWB, 1)
  return true
}

function area_of(sys: Sys, row: number): number {
  const { flags, base, max } = sys.swap_info
  for (let area = 0; area < flags.length; area++)
    if (flags[area] !== 0 && row >= base[area]! && row < base[area]! + max[area]!) return area
  return -1
}

/** After a page was brought back: kernels that load exclusively give the copy up, and the page is dirty.
 * @kernel mm/zswap.c:zswap_load */
export function zswap_loaded(sys: Sys, row: number, pfn: number): void {
  if (!sys.kernel.reclaim.zswap_exclusive) return
  forget_slot_bytes(sys, row)
  sys.page.flags[pfn] = sys.page.flags[pfn]! | PG.dirty
}
