// A twin in the state that a report shows: its zones with sizes, marks and reserves, and its free blocks. Used memory
// takes no part in a request and is not there, but for the frames between free blocks. Law: every zone has the free
// pages that its line says, and `check` holds where no block was only counted.
import { ALLOC_OOM, gfp_migratetype, gfp_to_alloc_flags_cma, gfp_zone } from '../../mm/gfp.ts'
import type { ZoneExtent } from '../../mm/mm_init.ts'
import { PAGE_USED } from '../../mm/mm_types.ts'
import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
  type Sys,
  set_pageblock_migratetype,
} from '../../mm/mmzone.ts'
import {
  __alloc_pages,
  first_zones_zonelist,
  get_page_from_freelist,
  node_zonelist,
} from '../../mm/page_alloc/alloc_pages.ts'
import { add_to_free_list_tail } from '../../mm/page_alloc/buddy.ts'
import { zone_pcp_update } from '../../mm/page_alloc/setup.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../mm/vmstat_item.ts'
import { setup_zones, touch_all_blocks } from '../../mm/zone_setup.ts'
import type { Case } from '../../report/explain/case.ts'
import type { BlockFacts, ZoneFacts } from '../../report/explain/facts.ts'
import { unseenZone } from './unseen.ts'

/** A free block to place. */
interface Block {
  readonly order: number
  readonly type: number
}

export interface Twin {
  readonly sys: Sys
  /** Zone rows of the report's zones. */
  readonly rows: ReadonlyMap<ZoneFacts, number>
  /** Nodes of the report by the twin's numbers. */
  readonly nodes: readonly number[]
  readonly assumptions: readonly string[]
}

/** Frames of free blocks of one order and type that are placed: a request takes one block. */
const MOST_FRAMES = 1 << 15

const TYPES: Readonly<Record<string, number>> = {
  U: MIGRATE_UNMOVABLE,
  M: MIGRATE_MOVABLE,
  E: MIGRATE_RECLAIMABLE,
  R: MIGRATE_UNMOVABLE,
  H: MIGRATE_HIGHATOMIC,
}

/** Free pages of a zone as blocks: the counts of its line, with single pages added or left out up to what is free. */
function blocksOf(facts: BlockFacts | null, free: number, cmaPages: number, sys: { MIGRATE_CMA: number }): Block[] {
  const blocks: Block[] = []
  let cma = cmaPages
  let left = free
  const counts = facts?.counts ?? []
  for (let order = counts.length - 1; order >= 0; order--) {
    const letters = facts!.types[order] || 'M'
    const plain = [...letters].filter(letter => letter !== 'C' && letter !== 'H' && letter !== 'I')
    for (let nth = 0; nth < counts[order]! && left >= 1 << order; nth++) {
      left -= 1 << order
      let letter = plain[nth % Math.max(1, plain.length)] ?? letters[0]!
      if (letters.includes('H') && (nth === 0 || plain.length === 0)) letter = 'H'
      else if (letters.includes('C') && cma >= 1 << order) letter = 'C'
      if (letter === 'C') cma -= 1 << order
      blocks.push({ order, type: letter === 'C' ? sys.MIGRATE_CMA : (TYPES[letter] ?? MIGRATE_MOVABLE) })
    }
  }
  for (; left > 0 && blocks.length < 8 * MOST_FRAMES; left--) blocks.push({ order: 0, type: MIGRATE_MOVABLE })
  return blocks
}

/** Keeps of each order and type as many blocks as can matter; the others are counted as free and lie nowhere. */
function few(blocks: readonly Block[]): Block[] {
  const seen = new Map<string, number>()
  return blocks.filter(({ order, type }) => {
    const key = `${order}/${type}`
    const count = (seen.get(key) ?? 0) + 1
    seen.set(key, count)
    return count <= Math.max(4, MOST_FRAMES >>> order)
  })
}

