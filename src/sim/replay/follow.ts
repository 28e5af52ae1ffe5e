// The followed machine: every frame goes where the recording says. A block handed out is taken from wherever it is, a
// block freed waits on its CPU's list until the recording drains it. What the recording cannot show is put right when
// it comes to light, and counted by its cause.
// Law: the machine is consistent after every event; memory is one byte a frame beside the machine.
import { PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED, PG } from '../../mm/mm_types.ts'
import {
  get_pageblock_migratetype,
  MIGRATE_HIGHATOMIC,
  MIGRATE_PCPTYPES,
  page_zone,
  type Sys,
  set_pageblock_migratetype,
} from '../../mm/mmzone.ts'
import {
  __free_one_page,
  buddy_order,
  FPI_TO_TAIL,
  move_to_free_list,
  pcp_allowed_order,
} from '../../mm/page_alloc/buddy.ts'
import { can_steal_fallback, change_pageblock_range, move_freepages_block } from '../../mm/page_alloc/fallback.ts'
import { free_unref_page, order_to_pindex } from '../../mm/page_alloc/pcp.ts'
import { mostRefill, pcp_list_add, pcp_list_del, splitUsed, take_block } from './buddy_edit.ts'
import { CAUSE, CAUSES } from './causes.ts'
import { CompactionTakes } from './compaction_takes.ts'
import type { ListEvents } from './scan.ts'

