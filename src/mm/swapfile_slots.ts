// Slots of swap areas: who has one, how a free one is found, how it is given back. A CPU takes 64 at a time and hands
// them out one by one, and gives 64 back at a time.
// Laws: swap_map.count of a slot = its users, with SWAP_HAS_CACHE where it has a page in the swap cache or is on its way
// to or from a CPU's store of slots; 0 = free; inuse_pages counts those that are not.
import { mem_cgroup_try_charge_swap, mem_cgroup_uncharge_swap } from './memcg_charge.ts'
import type { Sys } from './mmzone.ts'
import { SWAP_SLOTS_CACHE_SIZE } from './reclaim_tables.ts'
import { forget_slot_bytes } from './swap_bytes.ts'
import { swp_entry, swp_offset, swp_type } from './swapops.ts'

/** swap_map.count. @kernel include/linux/swap.h @differs wide counts in place of continuation pages */
export const SWAP_HAS_CACHE = 0x4000
export const SWAP_MAP_BAD = 0x3fff
export const SWAP_MAP_MAX = 0x3ffe
/** swap_info.flags. @kernel include/linux/swap.h */
export const SWP_USED = 1
export const SWP_WRITEOK = 2
export const SWP_SOLIDSTATE = 0x10
/** A device, not a file of a file system. */
export const SWP_BLKDEV = 0x40
/** Its slots are memory of the machine. @ours */
export const SWP_ZRAM = 0x10000
/** Pages of a run of free slots that is looked for. @kernel include/linux/swap.h:SWAPFILE_CLUSTER */
export const SWAPFILE_CLUSTER = 256

const CACHE: number = SWAP_SLOTS_CACHE_SIZE

/** Row of an entry's slot. @ours */
export function slot_row(sys: Sys, entry: number): number {
  return sys.swap_info.base[swp_type(entry)]! + swp_offset(entry)
}

/** Users of an entry, without the swap cache. @kernel include/linux/swap.h:swap_count */
export function swap_count(sys: Sys, entry: number): number {
  return sys.swap_map.count[slot_row(sys, entry)]! & ~SWAP_HAS_CACHE
}

/** Where the next search in an area begins: behind the last slot, or after 256 of them at the lowest run of 256 free ones. */
function next_offset(sys: Sys, area: number): number {
  const { cluster_next, cluster_nr, lowest_bit, highest_bit, pages, inuse_pages, base } = sys.swap_info
  const left = cluster_nr[area]!
  cluster_nr[area] = left - 1
  if (left > 0) return cluster_next[area]!
  cluster_nr[area] = SWAPFILE_CLUSTER - 1
  if (pages[area]! - inuse_pages[area]! < SWAPFILE_CLUSTER) return cluster_next[area]!
  const { count } = sys.swap_map
  let free = 0
  for (let offset = lowest_bit[area]!; offset <= highest_bit[area]!; offset++) {
    free = count[base[area]! + offset] === 0 ? free + 1 : 0
    if (free === SWAPFILE_CLUSTER) return offset - SWAPFILE_CLUSTER + 1
  }
  return cluster_next[area]!
}

/** First free slot from `offset` on, then from the area's begin; 0 = none. */
function free_slot(sys: Sys, area: number, offset: number): number {
  const { lowest_bit, highest_bit, base } = sys.swap_info
  const { count } = sys.swap_map
  const first = base[area]!
  for (let at = offset; at <= highest_bit[area]!; at++) if (count[first + at] === 0) return at
  for (let at = lowest_bit[area]!; at < offset && at <= highest_bit[area]!; at++) if (count[first + at] === 0) return at
  return 0
}

/** Takes up to `nr` slots of an area that follow each other; returns how many. @kernel mm/swapfile.c:scan_swap_map_slots
 * @differs areas on solid state are searched as those on disks */
