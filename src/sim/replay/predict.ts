// The predicting machine: it gets the requests of the recording (mask, order, CPU) and chooses the frames itself. What
// the recording frees, it frees too: `frame` says which of its frames stands for a recorded one.
// Not modelled is reclaim: its frees are in the recording. A request that the machine's watermarks refuse, although
// the recorded kernel served it (it reclaimed first), is counted and served from the recorded zone without watermarks.
// Compaction and drains that no free caused are decisions of reclaim, too: the machine does them when the recording
// says so, with its own pages.
import {
  __GFP_MOVABLE,
  __GFP_RECLAIMABLE,
  ALLOC_NO_WATERMARKS,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  gfp_migratetype,
  gfp_to_alloc_flags,
  gfp_zone,
} from '../../mm/gfp.ts'
import { PAGE_STATE_ORDER, PAGE_USED, PG } from '../../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_MOVABLE,
  page_zone,
  type Sys,
  ZONE_RECLAIM_ACTIVE,
} from '../../mm/mmzone.ts'
import {
  __alloc_pages,
  __free_pages,
  first_zones_zonelist,
  get_page_from_freelist,
  node_zonelist,
} from '../../mm/page_alloc/alloc_pages.ts'
import { __rmqueue_smallest, FPI_TO_TAIL } from '../../mm/page_alloc/buddy.ts'
import { drain_all_pages, free_one_page } from '../../mm/page_alloc/pcp.ts'
import { __mod_zone_freepage_state } from '../../mm/vmstat.ts'
import type { Probes } from '../../trace/probes.ts'
import { drain_tail, splitUsed, take_block } from './buddy_edit.ts'
import { makeMovable } from './compaction_takes.ts'

/** What the predictions of one machine came to. All are allocations unless they say pages. */
export interface PredictCounts {
  allocations: number
  sameFrame: number
  /** Allocations of frames that were freed during the replay: nothing but the machine says where those wait. Where the
   * others waited at the start was read off the trace. */
  recycled: number
  sameFrameRecycled: number
  sameZone: number
  sameMigratetype: number
  /** Refused at every zone although the recorded kernel served it. */
  failed: number
  /** Refused by watermarks, served from the recorded zone without them: the recorded kernel reclaimed first. */
  refused: number
  /** Pages that the recording frees and the machine never gave away (bulk allocation). */
  freedUnknown: number
  /** Pages taken from per-CPU lists without an event. */
  silent: number
  /** Pages that compaction took. */
  isolated: number
  /** External fragmentation events and pages drained from per-CPU lists, by the machine. */
  fallbacks: number
  drained: number
}

/** What a predicting machine does itself because the trace does not show it, or the other way round. */
export interface PredictRules {
  /** Boosts stay until kswapd, whose work is in the trace, has come. */
  readonly boosts: boolean
  /** Who gets nothing drains all lists and tries again. @kernel mm/page_alloc.c:__alloc_pages_direct_reclaim */
  readonly drains: boolean
}

const NO_FRAME = -1
/** @kernel mm/page_alloc.c:decay_pcp_high */
const CONFIG_PCP_BATCH_SCALE_MAX = 5
/** Masks whose requests have each migrate type. */
const GFP_OF_TYPE: readonly number[] = [GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_KERNEL | __GFP_RECLAIMABLE]

export class Predict {
  readonly sys: Sys
  readonly counts: PredictCounts = {
    allocations: 0,
    sameFrame: 0,
    recycled: 0,
    sameFrameRecycled: 0,
    sameZone: 0,
    sameMigratetype: 0,
    failed: 0,
    refused: 0,
    freedUnknown: 0,
    silent: 0,
    isolated: 0,
    fallbacks: 0,
    drained: 0,
  }
  /** The machine's frame for each recorded frame in use. */
  readonly #frame: Int32Array
  /** 1 = the recording freed this frame since the start. */
  readonly #freed: Uint8Array

