// The machine of a reclaim recording: zones and free blocks of its `before` folder, the pages that were on LRU lists as
// pages of one memory file (the unpacked ramdisk), a swap area as the recorder made it.

import { __filemap_add_folio } from '../mm/filemap.ts'
import { lru_gen_enabled } from '../mm/lru_gen.ts'
import { lru_gen_change_state } from '../mm/lru_gen_state.ts'
import { lruvec_add_folio } from '../mm/lruvec.ts'
import { PAGE_USED, PG } from '../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  type Sys,
  WMARK_MIN,
} from '../mm/mmzone.ts'
import { __free_pages } from '../mm/page_alloc/alloc_pages.ts'
import { get_page_from_free_area, move_to_free_list } from '../mm/page_alloc/buddy.ts'
import { wmark_pages } from '../mm/page_alloc/watermark.ts'
import { reclaim_init } from '../mm/reclaim_room.ts'
import { swapon } from '../mm/swapfile.ts'
import { NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS, node_item, zone_item } from '../mm/vmstat_item.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { freeBlocks } from '../sim/inspect_zones.ts'
import { restore } from '../sim/restore.ts'
import { INODE_SHMEM, openFile } from './reclaim_program.ts'

export interface ReclaimMachine {
  readonly sys: Sys
  /** The memory file that holds what the ramdisk had. */
  readonly ramdisk: number
  /** Its pages. */
  readonly ramdiskPages: number
}

/** Pages of the swap disks: 1 GiB. */
const SWAP_PAGES = 262144

/** Boots the machine that a folder describes; `slabBoot`: pages of reclaimable slabs at its boot; `passedOver`: whether
 * kswapd was woken for a low zone alone. */
export function reclaimMachine(
  snapshot: Snapshot,
  lruGen: number | null,
  swappiness: number,
  slabBoot: number,
  passedOver: boolean,
): ReclaimMachine {
  const capacity = {
    nr_tasks: 8,
    nr_xa_nodes: 4096,
    nr_swap_slots: SWAP_PAGES,
    nr_physmem_slots: 2048,
  }
  const { sys } = restore(withBlockTypes(snapshot, slabBoot), { shared: false, capacity })
  fillPcpLists(sys, snapshot)
  reclaim_init(sys)
  if (lruGen !== null && sys.kernel.reclaim.has_lru_gen) lru_gen_change_state(sys, lruGen)
  // Generations have a list a zone: nothing is passed over.
  if (!passedOver && !lru_gen_enabled(sys) && !sys.kernel.freelist_hygiene) lendUnmovable(sys)
  sys.sysctl.swappiness[0] = swappiness
  const header = { version: 1, last_page: SWAP_PAGES - 1, badpages: [] }
  swapon(sys, { path: '/dev/vdb', header, pages: SWAP_PAGES, rotational: true })
  const { ramdisk, pages } = adoptLruPages(sys)
  return { sys, ramdisk, ramdiskPages: pages }
}

/** Frames that the files count as being on LRU lists become pages of a memory file; the active ones come first. */
function adoptLruPages(sys: Sys): { ramdisk: number; pages: number } {
  const { flags, _refcount } = sys.page
  const frames: number[] = []
  for (let pfn = 0; pfn < sys.nr_frames; pfn++) if ((flags[pfn]! & PG.lru) !== 0) frames.push(pfn)
  const ramdisk = openFile(sys, INODE_SHMEM, frames.length)
  const inode = sys.file.inode[ramdisk]!
  const active = sys.node_stat.vm_stat[node_item('nr_active_anon')]!
  clearLruCounters(sys)
  frames.forEach((pfn, index) => {
    flags[pfn] = PG.uptodate | PG.swapbacked | PG.dirty
    __filemap_add_folio(sys, pfn, inode, index)
    _refcount[pfn] = 1
    if (index < active) flags[pfn] = flags[pfn]! | PG.active
    lruvec_add_folio(sys, pfn)
    flags[pfn] = flags[pfn]! | PG.lru
  })
  return { ramdisk, pages: frames.length }
}

/** What the pages are counted in again when they are put on their lists. */
function clearLruCounters(sys: Sys): void {
  const { vm_stat } = sys.node_stat
  for (let node = 0; node < sys.nr_nodes; node++)
    for (const item of ['nr_file_pages', 'nr_shmem', 'nr_mapped', 'nr_anon_pages'] as const)
      vm_stat[node * NODE_STAT_ITEMS.length + node_item(item)] = 0
  for (let lru = 0; lru < 5; lru++) {
    for (let node = 0; node < sys.nr_nodes; node++)
      vm_stat[node * NODE_STAT_ITEMS.length + node_item('nr_inactive_anon') + lru] = 0
    for (let zone = 0; zone < sys.nr_zones; zone++)
      sys.zone_stat.vm_stat[zone * NR_VM_ZONE_STAT_ITEMS + zone_item('nr_zone_inactive_anon') + lru] = 0
  }
}