function scan_swap_map_slots(sys: Sys, area: number, nr: number, entries: Float64Array, at: number): number {
  const { highest_bit, cluster_next, cluster_nr, base } = sys.swap_info
  if (highest_bit[area] === 0) return 0
  const { count } = sys.swap_map
  let offset = next_offset(sys, area)
  if (offset > highest_bit[area]!) offset = sys.swap_info.lowest_bit[area]!
  offset = free_slot(sys, area, offset)
  let got = 0
  while (offset !== 0 && got < nr) {
    take_slot(sys, area, offset)
    entries[at + got++] = swp_entry(area, offset)
    cluster_next[area] = offset + 1
    if (offset >= highest_bit[area]! || cluster_nr[area] === 0 || count[base[area]! + offset + 1] !== 0) break
    if (got < nr) cluster_nr[area]! -= 1
    offset++
  }
  return got
}

/** @kernel mm/swapfile.c:swap_range_alloc */
function take_slot(sys: Sys, area: number, offset: number): void {
  const { lowest_bit, highest_bit, inuse_pages, pages, base, max } = sys.swap_info
  sys.swap_map.count[base[area]! + offset] = SWAP_HAS_CACHE
  if (offset === lowest_bit[area]) lowest_bit[area] = offset + 1
  if (offset === highest_bit[area]) highest_bit[area] = offset - 1
  inuse_pages[area]! += 1
  if (inuse_pages[area] === pages[area]) {
    lowest_bit[area] = max[area]!
    highest_bit[area] = 0
  }
}

/** Gives a slot back to its area. @kernel mm/swapfile.c:swap_entry_free */
function free_slot_now(sys: Sys, entry: number): void {
  const area = swp_type(entry)
  const offset = swp_offset(entry)
  const { lowest_bit, highest_bit, inuse_pages, flags } = sys.swap_info
  const row = slot_row(sys, entry)
  sys.swap_map.count[row] = 0
  sys.swap_map.folio[row] = 0
  sys.swap_map.zero[row] = 0
  forget_slot_bytes(sys, row)
  if (offset < lowest_bit[area]!) lowest_bit[area] = offset
  if (offset > highest_bit[area]!) highest_bit[area] = offset
  inuse_pages[area]! -= 1
  if ((flags[area]! & SWP_WRITEOK) !== 0) sys.swap_state.nr_swap_pages[0]! += 1
}

/** The area to take slots from: the highest priority with free ones; equal ones take turns. */
function best_area(sys: Sys): number {
  const { flags, prio, highest_bit, next } = sys.swap_info
  let best = -1
  for (let area = 0; area < flags.length; area++) {
    if ((flags[area]! & SWP_WRITEOK) === 0 || highest_bit[area] === 0) continue
    const better = best === -1 || prio[area]! > prio[best]! || (prio[area] === prio[best] && next[area]! < next[best]!)
    if (better) best = area
  }
  return best
}

/** Takes up to `goal` slots into `entries`; returns how many. @kernel mm/swapfile.c:get_swap_pages */
function get_swap_pages(sys: Sys, goal: number, entries: Float64Array, at: number): number {
  const { nr_swap_pages } = sys.swap_state
  const wanted = Math.min(goal, nr_swap_pages[0]!)
  if (wanted <= 0) return 0
  const area = best_area(sys)
  if (area === -1) return 0
  const turns = sys.swap_info.next
  turns[area] = turns.reduce((most, turn) => Math.max(most, turn), 0) + 1
  const got = scan_swap_map_slots(sys, area, wanted, entries, at)
  nr_swap_pages[0]! -= got
  return got
}

/** While there is little swap, CPUs keep none back. @kernel mm/swap_slots.c:check_cache_active */
function keeps_slots(sys: Sys): boolean {
  return sys.swap_state.nr_swap_pages[0]! >= sys.nr_cpus * 2 * CACHE
}

const one = new Float64Array(1)

/** A slot for a page; 0 = there is none, or its control group may take no more. @kernel mm/swap_slots.c:folio_alloc_swap */
export function folio_alloc_swap(sys: Sys, pfn: number): number {
  const entry = slot_of_cpu(sys)
  if (entry === 0 || sys.memcg.used.length === 0 || mem_cgroup_try_charge_swap(sys, pfn, slot_row(sys, entry)))
    return entry
  free_swap_slot(sys, entry)
  return 0
}

