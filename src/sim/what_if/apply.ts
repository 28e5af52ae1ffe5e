// Settings on a twin: what the kernel computes from vm.* is computed by the model; what memory and swap would change is
// put into the first zone as free pages.
import type { Sys } from '../../mm/mmzone.ts'
import { setup_per_zone_wmarks } from '../../mm/page_alloc/setup.ts'
import { sysctl_write } from '../../mm/sysctl.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../mm/vmstat_item.ts'
import type { Case } from '../../report/explain/case.ts'
import type { Twin } from './twin.ts'

/** Settings of the machine that explain the marks of the report, and whether they give them exactly. */
export interface FoundSettings {
  readonly minFreeKB: number
  readonly scale: number
  readonly exact: boolean
  /** What the model makes of them, by zone and mark. */
  readonly computed: Int32Array
}

function marks(sys: Sys, rows: readonly number[]): string {
  return rows.map(row => `${sys.zone.watermark[4 * row]}/${sys.zone.watermark[4 * row + 1]}`).join()
}

/** Finds vm.min_free_kbytes and vm.watermark_scale_factor of the report's marks, and sets them. */
export function findSettings({ sys, rows }: Twin, { pageKB }: Case): FoundSettings {
  const all = [...rows.values()]
  const before = { marks: sys.zone.watermark.slice(), boost: sys.zone.watermark_boost.slice() }
  const wanted = marks(sys, all)
  const largest = all.reduce((a, b) => (sys.zone.managed_pages[a]! >= sys.zone.managed_pages[b]! ? a : b))
  const [min, low] = [sys.zone.watermark[4 * largest]!, sys.zone.watermark[4 * largest + 1]!]
  const managed = sys.zone.managed_pages[largest]!
  const gap = low - min
  const scale = gap > Math.floor(min / 4) + 1 ? Math.round((gap * 10000) / managed) : 10
  const sum = all.reduce((pages, row) => pages + sys.zone.watermark[4 * row]!, 0)
  let found = { minFreeKB: Math.round(sum * pageKB), exact: false }
  for (let more = 0; more <= (all.length + 2) * pageKB && !found.exact; more++) {
    set(sys, found.minFreeKB + more, scale)
    if (marks(sys, all) === wanted) found = { minFreeKB: found.minFreeKB + more, exact: true }
  }
  set(sys, found.minFreeKB, scale)
  const computed = sys.zone.watermark.slice()
  sys.zone.watermark.set(before.marks)
  sys.zone.watermark_boost.set(before.boost)
  return { ...found, scale, computed }
}

function set(sys: Sys, minFreeKB: number, scale: number): void {
  sys.sysctl.min_free_kbytes[0] = minFreeKB
  sys.sysctl.watermark_scale_factor[0] = scale
  setup_per_zone_wmarks(sys)
}

/** Writes vm.`name`. @throws RangeError for what the kernel refuses */
export function setSysctl({ sys }: Twin, { computed }: FoundSettings, name: string, value: string): void {
  const marks = sys.zone.watermark.slice()
  const before = sys.sysctl.lowmem_reserve_ratio.slice()
  const reserves = sys.zone.lowmem_reserve.slice()
  if (sysctl_write(sys, name, value) !== 0) throw new RangeError(`vm.${name}=${value}: the kernel refuses it`)
  if (name === 'lowmem_reserve_ratio') scaleReserves(sys, reserves, before)
  else keepDifference(sys, marks, computed)
}

/** Marks of a running machine were computed with the memory of another moment: what a setting changes is the difference
 * between what the model computes with it and without. */
function keepDifference(sys: Sys, marks: Int32Array, computed: Int32Array): void {
  const { watermark } = sys.zone
  for (let at = 0; at < watermark.length; at++) watermark[at] = Math.max(0, marks[at]! + watermark[at]! - computed[at]!)
}

/** Reserves count memory of zones above, of which a report may not tell: what is printed is scaled by the old ratio. */
function scaleReserves(sys: Sys, reserves: Int32Array, before: Int32Array): void {
  const ratios = sys.sysctl.lowmem_reserve_ratio
  for (let zone = 0; zone < sys.nr_zones; zone++) {
    const [old, now] = [before[sys.zone_idx[zone]!]!, ratios[sys.zone_idx[zone]!]!]
    for (let type = 0; type < 8; type++) {
      const reserve = reserves[8 * zone + type]!
      sys.zone.lowmem_reserve[8 * zone + type] = now === 0 ? 0 : old === 0 ? reserve : Math.floor((reserve * old) / now)
    }
  }
}

/** Pages that become free in a zone, as they do when reclaim moves them to swap or memory is added: single pages. */
export function addFree({ sys }: Twin, row: number, pages: number): void {
  sys.zone_stat.vm_stat[row * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES]! += pages
}

/** Memory that the machine has besides: marks follow its size, vm.min_free_kbytes stays. */
export function addMemory(twin: Twin, { computed }: FoundSettings, row: number, pages: number): void {
  const { sys } = twin
  const marks = sys.zone.watermark.slice()
  const boost = sys.zone.watermark_boost.slice()
  sys.zone.managed_pages[row]! += pages
  setup_per_zone_wmarks(sys)
  keepDifference(sys, marks, computed)
  sys.zone.watermark_boost.set(boost)
  addFree(twin, row, pages)
}