  /** Boosts as of the last second, by zone; null: kswapd's work is not in the trace. */
  readonly #boosts: Int32Array | null

  constructor(sys: Sys, { boosts, drains }: PredictRules) {
    this.sys = sys
    this.#boosts = boosts ? new Int32Array(sys.nr_zones) : null
    this.#frame = new Int32Array(sys.nr_frames)
    this.#freed = new Uint8Array(sys.nr_frames)
    const { state } = sys.page
    for (let pfn = 0; pfn < sys.nr_frames; pfn++) this.#frame[pfn] = (state[pfn]! & PAGE_USED) !== 0 ? pfn : NO_FRAME
    this.record({})
    sys.reclaim = {
      wakeup_kswapd: (_sys, zone) => {
        if (!boosts) sys.zone.watermark_boost[zone] = 0
      },
      wake_all_kswapds: () => {},
      node_reclaim: () => false,
      alloc_pages_reclaim: (_sys, gfp, order, flags, zonelist, highest, migratetype, nodes) => {
        if (!drains) return -1
        drain_all_pages(sys)
        const first = first_zones_zonelist(sys, zonelist, highest, nodes)
        return get_page_from_freelist(sys, gfp, order, flags, first, highest, migratetype, nodes)
      },
    }
  }

  /** Lets `probes` hear what the machine does, beside the counters. */
  record(probes: Probes): void {
    const { counts } = this
    const { mm_page_pcpu_drain, mm_page_alloc_extfrag } = probes
    this.sys.trace = {
      ...probes,
      mm_page_pcpu_drain: (pfn, order, migratetype) => {
        counts.drained += 1 << order
        mm_page_pcpu_drain?.(pfn, order, migratetype)
      },
      mm_page_alloc_extfrag: (pfn, order, fallback_order, migratetype, fallback_migratetype, change) => {
        counts.fallbacks++
        mm_page_alloc_extfrag?.(pfn, order, fallback_order, migratetype, fallback_migratetype, change)
      },
    }
  }

  /** A recorded allocation; `zone` is the recorded one, `slow`: the task had reclaimed for it. */
  alloc(pfn: number, order: number, gfp: number, migratetype: number, zone: number, cpu: number, slow: boolean): void {
    const { sys, counts } = this
    if (cpu < sys.nr_cpus) sys.machine.this_cpu[0] = cpu
    counts.allocations++
    if (gfp_migratetype(sys, gfp) === migratetype) counts.sameMigratetype++
    this.#forget(pfn, order)
    const node = sys.cpu.numa_mem[sys.machine.this_cpu[0]!]!
    let got = slow ? this.#allocSlowly(gfp, order, node) : NO_FRAME
    if (got < 0) got = __alloc_pages(sys, gfp, order, node)
    if (got < 0) {
      got = this.#serveFrom(zone, order, gfp)
      if (got < 0) {
        counts.failed++
        return
      }
      counts.refused++
    }
    if (got === pfn) counts.sameFrame++
    if (this.#freed[pfn] === 1) {
      counts.recycled++
      if (got === pfn) counts.sameFrameRecycled++
    }
    if (page_zone(sys, got) === zone) counts.sameZone++
    const end = 1 << order
    const lru = (gfp & __GFP_MOVABLE) !== 0
    const { flags } = sys.page
    for (let i = 0; i < end; i++) {
      this.#frame[pfn + i] = got + i
      if (lru) flags[got + i]! |= PG.lru
    }
  }

