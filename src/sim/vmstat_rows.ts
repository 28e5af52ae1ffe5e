// What vmstat and free of procps show, from the counters of a machine. Law: looking changes nothing; a row of vmstat is the
// difference of two samples, per second of simulated time, and the state of the later one. Sizes are kB. What a twin has no
// account of (interrupts, context switches, the CPU's time) is a dash.

import { KSWAPD_SLEEPING } from '../mm/kswapd.ts'
import { get_current_or_none } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { has_processes } from '../mm/vm_init.ts'
import { meminfoOf, vmstatOf } from './inspect_memory.ts'

/** Counters and gauges of one moment. */
export interface VmSample {
  /** Microseconds of simulated time. */
  readonly now: number
  /** Who would run: the current process, and kswapds that are not asleep. */
  readonly running: number
  /** A row of /proc/meminfo. */
  readonly kb: (name: string) => number
  /** A row of /proc/vmstat. */
  readonly event: (name: string) => number
  readonly pageKb: number
}

/** A machine's counters now. */
export function sampleVm(sys: Sys): VmSample {
  const memory = meminfoOf(sys).values
  const { counters } = vmstatOf(sys)
  const awake = sys.kswapd.state.reduce((sum, state) => sum + (state === KSWAPD_SLEEPING ? 0 : 1), 0)
  return {
    now: sys.reclaim_clock.now[0] ?? 0,
    running: awake + (has_processes(sys) && get_current_or_none(sys) !== 0 ? 1 : 0),
    kb: name => memory.get(name) ?? 0,
    event: name => counters.get(name) ?? 0,
    pageKb: sys.page_bytes / 1024,
  }
}

export const VMSTAT_HEAD =
  'procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n' +
  ' r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n'

/** Widths of the columns. */
const WIDTHS = [2, 2, 6, 6, 6, 6, 4, 4, 5, 5, 4, 4, 2, 2, 2, 2, 2]

/** One row; `before` null = since boot. */
export function vmstatRow(before: VmSample | null, after: VmSample): string {
  const seconds = (after.now - (before?.now ?? 0)) / 1e6
  const rate = (name: string, kb: number): number => {
    const amount = (after.event(name) - (before?.event(name) ?? 0)) * kb
    return seconds > 0 ? Math.round(amount / seconds) : amount
  }
  const { kb } = after
  const cells = [
    after.running,
    0,
    kb('SwapTotal') - kb('SwapFree'),
    kb('MemFree'),
    kb('Buffers'),
    kb('Cached') + kb('SReclaimable'),
    rate('pswpin', after.pageKb),
    rate('pswpout', after.pageKb),
    rate('pgpgin', 1),
    rate('pgpgout', 1),
    ...Array.from({ length: 7 }, () => '-'),
  ]
  return `${cells.map((cell, i) => String(cell).padStart(WIDTHS[i]!)).join(' ')}\n`
}

/** What `free` shows, in units of `unit` kB. */
export function freeText({ kb }: VmSample, unit: number): string {
  const line = (name: string, cells: readonly number[]): string =>
    `${name.padEnd(8)}${cells.map(cell => String(Math.floor(cell / unit)).padStart(12)).join('')}\n`
  const total = kb('MemTotal')
  const cache = kb('Buffers') + kb('Cached') + kb('SReclaimable')
  const swap = kb('SwapTotal')
  const memory = [total, total - kb('MemAvailable'), kb('MemFree'), kb('Shmem'), cache, kb('MemAvailable')]
  const head = `${' '.repeat(8)}${['total', 'used', 'free', 'shared', 'buff/cache', 'available'].map(word => word.padStart(12)).join('')}\n`
  return head + line('Mem:', memory) + line('Swap:', [swap, swap - kb('SwapFree'), kb('SwapFree')])
}
