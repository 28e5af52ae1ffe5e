// The laws of reclaim's tables, checked from scratch: LRU lists and their counts, generations, the swap maps and the swap
// cache, what is under writeback.
import { list_entries, list_fault } from '../image/list.ts'
import { folio_lru_gen, lru_gen_head } from './lru_gen.ts'
import { folio_lru_list, lru_head } from './lruvec.ts'
import { mlock_check } from './mlock_check.ts'
import { PG, PG_swapcache } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { LRU_UNEVICTABLE, MAX_NR_GENS, NR_LRU_LISTS } from './reclaim_tables.ts'
import { SWAP_HAS_CACHE, SWAP_MAP_BAD, SWP_WRITEOK } from './swapfile_slots.ts'
import { swp_offset, swp_type } from './swapops.ts'
import { NODE_STAT_ITEMS, node_item } from './vmstat_item.ts'
import { zsmalloc_check } from './zsmalloc_check.ts'

/** Adds what is broken. @ours */
export function reclaim_check(sys: Sys, broken: string[]): void {
  if (sys.lruvec.anon_cost.length === 0) return
  const listed = new Set<number>()
  const sizes = new Int32Array(sys.nr_zones * NR_LRU_LISTS)
  for (let node = 0; node < sys.nr_nodes; node++) {
    for (let lru = 0; lru < LRU_UNEVICTABLE; lru++) list_check(sys, node, lru, listed, sizes, broken)
    generations_check(sys, node, listed, sizes, broken)
  }
  flags_check(sys, listed, sizes, broken)
  sizes_check(sys, sizes, broken)
  mlock_check(sys, broken)
  swap_check(sys, broken)
  zsmalloc_check(sys, broken)
  oom_reaper_check(sys, broken)
}

/** The OOM reaper wakes no later than for the first victim that waits. */
function oom_reaper_check(sys: Sys, broken: string[]): void {
  const wakes = sys.reclaim_clock.oom_reap[0]!
  sys.task.oom_reap_at.forEach((time, task) => {
    if (time !== 0 && (wakes === 0 || wakes > time))
      broken.push(`task ${task}: the OOM reaper is due at ${time}, it wakes at ${wakes}`)
  })
}

function entries(sys: Sys, head: number, broken: string[]): number[] {
  if (list_fault(sys.link.link, head) === -1) return list_entries(sys.link.link, head)
  broken.push(`LRU list ${head}: its links do not come back to it`)
  return []
}

function note(sys: Sys, pfn: number, at: string, listed: Set<number>, broken: string[]): void {
  if (listed.has(pfn)) broken.push(`frame ${pfn}: on two LRU lists (${at})`)
  listed.add(pfn)
  if ((sys.page.flags[pfn]! & PG.lru) === 0) broken.push(`frame ${pfn}: on ${at} without PG_lru`)
  if (sys.page._refcount[pfn]! <= 0) broken.push(`frame ${pfn}: on ${at} with _refcount ${sys.page._refcount[pfn]}`)
}

function list_check(
  sys: Sys,
  node: number,
  lru: number,
  listed: Set<number>,
  sizes: Int32Array,
  broken: string[],
): void {
  for (const pfn of entries(sys, lru_head(sys, node, lru), broken)) {
    const at = `node ${node} list ${lru}`
    note(sys, pfn, at, listed, broken)
    if (folio_lru_list(sys, pfn) !== lru)
      broken.push(`frame ${pfn}: on ${at}, its flags say ${folio_lru_list(sys, pfn)}`)
    sizes[NR_LRU_LISTS * page_zone(sys, pfn) + lru]! += 1
  }
}