const TAKEN_DIRECTLY = 1
const CHOSEN = 1
const BY_INTERRUPT = 2
/** Blocks that one call may take from a per-CPU list without an event; more are taken for a wrong order of the list. */
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
  /** By CPU: blocks that interrupts freed since a task last freed or was given one. */
  readonly #interrupted: Int32Array
  /** Batches of the per-CPU lists are as the kernel has them now (not so early in a boot). */
  batchesKnown = true
  /** What compaction takes. */
  readonly compaction: CompactionTakes
  /** Hears of every block that was taken from a per-CPU list without an event. */
  onSilent: ((pfn: number, order: number, zone: number, migratetype: number, cpu: number) => void) | null = null

  constructor(sys: Sys, events: ListEvents, { chosen, unproven }: Guesses) {
    this.sys = sys
    this.#events = events
    this.#guess = chosen.slice()
    this.#refills = new Int32Array(sys.nr_cpus).fill(-1)
    this.#refillsLeft = new Int32Array(sys.nr_cpus)
    this.#interrupted = new Int32Array(sys.nr_cpus)
    this.causes = new Float64Array(sys.nr_zones * CAUSES.length)
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
    const inside = pfn > 0 && order >= 0 && order < sys.NR_PAGE_ORDERS && pfn + 2 ** order <= sys.nr_frames
    const zone = inside && (pfn & (2 ** order - 1)) === 0 ? page_zone(sys, pfn) : -1
    if (zone < 0) this.#count(0, CAUSE.outsideMemory, 1)
    return zone
  }

  /** mm_page_alloc. `lru`: the pages go to an LRU list. */
  alloc(pfn: number, order: number, migratetype: number, lru: boolean, cpu: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    const { state, _refcount, flags } = this.sys.page
    const was = state[pfn]!
    this.#guess[pfn] = 0
    if (was === (PAGE_PCP | (order + 1))) this.#handOut(pfn, zone, order, migratetype)
    else if (was === (PAGE_USED | (order + 1)) && this.#pending[pfn] === TAKEN_DIRECTLY) this.#pending[pfn] = 0
    else if (take_block(this.sys, pfn, zone, order, this.#listType(zone, pfn, migratetype))) {
      if (this.#events.taken) this.#count(zone, CAUSE.allocatedFromBuddy, 1 << order)
    } else
      this.#detach(
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
    if (cpu < this.#interrupted.length) this.#interrupted[cpu] = 0
  }

  /**
   * Takes a block off its per-CPU list. The kernel takes the first one: those before it were taken without an event,
   * for alloc_pages_bulk has none.
   */
  #handOut(pfn: number, zone: number, order: number, migratetype: number): void {
    const { sys } = this
    const { link } = sys.link
    const pcp = sys.page.private[pfn]!
    const first = sys.pcp_list_base + pcp * sys.nr_pcp_lists
    const head = migratetype < MIGRATE_PCPTYPES ? first + order_to_pindex(sys, migratetype, order) : -1
    const ahead = head >= 0 && link[2 * head] !== pfn && this.#events.taken ? this.#ahead(head, pfn) : 0
    if (ahead > (this.#interrupted[pcp % sys.nr_cpus] ?? 0))
      for (let at = link[2 * head]!; at !== pfn; at = link[2 * head]!) this.#takeSilently(at, zone, order, migratetype)
    pcp_list_del(sys, pfn, pcp)
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

  #takeSilently(pfn: number, zone: number, order: number, migratetype: number): void {
    const { sys } = this
    const pcp = sys.page.private[pfn]!
    pcp_list_del(sys, pfn, pcp)
    if (order > 0 && this.#guess[pfn] === BY_INTERRUPT) {
      // Bulk allocation takes single pages only. The list was locked when the interrupt came: the block went to the buddy lists at once.
      this.#count(zone, CAUSE.freedDirectly, 1 << order)
      __free_one_page(sys, pfn, zone, order, get_pageblock_migratetype(sys, zone, pfn), 0)
      return
    }
    sys.page.state[pfn] = PAGE_USED | (order + 1)
    sys.page._refcount[pfn] = 1
    this.#count(zone, CAUSE.bulkAllocated, 1 << order)
    this.onSilent?.(pfn, order, zone, migratetype, pcp % sys.nr_cpus)
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
      this.#detach(pfn, order, zone, -1, CAUSE.bulkAllocated, CAUSE.freedWhileFree)
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
    if (this.#events.drain) pcp_list_add(sys, pfn, pcp, order, type, false)
    else {
      sys.machine.this_cpu[0] = cpu
      free_unref_page(sys, pfn, zone, order)
    }
    sys.page.private[pfn] = pcp
  }

  /** mm_page_alloc_zone_locked. */
  taken(pfn: number, order: number, migratetype: number, cpu: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    if (!take_block(this.sys, pfn, zone, order, migratetype))
      this.#detach(pfn, order, zone, CAUSE.takenWhileInUse, CAUSE.takenWhileListed, -1)
    this.#receive(pfn, zone, order, migratetype, cpu < this.sys.nr_cpus ? cpu : 0)
  }

  /** A block that left the buddy lists: it waits on the CPU's list, or for the event of its allocation. */
  #receive(pfn: number, zone: number, order: number, migratetype: number, cpu: number): void {
    const { sys } = this
    if (pcp_allowed_order(sys, order) && migratetype < MIGRATE_PCPTYPES) {
      const pcp = zone * sys.nr_cpus + cpu
      this.#refill(pcp, zone, order, migratetype, cpu)
      pcp_list_add(sys, pfn, pcp, order, migratetype, true)
      sys.page.private[pfn] = pcp
      return
    }
    sys.page.state[pfn] = PAGE_USED | (order + 1)
    sys.page._refcount[pfn] = 1
    this.#pending[pfn] = TAKEN_DIRECTLY
  }

  /** A list is refilled when it is empty: what is still on it was taken without an event. */
  #refill(pcp: number, zone: number, order: number, migratetype: number, cpu: number): void {
    const { sys } = this
    const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, migratetype, order)
    const goesOn = this.#refills[cpu] === head && this.#refillsLeft[cpu]! > 0
    if (goesOn) this.#refillsLeft[cpu]! -= 1
    else {
      this.#refills[cpu] = head
      this.#refillsLeft[cpu] = this.batchesKnown ? mostRefill(sys, pcp, zone, order) - 1 : MOST_SILENT
      this.#emptyList(head, zone, order, migratetype)
    }
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

  /** Something else than a refill happened on a CPU. */
  endRefill(cpu: number): void {
    if (cpu < this.#refills.length) this.#refills[cpu] = -1
  }

  /** mm_page_pcpu_drain. */
  drained(pfn: number, order: number, migratetype: number): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0) return
    const { sys } = this
    if (sys.page.state[pfn] === (PAGE_PCP | (order + 1))) pcp_list_del(sys, pfn, sys.page.private[pfn]!)
    else this.#detach(pfn, order, zone, CAUSE.drainedWhileInUse, -1, CAUSE.drainedWhileFree)
    sys.page.state[pfn] = 0
    sys.page._refcount[pfn] = 0
    const type = migratetype < sys.MIGRATE_TYPES ? migratetype : get_pageblock_migratetype(sys, zone, pfn)
    __free_one_page(sys, pfn, zone, order, type, 0)
  }

  /** mm_page_alloc_extfrag: a block of another type is taken, perhaps its whole pageblock. */
  fallback(
    pfn: number,
    order: number,
    fallback_order: number,
    migratetype: number,
    change_ownership: boolean,
    cpu: number,
  ): void {
    const zone = this.zoneOf(pfn, order)
    if (zone < 0 || !(migratetype >= 0 && migratetype < MIGRATE_PCPTYPES)) return
    if (this.sys.kernel.freelist_hygiene)
      this.#fallbackClaims(pfn, zone, order, fallback_order, migratetype, change_ownership, cpu)
    else this.#fallbackMoves(pfn, zone, fallback_order, migratetype, change_ownership)
  }

  /** Up to 6.9: blocks move to the other list first, then one is taken with an event of its own. */
  #fallbackMoves(pfn: number, zone: number, fallback_order: number, migratetype: number, change: boolean): void {
    const { sys } = this
    if (buddy_order(sys, pfn) !== fallback_order) return
    if (get_pageblock_migratetype(sys, zone, pfn) !== MIGRATE_HIGHATOMIC) {
      if (fallback_order >= sys.pageblock_order) change_pageblock_range(sys, zone, pfn, fallback_order, migratetype)
      else if (can_steal_fallback(sys, fallback_order, migratetype)) {
        move_freepages_block(sys, zone, pfn, migratetype)
        if (change) set_pageblock_migratetype(sys, zone, pfn, migratetype)
        return
      }
    }
    move_to_free_list(sys, pfn, zone, fallback_order, migratetype)
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
    if (change && fallback_order >= sys.pageblock_order)
      change_pageblock_range(sys, zone, pfn & (-1 << fallback_order), fallback_order, migratetype)
    else if (change) {
      set_pageblock_migratetype(sys, zone, pfn, migratetype)
      move_freepages_block(sys, zone, pfn, migratetype)
    }
    const rest = get_pageblock_migratetype(sys, zone, pfn)
    if (take_block(sys, pfn, zone, order, rest)) this.#receive(pfn, zone, order, migratetype, cpu)
  }

  /** Takes frames out of whatever they are, counting pages in use, on per-CPU lists and in free blocks by a cause each
   * (-1 = nothing special). Afterwards they are nobody's. */
  #detach(pfn: number, order: number, zone: number, inUse: number, listed: number, free: number): void {
    const { sys } = this
    const { state, _refcount } = sys.page
    const end = pfn + (1 << order)
    for (let at = pfn; at < end; ) {
      const was = state[at]!
      const size = 1 << ((was & PAGE_STATE_ORDER) - 1)
      let cause = -1
      let pages = 1
      if ((was & PAGE_USED) !== 0) {
        if (at + size > end) splitUsed(sys, at)
        else {
          state[at] = 0
          _refcount[at] = 0
          pages = size
        }
        if (at + size > end) continue
        cause = inUse
      } else if ((was & PAGE_PCP) !== 0) {
        pages = this.#unlist(at, Math.min(size, end - at))
        cause = listed
      } else if (take_block(sys, at, zone, 0, get_pageblock_migratetype(sys, zone, at))) cause = free
      else if (this.#splitHolder(at)) continue
      if (cause >= 0) this.#count(zone, cause, pages)
      at += pages
    }
  }

  /** Takes a block off its per-CPU list; frames beyond `pages` go back to it as single ones. */
  #unlist(pfn: number, pages: number): number {
    const { sys } = this
    const { state, index } = sys.page
    const pcp = sys.page.private[pfn]!
    const size = 1 << ((state[pfn]! & PAGE_STATE_ORDER) - 1)
    const type = index[pfn]!
    pcp_list_del(sys, pfn, pcp)
    for (let frame = pfn + pages; frame < pfn + size; frame++) {
      pcp_list_add(sys, frame, pcp, 0, type, true)
      sys.page.private[frame] = pcp
    }
    return pages
  }

  /** Makes single frames of the used or waiting block that holds `pfn` inside; false where there is none. */
  #splitHolder(pfn: number): boolean {
    const { sys } = this
    const { state } = sys.page
    for (let order = 1; order < sys.NR_PAGE_ORDERS; order++) {
      const head = pfn & (-1 << order)
      const was = state[head]!
      if ((was & PAGE_STATE_ORDER) - 1 < order || head === pfn) continue
      if ((was & PAGE_USED) !== 0) splitUsed(sys, head)
      else if ((was & PAGE_PCP) !== 0) {
        const pcp = sys.page.private[head]!
        this.#unlist(head, 1)
        pcp_list_add(sys, head, pcp, 0, sys.page.index[head]!, true)
      } else continue
      return true
    }
    return false
  }
}
