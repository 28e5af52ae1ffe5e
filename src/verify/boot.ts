// Boot state (custom A, stock boot): what the model computes from memory map, nodes, command line and managed pages
// against zoneinfo right after the boot: spans, present pages, watermarks, protection, per-CPU list sizes, counter
// thresholds; the order of nodes; and, where the complete state was dumped, zonelists, distances and drift marks.
// Given, not compared: managed pages, and what changes while a machine runs: free pages, counts, boost, and the `high`
// that 6.12's lists tune themselves (its bounds are compared).
import { type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO } from '../mm/mmzone.ts'
import { lowmem_reserve_ratio_sysctl_handler } from '../mm/sysctl.ts'
import { ZONELIST_FALLBACK, ZONELIST_NOFALLBACK, zonelist_entries } from '../mm/zonelist.ts'
import { type BootFolder, bootFolders, bootRecorded, type RecordedBoot, readBootFolder } from './boot_folder.ts'
import { jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'
import { checkZoneinfo } from './zoneinfo_lines.ts'

export const bootKind: VerifyKind = {
  kind: 'boot',
  run(files) {
    const counts = tally('boot')
    for (const folder of bootFolders(files)) runFolder(folder, counts)
    return counts.result()
  },
}

function runFolder(folder: BootFolder, counts: Tally): void {
  const zoneinfo = folder.files.get('zoneinfo')!
  counts.file(zoneinfo.path)
  let boot: RecordedBoot
  let sys: Sys
  try {
    boot = readBootFolder(folder)
    sys = bootRecorded(boot)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    counts.check(1, 'a folder from which a machine boots', error.message)
    return
  }
  checkZoneinfo(sys, zoneinfo.text(), counts)
  checkFallbackOrder(sys, boot, folder.files.get('dmesg')!, counts)
  const state = folder.files.get('buddystate.jsonl')
  if (!state) return
  // Between zoneinfo and this dump the recorder reads all of vm.*, and a read of lowmem_reserve_ratio recomputes.
  lowmem_reserve_ratio_sysctl_handler(sys)
  checkState(sys, state, counts)
}

/** The kernel says the order of nodes while it boots. */
function checkFallbackOrder(sys: Sys, { log }: RecordedBoot, dmesg: VerifyFile, counts: Tally): void {
  if (log.fallback.size === 0) return
  counts.file(dmesg.path)
  const lines = dmesg.text().split('\n')
  for (const [node, order] of log.fallback) {
    const line = lines.findIndex(text => text.includes(`Fallback order for Node ${node}:`)) + 1
    const nodes = new Set([node, ...zonelist_entries(sys, node, ZONELIST_FALLBACK).map(([nid]) => nid)])
    counts.check(line, order.join(' '), [...nodes].join(' '))
  }
}

/** The parts of a dumped state that a boot decides. */
export function checkState(sys: Sys, file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  for (const { line, row } of jsonLines(file.text())) {
    if (row === null || Array.isArray(row)) continue
    const fields = decidedFields(sys, row as Record<string, unknown>)
    if (!fields) continue
    const recorded = Object.fromEntries(Object.keys(fields).map(name => [name, (row as Record<string, unknown>)[name]]))
    counts.check(line, JSON.stringify(recorded), JSON.stringify(fields))
  }
}

function decidedFields(sys: Sys, row: Readonly<Record<string, unknown>>): Record<string, unknown> | null {
  const { t, n, z, cpu } = row as { t?: string; n?: number; z?: number; cpu?: number }
  const zone = (n ?? 0) * sys.nr_zone_types + (z ?? 0)
  if (t === 'zone') return zoneFields(sys, zone)
  if (t === 'zstat') return { threshold: sys.pcp.stat_threshold[zone * sys.nr_cpus + (cpu ?? 0)] }
  if (t === 'zonelist') {
    const kind = row.kind === 'nofallback' ? ZONELIST_NOFALLBACK : ZONELIST_FALLBACK
    return { l: zonelist_entries(sys, n ?? 0, kind) }
  }
  if (t === 'distance') return { l: distances(sys) }
  if (t !== 'pcp') return null
  const { high, batch } = sys.pcp
  const pcp = zone * sys.nr_cpus + (cpu ?? 0)
  return { high: high[pcp], batch: batch[pcp] }
}

function distances(sys: Sys): [number, number, number][] {
  return Array.from(sys.distance.distance, (distance, at) => [
    Math.floor(at / sys.nr_nodes),
    at % sys.nr_nodes,
    distance,
  ])
}

function zoneFields(sys: Sys, zone: number): Record<string, unknown> {
  const { watermark, lowmem_reserve } = sys.zone
  return {
    name: sys.kernel.zones[zone % sys.nr_zone_types],
    start: sys.zone.zone_start_pfn[zone],
    spanned: sys.zone.spanned_pages[zone],
    present: sys.zone.present_pages[zone],
    wm: [WMARK_MIN, WMARK_LOW, WMARK_HIGH, WMARK_PROMO].map(mark => watermark[4 * zone + mark]),
    lowmem_reserve: [...lowmem_reserve.subarray(8 * zone, 8 * zone + sys.nr_zone_types)],
    drift_mark: sys.zone.percpu_drift_mark[zone],
    pcp_high: sys.zone.pageset_high_min[zone],
    pcp_batch: sys.zone.pageset_batch[zone],
  }
}
