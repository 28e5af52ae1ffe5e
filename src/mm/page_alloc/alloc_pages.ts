// The zoned page allocator: from a request (mask, order, node) to a block of frames and back.
// Fast path: the first zone of the zonelist that stays above its low watermark. Slow path: wake kswapd, go down to the
// min watermark and below it as the mask allows; where the kernel would begin to reclaim, `sys.reclaim` is asked.
// Law: what is returned has page.state = PAGE_USED | order + 1 and _refcount 1, and is on no list.
import type { Gfp, Order, Pfn } from '../../base/units.ts'
import { NIL } from '../../base/units.ts'
import {
  __GFP_ATOMIC,
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_NOFAIL,
  __gfp_pfmemalloc_flags,
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NO_WATERMARKS,
  ALLOC_NOFRAGMENT,
  ALLOC_NON_BLOCK,
  ALLOC_OOM,
  ALLOC_WMARK_LOW,
  ALLOC_WMARK_MASK,
  alloc_flags_nofragment,
  gfp_migratetype,
  gfp_to_alloc_flags,
  gfp_to_alloc_flags_cma,
  gfp_zone,
  gfp_zonelist,
} from '../gfp.ts'
import { kasan_alloc_pages, kasan_free_pages } from '../kasan_pages.ts'
import { zone_lock, zone_unlock } from '../locks.ts'
import { PAGE_USED, PG } from '../mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_UNMOVABLE,
  page_zone,
  type Sys,
  WMARK_HIGH,
  ZONE_BELOW_HIGH,
  ZONE_BOOSTED_WATERMARK,
} from '../mmzone.ts'
import { __mod_zone_freepage_state, count_vm_events, zone_statistics } from '../vmstat.ts'
import { PGFREE } from '../vmstat_item.ts'
import { warn_alloc } from '../warn_alloc.ts'
import { bad_free, warn_gfp, warn_order } from './bad_page.ts'
import { __rmqueue_smallest, pcp_allowed_order } from './buddy.ts'
import { reserve_highatomic_pageblock } from './fallback.ts'
import { fast_path } from './fast_path.ts'
import { __rmqueue, free_one_page, free_unref_page, rmqueue_pcplist } from './pcp.ts'
import { wmark_pages, zone_watermark_fast } from './watermark.ts'

// The engine folds a file's own constants into its code; what is imported it reads at every use.
const USED: number = PAGE_USED
const HEAD: number = PG.head
const MOVABLE: number = MIGRATE_MOVABLE
const CMA: number = ALLOC_CMA
const KSWAPD: number = ALLOC_KSWAPD
const NOFRAGMENT: number = ALLOC_NOFRAGMENT
const HIGHATOMIC: number = ALLOC_HIGHATOMIC
const WMARK_MASK: number = ALLOC_WMARK_MASK
const COMP: number = __GFP_COMP
const BOOSTED: number = ZONE_BOOSTED_WATERMARK
const FREED: number = PGFREE
const TYPES: number = MIGRATE_PCPTYPES
const NOFAIL: number = __GFP_NOFAIL
const WMARK_LOW: number = ALLOC_WMARK_LOW

/** Takes a block out of a zone: from the CPU's lists where the order goes through them, else from the buddy lists.
 * @kernel mm/page_alloc.c:rmqueue */
function rmqueue(
  sys: Sys,
  preferred_zone: number,
  zone: number,
  order: number,
  alloc_flags: number,
  migratetype: number,
): number {
  let pfn = -1
  // The MOVABLE list may hold pages of CMA areas, which a request without ALLOC_CMA must not get.
  const cma_in_list = sys.MIGRATE_CMA >= 0 && migratetype === MOVABLE && (alloc_flags & CMA) === 0
  if (pcp_allowed_order(sys, order) && !cma_in_list) pfn = rmqueue_pcplist(sys, zone, order, migratetype, alloc_flags)
  if (pfn === -1) pfn = rmqueue_buddy(sys, zone, order, alloc_flags, migratetype)
  if (pfn !== -1) {
    count_vm_events(sys, sys.pgalloc_events[zone]!, 1 << order)
    zone_statistics(sys, preferred_zone, zone, 1)
  }
  if ((alloc_flags & KSWAPD) !== 0 && (sys.zone.flags[zone]! & BOOSTED) !== 0) wakeup_after_boost(sys, zone)
  return pfn
}

