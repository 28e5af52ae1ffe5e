// vm.* at run time: what may be written, and what the kernel computes anew after it.
// Law: a refused write changes nothing and returns the kernel's errno; a setting that this kernel lacks is ENOENT.
import type { Kernel } from './kernel.ts'
import type { Sys } from './mmzone.ts'
import { MIN_PERCPU_PAGELIST_HIGH_FRACTION } from './page_alloc/pageset.ts'
import {
  set_recommended_min_free_kbytes,
  setup_per_zone_lowmem_reserve,
  setup_per_zone_wmarks,
  zone_pcp_update,
} from './page_alloc/setup.ts'

/** Returned, negated, as the kernel does. @kernel include/uapi/asm-generic/errno-base.h */
export const ENOENT = 2
export const EINVAL = 22

const INT_MAX = 0x7fffffff
const INT_MIN = -0x80000000

interface Setting {
  /** Where the values are; an array's length is the number of values. */
  values(sys: Sys): Int32Array
  readonly min: number
  readonly max: number
  exists?(kernel: Kernel): boolean
  /** After a write; `before` are the old values. Returns 0 or a negated errno. */
  written?(sys: Sys, before: readonly number[]): number
}

const numa = (kernel: Kernel): boolean => kernel.config.NUMA

const SETTINGS: Readonly<Record<string, Setting>> = {
  min_free_kbytes: {
    values: sys => sys.sysctl.min_free_kbytes,
    min: 0,
    max: INT_MAX,
    written: min_free_kbytes_sysctl_handler,
  },
  watermark_scale_factor: {
    values: sys => sys.sysctl.watermark_scale_factor,
    min: 1,
    max: 3000,
    written: recompute(setup_per_zone_wmarks),
  },
  watermark_boost_factor: { values: sys => sys.sysctl.watermark_boost_factor, min: 0, max: INT_MAX },
  percpu_pagelist_high_fraction: {
    values: sys => sys.sysctl.percpu_pagelist_high_fraction,
    min: 0,
    max: INT_MAX,
    written: percpu_pagelist_high_fraction_sysctl_handler,
  },
  lowmem_reserve_ratio: {
    values: sys => sys.sysctl.lowmem_reserve_ratio.subarray(0, sys.nr_zone_types),
    min: INT_MIN,
    max: INT_MAX,
    written: recompute(lowmem_reserve_ratio_sysctl_handler),
  },
  zone_reclaim_mode: { values: sys => sys.sysctl.zone_reclaim_mode, min: 0, max: INT_MAX, exists: numa },
  numa_stat: {
    values: sys => sys.machine.numa_stats,
    min: 0,
    max: 1,
    exists: numa,
    written: sysctl_vm_numa_stat_handler,
  },
  swappiness: { values: sys => sys.sysctl.swappiness, min: 0, max: 200 },
  panic_on_oom: { values: sys => sys.sysctl.panic_on_oom, min: 0, max: 2 },
  oom_kill_allocating_task: { values: sys => sys.sysctl.oom_kill_allocating_task, min: INT_MIN, max: INT_MAX },
  oom_dump_tasks: { values: sys => sys.sysctl.oom_dump_tasks, min: INT_MIN, max: INT_MAX },
}

/** Names of the settings that this machine has. @ours */
export function sysctl_names(sys: Sys): string[] {
  return Object.keys(SETTINGS).filter(name => setting_of(sys, name) !== null)
}

function setting_of(sys: Sys, name: string): Setting | null {
  const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name]! : null
  return setting?.exists && !setting.exists(sys.kernel) ? null : setting
}

/** Writes `text` to vm.`name`, as to /proc/sys/vm: 0, or -EINVAL, or -ENOENT for a name that this kernel does not have.
 * A text with fewer numbers than the setting sets the first ones, further numbers are ignored.
 * @kernel kernel/sysctl.c:proc_dointvec_minmax */
