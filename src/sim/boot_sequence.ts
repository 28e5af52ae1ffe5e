// The order in which a kernel computes what follows from its memory. Law: watermarks and reserves are made while the
// initial ramdisk and the init sections still lie in memory; these pages come later and change nothing by themselves.
import type { Sys } from '../mm/mmzone.ts'
import { hugepage_init, init_per_zone_wmark_min, refresh_zone_stat_thresholds } from '../mm/page_alloc/setup.ts'
import { sysctl_write } from '../mm/sysctl.ts'

/** What a boot computes with. */
export interface BootSequence {
  /** Managed pages of each zone when the boot is over. */
  readonly managed: ArrayLike<number>
  /** Pages of each zone that were freed after the watermarks were computed. */
  readonly late: ArrayLike<number>
  /** `transparent_hugepage=never` was not said. */
  readonly transparentHugepage: boolean
  /** Settings on the command line, which are written when all of the boot is over. */
  readonly sysctls: readonly { readonly name: string; readonly value: string }[]
}

/** Sets managed pages, watermarks, reserves, thresholds and list sizes as a boot does. */
export function compute_at_boot(sys: Sys, boot: BootSequence): void {
  const { managed_pages } = sys.zone
  for (let zone = 0; zone < sys.nr_zones; zone++) managed_pages[zone] = boot.managed[zone]! - boot.late[zone]!
  // Each CPU that comes up behind the first refreshes the thresholds, while there are no watermarks yet.
  if (sys.nr_cpus > 1) refresh_zone_stat_thresholds(sys)
  init_per_zone_wmark_min(sys)
  hugepage_init(sys, boot.transparentHugepage)
  for (let zone = 0; zone < sys.nr_zones; zone++) managed_pages[zone] = boot.managed[zone]!
  for (const { name, value } of boot.sysctls) sysctl_write(sys, name, value)
}
