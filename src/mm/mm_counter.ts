// Resident pages of an address space. A task collects what its own faults change and adds it up now and then, so that
// what /proc/PID/status shows lags behind; what is unmapped is added at once.

import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES } from './vm_flags.ts'

/** Faults after which a task adds its counts up. @kernel mm/memory.c:TASK_RSS_EVENTS_THRESH */
const TASK_RSS_EVENTS_THRESH = 64

/** The task that runs on this CPU; 0 = none. @kernel arch/x86/include/asm/current.h:get_current */
export function get_current(sys: Sys): number {
  return sys.vm_cpu.current[sys.machine.this_cpu[0]!]!
}

/** The running task; 0 on a machine without processes, too. @ours */
export function get_current_or_none(sys: Sys): number {
  return sys.vm_cpu.current.length === 0 ? 0 : get_current(sys)
}

/** @kernel include/linux/mm.h:add_mm_counter */
export function add_mm_counter(sys: Sys, mm: number, member: number, value: number): void {
  const at = 4 * mm + member
  sys.mm.rss_stat[at] = sys.mm.rss_stat[at]! + value
}

/** Counts for a task that faults in its own address space. @kernel mm/memory.c:add_mm_counter_fast */
export function add_mm_counter_fast(sys: Sys, mm: number, member: number, value: number): void {
  const task = get_current(sys)
  if (sys.kernel.split_rss_counting && sys.task.mm[task] === mm && task !== 0) {
    const at = 4 * task + member
    sys.task.rss_stat[at] = sys.task.rss_stat[at]! + value
  } else add_mm_counter(sys, mm, member, value)
}

/** Adds up what the running task has collected. @kernel mm/memory.c:sync_mm_rss */
export function sync_mm_rss(sys: Sys, mm: number): void {
  const task = get_current(sys)
  const { rss_stat, rss_events } = sys.task
  for (let member = 0; member < 4; member++) {
    const value = rss_stat[4 * task + member]!
    if (value !== 0) add_mm_counter(sys, mm, member, value)
    rss_stat[4 * task + member] = 0
  }
  rss_events[task] = 0
}

/** One fault more. @kernel mm/memory.c:check_sync_rss_stat */
export function check_sync_rss_stat(sys: Sys, task: number): void {
  if (task === 0 || !sys.kernel.split_rss_counting) return
  const { rss_events } = sys.task
  const events = rss_events[task]!
  rss_events[task] = events + 1
  if (events > TASK_RSS_EVENTS_THRESH) sync_mm_rss(sys, sys.task.mm[task]!)
}

/** Adds counts of many pages, after the task's own. @kernel mm/memory.c:add_mm_rss_vec */
export function add_mm_rss_vec(sys: Sys, mm: number, rss: Int32Array): void {
  if (sys.kernel.split_rss_counting && sys.task.mm[get_current(sys)] === mm) sync_mm_rss(sys, mm)
  for (let member = 0; member < 4; member++) if (rss[member] !== 0) add_mm_counter(sys, mm, member, rss[member]!)
}

/** What has been added up; never below 0. @kernel include/linux/mm.h:get_mm_counter */
export function get_mm_counter(sys: Sys, mm: number, member: number): number {
  return Math.max(0, sys.mm.rss_stat[4 * mm + member]!)
}

/** The truth: with what the tasks of the address space have not added yet. @ours */
export function mm_counter_exact(sys: Sys, mm: number, member: number): number {
  let sum = sys.mm.rss_stat[4 * mm + member]!
  for (let task = 1; task < sys.task.mm.length; task++)
    if (sys.task.mm[task] === mm) sum += sys.task.rss_stat[4 * task + member]!
  return sum
}

/** @kernel include/linux/mm.h:get_mm_rss */
export function get_mm_rss(sys: Sys, mm: number): number {
  return (
    get_mm_counter(sys, mm, MM_FILEPAGES) +
    get_mm_counter(sys, mm, MM_ANONPAGES) +
    get_mm_counter(sys, mm, MM_SHMEMPAGES)
  )
}

/** Which counter a page of a file counts in. @kernel include/linux/mm.h:mm_counter_file */
export function mm_counter_file(sys: Sys, pfn: number): number {
  return (sys.page.flags[pfn]! & PG.swapbacked) !== 0 ? MM_SHMEMPAGES : MM_FILEPAGES
}

/** Which counter a page counts in. @kernel include/linux/mm.h:mm_counter */
export function mm_counter(sys: Sys, pfn: number): number {
  return sys.page.mapping[pfn]! < 0 ? MM_ANONPAGES : mm_counter_file(sys, pfn)
}