  /** Who has reclaimed takes the first zone above its min watermark; a free one further on is not asked for first.
   * @kernel mm/page_alloc.c:__alloc_pages_direct_reclaim */
  #allocSlowly(gfp: number, order: number, node: number): number {
    const { sys } = this
    const highest = gfp_zone(sys, gfp)
    const first = first_zones_zonelist(sys, node_zonelist(sys, node, gfp), highest, null)
    const flags = gfp_to_alloc_flags(sys, gfp, order)
    const pfn = get_page_from_freelist(sys, gfp, order, flags, first, highest, gfp_migratetype(sys, gfp), null)
    if (pfn >= 0) sys.trace.mm_page_alloc?.(pfn, order, gfp, gfp_migratetype(sys, gfp))
    return pfn
  }

  /** From the recorded zone, or one below it, whatever its watermarks say. */
  #serveFrom(zone: number, order: number, gfp: number): number {
    const { sys } = this
    const node = Math.floor(zone / sys.nr_zone_types)
    const list = node_zonelist(sys, node, gfp)
    const type = zone % sys.nr_zone_types
    const migratetype = gfp_migratetype(sys, gfp)
    return get_page_from_freelist(sys, gfp, order, ALLOC_NO_WATERMARKS, list, type, migratetype, null)
  }

  /** The recorded kernel took a page from a per-CPU list without an event: the machine takes one, too. `late`: that came
   * to light when the list was drained; the machine has given the page to the buddy lists by then. */
  silent(pfn: number, zone: number, migratetype: number, cpu: number, late: boolean): void {
    const { sys } = this
    if (cpu < sys.nr_cpus) sys.machine.this_cpu[0] = cpu
    this.#forget(pfn, 0)
    this.counts.silent++
    this.#frame[pfn] = late ? this.#takeOne(zone) : this.#serveFrom(zone, 0, GFP_OF_TYPE[migratetype]!)
    if (late) this.#use(this.#frame[pfn]!)
  }

  #use(pfn: number): void {
    if (pfn === NO_FRAME) return
    this.sys.page.state[pfn] = PAGE_USED | 1
    this.sys.page._refcount[pfn] = 1
  }

  /** Frames that the recording hands out anew although they were in use were freed without an event. */
  #forget(pfn: number, order: number): void {
    const frame = this.#frame
    for (let at = pfn; at < pfn + (1 << order); at++) if (frame[at] !== NO_FRAME) this.#freeOne(at)
  }

  #freeOne(pfn: number): void {
    const own = this.#frame[pfn]!
    this.#frame[pfn] = NO_FRAME
    this.#adopt(own, 0)
    __free_pages(this.sys, own, 0)
  }

  /** A recorded free. `directly`: memory that the boot gives to the allocator. */
  free(pfn: number, order: number, cpu: number, directly: boolean): void {
    const { sys, counts } = this
    if (cpu < sys.nr_cpus) sys.machine.this_cpu[0] = cpu
    const frame = this.#frame
    const own = frame[pfn]!
    this.#freed.fill(1, pfn, pfn + (1 << order))
    if (this.#isBlock(pfn, order, own)) {
      frame.fill(NO_FRAME, pfn, pfn + (1 << order))
      this.#adopt(own, order)
      if (directly) this.#giveDirectly(own, order)
      else __free_pages(sys, own, order)
      return
    }
    for (let at = pfn; at < pfn + (1 << order); at++)
      if (frame[at] === NO_FRAME) counts.freedUnknown++
      else this.#freeOne(at)
  }

  #giveDirectly(pfn: number, order: number): void {
    const { sys } = this
    const zone = page_zone(sys, pfn)
    sys.page.state[pfn] = 0
    sys.page._refcount[pfn] = 0
    free_one_page(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn), FPI_TO_TAIL)
  }

  /** Whether the machine's frames of a recorded block are one aligned block, too. */
  #isBlock(pfn: number, order: number, own: number): boolean {
    if (own === NO_FRAME || (own & ((1 << order) - 1)) !== 0) return false
    const frame = this.#frame
    for (let i = 1; i < 1 << order; i++) if (frame[pfn + i] !== own + i) return false
    return true
  }

  /** Makes frames in use one allocated block of this order: owners split and join blocks as they like. */
  #adopt(pfn: number, order: number): void {
    const { state, _refcount } = this.sys.page
    if (state[pfn] === (PAGE_USED | (order + 1)) && _refcount[pfn] === 1) return
    for (let at = pfn; at < pfn + (1 << order); ) {
      const was = state[at]!
      const size = (was & PAGE_USED) !== 0 ? 1 << ((was & PAGE_STATE_ORDER) - 1) : 0
      if (size === 0 || at + size > pfn + (1 << order)) this.#splitHolder(at)
      at += Math.max(1, Math.min(size, pfn + (1 << order) - at))
    }
    for (let at = pfn; at < pfn + (1 << order); at++) {
      state[at] = 0
      _refcount[at] = 0
    }
    state[pfn] = PAGE_USED | (order + 1)
    _refcount[pfn] = 1
  }

  #splitHolder(pfn: number): void {
    const { state } = this.sys.page
    for (let order = 0; order < this.sys.NR_PAGE_ORDERS; order++) {
      const head = pfn & (-1 << order)
      const was = state[head]!
      if ((was & PAGE_USED) === 0 || (was & PAGE_STATE_ORDER) - 1 < order) continue
      splitUsed(this.sys, head)
      return
    }
  }

  /** Compaction took a free block of the recorded machine: the same here where it is free, else single pages. */
  isolate(pfn: number, order: number, zone: number): void {
    const { sys, counts } = this
    const frame = this.#frame
    const { flags } = sys.page
    counts.isolated += 1 << order
    const same = take_block(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn))
    if (same) makeMovable(sys, pfn, zone, order)
    for (let at = pfn; at < pfn + (1 << order); at++) {
      if (frame[at] !== NO_FRAME) this.#freeOne(at)
      const own = same ? at : this.#takeOne(zone)
      frame[at] = own
      this.#use(own)
      if (own !== NO_FRAME) flags[own] = PG.lru
    }
  }

  #takeOne(zone: number): number {
    const { sys } = this
    for (let type = 0; type < sys.MIGRATE_TYPES; type++) {
      const migratetype = type === 0 ? MIGRATE_MOVABLE : type === MIGRATE_MOVABLE ? 0 : type
      const pfn = __rmqueue_smallest(sys, zone, 0, migratetype)
      if (pfn < 0) continue
      __mod_zone_freepage_state(sys, zone, -1, migratetype)
      return pfn
    }
    return NO_FRAME
  }

  /** The recorded kernel gave pages of a CPU's list back for another reason than a free. */
  drain(zone: number, cpu: number, order: number): void {
    const given = drain_tail(this.sys, zone * this.sys.nr_cpus + cpu, zone, 1 << order)
    this.counts.drained += given
  }

  /** A second passes: lists that tune themselves come down again. @kernel mm/page_alloc.c:decay_pcp_high */
  tick(): void {
    this.#forgetBoosts()
    const { high, high_min, high_max, batch, count } = this.sys.pcp
    for (let pcp = 0; pcp < high.length; pcp++) {
      if (high_min[pcp] === high_max[pcp] || high[pcp]! <= high_min[pcp]!) continue
      const lowest = Math.max(high[pcp]! - (high[pcp]! >> 3), high_min[pcp]!)
      high[pcp] = Math.max(count[pcp]! - (batch[pcp]! << CONFIG_PCP_BATCH_SCALE_MAX), lowest)
    }
  }
  /** A boost that this machine alone has: no kswapd comes for it in the recording, but it would. */
  #forgetBoosts(): void {
    const { watermark_boost, flags } = this.sys.zone
    const boosts = this.#boosts
    if (boosts === null) return
    for (let zone = 0; zone < boosts.length; zone++) {
      const stays = watermark_boost[zone] !== 0 && watermark_boost[zone] === boosts[zone]
      if (stays && (flags[zone]! & ZONE_RECLAIM_ACTIVE) === 0) watermark_boost[zone] = 0
      boosts[zone] = watermark_boost[zone]!
    }
  }
}