/** Frames that blocks need: each with a used buddy behind it, and types apart by pageblocks. */
function framesFor(blocks: readonly Block[], pageblock: number, align: number): number {
  const types = new Set(blocks.map(({ type }) => type)).size
  const frames = blocks.reduce((sum, { order }) => sum + 2 ** (order + 1), 0)
  return Math.ceil((frames + 2 * types * Math.max(pageblock, align) + align) / align) * align
}

/** The twin of a report. */
export function twinOf(case_: Case): Twin {
  const { layout, facts, zones } = case_
  const { kernel } = layout
  const unseen = unseenZone(case_)
  const all = unseen ? [...facts.zones, unseen] : facts.zones
  const nodes = [...new Set(facts.zones.map(({ node }) => node))].sort((a, b) => a - b)
  const align = 2 ** (kernel.NR_PAGE_ORDERS - 1)
  const pages = (kb: number | undefined): number => Math.floor((kb ?? 0) / case_.pageKB)
  const extents: ZoneExtent[] = []
  const contents: Block[][] = []
  const rows = new Map<ZoneFacts, number>()
  let start = align
  for (const [node, nid] of nodes.entries())
    for (const [type, name] of kernel.zones.entries()) {
      const zone = all.find(each => each.node === nid && each.name === name)
      if (zone) rows.set(zone, node * kernel.zones.length + type)
      const blocks = zone
        ? few(
            blocksOf(zones.blocksOf(zone), pages(zone.kb.get('free')), pages(zone.kb.get('free_cma')), {
              MIGRATE_CMA: 4,
            }),
          )
        : []
      const frames = zone ? framesFor(blocks, 2 ** kernel.pageblock_order, align) : 0
      extents.push({ node, type, start_pfn: zone ? start : 0, spanned_pages: frames, present_pages: frames })
      contents.push(blocks)
      start += frames
    }
  const sys = setup_zones(
    {
      kernel,
      nr_nodes: nodes.length,
      cpu_node: [0],
      distance: nodes.flatMap((_, from) => nodes.map((__, to) => (from === to ? 10 : 20))),
      ranges: extents
        .filter(({ spanned_pages }) => spanned_pages > 0)
        .map(({ node, start_pfn, spanned_pages }) => ({ start_pfn, end_pfn: start_pfn + spanned_pages, node })),
      extents,
      movable_zone: kernel.zones.indexOf(layout.highmem ? 'HighMem' : 'Normal'),
    },
    false,
    { nr_physmem_slots: 1, nr_kmem_caches: 1 },
  )
  touch_all_blocks(sys)
  useAll(sys, extents)
  for (const [zone, row] of rows) {
    setZone(sys, zone, row, pages)
    place(sys, row, extents[row]!.start_pfn, contents[row]!)
    countFree(sys, row, contents[row]!, pages(zone.kb.get('free')))
  }
  return { sys, rows, nodes, assumptions: assumptionsOf(case_, unseen) }
}

function useAll(sys: Sys, extents: readonly ZoneExtent[]): void {
  const { state, _refcount } = sys.page
  for (const { start_pfn, spanned_pages } of extents) {
    state.fill(PAGE_USED | 1, start_pfn, start_pfn + spanned_pages)
    _refcount.fill(1, start_pfn, start_pfn + spanned_pages)
  }
}

function setZone(sys: Sys, zone: ZoneFacts, row: number, pages: (kb: number | undefined) => number): void {
  const boost = pages(zone.kb.get('boost'))
  sys.zone.managed_pages[row] = pages(zone.kb.get('managed') ?? zone.kb.get('present'))
  for (const [mark, name] of ['min', 'low', 'high'].entries())
    sys.zone.watermark[4 * row + mark] = Math.max(0, pages(zone.kb.get(name)) - boost)
  sys.zone.watermark[4 * row + 3] = sys.zone.watermark[4 * row + 2]!
  sys.zone.watermark_boost[row] = boost
  sys.zone.nr_reserved_highatomic[row] = pages(zone.kb.get('free_highatomic') ?? zone.kb.get('reserved_highatomic'))
  const reserve = zone.reserve?.value ?? []
  for (let type = 0; type < 8; type++) sys.zone.lowmem_reserve[8 * row + type] = reserve[type] ?? reserve.at(-1) ?? 0
  zone_pcp_update(sys, row)
}

