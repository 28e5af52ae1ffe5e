// Per-CPU lists in a trace without their events. When they are refilled and why they are drained follows from the
// kernel's rules; on the followed machine that is done when the recording shows that it must have been.
import { MIGRATE_PCPTYPES, page_zone, type Sys } from '../../mm/mmzone.ts'
import { __rmqueue_smallest, pcp_allowed_order } from '../../mm/page_alloc/buddy.ts'
import { drain_pages_zone, order_to_pindex } from '../../mm/page_alloc/pcp.ts'
import { __mod_zone_freepage_state } from '../../mm/vmstat.ts'
import type { EventBatch, StringTable } from '../../trace/batch.ts'
import { KIND } from '../../trace/events.ts'
import { free_block_of, pcp_list_add } from './buddy_edit.ts'

/** A page is handed out that is in a free block: if its list is empty, it was refilled first. */
export function refillUnseen(
  sys: Sys,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  cpu: number,
): void {
  if (cpu >= sys.nr_cpus || migratetype >= MIGRATE_PCPTYPES || !pcp_allowed_order(sys, order)) return
  const pcp = zone * sys.nr_cpus + cpu
  const { link } = sys.link
  const head = sys.pcp_list_base + pcp * sys.nr_pcp_lists + order_to_pindex(sys, migratetype, order)
  if (link[2 * head] !== head || free_block_of(sys, pfn) < 0) return
  sys.machine.this_cpu[0] = cpu
  for (let left = sys.kernel.pcp.nr_pcp_alloc(sys, pcp, zone, order); left > 0; left--) {
    const block = __rmqueue_smallest(sys, zone, order, migratetype)
    if (block < 0) return
    __mod_zone_freepage_state(sys, zone, -(1 << order), migratetype)
    pcp_list_add(sys, block, pcp, order, migratetype, true)
    sys.page.private[block] = pcp
  }
}

/** Whether an event is of compaction. */
export function isCompaction(kind: number): boolean {
  return kind >= KIND.mm_compaction_isolate_migratepages && kind <= KIND.mm_compaction_wakeup_kcompactd
}

const NOTHING = -1
/** How a run of compaction ends after which kcompactd drains. */
const THROUGH: readonly string[] = ['complete', 'partial_skipped']
const THROUGH_NUMBERS: readonly number[] = [5, 6]

/** Compaction drains lists so that what it freed can merge: those of its CPU when it has left a block of the size that it
 * works for, and kcompactd all of a zone when it is through with it.
 * @kernel mm/compaction.c:compact_zone @kernel mm/compaction.c:kcompactd_do_work */
export class UnseenDrains {
  readonly #machines: readonly Sys[]
  /** The order that is worked for; NOTHING = none, or the whole of memory. */
  #order = NOTHING
  #daemon = false
  /** Where pages were looked for last, and whether any were moved since the last drain. */
  #start = NOTHING
  #moved = false

  constructor(machines: readonly Sys[]) {
    this.#machines = machines
  }

  /** An event of compaction. */
  see({ kind, a, b, f, text2, cpu }: EventBatch, row: number, strings: StringTable): void {
    switch (kind[row]) {
      case KIND.mm_compaction_try_to_compact_pages:
      case KIND.mm_compaction_kcompactd_wake:
        this.#daemon = kind[row] === KIND.mm_compaction_kcompactd_wake
        this.#order = this.#daemon ? b[row]! : a[row]!
        break
      case KIND.mm_compaction_kcompactd_sleep:
        if (this.#daemon) this.#order = NOTHING
        break
      case KIND.mm_compaction_isolate_migratepages:
        this.#leave(a[row]!, cpu[row]!)
        break
      case KIND.mm_compaction_migratepages:
        if (a[row]! > 0) this.#moved = true
        break
      case KIND.mm_compaction_end: {
        const status = text2[row]!
        const through = status >= 0 ? THROUGH.includes(strings.get(status)) : THROUGH_NUMBERS.includes(f[row]!)
        if (through && this.#daemon && this.#order > 0) this.#drain(a[row]!, NOTHING)
        this.#start = NOTHING
        this.#moved = false
      }
    }
  }

  #leave(start: number, cpu: number): void {
    const order = this.#order
    if (this.#start !== NOTHING && order > 0 && this.#moved && start >>> order !== this.#start >>> order) {
      this.#drain(start, cpu)
      this.#moved = false
    }
    this.#start = start
  }

  #drain(pfn: number, cpu: number): void {
    for (const sys of this.#machines) {
      const zone = page_zone(sys, pfn)
      for (let each = 0; zone >= 0 && each < sys.nr_cpus; each++)
        if (cpu === NOTHING || each === cpu) drain_pages_zone(sys, each, zone)
    }
  }
}