/** A page may still be on the list of an older generation than its flags name. */
function generations_check(sys: Sys, node: number, listed: Set<number>, sizes: Int32Array, broken: string[]): void {
  const { nr_pages } = sys.lru_gen_size
  const counted = new Int32Array(nr_pages.length)
  const max = sys.lru_gen.max_seq[node]!
  for (let gen = 0; gen < MAX_NR_GENS; gen++)
    for (let type = 0; type < 2; type++)
      for (let zone_type = 0; zone_type < sys.nr_zone_types; zone_type++)
        for (const pfn of entries(sys, lru_gen_head(sys, node, gen, type, zone_type), broken)) {
          note(sys, pfn, `node ${node} generation ${gen}`, listed, broken)
          const named = folio_lru_gen(sys, pfn)
          if (named < 0) {
            broken.push(`frame ${pfn}: on a generation's list, its flags name none`)
            continue
          }
          const zone = page_zone(sys, pfn)
          counted[2 * MAX_NR_GENS * zone + 2 * named + type]! += 1
          const active = named === max % MAX_NR_GENS || named === (max - 1) % MAX_NR_GENS ? 1 : 0
          sizes[NR_LRU_LISTS * zone + 2 * type + active]! += 1
        }
  for (let zone = node * sys.nr_zone_types; zone < (node + 1) * sys.nr_zone_types; zone++)
    for (let at = 2 * MAX_NR_GENS * zone; at < 2 * MAX_NR_GENS * (zone + 1); at++)
      if (counted[at] !== nr_pages[at])
        broken.push(`zone ${zone} generation slot ${at}: nr_pages ${nr_pages[at]}, ${counted[at]} pages`)
}

function flags_check(sys: Sys, listed: Set<number>, sizes: Int32Array, broken: string[]): void {
  const { flags } = sys.page
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) {
    if ((flags[pfn]! & PG.lru) === 0) continue
    if ((flags[pfn]! & PG.unevictable) !== 0) sizes[NR_LRU_LISTS * page_zone(sys, pfn) + LRU_UNEVICTABLE]! += 1
    else if (!listed.has(pfn)) broken.push(`frame ${pfn}: PG_lru, but on no LRU list`)
  }
}

function sizes_check(sys: Sys, sizes: Int32Array, broken: string[]): void {
  const { size } = sys.lru_zone_size
  for (let at = 0; at < sizes.length; at++)
    if (sizes[at] !== size[at])
      broken.push(
        `zone ${Math.floor(at / NR_LRU_LISTS)} LRU list ${at % NR_LRU_LISTS}: size ${size[at]}, ${sizes[at]} pages`,
      )
  const first = node_item('nr_inactive_anon')
  for (let node = 0; node < sys.nr_nodes; node++)
    for (let lru = 0; lru < NR_LRU_LISTS; lru++) {
      let pages = 0
      for (let type = 0; type < sys.nr_zone_types; type++)
        pages += size[NR_LRU_LISTS * (node * sys.nr_zone_types + type) + lru]!
      const counted = sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + first + lru]!
      if (counted !== pages)
        broken.push(`node ${node} LRU list ${lru}: counter ${counted}, ${pages} pages in its zones`)
    }
}

/** Slots, their areas' counts, and the pages of the swap cache say the same. */
function swap_check(sys: Sys, broken: string[]): void {
  const { flags, base, max, inuse_pages, pages } = sys.swap_info
  const { count, folio } = sys.swap_map
  let free = 0
  for (let area = 0; area < flags.length; area++) {
    if (flags[area] === 0) continue
    let used = 0
    for (let row = base[area]!; row < base[area]! + max[area]!; row++) {
      if (count[row] !== 0 && count[row] !== SWAP_MAP_BAD) used++
      const slot = sys.swap_map.data[row]!
      if (slot !== 0 && sys.physmem_slot.pfn[slot - 1] !== -2 - row)
        broken.push(`swap slot ${row}: its bytes are those of ${sys.physmem_slot.pfn[slot - 1]}`)
      if (slot !== 0 && count[row] === 0) broken.push(`swap slot ${row}: free, but has bytes`)
      const pfn = folio[row]! - 1
      if (pfn < 0) continue
      if ((count[row]! & SWAP_HAS_CACHE) === 0)
        broken.push(`swap slot ${row}: a page in the swap cache, count ${count[row]}`)
      const entry = sys.page.private[pfn]!
      if (base[swp_type(entry)]! + swp_offset(entry) !== row)
        broken.push(`swap slot ${row}: its page ${pfn} says entry ${entry}`)
      if ((sys.page.flags[pfn]! & PG_swapcache) === 0) broken.push(`frame ${pfn}: in the swap cache without its flag`)
    }
    if (used !== inuse_pages[area]) broken.push(`swap area ${area}: inuse_pages ${inuse_pages[area]}, ${used} slots`)
    if ((flags[area]! & SWP_WRITEOK) !== 0) free += pages[area]! - used
  }
  if (flags.length > 0 && free !== sys.swap_state.nr_swap_pages[0])
    broken.push(`nr_swap_pages ${sys.swap_state.nr_swap_pages[0]}, ${free} free slots`)
}
