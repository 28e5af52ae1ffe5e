// The watermark grid (custom, part C): for many marks, zone indexes and flags, what the three checks say for each order,
// and the smallest number of free pages for which the answer would be yes.
import { __GFP_HIGH, ALLOC_MIN_RESERVE, GFP_ATOMIC, GFP_KERNEL } from '../mm/gfp.ts'
import { type Sys, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from '../mm/mmzone.ts'
import {
  __zone_watermark_ok,
  wmark_pages,
  zone_watermark_fast,
  zone_watermark_ok,
  zone_watermark_ok_safe,
} from '../mm/page_alloc/watermark.ts'
import { zone_page_state } from '../mm/vmstat.ts'
import { NR_FREE_PAGES } from '../mm/vmstat_item.ts'
import type { StateRow } from './allocator_state.ts'
import { playRecording } from './script_player.ts'
import { tally, type VerifyKind } from './types.ts'

const WATERMARK_FILE = /(^|\/)wm[^/]*\.jsonl(\.gz)?$/
const MARKS: Readonly<Record<string, number>> = { min: WMARK_MIN, low: WMARK_LOW, high: WMARK_HIGH }
/** The recorder looked no further than this many free pages. */
const NEED_LIMIT = 2 ** 22

interface GridRow extends StateRow {
  readonly n: number
  readonly z: number
  readonly m: string
  readonly hzi: number
  readonly fl: number
}

export const watermarksKind: VerifyKind = {
  kind: 'watermarks',
  run(files) {
    const counts = tally('watermarks')
    for (const file of files.filter(({ path }) => WATERMARK_FILE.test(path)))
      playRecording(file, counts, (sys, line, row) => {
        if (row.t === 'wm')
          counts.check(line, JSON.stringify(row), JSON.stringify({ ...row, ...answers(sys, row as GridRow) }))
      })
    return counts.result()
  },
}

/** What the model says in the place of a row's answers. */
function answers(sys: Sys, { n, z, m, hzi, fl }: GridRow): StateRow {
  const zone = n * sys.nr_zone_types + z
  const mark = wmark_pages(sys, zone, MARKS[m]!)
  const gfp = (fl & ALLOC_MIN_RESERVE) !== 0 ? GFP_ATOMIC | __GFP_HIGH : GFP_KERNEL
  const orders = Array.from({ length: sys.NR_PAGE_ORDERS }, (_, order) => order)
  const digits = (says: (order: number) => boolean): string => orders.map(order => (says(order) ? '1' : '0')).join('')
  return {
    mark,
    free: zone_page_state(sys, zone, NR_FREE_PAGES),
    ok: digits(order => zone_watermark_ok(sys, zone, order, mark, hzi, fl)),
    fast: digits(order => zone_watermark_fast(sys, zone, order, mark, hzi, fl, gfp)),
    safe: digits(order => zone_watermark_ok_safe(sys, zone, order, mark, hzi)),
    need: orders.map(order => needed(free => __zone_watermark_ok(sys, zone, order, mark, hzi, fl, free))),
  }
}

/** Smallest number of free pages that is enough; -1 = not even NEED_LIMIT. */
function needed(enough: (free: number) => boolean): number {
  if (!enough(NEED_LIMIT)) return -1
  let [low, high] = [-1, NEED_LIMIT]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (enough(middle)) high = middle
    else low = middle
  }
  return high
}
