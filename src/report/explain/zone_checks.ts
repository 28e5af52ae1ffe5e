// The kernel's own check of every zone that a report shows, made by the model's code: the numbers of the report go into
// the columns of a small machine, and `zone_watermark_fast` is asked as the allocator asks it.

import { ALLOC_OOM, ALLOC_WMARK_HIGH, gfp_to_alloc_flags, gfp_to_alloc_flags_cma, gfp_zone } from '../../mm/gfp.ts'
import { create_sys } from '../../mm/machine_image.ts'
import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  type Sys,
  WMARK_HIGH,
  WMARK_MIN,
} from '../../mm/mmzone.ts'
import { watermark_terms, wmark_pages, zone_watermark_fast } from '../../mm/page_alloc/watermark.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../mm/vmstat_item.ts'
import type { BlockFacts, ReportFacts, ZoneFacts } from './facts.ts'
import { versionOf } from './masks.ts'
import type { Layout } from './zone_layout.ts'

export type Check = 'min-watermark' | 'lowmem-reserve' | 'no-free-block' | 'none'

/** A request as the checks see it. */
export interface Request {
  readonly bits: number
  readonly order: number
  /** The asker had been chosen as a victim: it may go down to half of min. */
  readonly victim: boolean
}

/** One zone's answer; sizes in kB. */
export interface ZoneCheck {
  readonly zone: ZoneFacts
  readonly blocks: BlockFacts | null
  /** Zone type in the kernel's order. */
  readonly index: number
  readonly check: Check
  readonly mark: 'min' | 'high'
  readonly freeKB: number
  /** Free without what this request must not count. */
  readonly usableKB: number
  /** The usable part must be greater than this. */
  readonly neededKB: number
  readonly markKB: number
  readonly reserveKB: number
  /** null = the lines of free blocks are missing. */
  readonly hasBlock: boolean | null
  /** Reserved for atomic requests and CMA, and not for this one. */
  readonly keptKB: number
}

const TYPE_OF: Readonly<Record<string, number>> = {
  U: MIGRATE_UNMOVABLE,
  M: MIGRATE_MOVABLE,
  E: MIGRATE_RECLAIMABLE,
  R: MIGRATE_UNMOVABLE,
  H: MIGRATE_HIGHATOMIC,
}
/** From here on the high-atomic reserve counts against single pages, too, and a boosted mark is lowered for them. */
const SINGLE_PAGES_KEEP_RESERVE = 5009

/** Highest zone type of a request; beyond the last one of old kernels it is that. */
export function highestIndex(layout: Layout, bits: number): number {
  return gfp_zone({ kernel: layout.kernel } as Sys, bits)
}

/** One machine for each kernel and count of nodes; a report after the other is put into it. */
const machines = new Map<string, Sys>()

/** A machine whose zones are empty. */
function emptyMachine(kernel: Layout['kernel'], nr_nodes: number): Sys {
  const key = `${kernel.name}/${nr_nodes}`
  const known = machines.get(key)
  if (known) {
    for (const table of [known.zone, known.zone_stat, known.free_mask])
      for (const column of Object.values(table)) column.fill(0)
    return known
  }
  const few = { nr_physmem_slots: 1, nr_kmem_caches: 1, nr_vmap_areas: 1, nr_mempools: 1, nr_mempool_elements: 1 }
  const made = create_sys(kernel, { max_pfn: 1, nr_nodes, nr_cpus: 1, ...few }, false)
  machines.set(key, made)
  return made
}

/** A machine that has the zones of a report, and nothing else. Law: all checks are made before the next one is. */
export class ReportedZones {
  readonly #sys: Sys
  readonly #facts: ReportFacts
  readonly #layout: Layout
  readonly #nodes: readonly number[]
  readonly pageSize: number

  constructor(facts: ReportFacts, layout: Layout) {
    this.#facts = facts
    this.#layout = layout
    this.#nodes = [...new Set(facts.zones.map(({ node }) => node))]
    this.pageSize = layout.pageSize ?? 4096
    this.#sys = emptyMachine(layout.kernel, Math.max(1, this.#nodes.length))
    for (const zone of facts.zones) this.#fill(zone)
  }