/** A fallback raised the watermarks: kswapd shall make room, now that the lock is released. */
function wakeup_after_boost(sys: Sys, zone: number): void {
  sys.zone.flags[zone]! &= ~BOOSTED
  sys.reclaim?.wakeup_kswapd(sys, zone, 0, 0, sys.zone_idx[zone]!)
}

/** @kernel mm/page_alloc.c:rmqueue_buddy */
function rmqueue_buddy(sys: Sys, zone: number, order: number, alloc_flags: number, migratetype: number): number {
  let pfn = -1
  zone_lock(sys, zone)
  if ((alloc_flags & HIGHATOMIC) !== 0) pfn = __rmqueue_smallest(sys, zone, order, MIGRATE_HIGHATOMIC)
  if (pfn === -1) pfn = __rmqueue(sys, zone, order, migratetype, alloc_flags)
  // Who cannot wait, and a victim that must exit, may have the pages reserved for high orders before failing.
  if (pfn === -1 && (alloc_flags & (ALLOC_OOM | ALLOC_NON_BLOCK)) !== 0)
    pfn = __rmqueue_smallest(sys, zone, order, MIGRATE_HIGHATOMIC)
  if (pfn !== -1) __mod_zone_freepage_state(sys, zone, -(1 << order), sys.page.index[pfn]!)
  zone_unlock(sys)
  return pfn
}

/** Whether a zone may serve the request at the mark that its flags name. */
function zone_allows(
  sys: Sys,
  zone: number,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  gfp: number,
): boolean {
  if (sys.kernel.watches_high_mark && is_above_high(sys, zone, order, highest_zoneidx, alloc_flags, gfp)) return true
  const mark = wmark_pages(sys, zone, alloc_flags & WMARK_MASK)
  if (zone_watermark_fast(sys, zone, order, mark, highest_zoneidx, alloc_flags, gfp)) return true
  if ((alloc_flags & ALLOC_NO_WATERMARKS) !== 0) return true
  return sys.reclaim?.node_reclaim(sys, zone, order, mark, highest_zoneidx, alloc_flags) ?? false
}

/** Whether a zone is above its high mark; one that falls below is marked, and not asked again until it has recovered. */
function is_above_high(
  sys: Sys,
  zone: number,
  order: number,
  highest_zoneidx: number,
  alloc_flags: number,
  gfp: number,
): boolean {
  if ((sys.zone.flags[zone]! & ZONE_BELOW_HIGH) !== 0) return false
  const high = wmark_pages(sys, zone, WMARK_HIGH)
  if (zone_watermark_fast(sys, zone, order, high, highest_zoneidx, alloc_flags, gfp)) return true
  sys.zone.flags[zone]! |= ZONE_BELOW_HIGH
  return false
}

/**
 * Tries the zones of a zonelist in order; returns a block that is ready to use, or -1. `preferred` is the row of
 * sys.zonelist to begin with (-1 = there is none), `nodemask` a byte per node or null for all.
 * @kernel mm/page_alloc.c:get_page_from_freelist
 */