/** The recorder kept pagetypeinfo of the boot only. Pageblocks rarely change their type, and who holds unmovable pages
 * keeps them: as many unmovable pages are free as then, as many reclaimable ones and what slabs gave back since, and all
 * others are movable. Which blocks that are is told by their sizes, the largest first. */
function withBlockTypes(snapshot: Snapshot, slabBoot: number): Snapshot {
  const { pagetypeinfo, buddyinfo, vmstat } = snapshot
  if (!pagetypeinfo || !buddyinfo) return snapshot
  const given = Math.max(0, slabBoot - (vmstat?.counters.get('nr_slab_reclaimable') ?? slabBoot))
  const zones = pagetypeinfo.zones.map(zone => {
    const now = [...(buddyinfo.zones.find(({ node, name }) => node === zone.node && name === zone.name)?.free ?? [])]
    const free = zone.free.map(counts => counts.map(() => 0))
    const reclaimable =
      (zone.blocks[MIGRATE_RECLAIMABLE] ?? 0) > 0 ? pagesOf(zone.free[MIGRATE_RECLAIMABLE]) + given : 0
    takePages(now, free[MIGRATE_UNMOVABLE]!, pagesOf(zone.free[MIGRATE_UNMOVABLE]), pagetypeinfo.pageblockOrder)
    takePages(now, free[MIGRATE_RECLAIMABLE]!, reclaimable, pagetypeinfo.pageblockOrder)
    free[MIGRATE_MOVABLE] = now
    return { ...zone, free }
  })
  return { ...snapshot, pagetypeinfo: { ...pagetypeinfo, zones } }
}

const pagesOf = (counts: readonly number[] = []): number =>
  counts.reduce((sum, count, order) => sum + count * 2 ** order, 0)

/** Moves blocks of together `pages` pages from one list of counts to another; whole pageblocks stay. */
function takePages(from: number[], to: number[], pages: number, below: number): void {
  let left = pages
  for (let order = below - 1; order >= 0; order--) {
    const count = Math.min(from[order] ?? 0, Math.floor(left / 2 ** order))
    from[order]! -= count
    to[order] = count
    left -= count * 2 ** order
  }
}

/** Free pages of an unmovable pageblock stay on the list of movable pages once some of them were taken for one. While a low
 * zone has more unmovable pages than it keeps back from requests for movable ones, some are taken, and kswapd is woken for
 * that zone alone and passes over the pages of the others. Where it did not, there are no more than that. */
function lendUnmovable(sys: Sys): void {
  const { present_pages } = sys.zone
  const highest = present_pages.findLastIndex(pages => pages > 0)
  for (let zone = 0; zone < highest; zone++) {
    if (present_pages[zone] === 0) continue
    const reserve = sys.zone.lowmem_reserve.subarray(zone * sys.nr_zone_types, (zone + 1) * sys.nr_zone_types)
    let surplus = -wmark_pages(sys, zone, WMARK_MIN) - Math.max(...reserve)
    for (let order = 0; order < sys.pageblock_order; order++)
      surplus += freeBlocks(sys, zone, order, MIGRATE_UNMOVABLE) * 2 ** order
    for (let order = 0; order < sys.pageblock_order; order++)
      for (let left = freeBlocks(sys, zone, order, MIGRATE_UNMOVABLE); left > 0 && surplus > 0; left--) {
        move_to_free_list(
          sys,
          get_page_from_free_area(sys, zone, order, MIGRATE_UNMOVABLE),
          zone,
          order,
          MIGRATE_MOVABLE,
        )
        surplus -= 2 ** order
      }
  }
}

/** As many pages as zoneinfo counts wait on the CPUs' lists: frames that were in use, of movable pageblocks, the highest
 * first, as a process that ended has left them. */
function fillPcpLists(sys: Sys, { zoneinfo }: Snapshot): void {
  const { state, flags } = sys.page
  for (const facts of zoneinfo?.zones ?? []) {
    const zone = facts.node * sys.nr_zone_types + (sys.kernel.zones as readonly string[]).indexOf(facts.name)
    let left = facts.pagesets.reduce((sum, { count }) => sum + count, 0)
    const start = facts.startPfn
    for (let pfn = start + facts.pages.spanned - 1; pfn >= start && left > 0; pfn--) {
      if (state[pfn] !== (PAGE_USED | 1) || (flags[pfn]! & PG.lru) !== 0) continue
      if (get_pageblock_migratetype(sys, zone, pfn) !== MIGRATE_MOVABLE) continue
      __free_pages(sys, pfn, 0)
      left--
    }
  }
}
