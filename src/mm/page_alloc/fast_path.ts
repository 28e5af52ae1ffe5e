// The common way of an allocation and of a free, each in one flat function: a small block (order 0 … 3), the first zone
// of the zonelist plainly above its watermark, the CPU's list not empty, nobody else refers to the block. Everything
// else is refused before anything is changed, and goes the general way (alloc_pages.ts, pcp.ts).
// Law: who comes through here leaves every column as the general way would, and tells the same tracepoints.
// The functions are bound to their machine: while a process has one machine, the engine knows the addresses of its
// columns and compiles them in (a third less time); with several it reads them from `columns`, as it would from sys.
import { __GFP_COMP, __GFP_NOFAIL, __GFP_THISNODE, gfp_migratetype, gfp_zone } from '../gfp.ts'
import { kasan_enabled } from '../kasan_shadow.ts'
import { LOCK_PCP } from '../locks.ts'
import { PAGE_PCP, PAGE_USED, PG } from '../mm_types.ts'
import {
  BLOCK_ZONE_SPLIT,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  PAGE_ALLOC_COSTLY_ORDER,
  type Sys,
  WMARK_HIGH,
  WMARK_LOW,
  ZONE_BELOW_HIGH,
  ZONE_BOOSTED_WATERMARK,
} from '../mmzone.ts'
import {
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_VM_ZONE_STAT_ITEMS,
  NUMA_HIT,
  NUMA_LOCAL,
  NUMA_OTHER,
  NUMA_STAT_ITEMS,
  PGFREE,
} from '../vmstat_item.ts'
import { give_back } from './pcp.ts'

/** Both functions for one machine. */
export interface FastPath {
  /** A block from the running CPU's list, ready to use; -1 = this request is not a common one, nothing was done. */
  alloc(gfp: number, order: number, nid: number): number
  /** Frees a block to the running CPU's list; false = this is not a common case, nothing was done. */
  free(pfn: number, order: number): boolean
}

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const USED: number = PAGE_USED
const WAITING: number = PAGE_PCP
const HEAD: number = PG.head
const HELD: number = LOCK_PCP
const MOVABLE: number = MIGRATE_MOVABLE
const TYPES: number = MIGRATE_PCPTYPES
const COSTLY_ORDER: number = PAGE_ALLOC_COSTLY_ORDER
const SPLIT: number = BLOCK_ZONE_SPLIT
const [LOW, HIGH]: readonly [number, number] = [WMARK_LOW, WMARK_HIGH]
const [BOOSTED, BELOW_HIGH]: readonly [number, number] = [ZONE_BOOSTED_WATERMARK, ZONE_BELOW_HIGH]
const [ITEMS, NUMA_ITEMS]: readonly [number, number] = [NR_VM_ZONE_STAT_ITEMS, NUMA_STAT_ITEMS.length]
const [FREE, FREE_CMA, FREED]: readonly [number, number, number] = [NR_FREE_PAGES, NR_FREE_CMA_PAGES, PGFREE]
const [HIT, LOCAL, OTHER]: readonly [number, number, number] = [NUMA_HIT, NUMA_LOCAL, NUMA_OTHER]
const COMP: number = __GFP_COMP
const NOFAIL: number = __GFP_NOFAIL
const THISNODE: number = __GFP_THISNODE

/** Views of the columns that are used here, without the step over their table. */
function columns_of(sys: Sys) {
  return {
    gfp_allowed_mask: sys.machine.gfp_allowed_mask,
    this_cpu: sys.machine.this_cpu,
    numa_stats: sys.machine.numa_stats,
    cpu_held: sys.cpu.held,
    cpu_node: sys.cpu.node,
    zonelist: sys.zonelist.zones,
    zone_flags: sys.zone.flags,
    watermark: sys.zone.watermark,
    watermark_boost: sys.zone.watermark_boost,
    lowmem_reserve: sys.zone.lowmem_reserve,
    nr_reserved_highatomic: sys.zone.nr_reserved_highatomic,
    pageblock_offset: sys.zone.pageblock_offset,
    vm_stat: sys.zone_stat.vm_stat,
    free_orders: sys.free_mask.orders,
    pcp_count: sys.pcp.count,
    pcp_lock_acquired: sys.pcp.lock_acquired,
    event_count: sys.vm_event.count,
    numa_count: sys.numa_stat.count,
    block_zone: sys.block.zone,
    pageblock_type: sys.pageblock.migratetype,
    link: sys.link.link,
    state: sys.page.state,
    refcount: sys.page._refcount,
    flags: sys.page.flags,
    private: sys.page.private,
    index: sys.page.index,
    mapping: sys.page.mapping,
    memcg: sys.page.memcg,
  }
}

/** The machine's fast path, made at its first use. @ours */
export function fast_path(sys: Sys): FastPath {
  return sys.fast_path ?? (sys.fast_path = kasan_enabled(sys) ? NO_FAST_PATH : bind_fast_path(sys))
}

/** Of a kernel that does more for each frame: every request goes the general way. */
const NO_FAST_PATH: FastPath = { alloc: () => -1, free: () => false }

