// Per-CPU list sizes as in 6.12: `high` tunes itself between two bounds, of which the upper is an eighth of the zone.
import { KiB } from '../base/units.ts'
import type { Sys } from '../mm/mmzone.ts'
import {
  __zone_set_pageset_high_and_batch,
  MIN_PERCPU_PAGELIST_HIGH_FRACTION,
  zone_batchsize,
  zone_highsize,
} from '../mm/page_alloc/pageset.ts'

/** Sets the bounds; each list's `high` stays where it tuned itself. @kernel mm/page_alloc.c:zone_set_pageset_high_and_batch */
export function zone_set_pageset_high_and_batch_6_12(sys: Sys, zone: number): void {
  const batch = Math.max(1, zone_batchsize(sys, zone, 12, 256 * KiB, false))
  const fraction = sys.sysctl.percpu_pagelist_high_fraction[0]!
  const low = zone_highsize(sys, zone, batch, fraction)
  const high = fraction ? low : zone_highsize(sys, zone, batch, MIN_PERCPU_PAGELIST_HIGH_FRACTION)
  const { pageset_high_min, pageset_high_max, pageset_batch } = sys.zone
  if (pageset_high_min[zone] === low && pageset_high_max[zone] === high && pageset_batch[zone] === batch) return
  __zone_set_pageset_high_and_batch(sys, zone, low, high, batch)
}