export function sysctl_write(sys: Sys, name: string, text: string): number {
  const setting = setting_of(sys, name)
  if (!setting) return -ENOENT
  const values = setting.values(sys)
  const before = [...values]
  const words = text.split(/[ \t\n]+/).filter(word => word !== '')
  const count = Math.min(words.length, values.length)
  for (let i = 0; i < count; i++) {
    const value = parse_int(words[i]!)
    if (Number.isNaN(value) || value < setting.min || value > setting.max) return refuse(values, before)
    values[i] = value
  }
  if (count === 0) return refuse(values, before)
  const error = setting.written?.(sys, before) ?? 0
  return error === 0 ? 0 : refuse(values, before, error)
}

function refuse(values: Int32Array, before: readonly number[], error: number = -EINVAL): number {
  values.set(before)
  return error
}

/** A number as strtoul reads it with base 0: decimal, 0x… or 0…; NaN for others. */
function parse_int(word: string): number {
  const match = /^(-?)(?:0x([0-9a-f]+)|(0[0-7]+)|(\d+))$/i.exec(word)
  if (!match) return Number.NaN
  const [, sign, hex, octal, plain] = match
  const value = hex ? Number.parseInt(hex, 16) : octal ? Number.parseInt(octal, 8) : Number(plain)
  return sign ? -value : value
}

/** The text of vm.`name`, values separated by tabs; null for a name that this kernel does not have. Reading
 * lowmem_reserve_ratio computes the reserves anew, as it does in the kernel.
 * @ours
 */
export function sysctl_read(sys: Sys, name: string): string | null {
  const setting = setting_of(sys, name)
  return setting ? setting.values(sys).join('\t') : null
}

/** The text of vm.`name` without what a read sets off: for who looks and must not change anything. @ours */
export function sysctl_peek(sys: Sys, name: string): string | null {
  return setting_of(sys, name)?.values(sys).join('\t') ?? null
}

function recompute(how: (sys: Sys) => void): (sys: Sys) => number {
  return sys => {
    how(sys)
    return 0
  }
}

/** @kernel mm/page_alloc.c:min_free_kbytes_sysctl_handler */
function min_free_kbytes_sysctl_handler(sys: Sys): number {
  sys.sysctl.user_min_free_kbytes[0] = sys.sysctl.min_free_kbytes[0]!
  setup_per_zone_wmarks(sys)
  return 0
}

/** What the kernel does when the setting is written *and when it is read*: whoever prints all of vm.* after a boot
 * makes the reserves follow the memory that was freed late. @kernel mm/page_alloc.c:lowmem_reserve_ratio_sysctl_handler */
export function lowmem_reserve_ratio_sysctl_handler(sys: Sys): void {
  const ratio = sys.sysctl.lowmem_reserve_ratio
  for (let type = 0; type < sys.nr_zone_types; type++) if (ratio[type]! < 1) ratio[type] = 0
  setup_per_zone_lowmem_reserve(sys)
}

/** @kernel mm/page_alloc.c:percpu_pagelist_high_fraction_sysctl_handler */
function percpu_pagelist_high_fraction_sysctl_handler(sys: Sys, before: readonly number[]): number {
  const fraction = sys.sysctl.percpu_pagelist_high_fraction[0]!
  if (fraction !== 0 && fraction < MIN_PERCPU_PAGELIST_HIGH_FRACTION) return -EINVAL
  if (fraction === before[0]) return 0
  for (let zone = 0; zone < sys.nr_zones; zone++) if (sys.zone.present_pages[zone]! > 0) zone_pcp_update(sys, zone)
  return 0
}

/** Switching the counters off clears them. @kernel mm/vmstat.c:sysctl_vm_numa_stat_handler */
function sysctl_vm_numa_stat_handler(sys: Sys, before: readonly number[]): number {
  if (before[0] === 1 && sys.machine.numa_stats[0] === 0) sys.numa_stat.count.fill(0)
  return 0
}

/** `always` or `madvise` (true) or `never` written to transparent_hugepage/enabled.
 * @kernel mm/khugepaged.c:start_stop_khugepaged */
export function set_transparent_hugepage(sys: Sys, enabled: boolean): void {
  sys.sysctl.khugepaged_min_free[0] = enabled ? 1 : 0
  set_recommended_min_free_kbytes(sys)
}