export function get_page_from_freelist(
  sys: Sys,
  gfp: number,
  order: number,
  alloc_flags: number,
  preferred: number,
  highest_zoneidx: number,
  migratetype: number,
  nodemask: Uint8Array | null,
): number {
  if (preferred === -1) return -1
  const { zones } = sys.zonelist
  const { zone_idx, zone_to_nid } = sys
  const preferred_zone = zones[preferred]!
  let flags = alloc_flags
  for (;;) {
    let restart = false
    for (let at = preferred; zones[at] !== -1; at++) {
      const zone = zones[at]!
      if (zone_idx[zone]! > highest_zoneidx) continue
      if (nodemask !== null && nodemask[zone_to_nid[zone]!] === 0) continue
      // Mixing migrate types here is better than going to a remote node.
      const remote = zone !== preferred_zone && zone_to_nid[zone] !== zone_to_nid[preferred_zone]
      if (remote && (flags & NOFRAGMENT) !== 0 && sys.machine.nr_online_nodes[0]! > 1) {
        restart = true
        break
      }
      if (!zone_allows(sys, zone, order, highest_zoneidx, flags, gfp)) continue
      const pfn = rmqueue(sys, preferred_zone, zone, order, flags, migratetype)
      if (pfn === -1) continue
      prep_new_page(sys, pfn, order, gfp)
      if ((flags & HIGHATOMIC) !== 0) reserve_highatomic_pageblock(sys, zone, pfn)
      return pfn
    }
    // No zone could serve without mixing types: mix them.
    if (!restart && (flags & NOFRAGMENT) === 0) return -1
    flags &= ~NOFRAGMENT
  }
}

/** Row of sys.zonelist of the first zone that a request may use; -1 = none.
 * @kernel include/linux/mmzone.h:first_zones_zonelist */
export function first_zones_zonelist(
  sys: Sys,
  zonelist: number,
  highest_zoneidx: number,
  nodemask: Uint8Array | null,
): number {
  const { zones } = sys.zonelist
  for (let at = zonelist; zones[at] !== -1; at++) {
    const zone = zones[at]!
    if (sys.zone_idx[zone]! <= highest_zoneidx && (nodemask === null || nodemask[sys.zone_to_nid[zone]!] !== 0))
      return at
  }
  return -1
}

/** First row of a node's zonelist for a mask. @kernel include/linux/gfp.h:node_zonelist */
export function node_zonelist(sys: Sys, nid: number, gfp: number): number {
  return (2 * nid + gfp_zonelist(sys, gfp)) * sys.zonelist_length
}

/** Makes a block from the free lists one that somebody owns. @kernel mm/page_alloc.c:prep_new_page */
function prep_new_page(sys: Sys, pfn: number, order: number, gfp: number): void {
  const { page } = sys
  page.state[pfn] = USED | (order + 1)
  page._refcount[pfn] = 1
  page.flags[pfn] = 0
  page.private[pfn] = 0
  page.index[pfn] = 0
  kasan_alloc_pages(sys, pfn, order)
  if (order !== 0 && (gfp & COMP) !== 0) prep_compound_page(sys, pfn, order)
}

/** Ties the pages of a block together, so that each finds the head. @kernel mm/page_alloc.c:prep_compound_page */
function prep_compound_page(sys: Sys, pfn: number, order: number): void {
  const { flags, index } = sys.page
  flags[pfn]! |= PG.head
  for (let tail = pfn + 1; tail < pfn + (1 << order); tail++) {
    flags[tail] = PG.tail
    index[tail] = pfn
  }
}

/** Allocates 2^order contiguous frames; returns the first one's pfn, or -1. `preferred_nid` is the node to begin with.
 * @kernel mm/page_alloc.c:__alloc_pages */
export function __alloc_pages(
  sys: Sys,
  gfp: Gfp,
  order: Order,
  preferred_nid: number,
  nodemask: Uint8Array | null = null,
): Pfn {
  const common = nodemask === null ? fast_path(sys).alloc(gfp, order, preferred_nid) : -1
  return common !== -1 ? common : alloc_pages_general(sys, gfp, order, preferred_nid, nodemask)
}

