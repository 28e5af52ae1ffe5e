// The followed machine: every frame goes where the recording says. A block handed out is taken from wherever it is, a
// block freed waits on its CPU's list until the recording drains it. What the recording cannot show is put right when
// it comes to light, and counted by its cause.
// Law: the machine is consistent after every event; memory is one byte a frame beside the machine.
import { PAGE_PCP, PAGE_USED, PG } from '../../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_HIGHATOMIC,
  MIGRATE_PCPTYPES,
  page_zone,
  type Sys,
} from '../../mm/mmzone.ts'
import { __free_one_page, FPI_TO_TAIL, pcp_allowed_order } from '../../mm/page_alloc/buddy.ts'
import { boost_after_fallback } from '../../mm/page_alloc/fallback.ts'
import { free_unref_page, order_to_pindex } from '../../mm/page_alloc/pcp.ts'
import { pcp_list_add, pcp_list_del, take_block } from './buddy_edit.ts'
import { CAUSE, CAUSES } from './causes.ts'
import { CompactionTakes } from './compaction_takes.ts'
import { Detacher } from './detach.ts'
import { DrainWatch } from './drain_watch.ts'
import { claimPageblock, moveFallback } from './fallback_moves.ts'
import { noteBelowHigh } from './kswapd_watch.ts'
import type { ListEvents } from './scan.ts'
import { refillUnseen } from './unseen_lists.ts'

const TAKEN_DIRECTLY = 1
const CHOSEN = 1
const BY_INTERRUPT = 2
// More blocks that one call takes from a list without an event are taken for a wrong order of the list.
const MOST_SILENT = 256

/** What of the start is a guess: 1 for each frame that waits on a list, or is free, because one must be somewhere. */
export interface Guesses {
  readonly chosen: Uint8Array
  readonly unproven: Uint8Array
}

export class Follow {
  readonly sys: Sys
  /** Pages by zone * CAUSES.length + cause. */
  readonly causes: Float64Array
  readonly #events: ListEvents
  /** TAKEN_DIRECTLY: left the buddy lists for an allocation whose event is yet to come. */
  readonly #pending: Uint8Array
  /** CHOSEN: the frame waits on a list that nothing proves; BY_INTERRUPT: an interrupt freed it. */
  readonly #guess: Uint8Array
  /** The list that each CPU is refilling, and how many blocks more it may get; -1 = none. */
  readonly #refills: Int32Array
  readonly #refillsLeft: Int32Array
  /** By CPU: first page of its last refill until the allocation's event comes (-1), and the refill's level. */
  readonly #awaited: Int32Array
  readonly #refillLevel: Uint8Array
  /** The page that is handed out now, if a refill was for it. */
  #firstOfRefill = -1
  /** By CPU: blocks that interrupts freed since a task last freed or was given one. */
  readonly #interrupted: Int32Array
  /** The same when the last refill began. */
  readonly #atRefill: Int32Array
  /** Batches of the per-CPU lists are as the kernel has them now (not so early in a boot). */
  batchesKnown = true
  /** A fallback raises the marks until kswapd has worked: its events are in the trace. */
  boosts = false
  /** The last page handed out was taken before what interrupts did since the task's event before. */
  tookBefore = false
  /** Level of the present event, see `interruptLevel`. */
  level = 0
  readonly #frames: Detacher
  readonly #drains: DrainWatch
  /** What compaction takes. */
  readonly compaction: CompactionTakes
  /** Hears of every page that was taken from a per-CPU list without an event; `late`: when the list is drained only. */
  onSilent: ((pfn: number, zone: number, migratetype: number, cpu: number, late: boolean) => void) | null = null