  #row({ node, name }: { node: number; name: string }): number {
    return this.#nodes.indexOf(node) * this.#sys.nr_zone_types + this.#layout.index(name)
  }

  #pages(kb: number | undefined): number {
    return Math.floor(((kb ?? 0) * 1024) / this.pageSize)
  }

  #fill(facts: ZoneFacts): void {
    const row = this.#row(facts)
    if (row < 0 || this.#layout.index(facts.name) < 0) return
    const { zone, zone_stat } = this.#sys
    const boost = this.#pages(facts.kb.get('boost'))
    zone.managed_pages[row] = this.#pages(facts.kb.get('managed') ?? facts.kb.get('present'))
    for (const [mark, name] of ['min', 'low', 'high'].entries())
      zone.watermark[4 * row + mark] = Math.max(0, this.#pages(facts.kb.get(name)) - boost)
    zone.watermark_boost[row] = boost
    zone.nr_reserved_highatomic[row] = this.#pages(
      facts.kb.get('free_highatomic') ?? facts.kb.get('reserved_highatomic'),
    )
    const reserve = facts.reserve?.value ?? []
    for (let type = 0; type < 8; type++) zone.lowmem_reserve[8 * row + type] = reserve[type] ?? reserve.at(-1) ?? 0
    zone_stat.vm_stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = this.#pages(facts.kb.get('free'))
    zone_stat.vm_stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_CMA_PAGES] = this.#pages(facts.kb.get('free_cma'))
    this.#fillBlocks(row, this.blocksOf(facts))
  }

  #fillBlocks(row: number, blocks: BlockFacts | null): void {
    const { orders } = this.#sys.free_mask
    for (const [order, count] of blocks?.counts.entries() ?? []) {
      if (count === 0) continue
      // Kernels before 3.9 print no types: any may be there.
      for (const letter of blocks!.types[order] || 'U') {
        const type = letter === 'C' ? this.#sys.MIGRATE_CMA : (TYPE_OF[letter] ?? -1)
        if (type >= 0) orders[row * this.#sys.MIGRATE_TYPES + type]! |= 1 << order
      }
    }
  }

  blocksOf({ node, name }: ZoneFacts): BlockFacts | null {
    return this.#facts.blocks.find(blocks => blocks.node === node && blocks.name === name) ?? null
  }

  /** Flags with which the slow path tries last before it gives up. */
  #flags({ bits, order, victim }: Request): number {
    if (victim) return gfp_to_alloc_flags_cma(this.#sys, bits, ALLOC_OOM)
    return gfp_to_alloc_flags(this.#sys, bits, order)
  }

  /** What the request finds in a zone; `lastTry`: with the high mark, as right before a kill. */
  check(facts: ZoneFacts, request: Request, lastTry = false): ZoneCheck {
    const sys = this.#sys
    const row = this.#row(facts)
    const { order, bits } = request
    const highest = gfp_zone(sys, bits)
    const flags = lastTry ? gfp_to_alloc_flags_cma(sys, bits, ALLOC_WMARK_HIGH) : this.#flags(request)
    const version = versionOf(this.#facts.kernel?.value)
    const kept = sys.zone.nr_reserved_highatomic[row]!
    if (order === 0 && version !== null && version < SINGLE_PAGES_KEEP_RESERVE) sys.zone.nr_reserved_highatomic[row] = 0
    const boosted = wmark_pages(sys, row, lastTry ? WMARK_HIGH : WMARK_MIN)
    const passes = zone_watermark_fast(sys, row, order, boosted, highest, flags, bits)
    // A single atomic page is measured without the boost.
    const atomic = order === 0 && !lastTry && (bits & 0x20) !== 0 && (bits & 0x400) === 0
    const mark = atomic ? boosted - sys.zone.watermark_boost[row]! : boosted
    const terms = watermark_terms(sys, row, order, mark, highest, flags)
    sys.zone.nr_reserved_highatomic[row] = kept
    const blocks = this.blocksOf(facts)
    const usable = Math.max(0, terms.free - terms.unusable)
    const kb = (pages: number): number => (pages * this.pageSize) / 1024
    const enough = usable > terms.min + terms.reserve
    const check = passes ? 'none' : enough ? 'no-free-block' : usable > terms.min ? 'lowmem-reserve' : 'min-watermark'
    return {
      zone: facts,
      blocks,
      index: this.#layout.index(facts.name),
      check: check === 'no-free-block' && blocks === null ? 'none' : check,
      mark: lastTry ? 'high' : 'min',
      freeKB: facts.kb.get('free')!,
      usableKB: kb(usable),
      neededKB: kb(terms.min + terms.reserve),
      markKB: kb(terms.min),
      reserveKB: kb(terms.reserve),
      hasBlock: order === 0 ? true : blocks === null ? null : terms.has_block,
      keptKB: kb(Math.max(0, terms.unusable - (2 ** order - 1))),
    }
  }
}