/** Any request. */
function alloc_pages_general(
  sys: Sys,
  gfp: number,
  order: number,
  preferred_nid: number,
  nodemask: Uint8Array | null,
): number {
  if (preferred_nid >>> 0 >= sys.nr_nodes)
    throw new RangeError(`node ${preferred_nid}: this machine has nodes 0 to ${sys.nr_nodes - 1}`)
  if (order >>> 0 >= sys.NR_PAGE_ORDERS) {
    warn_order(sys, gfp, order)
    return NIL
  }
  const mask = gfp & sys.machine.gfp_allowed_mask[0]!
  const highest_zoneidx = gfp_zone(sys, mask)
  const migratetype = request_migratetype(sys, mask, order)
  const zonelist = node_zonelist(sys, preferred_nid, mask)
  const preferred = first_zones_zonelist(sys, zonelist, highest_zoneidx, nodemask)
  let pfn = -1
  if (preferred !== -1) {
    const nofragment = alloc_flags_nofragment(sys, sys.zonelist.zones[preferred]!, mask)
    const flags = gfp_to_alloc_flags_cma(sys, mask, WMARK_LOW) | nofragment
    pfn = get_page_from_freelist(sys, mask, order, flags, preferred, highest_zoneidx, migratetype, nodemask)
    if (pfn === -1) pfn = __alloc_pages_slowpath(sys, mask, order, zonelist, highest_zoneidx, migratetype, nodemask)
  }
  sys.trace.mm_page_alloc?.(pfn, order, mask, migratetype)
  return pfn
}

/**
 * Migrate type of a request, with a word about masks that contradict themselves.
 * @ours
 * @differs both mobility bits at once mean unmovable: the kernel would take pages from a list of another order
 */
function request_migratetype(sys: Sys, mask: number, order: number): number {
  const migratetype = gfp_migratetype(sys, mask)
  return migratetype < TYPES && ((mask & NOFAIL) === 0 || order <= 1)
    ? migratetype
    : doubtful_migratetype(sys, mask, order, migratetype)
}

function doubtful_migratetype(sys: Sys, mask: number, order: number, migratetype: number): number {
  warn_gfp(sys, mask, order, 'gfp_migratetype')
  warn_gfp(sys, mask, order, 'rmqueue')
  return migratetype < TYPES ? migratetype : MIGRATE_UNMOVABLE
}

/** What is tried when no zone is above its low watermark: reserves, then reclaim where the machine can.
 * @kernel mm/page_alloc.c:__alloc_pages_slowpath */
function __alloc_pages_slowpath(
  sys: Sys,
  gfp: number,
  order: number,
  zonelist: number,
  highest_zoneidx: number,
  migratetype: number,
  nodemask: Uint8Array | null,
): number {
  const can_direct_reclaim = (gfp & __GFP_DIRECT_RECLAIM) !== 0
  const mask = can_direct_reclaim ? gfp & ~__GFP_ATOMIC : gfp
  if (mask !== gfp || (gfp & __GFP_NOFAIL) !== 0) warn_gfp(sys, gfp, order, '__alloc_pages_slowpath')
  let alloc_flags = gfp_to_alloc_flags(sys, mask, order)
  const wake = (alloc_flags & ALLOC_KSWAPD) !== 0
  if (wake) sys.reclaim?.wake_all_kswapds(sys, order, mask, zonelist, highest_zoneidx, nodemask)
  let preferred = first_zones_zonelist(sys, zonelist, highest_zoneidx, nodemask)
  let pfn = get_page_from_freelist(sys, mask, order, alloc_flags, preferred, highest_zoneidx, migratetype, nodemask)
  if (pfn !== -1) return pfn
  const reserve_flags = __gfp_pfmemalloc_flags(sys, mask)
  if (reserve_flags !== 0) alloc_flags = gfp_to_alloc_flags_cma(sys, mask, reserve_flags) | (alloc_flags & ALLOC_KSWAPD)
  // Reserves are not bound to what a policy or cpuset allows.
  const any_node = (alloc_flags & ALLOC_CPUSET) === 0 || reserve_flags !== 0
  const nodes = any_node ? null : nodemask
  preferred = first_zones_zonelist(sys, zonelist, highest_zoneidx, nodes)
  pfn = get_page_from_freelist(sys, mask, order, alloc_flags, preferred, highest_zoneidx, migratetype, nodes)
  if (pfn !== -1) return pfn
  if (can_direct_reclaim && sys.reclaim)
    pfn = sys.reclaim.alloc_pages_reclaim(sys, mask, order, alloc_flags, zonelist, highest_zoneidx, migratetype, nodes)
  else if ((mask & __GFP_NOFAIL) !== 0)
    pfn = get_page_from_freelist(sys, mask, order, ALLOC_MIN_RESERVE, preferred, highest_zoneidx, migratetype, nodes)
  if (pfn === -1) warn_alloc(sys, mask, order)
  return pfn
}