function bind_fast_path(sys: Sys): FastPath {
  const columns = columns_of(sys)

  /** Whether a zone has more than `pages` above the mark that counts first, and a block of the order. */
  function is_plainly_above(
    zone: number,
    flags: number,
    order: number,
    pages: number,
    highest_zoneidx: number,
  ): boolean {
    const { vm_stat, watermark, free_orders } = columns
    const mark = sys.kernel.watches_high_mark && (flags & BELOW_HIGH) === 0 ? HIGH : LOW
    // Requests that may use CMA areas see more free pages than this: they then go the general way too early.
    const cma = sys.MIGRATE_CMA >= 0 ? vm_stat[zone * ITEMS + FREE_CMA]! : 0
    const free = vm_stat[zone * ITEMS + FREE]! - columns.nr_reserved_highatomic[zone]! - cma - pages
    const reserve = columns.lowmem_reserve[8 * zone + highest_zoneidx]!
    if (!(free >= watermark[4 * zone + mark]! + columns.watermark_boost[zone]! + reserve)) return false
    if (order === 0) return true
    const row = zone * sys.MIGRATE_TYPES
    return (free_orders[row]! | free_orders[row + 1]! | free_orders[row + 2]!) >>> order !== 0
  }

  /** @kernel mm/page_alloc.c:get_page_from_freelist, its common way */
  function alloc(gfp: number, order: number, nid: number): number {
    if (order >>> 0 > COSTLY_ORDER) return -1
    const mask = gfp & columns.gfp_allowed_mask[0]!
    const highest_zoneidx = gfp_zone(sys, mask)
    const migratetype = gfp_migratetype(sys, mask)
    if ((mask & THISNODE) !== 0 || migratetype >= TYPES) return -1
    // Compound blocks are tied together; a large block that must not fail is warned about.
    if (order !== 0 && ((mask & COMP) !== 0 || (order > 1 && (mask & NOFAIL) !== 0))) return -1
    const { zonelist, link } = columns
    let at = 2 * nid * sys.zonelist_length
    while (zonelist[at]! !== -1 && sys.zone_idx[zonelist[at]!]! > highest_zoneidx) at++
    const zone = zonelist[at]!
    if (zone === -1) return -1
    const pages = 1 << order
    const flags = columns.zone_flags[zone]!
    if ((flags & BOOSTED) !== 0 || !is_plainly_above(zone, flags, order, pages, highest_zoneidx)) return -1

    const cpu = columns.this_cpu[0]!
    const pcp = zone * sys.nr_cpus + cpu
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + TYPES * order + migratetype
    const pfn = link[2 * head]!
    if (pfn === head || columns.cpu_held[cpu] !== 0) return -1
    // The list's lock is taken and released with nothing between that could look at it: only the count stays.
    columns.pcp_lock_acquired[pcp]! += 1
    sys.kernel.pcp.on_alloc(sys, pcp)
    const next = link[2 * pfn]!
    link[2 * head] = next
    link[2 * next + 1] = head
    columns.pcp_count[pcp]! -= pages
    columns.event_count[sys.pgalloc_events[zone]!]! += pages
    if (sys.kernel.config.NUMA && columns.numa_stats[0] !== 0) {
      const { numa_count } = columns
      const row = zone * NUMA_ITEMS
      numa_count[row + HIT]! += 1
      numa_count[row + (sys.zone_to_nid[zone] === columns.cpu_node[cpu] ? LOCAL : OTHER)]! += 1
    }
    columns.state[pfn] = USED | (order + 1)
    columns.refcount[pfn] = 1
    columns.flags[pfn] = 0
    columns.private[pfn] = 0
    columns.index[pfn] = 0
    sys.trace.mm_page_alloc?.(pfn, order, mask, migratetype)
    return pfn
  }

  /** @kernel mm/page_alloc.c:free_unref_page, its common way */
  function free(pfn: number, order: number): boolean {
    const { state, refcount, flags, cpu_held, link } = columns
    if (order > COSTLY_ORDER || state[pfn] !== USED + 1 + order) return false
    if (refcount[pfn] !== 1 || (flags[pfn]! & HEAD) !== 0) return false
    const zone = columns.block_zone[pfn >>> sys.block_shift]!
    if (zone === SPLIT) return false
    const type = columns.pageblock_type[columns.pageblock_offset[zone]! + (pfn >>> sys.pageblock_order)]!
    const cpu = columns.this_cpu[0]!
    if (type === sys.MIGRATE_ISOLATE || cpu_held[cpu] !== 0) return false

    refcount[pfn] = 0
    sys.trace.mm_page_free?.(pfn, order)
    flags[pfn] = 0
    columns.mapping[pfn] = 0
    columns.memcg[pfn] = 0
    columns.index[pfn] = type
    columns.event_count[FREED]! += 1 << order
    const pcp = zone * sys.nr_cpus + cpu
    const pindex = TYPES * order + (type >= TYPES ? MOVABLE : type)
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + pindex
    const next = link[2 * head]!
    columns.pcp_lock_acquired[pcp]! += 1
    link[2 * pfn] = next
    link[2 * pfn + 1] = head
    link[2 * next + 1] = pfn
    link[2 * head] = pfn
    state[pfn] = WAITING | (order + 1)
    columns.pcp_count[pcp]! += 1 << order
    const surplus = sys.kernel.pcp.nr_pcp_free(sys, pcp, zone, order)
    if (surplus > 0) {
      // The zone's lock is taken below this one, which must be seen to be held.
      cpu_held[cpu] = HELD
      give_back(sys, zone, surplus, pcp, pindex)
      cpu_held[cpu] = 0
    }
    return true
  }

  return { alloc, free }
}
