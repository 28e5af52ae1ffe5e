// Sizes of the per-CPU page lists: `batch`, the blocks that move at once, and `high`, the pages at which some go back.
// Both follow from the zone's managed pages, its low watermark and the CPUs of its node. What differs between kernels
// is put together in src/kernels/pageset_*.ts from the parts here.
import { rounddown_pow_of_two } from '../../base/bits.ts'
import { type Sys, WMARK_LOW } from '../mmzone.ts'

/** Smallest percpu_pagelist_high_fraction. @kernel mm/page_alloc.c:MIN_PERCPU_PAGELIST_HIGH_FRACTION */
export const MIN_PERCPU_PAGELIST_HIGH_FRACTION = 8

/** One less than a power of two near managed / `divisor`, from at most `limit` bytes: an odd number keeps blocks from
 * moving in step with a zone's colours. 0 for a small zone. @kernel mm/page_alloc.c:zone_batchsize */
export function zone_batchsize(sys: Sys, zone: number, shift: number, limit: number, quarter: boolean): number {
  let batch = Math.min(Math.floor(sys.zone.managed_pages[zone]! / 2 ** shift), limit / 2 ** sys.kernel.PAGE_SHIFT)
  if (quarter) batch = Math.floor(batch / 4)
  batch = Math.max(batch, 1)
  return rounddown_pow_of_two(batch + Math.floor(batch / 2)) - 1
}

/** The low watermark (or managed / fraction) shared by the CPUs of the node, all CPUs where it has none; at least four
 * batches. @kernel mm/page_alloc.c:zone_highsize */
export function zone_highsize(sys: Sys, zone: number, batch: number, high_fraction: number): number {
  const { managed_pages, watermark, watermark_boost } = sys.zone
  const total = high_fraction
    ? Math.floor(managed_pages[zone]! / high_fraction)
    : watermark[4 * zone + WMARK_LOW]! + watermark_boost[zone]!
  const cpus = sys.node.nr_cpus[Math.floor(zone / sys.nr_zone_types)]! || sys.nr_cpus
  return Math.max(Math.floor(total / cpus), batch * 4)
}

/** Writes the sizes into the zone and into the lists of all CPUs. @kernel mm/page_alloc.c:__zone_set_pageset_high_and_batch */
export function __zone_set_pageset_high_and_batch(
  sys: Sys,
  zone: number,
  high_min: number,
  high_max: number,
  batch: number,
): void {
  sys.zone.pageset_high_min[zone] = high_min
  sys.zone.pageset_high_max[zone] = high_max
  sys.zone.pageset_batch[zone] = batch
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    const pcp = zone * sys.nr_cpus + cpu
    sys.pcp.batch[pcp] = batch
    sys.pcp.high_min[pcp] = high_min
    sys.pcp.high_max[pcp] = high_max
  }
}