/** Blocks by type in pageblocks of their own, the large ones first, each with a used buddy. */
function place(sys: Sys, row: number, start: number, blocks: readonly Block[]): void {
  let at = start
  for (const type of new Set(blocks.map(each => each.type))) {
    const own = blocks.filter(each => each.type === type).sort((a, b) => b.order - a.order)
    at = Math.ceil(at / sys.pageblock_nr_pages) * sys.pageblock_nr_pages
    for (const { order } of own) {
      const size = 2 ** order
      at = Math.ceil(at / (2 * size)) * 2 * size
      for (let pfn = at; pfn < at + 2 * size; pfn += sys.pageblock_nr_pages)
        set_pageblock_migratetype(sys, row, pfn, type)
      sys.page.state.fill(0, at, at + size)
      sys.page._refcount.fill(0, at, at + size)
      add_to_free_list_tail(sys, at, row, order, type)
      at += 2 * size
    }
    at = Math.ceil(at / sys.pageblock_nr_pages) * sys.pageblock_nr_pages
  }
}

function countFree(sys: Sys, row: number, blocks: readonly Block[], free: number): void {
  const stat = sys.zone_stat.vm_stat
  const cma = blocks.reduce((sum, { order, type }) => sum + (type === sys.MIGRATE_CMA ? 2 ** order : 0), 0)
  stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES] = free
  stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_CMA_PAGES] = cma
}

function assumptionsOf({ facts, scope }: Case, unseen: ZoneFacts | null): string[] {
  const found = [
    'free blocks lie apart, on the lists of the types that are printed for their order; per-CPU lists are empty',
    'nothing is reclaimed, freed or used up in the meantime',
  ]
  if (unseen) found.push(`zone ${unseen.name}, which is not printed, has the rest of the free memory, as single pages`)
  if (facts.blocks.length === 0) found.push('without lines of free blocks, free memory is single pages')
  const many = (unit: number, order: number): number => Math.max(4, MOST_FRAMES >>> order) * Math.sign(unit)
  if (facts.blocks.some(({ unit, counts }) => counts.some((count, order) => count > many(unit, order))))
    found.push('of very many free blocks some are only counted')
  if (scope.missing !== null) found.push(`zone ${scope.missing}, whose line is missing, is not there`)
  return found
}

/** A request as the twin is asked. */
export interface Asked {
  readonly gfp: number
  readonly order: number
  readonly victim: boolean
  /** Nodes it may use, in the report's numbers; null = all. */
  readonly nodes: ReadonlySet<number> | null
}

/** Asks the twin: the zone row that served, or -1. */
export function ask({ sys, nodes }: Twin, { gfp, order, victim, nodes: allowed }: Asked): number {
  const mask = allowed ? Uint8Array.from(nodes, node => (allowed.has(node) ? 1 : 0)) : null
  const first = Math.max(
    0,
    nodes.findIndex(node => allowed === null || allowed.has(node)),
  )
  if (order >= sys.NR_PAGE_ORDERS) return -1
  let pfn = __alloc_pages(sys, gfp, order, first, mask)
  if (pfn < 0 && victim) {
    const highest = gfp_zone(sys, gfp)
    const preferred = first_zones_zonelist(sys, node_zonelist(sys, first, gfp), highest, mask)
    const flags = gfp_to_alloc_flags_cma(sys, gfp, ALLOC_OOM)
    pfn = get_page_from_freelist(sys, gfp, order, flags, preferred, highest, gfp_migratetype(sys, gfp), mask)
  }
  return pfn < 0 ? -1 : zoneOf(sys, pfn)
}

function zoneOf(sys: Sys, pfn: number): number {
  const { zone_start_pfn, spanned_pages } = sys.zone
  return zone_start_pfn.findIndex(
    (start, row) => spanned_pages[row]! > 0 && pfn >= start && pfn < start + spanned_pages[row]!,
  )
}
