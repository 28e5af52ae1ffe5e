// Per-CPU list sizes as in 6.1: one `high`, which follows the low watermark.
import { MiB } from '../base/units.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __zone_set_pageset_high_and_batch, zone_batchsize, zone_highsize } from '../mm/page_alloc/pageset.ts'

/** @kernel mm/page_alloc.c:zone_set_pageset_high_and_batch */
export function zone_set_pageset_high_and_batch_6_1(sys: Sys, zone: number): void {
  const batch = Math.max(1, zone_batchsize(sys, zone, 10, MiB, true))
  const high = zone_highsize(sys, zone, batch, sys.sysctl.percpu_pagelist_high_fraction[0]!)
  if (sys.zone.pageset_high_min[zone] === high && sys.zone.pageset_batch[zone] === batch) return
  __zone_set_pageset_high_and_batch(sys, zone, high, high, batch)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) sys.pcp.high[zone * sys.nr_cpus + cpu] = high
}