  constructor(sys: Sys, events: ListEvents, { chosen, unproven }: Guesses) {
    this.sys = sys
    this.#events = events
    this.#guess = chosen.slice()
    this.#refills = new Int32Array(sys.nr_cpus).fill(-1)
    this.#refillsLeft = new Int32Array(sys.nr_cpus)
    this.#awaited = new Int32Array(sys.nr_cpus).fill(-1)
    this.#refillLevel = new Uint8Array(sys.nr_cpus)
    this.#interrupted = new Int32Array(sys.nr_cpus)
    this.#atRefill = new Int32Array(sys.nr_cpus)
    this.causes = new Float64Array(sys.nr_zones * CAUSES.length)
    this.#frames = new Detacher(sys, this.causes)
    this.#drains = new DrainWatch(sys)
    this.compaction = new CompactionTakes(sys, this.causes, unproven)
    this.#pending = new Uint8Array(sys.nr_frames)
    this.#noteLists()
  }

  /** page.private of a frame on a per-CPU list is the row of that list. */
  #noteLists(): void {
    const { sys } = this
    const { link } = sys.link
    for (let pcp = 0; pcp < sys.pcp.count.length; pcp++)
      for (let list = 0; list < sys.nr_pcp_lists; list++) {
        const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + list
        for (let pfn = link[2 * head]!; pfn !== head; pfn = link[2 * pfn]!) sys.page.private[pfn] = pcp
      }
  }

  #count(zone: number, cause: number, pages: number): void {
    this.causes[zone * CAUSES.length + cause]! += pages
  }

  /** The zone of a block of the machine, -1 (counted) for one that it does not have. */
  zoneOf(pfn: number, order: number): number {
    const { sys } = this
    const inside = pfn > 0 && order >= 0 && order < sys.NR_PAGE_ORDERS && pfn + (1 << order) <= sys.nr_frames
    const zone = inside && (pfn & ((1 << order) - 1)) === 0 ? page_zone(sys, pfn) : -1
    if (zone < 0) this.#count(0, CAUSE.outsideMemory, 1)
    return zone
  }

  /** mm_page_alloc. `lru`: the pages go to an LRU list. */
  alloc(pfn: number, order: number, migratetype: number, lru: boolean, cpu: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    const { state, _refcount, flags } = this.sys.page
    if (!this.#events.taken) refillUnseen(this.sys, pfn, zone, order, migratetype, cpu)
    const was = state[pfn]!
    const byInterrupt = this.#guess[pfn] === BY_INTERRUPT
    this.#guess[pfn] = 0
    const refilled = this.#firstOfRefill === pfn
    this.#firstOfRefill = -1
    this.tookBefore = refilled && this.#interrupted[cpu]! > this.#atRefill[cpu]!
    if (was === (PAGE_PCP | (order + 1))) this.#handOut(pfn, zone, order, migratetype, byInterrupt)
    else if (was === (PAGE_USED | (order + 1)) && this.#pending[pfn] === TAKEN_DIRECTLY) this.#pending[pfn] = 0
    else if (take_block(this.sys, pfn, zone, order, this.#listType(zone, pfn, migratetype))) {
      if (this.#events.taken) this.#count(zone, CAUSE.allocatedFromBuddy, 1 << order)
    } else
      this.#frames.detach(
        pfn,
        order,
        zone,
        CAUSE.allocatedWhileInUse,
        CAUSE.allocatedWhileListed,
        this.#events.taken ? CAUSE.allocatedFromBuddy : -1,
      )
    state[pfn] = PAGE_USED | (order + 1)
    _refcount[pfn] = 1
    if (lru) for (let frame = pfn; frame < pfn + (1 << order); frame++) flags[frame] = PG.lru
    if (this.level === 0 && cpu < this.#interrupted.length) this.#interrupted[cpu] = 0
  }

  /** An allocator's event comes; `pfn` is handed out (-1: nothing is). A refill's first page is for who asked. If something
   * else happens on the same level, or on a lower one, alloc_pages_bulk asked. */
  settleRefill(pfn: number, cpu: number): void {
    const awaited = this.#awaited[cpu] ?? -1
    if (awaited < 0 || this.level > this.#refillLevel[cpu]!) return
    this.#awaited[cpu] = -1
    if (awaited === pfn) this.#firstOfRefill = pfn
    if (awaited === pfn || this.sys.page.state[awaited] !== (PAGE_PCP | 1)) return
    this.#takeSilently(awaited, page_zone(this.sys, awaited), 0, this.sys.page.index[awaited]!)
  }

  /**
   * Takes a block off its per-CPU list. The kernel takes the first one: those before it were taken without an event,
   * for alloc_pages_bulk has none.
   */
  #handOut(pfn: number, zone: number, order: number, migratetype: number, byInterrupt: boolean): void {
    const { sys } = this
    const { link } = sys.link
    const pcp = sys.page.private[pfn]!
    const first = sys.pcp_list_base + pcp * sys.nr_pcp_lists
    const head = migratetype < MIGRATE_PCPTYPES ? first + order_to_pindex(sys, migratetype, order) : -1
    const ahead = head >= 0 && link[2 * head] !== pfn ? this.#ahead(head, pfn) : 0
    const interrupted = this.#interrupted[pcp % sys.nr_cpus] ?? 0
    if (ahead > 0 && ahead <= interrupted && !byInterrupt && this.#byInterrupts(head, ahead)) this.tookBefore = true
    if (ahead > interrupted && this.#events.taken)
      for (let at = link[2 * head]!, next = 0; at !== pfn; at = next) {
        next = link[2 * at]!
        this.#takeSilently(at, zone, order, migratetype)
      }
    pcp_list_del(sys, pfn, pcp)
    sys.kernel.pcp.on_alloc(sys, pcp)
  }

  /** Whether interrupts freed the first blocks of a list. */
  #byInterrupts(head: number, blocks: number): boolean {
    const { link } = this.sys.link
    let at = link[2 * head]!
    for (let i = 0; i < blocks; i++, at = link[2 * at]!) if (this.#guess[at] !== BY_INTERRUPT) return false
    return true
  }

  /** How many blocks come before `pfn` on this list; 0 = it is not near, or one of them is not known to wait there. */
  #ahead(head: number, pfn: number): number {
    const { link } = this.sys.link
    let at = link[2 * head]!
    for (let i = 0; i < MOST_SILENT && at !== head; i++, at = link[2 * at]!) {
      if (at === pfn) return i
      if (this.#guess[at] === CHOSEN) return 0
    }
    return 0
  }

  /** Bulk allocation takes single pages only. A larger block can be gone if an interrupt freed it: when the list was
   * locked, it went to the buddy lists at once. */
  #takeSilently(pfn: number, zone: number, order: number, migratetype: number, late = false): void {
    const { sys } = this
    const pcp = sys.page.private[pfn]!
    if (order > 0 && this.#guess[pfn] !== BY_INTERRUPT) return
    pcp_list_del(sys, pfn, pcp)
    if (order > 0) {
      this.#count(zone, CAUSE.freedDirectly, 1 << order)
      __free_one_page(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn), 0)
      return
    }
    sys.kernel.pcp.on_alloc(sys, pcp)
    sys.page.state[pfn] = PAGE_USED | 1
    sys.page._refcount[pfn] = 1
    this.#count(zone, CAUSE.bulkAllocated, 1)
    this.onSilent?.(pfn, zone, migratetype, pcp % sys.nr_cpus, late)
  }

  /** Type of the list that the rest of a free block goes to: before 6.10 that of the request, else the pageblock's. */
  #listType(zone: number, pfn: number, migratetype: number): number {
    if (this.sys.kernel.freelist_hygiene || !(migratetype >= 0 && migratetype < this.sys.MIGRATE_TYPES))
      return get_pageblock_migratetype(this.sys, zone, pfn)
    return migratetype
  }

  /** mm_page_free. `directly`: the block goes to the buddy lists (memory that the boot gives to the allocator).
   * `interrupt`: it was freed by an interrupt, perhaps between an allocation and its event. */
  free(pfn: number, order: number, cpu: number, directly: boolean, interrupt = false): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    if (cpu < this.#interrupted.length) this.#interrupted[cpu] = interrupt ? this.#interrupted[cpu]! + 1 : 0
    const { sys } = this
    const { state, _refcount, flags } = sys.page
    if (state[pfn] !== (PAGE_USED | (order + 1)))
      this.#frames.detach(pfn, order, zone, -1, CAUSE.bulkAllocated, CAUSE.freedWhileFree)
    this.#pending[pfn] = 0
    this.#guess[pfn] = interrupt ? BY_INTERRUPT : 0
    state[pfn] = 0
    _refcount[pfn] = 0
    for (let frame = pfn; frame < pfn + (1 << order); frame++) flags[frame] = 0
    const type = get_pageblock_migratetype(sys, zone, pfn)
    if (directly || !pcp_allowed_order(sys, order) || type === sys.MIGRATE_ISOLATE)
      __free_one_page(sys, pfn, zone, order, type, directly ? FPI_TO_TAIL : 0)
    else this.#freeToList(pfn, zone, order, type, cpu < sys.nr_cpus ? cpu : 0)
  }

  /** Where the recording has no drains, the kernel's rules say when there are too many pages. */
  #freeToList(pfn: number, zone: number, order: number, type: number, cpu: number): void {
    const { sys } = this
    const pcp = zone * sys.nr_cpus + cpu
    if (this.#events.drain) {
      pcp_list_add(sys, pfn, pcp, order, type, false)
      // How many go back the recording says; the lists only tune themselves.
      sys.kernel.pcp.nr_pcp_free(sys, pcp, zone, order)
      if (order > 0) this.#drains.begin(cpu)
    } else {
      sys.machine.this_cpu[0] = cpu
      free_unref_page(sys, pfn, zone, order)
    }
    sys.page.private[pfn] = pcp
  }

  /** Something else than a drain happens: what still waits on a list that the CPU emptied was taken without an event. */
  endDrain(cpu: number): void {
    const emptied = this.#drains.end(cpu)
    if (emptied === 0) return
    const pcp = this.#drains.list(cpu)
    const { link } = this.sys.link
    for (let type = 0; type < MIGRATE_PCPTYPES; type++) {
      const head = this.sys.pcp_list_base + pcp * this.sys.nr_pcp_lists + type
      while ((emptied & (1 << type)) !== 0 && link[2 * head] !== head)
        this.#takeSilently(link[2 * head]!, Math.floor(pcp / this.sys.nr_cpus), 0, type, true)
    }
  }

  /** mm_page_alloc_zone_locked. */
  taken(pfn: number, order: number, migratetype: number, cpu: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    if (!take_block(this.sys, pfn, zone, order, migratetype))
      this.#frames.detach(pfn, order, zone, CAUSE.takenWhileInUse, CAUSE.takenWhileListed, -1)
    this.#receive(pfn, zone, order, migratetype, cpu < this.sys.nr_cpus ? cpu : 0)
  }

  /** A block that left the buddy lists: it waits on the CPU's list, or for the event of its allocation. */
  #receive(pfn: number, zone: number, order: number, migratetype: number, cpu: number): void {
    const { sys } = this
    if (pcp_allowed_order(sys, order) && migratetype < MIGRATE_PCPTYPES) {
      const pcp = zone * sys.nr_cpus + cpu
      if (this.#refill(pcp, zone, order, migratetype, cpu)) {
        this.settleRefill(pfn, cpu)
        if (order === 0) this.#awaited[cpu] = pfn
        this.#atRefill[cpu] = this.#interrupted[cpu]!
        this.#refillLevel[cpu] = this.level
      }
      pcp_list_add(sys, pfn, pcp, order, migratetype, true)
      sys.page.private[pfn] = pcp
      return
    }
    sys.page.state[pfn] = PAGE_USED | (order + 1)
    sys.page._refcount[pfn] = 1
    this.#pending[pfn] = TAKEN_DIRECTLY
  }

  /** A list is refilled when it is empty: what is still on it was taken without an event. True for the first block. */
  #refill(pcp: number, zone: number, order: number, migratetype: number, cpu: number): boolean {
    const { sys } = this
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, migratetype, order)
    if (this.#refills[cpu] === head && this.#refillsLeft[cpu]! > 0) {
      this.#refillsLeft[cpu]! -= 1
      return false
    }
    this.#emptyList(head, zone, order, migratetype)
    this.#refills[cpu] = head
    if (sys.kernel.watches_high_mark) noteBelowHigh(sys, zone)
    const blocks = sys.kernel.pcp.nr_pcp_alloc(sys, pcp, zone, order)
    this.#refillsLeft[cpu] = this.batchesKnown ? blocks - 1 : MOST_SILENT
    return true
  }

  #emptyList(head: number, zone: number, order: number, migratetype: number): void {
    const { link } = this.sys.link
    for (let pfn = link[2 * head]!; pfn !== head; ) {
      const next = link[2 * pfn]!
      if (this.#guess[pfn] === CHOSEN) this.#moveChosen(pfn, order, migratetype)
      else this.#takeSilently(pfn, zone, order, migratetype)
      pfn = next
    }
  }

  /** A frame that only may wait does so on another list. */
  #moveChosen(pfn: number, order: number, migratetype: number): void {
    const { sys } = this
    const pcp = sys.page.private[pfn]!
    pcp_list_del(sys, pfn, pcp)
    pcp_list_add(sys, pfn, pcp, order, (migratetype + 1) % MIGRATE_PCPTYPES, true)
  }

  /** Something else than a refill happens on a CPU. */
  endRefill(cpu: number): void {
    if (cpu < this.#refills.length) this.#refills[cpu] = -1
  }

  /** mm_page_pcpu_drain. */
  drained(pfn: number, order: number, migratetype: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    const { sys } = this
    if (sys.page.state[pfn] === (PAGE_PCP | (order + 1))) {
      const pcp = sys.page.private[pfn]!
      this.#drains.from(pcp, pfn, order)
      pcp_list_del(sys, pfn, pcp)
    } else this.#frames.detach(pfn, order, zone, CAUSE.drainedWhileInUse, -1, CAUSE.drainedWhileFree)
    sys.page.state[pfn] = 0
    sys.page._refcount[pfn] = 0
    const type = migratetype < sys.MIGRATE_TYPES ? migratetype : get_pageblock_migratetype(sys, zone, pfn)
    __free_one_page(sys, pfn, zone, order, type, 0)
    sys.kernel.pcp.after_free?.(sys, zone)
  }

  /** mm_page_alloc_extfrag: a block of another type is taken, perhaps its whole pageblock. Returns the zone, or -1. */
  fallback(
    pfn: number,
    order: number,
    fallback_order: number,
    migratetype: number,
    change_ownership: boolean,
    cpu: number,
  ): number {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0 || !(migratetype >= 0 && migratetype < MIGRATE_PCPTYPES)) return -1
    const { sys } = this
    const reserved = get_pageblock_migratetype(sys, zone, pfn) === MIGRATE_HIGHATOMIC
    if (this.boosts && !reserved && fallback_order < sys.pageblock_order) boost_after_fallback(sys, zone, 0)
    if (sys.kernel.freelist_hygiene)
      this.#fallbackClaims(pfn, zone, order, fallback_order, migratetype, change_ownership, cpu)
    else moveFallback(sys, pfn, zone, fallback_order, migratetype, change_ownership)
    return zone
  }

  /** From 6.10 on: either a pageblock is claimed, or one block is taken out of it without another event. */
  #fallbackClaims(
    pfn: number,
    zone: number,
    order: number,
    fallback_order: number,
    migratetype: number,
    change: boolean,
    cpu: number,
  ): void {
    const { sys } = this
    if (change) claimPageblock(sys, pfn, zone, fallback_order, migratetype)
    const rest = get_pageblock_migratetype(sys, zone, pfn)
    if (take_block(sys, pfn, zone, order, rest)) this.#receive(pfn, zone, order, migratetype, cpu)
  }
}