/** Allocates on the running CPU's node, or the nearest with memory. @kernel include/linux/gfp.h:alloc_pages */
export function alloc_pages(sys: Sys, gfp: Gfp, order: Order): Pfn {
  return __alloc_pages(sys, gfp, order, sys.cpu.numa_mem[sys.machine.this_cpu[0]!]!)
}

/** Allocates on a node, -1 = the running CPU's. @kernel include/linux/gfp.h:alloc_pages_node */
export function alloc_pages_node(sys: Sys, nid: number, gfp: Gfp, order: Order): Pfn {
  return nid === -1 ? alloc_pages(sys, gfp, order) : __alloc_pages(sys, gfp, order, nid)
}

/** Allocates one frame. @kernel include/linux/gfp.h:alloc_page */
export function alloc_page(sys: Sys, gfp: Gfp): Pfn {
  return alloc_pages(sys, gfp, 0)
}

/**
 * Drops a reference to a block; with the last one the block is freed. @kernel mm/page_alloc.c:__free_pages
 * @differs a block that is not allocated, or has another order, is reported and left alone
 */
export function __free_pages(sys: Sys, pfn: Pfn, order: Order): void {
  if (!fast_path(sys).free(pfn, order)) free_pages_general(sys, pfn, order)
}

/** Any free. */
function free_pages_general(sys: Sys, pfn: number, order: number): void {
  const { state, _refcount } = sys.page
  if (state[pfn] !== USED + 1 + order || _refcount[pfn]! <= 0) {
    bad_free(sys, pfn, order)
    return
  }
  const left = _refcount[pfn]! - 1
  _refcount[pfn] = left
  if (left === 0) free_the_page(sys, pfn, order)
}

/** Frees one frame. @kernel include/linux/gfp.h:__free_page */
export function __free_page(sys: Sys, pfn: Pfn): void {
  __free_pages(sys, pfn, 0)
}

/** Frees a block that nobody refers to any more. @kernel mm/page_alloc.c:free_the_page */
function free_the_page(sys: Sys, pfn: number, order: number): void {
  free_pages_prepare(sys, pfn, order)
  const zone = page_zone(sys, pfn)
  count_vm_events(sys, FREED, 1 << order)
  if (pcp_allowed_order(sys, order)) free_unref_page(sys, pfn, zone, order)
  else free_one_page(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn), 0)
}

/** Takes the owner's traces off a block. @kernel mm/page_alloc.c:free_pages_prepare */
function free_pages_prepare(sys: Sys, pfn: number, order: number): void {
  const { flags, mapping, memcg } = sys.page
  sys.trace.mm_page_free?.(pfn, order)
  if ((flags[pfn]! & HEAD) !== 0) for (let tail = pfn + 1; tail < pfn + (1 << order); tail++) flags[tail] = 0
  flags[pfn] = 0
  mapping[pfn] = 0
  memcg[pfn] = 0
  kasan_free_pages(sys, pfn, order)
}
