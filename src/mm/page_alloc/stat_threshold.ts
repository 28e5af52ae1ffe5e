// While kswapd is awake CPUs fold their counters sooner, so that a zone does not seem to have more free than it has.
import { type Sys, WMARK_LOW, WMARK_MIN } from '../mmzone.ts'
import { calculate_normal_threshold } from './setup.ts'

/** Pages that all CPUs together may hide: what lies between the min and the low watermark.
 * @kernel mm/vmstat.c:calculate_pressure_threshold */
function calculate_pressure_threshold(sys: Sys, zone: number): number {
  const { watermark } = sys.zone
  const distance = watermark[4 * zone + WMARK_LOW]! - watermark[4 * zone + WMARK_MIN]!
  return Math.min(125, Math.max(1, Math.floor(distance / sys.nr_cpus)))
}

/** @kernel mm/vmstat.c:set_pgdat_percpu_threshold */
export function set_pgdat_percpu_threshold(sys: Sys, node: number, pressure: boolean): void {
  for (let type = 0; type < sys.nr_zone_types; type++) {
    const zone = node * sys.nr_zone_types + type
    if (sys.zone.percpu_drift_mark[zone] === 0) continue
    const threshold = pressure ? calculate_pressure_threshold(sys, zone) : calculate_normal_threshold(sys, zone)
    for (let cpu = 0; cpu < sys.nr_cpus; cpu++) sys.pcp.stat_threshold[zone * sys.nr_cpus + cpu] = threshold
  }
}