/** One of the slots that the running CPU keeps. */
function slot_of_cpu(sys: Sys): number {
  const cpu = sys.machine.this_cpu[0]!
  const { nr, cur, slots } = sys.swap_slots
  if (!keeps_slots(sys)) {
    drain_slots_cache(sys)
    return get_swap_pages(sys, 1, one, 0) === 0 ? 0 : one[0]!
  }
  if (nr[cpu] === 0) {
    cur[cpu] = 0
    nr[cpu] = get_swap_pages(sys, CACHE, slots, cpu * CACHE)
    if (nr[cpu] === 0) return 0
  }
  nr[cpu]! -= 1
  cur[cpu]! += 1
  return slots[cpu * CACHE + cur[cpu]! - 1]!
}

/** A slot that nobody uses any more goes back, with others. @kernel mm/swap_slots.c:free_swap_slot */
export function free_swap_slot(sys: Sys, entry: number): void {
  const cpu = sys.machine.this_cpu[0]!
  const { n_ret, slots_ret } = sys.swap_slots
  sys.swap_map.count[slot_row(sys, entry)] = SWAP_HAS_CACHE
  mem_cgroup_uncharge_swap(sys, slot_row(sys, entry))
  if (!keeps_slots(sys)) {
    free_slot_now(sys, entry)
    return
  }
  if (n_ret[cpu]! >= CACHE) give_back(sys, cpu)
  slots_ret[cpu * CACHE + n_ret[cpu]!] = entry
  n_ret[cpu]! += 1
}

/** @kernel mm/swapfile.c:swapcache_free_entries */
function give_back(sys: Sys, cpu: number): void {
  const { n_ret, slots_ret } = sys.swap_slots
  for (let i = 0; i < n_ret[cpu]!; i++) free_slot_now(sys, slots_ret[cpu * CACHE + i]!)
  n_ret[cpu] = 0
}

/** Gives back what CPUs keep. @kernel mm/swap_slots.c:drain_slots_cache_cpu */
export function drain_slots_cache(sys: Sys): void {
  const { nr, cur, slots } = sys.swap_slots
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    for (let i = 0; i < nr[cpu]!; i++) free_slot_now(sys, slots[cpu * CACHE + cur[cpu]! + i]!)
    nr[cpu] = 0
    give_back(sys, cpu)
  }
}

/** One user more of an entry; 0, or what the kernel answers: -2 = it is not in use, -12 = too many.
 * @kernel mm/swapfile.c:swap_duplicate */
export function swap_duplicate(sys: Sys, type: number, offset: number): number {
  const { count } = sys.swap_map
  const row = sys.swap_info.base[type]! + offset
  const users = count[row]! & ~SWAP_HAS_CACHE
  if (count[row] === 0 || users === SWAP_MAP_BAD) return -2
  if (users === SWAP_MAP_MAX) return -12
  count[row]! += 1
  return 0
}

/** One user less; with the last one, and without a page in the swap cache, the slot is free. @kernel mm/swapfile.c:swap_free */
export function swap_free(sys: Sys, type: number, offset: number): void {
  const entry = swp_entry(type, offset)
  const { count } = sys.swap_map
  const row = slot_row(sys, entry)
  count[row]! -= 1
  if (count[row] === 0) free_swap_slot(sys, entry)
}

/** The swap cache gives an entry up. @kernel mm/swapfile.c:put_swap_folio */
export function put_swap_folio(sys: Sys, entry: number): void {
  const { count } = sys.swap_map
  const row = slot_row(sys, entry)
  count[row] = count[row]! & ~SWAP_HAS_CACHE
  if (count[row] === 0) free_swap_slot(sys, entry)
}

/** Whether less than half of the swap is free: then slots are not kept for pages in memory. @kernel include/linux/swap.h:vm_swap_full */
export function vm_swap_full(sys: Sys): boolean {
  return sys.swap_state.nr_swap_pages[0]! * 2 < sys.swap_state.total_swap_pages[0]!
}
