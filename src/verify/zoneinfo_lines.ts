// /proc/zoneinfo line by line against a machine: every line that boot and settings decide is one check.
import { zone_named } from '../mm/kernel.ts'
import { type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../mm/mmzone.ts'
import type { Tally } from './types.ts'

const MARKS: Readonly<Record<string, number>> = { min: WMARK_MIN, low: WMARK_LOW, high: WMARK_HIGH, promo: WMARK_PROMO }

interface Place {
  zone: number
  cpu: number
  /** Pages that the marks of this zone are raised by at the moment. */
  boost: number
}

/** Compares the lines of zoneinfo that follow from the sizes of zones and from settings. */
export function checkZoneinfo(sys: Sys, text: string, counts: Tally): void {
  const place: Place = { zone: -1, cpu: 0, boost: 0 }
  text.split('\n').forEach((line, index) => {
    if (!moveTo(sys, place, line)) {
      if (line.startsWith('Node ')) counts.check(index + 1, line, 'no such zone')
      return
    }
    const got = expectedNumber(sys, place, line)
    if (got !== null) counts.check(index + 1, line, got)
  })
}

/** Follows the zone and CPU that the lines speak of; false where the machine has no such zone. */
function moveTo(sys: Sys, place: Place, line: string): boolean {
  const zone = /^Node (\d+), zone +(\S+)$/.exec(line)
  if (zone) {
    const type = zone_named(sys.kernel, zone[2]!)
    const node = Number(zone[1])
    place.zone = type < 0 || node >= sys.nr_nodes ? -1 : node * sys.nr_zone_types + type
    place.boost = 0
  }
  const cpu = /^ {4}cpu: (\d+)$/.exec(line)
  if (cpu) place.cpu = Number(cpu[1])
  const boost = /^ +boost +(\d+)$/.exec(line)
  if (boost) place.boost = Number(boost[1])
  return place.zone >= 0
}

/** The line as the model writes it; null for a line that nothing here decides. */
function expectedNumber(sys: Sys, place: Place, line: string): string | null {
  const row = /^( +)([a-z_ ]+?)(:? +)(-?\d+|\(.*\))$/.exec(line)
  if (!row) return null
  const [, indent, name, gap] = row as unknown as [string, string, string, string]
  const value = gap.startsWith(':') ? colonValue(sys, place, name) : pagesValue(sys, place, name)
  return value === null ? null : `${indent}${name}${gap}${value}`
}

/** Rows `name  number`. */
function pagesValue(sys: Sys, { zone, boost }: Place, name: string): number | null {
  if (Object.hasOwn(MARKS, name)) return sys.zone.watermark[4 * zone + MARKS[name]!]! + boost
  if (name === 'spanned') return sys.zone.spanned_pages[zone]!
  return name === 'present' ? sys.zone.present_pages[zone]! : null
}

/** Rows `name: number`. */
function colonValue(sys: Sys, { zone, cpu }: Place, name: string): number | string | null {
  const pcp = zone * sys.nr_cpus + cpu
  switch (name) {
    case 'protection':
      return `(${[...sys.zone.lowmem_reserve.subarray(8 * zone, 8 * zone + sys.nr_zone_types)].join(', ')})`
    case 'start_pfn':
      return sys.zone.zone_start_pfn[zone]!
    case 'high':
      // Where the lists tune themselves, only the bounds follow from the zone.
      return sys.kernel.watches_high_mark ? null : sys.pcp.high[pcp]!
    case 'high_min':
      return sys.pcp.high_min[pcp]!
    case 'high_max':
      return sys.pcp.high_max[pcp]!
    case 'batch':
      return sys.pcp.batch[pcp]!
    case 'vm stats threshold':
      return sys.pcp.stat_threshold[pcp]!
    default:
      return null
  }
}
