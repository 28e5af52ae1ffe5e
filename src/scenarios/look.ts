// How stories put a machine into words: zones, free blocks, marks, and why a zone would not serve. Looking changes nothing.
import { ilog2 } from '../base/bits.ts'
import { gfp_to_alloc_flags, gfp_zone } from '../mm/gfp.ts'
import type { ZoneName } from '../mm/kernel.ts'
import { zone_type } from '../mm/kernel.ts'
import { MIGRATE_PCPTYPES, type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, zone_name } from '../mm/mmzone.ts'
import { buddy_order } from '../mm/page_alloc/buddy.ts'
import { watermark_terms, wmark_pages } from '../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../mm/vmstat.ts'
import { NR_FREE_PAGES, NUMA_STAT_ITEMS } from '../mm/vmstat_item.ts'
import { node_zonelist } from '../mm/zonelist.ts'

/** `3072 pages (12.0 MiB)`. */
export function pages(sys: Sys, count: number): string {
  const mib = (count * 2 ** sys.kernel.PAGE_SHIFT) / 2 ** 20
  return `${count} pages (${mib.toFixed(1)} MiB)`
}

/** `pfn 0x1a40`. */
export const frame = (pfn: number): string => `pfn 0x${pfn.toString(16)}`

/** Row of a zone. */
export function zoneRow(sys: Sys, name: ZoneName, node = 0): number {
  return node * sys.nr_zone_types + zone_type(sys.kernel, name)
}

/** Free pages as the zone counts them. */
export function freePages(sys: Sys, zone: number): number {
  return zone_page_state(sys, zone, NR_FREE_PAGES)
}

export interface Marks {
  readonly min: number
  readonly low: number
  readonly high: number
}

/** A zone's watermarks with boost. */
export function marksOf(sys: Sys, zone: number): Marks {
  const [min, low, high] = [WMARK_MIN, WMARK_LOW, WMARK_HIGH].map(mark => wmark_pages(sys, zone, mark))
  return { min: min!, low: low!, high: high! }
}

/** Free blocks of a zone by order, as a line of /proc/buddyinfo counts them. */
export function blocksByOrder(sys: Sys, zone: number): number[] {
  return [...sys.free_area.nr_free.subarray(zone * sys.NR_PAGE_ORDERS, (zone + 1) * sys.NR_PAGE_ORDERS)]
}

/** `1 × order 2, 19 × order 10`. */
export function blocksText(counts: readonly number[]): string {
  const words = counts.flatMap((count, order) => (count > 0 ? [`${count} × order ${order}`] : []))
  return words.length > 0 ? words.join(', ') : 'none'
}

/** Order of the free block that begins at a frame; -1 = none begins there. */
export function freeOrder(sys: Sys, pfn: number): number {
  return buddy_order(sys, pfn)
}

/** Order of the largest free block that is not reserved for atomic requests; -1 = none. */
export function largestOrder(sys: Sys, zone: number): number {
  let orders = 0
  for (let type = 0; type < MIGRATE_PCPTYPES; type++) orders |= sys.free_mask.orders[zone * sys.MIGRATE_TYPES + type]!
  return ilog2(orders)
}

/** Pages that wait on a CPU's lists of a zone, and the mark at which some go back. */
export function pcpOf(sys: Sys, zone: number, cpu: number): { count: number; high: number; batch: number } {
  const row = zone * sys.nr_cpus + cpu
  return { count: sys.pcp.count[row]!, high: sys.pcp.high[row]!, batch: sys.pcp.batch[row]! }
}

/** A node's NUMA counter: the sum over its zones, as numastat shows it. */
export function numaStat(sys: Sys, node: number, item: (typeof NUMA_STAT_ITEMS)[number]): number {
  let sum = 0
  for (let zone = node * sys.nr_zone_types; zone < (node + 1) * sys.nr_zone_types; zone++)
    sum += sys.numa_stat.count[zone * NUMA_STAT_ITEMS.length + NUMA_STAT_ITEMS.indexOf(item)]!
  return sum
}

/** Pages of a zone that requests which could use `ceiling` must leave. */
export function reserveOf(sys: Sys, zone: number, ceiling: ZoneName): number {
  return sys.zone.lowmem_reserve[8 * zone + zone_type(sys.kernel, ceiling)]!
}

/** Unusable free space index: the share of a zone's free pages in blocks too small for the order, 0 … 1.
 * @kernel mm/vmstat.c:unusable_free_index */
export function unusableIndex(sys: Sys, zone: number, order: number): number {
  const counts = blocksByOrder(sys, zone)
  const total = counts.reduce((sum, count, size) => sum + count * 2 ** size, 0)
  const fitting = counts.reduce((sum, count, size) => sum + (size >= order ? count * 2 ** size : 0), 0)
  return total === 0 ? 1 : (total - fitting) / total
}

/** For each zone that a request may use, a sentence: what its last check compared, with the numbers. Boosts are in the
 * mark; requests that ignore all marks are not explained. */
export function whyZones(sys: Sys, gfp: number, order: number, node = 0): string[] {
  const ceiling = gfp_zone(sys, gfp)
  const flags = gfp_to_alloc_flags(sys, gfp, order)
  const sentences: string[] = []
  for (let at = node_zonelist(sys, node, 0); sys.zonelist.zones[at] !== -1; at++) {
    const zone = sys.zonelist.zones[at]!
    if (zone % sys.nr_zone_types > ceiling) continue
    const mark = wmark_pages(sys, zone, WMARK_MIN)
    const { free, unusable, min, reserve, has_block } = watermark_terms(sys, zone, order, mark, ceiling, flags)
    const above = free - unusable > min + reserve
    const reached = min === mark ? `min ${min}` : `min ${mark} lowered to ${min}`
    const sum = `${free} free - ${unusable} ${above ? '>' : '≤'} ${reached} + lowmem_reserve ${reserve}`
    const served = has_block ? ': it may serve' : `, but no free block has order ${order} or more`
    const name = sys.nr_nodes > 1 ? `node ${Math.floor(zone / sys.nr_zone_types)} ` : ''
    sentences.push(`${name}${zone_name(sys, zone)}: ${sum}${above ? served : ': too little'}`)
  }
  return sentences
}
