// Settings of a replay's machines: sysctls that a user asks for, and the sizes that a captured zoneinfo has.
import { type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../../mm/mmzone.ts'
import { set_transparent_hugepage, sysctl_names, sysctl_write } from '../../mm/sysctl.ts'
import type { ZoneinfoFacts } from '../../report/proc/zoneinfo.ts'

/** Settings by name: `vm.min_free_kbytes` or `min_free_kbytes`, and `transparent_hugepage` = always, madvise, never. */
export type Settings = Readonly<Record<string, string>>

/** Writes settings into a machine as a user would. @throws RangeError for a name or value that the kernel refuses */
export function applySettings(sys: Sys, settings: Settings): void {
  for (const [name, value] of Object.entries(settings)) {
    if (name === 'transparent_hugepage') setHugepages(sys, value)
    else writeSysctl(sys, name.replace(/^vm[./]/, ''), value)
  }
}

function setHugepages(sys: Sys, value: string): void {
  if (!['always', 'madvise', 'never'].includes(value))
    throw new RangeError(`transparent_hugepage=${value}: it can be always, madvise or never`)
  set_transparent_hugepage(sys, value !== 'never')
}

function writeSysctl(sys: Sys, name: string, value: string): void {
  if (!sysctl_names(sys).includes(name))
    throw new RangeError(`no setting vm.${name}; this kernel has ${sysctl_names(sys).join(', ')}`)
  if (sysctl_write(sys, name, value) !== 0) throw new RangeError(`vm.${name}=${value}: the kernel refuses this value`)
}

/** Watermarks, reserves and per-CPU list sizes of a captured moment. */
export function enterSizes(sys: Sys, { zones }: ZoneinfoFacts): void {
  for (const { node, name, pages, protection, pagesets } of zones) {
    const type = (sys.kernel.zones as readonly string[]).indexOf(name)
    if (type < 0) continue
    const zone = node * sys.nr_zone_types + type
    const boost = pages.boost ?? 0
    sys.zone.watermark[4 * zone + WMARK_MIN] = pages.min - boost
    sys.zone.watermark[4 * zone + WMARK_LOW] = pages.low - boost
    sys.zone.watermark[4 * zone + WMARK_HIGH] = pages.high - boost
    sys.zone.watermark[4 * zone + WMARK_PROMO] = (pages.promo ?? 2 * pages.high - pages.low) - boost
    sys.zone.lowmem_reserve.set(protection.slice(0, 8), 8 * zone)
    if (sys.zone.pageset_high_min[zone] !== sys.zone.pageset_high_max[zone]) {
      if (pagesets.length > 0) sys.kernel.zone_set_pageset_high_and_batch(sys, zone)
      continue
    }
    for (const { cpu, high, batch } of pagesets) {
      const pcp = zone * sys.nr_cpus + cpu
      sys.pcp.high[pcp] = sys.pcp.high_min[pcp] = sys.pcp.high_max[pcp] = high
      sys.pcp.batch[pcp] = batch
    }
    for (const { high, batch } of pagesets.slice(0, 1)) {
      sys.zone.pageset_high_min[zone] = sys.zone.pageset_high_max[zone] = high
      sys.zone.pageset_batch[zone] = batch
    }
  }
}

/** Whether some zone has other watermarks at the end than at the start. */
export function sizesDiffer(
  before: ZoneinfoFacts | null | undefined,
  after: ZoneinfoFacts | null | undefined,
): boolean {
  if (!before || !after) return false
  return before.zones.some(({ node, name, pages }) => {
    const later = after.zones.find(zone => zone.node === node && zone.name === name)?.pages
    return later !== undefined && later.min - (later.boost ?? 0) !== pages.min - (pages.boost ?? 0)
  })
}

/** Sizes taken out of a machine. */
export interface ListSizes {
  /** Puts them into a machine of the same shape. */
  enter(sys: Sys): void
  /** Blocks that a list of this zone gets at once. */
  batch(zone: number): number
}

/** Takes watermarks, reserves and list sizes away, as they are before the boot computes them: no marks, and per-CPU
 * lists that hold nothing. @kernel mm/page_alloc.c:boot_pagesets */
export function leaveSizes(sys: Sys): ListSizes {
  const { zone, pcp } = sys
  const columns: readonly (readonly [(machine: Sys) => Int32Array, number])[] = [
    [machine => machine.zone.watermark, 0],
    [machine => machine.zone.lowmem_reserve, 0],
    [machine => machine.zone.pageset_high_min, 0],
    [machine => machine.zone.pageset_high_max, 0],
    [machine => machine.zone.pageset_batch, 1],
    [machine => machine.pcp.high_min, 0],
    [machine => machine.pcp.high_max, 0],
    [machine => machine.pcp.batch, 1],
  ]
  const kept = columns.map(([column]) => column(sys).slice())
  zone.watermark_boost.fill(0)
  pcp.count.fill(0)
  pcp.high.fill(0)
  const batches = zone.pageset_batch.slice()
  for (const [column, value] of columns) column(sys).fill(value)
  return {
    batch: row => batches[row]!,
    enter: machine => {
      columns.forEach(([column], i) => {
        column(machine).set(kept[i]!)
      })
      // A list that tunes itself stays where it is, between its new bounds.
      const { high, high_min, high_max } = machine.pcp
      for (let list = 0; list < high.length; list++) if (high_min[list] === high_max[list]) high[list] = high_min[list]!
    },
  }
}
