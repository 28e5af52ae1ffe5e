// The OOM reaper, a thread as a step function: a victim that does not end by itself (it waits for something, and no signal
// reaches it) is relieved of its anonymous memory after a while, so that the others can go on.
// Law: reclaim_clock.oom_reap is 0, or no later than any task.oom_reap_at that is set.
import { zap_page_range } from './memory_zap.ts'
import { get_mm_counter } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { task_comm } from './oom_report.ts'
import {
  MM_ANONPAGES,
  MM_FILEPAGES,
  MM_SHMEMPAGES,
  MMF_OOM_SKIP,
  MMF_UNSTABLE,
  VM_HUGETLB,
  VM_PFNMAP,
  VM_SHARED,
} from './vm_flags.ts'

/** @kernel mm/oom_kill.c:MAX_OOM_REAP_RETRIES */
const MAX_OOM_REAP_RETRIES = 10
/** Microseconds between two tries: HZ/10. */
const RETRY = 100_000

/** A victim has two seconds to end by itself. @kernel mm/oom_kill.c:queue_oom_reaper */
export function queue_oom_reaper(sys: Sys, task: number): void {
  if (sys.reclaim_clock.now.length === 0 || sys.task.oom_reap_at[task] !== 0) return
  reap_at(sys, task, sys.reclaim_clock.now[0]! + sys.kernel.reclaim.oom_reaper_delay)
}

function reap_at(sys: Sys, task: number, time: number): void {
  const { oom_reap } = sys.reclaim_clock
  sys.task.oom_reap_at[task] = time
  if (oom_reap[0] === 0 || time < oom_reap[0]!) oom_reap[0] = time
}

/** Takes what victims have whose time has come. @kernel mm/oom_kill.c:oom_reaper */
export function oom_reaper_step(sys: Sys): void {
  const { oom_reap, now } = sys.reclaim_clock
  const { oom_reap_at } = sys.task
  oom_reap[0] = 0
  for (let task = 1; task < oom_reap_at.length; task++) {
    const time = oom_reap_at[task]!
    if (time === 0) continue
    oom_reap_at[task] = 0
    if (time > now[0]!) reap_at(sys, task, time)
    else {
      if (sys.task.oom_reap_tries[task] === 0) sys.trace.wake_reaper?.(sys.task.pid[task]!)
      oom_reap_task(sys, task)
    }
  }
}

/**
 * Takes a victim's memory, or tries again later; after ten times it is given up. Either way others may be chosen then.
 * @kernel mm/oom_kill.c:oom_reap_task
 */
export function oom_reap_task(sys: Sys, task: number): void {
  const mm = sys.task.mm[task]!
  if (mm === 0) return
  if (!oom_reap_task_mm(sys, task, mm)) {
    sys.task.oom_reap_tries[task]! += 1
    if (sys.task.oom_reap_tries[task]! < MAX_OOM_REAP_RETRIES) {
      reap_at(sys, task, sys.reclaim_clock.now[0]! + RETRY)
      return
    }
    sys.printk?.(`oom_reaper: unable to reap pid:${sys.task.pid[task]} (${task_comm(sys, task)})`)
  }
  sys.task.oom_reap_tries[task] = 0
  sys.mm.flags[mm]! |= MMF_OOM_SKIP
}

/** False = somebody works on the address space now. @kernel mm/oom_kill.c:oom_reap_task_mm */
function oom_reap_task_mm(sys: Sys, task: number, mm: number): boolean {
  const pid = sys.task.pid[task]!
  const busy = sys.vm_cpu.current.some(running => running !== 0 && sys.task.mm[running] === mm)
  const skip = (sys.mm.flags[mm]! & MMF_OOM_SKIP) !== 0
  if (busy || skip) {
    sys.trace.skip_task_reaping?.(pid)
    return skip
  }
  sys.trace.start_task_reaping?.(pid)
  __oom_reap_task_mm(sys, mm)
  const k = (member: number): string => `${get_mm_counter(sys, mm, member) * 2 ** (sys.kernel.PAGE_SHIFT - 10)}kB`
  sys.printk?.(
    `oom_reaper: reaped process ${pid} (${task_comm(sys, task)}), now anon-rss:${k(MM_ANONPAGES)}, file-rss:${k(MM_FILEPAGES)}, shmem-rss:${k(MM_SHMEMPAGES)}`,
  )
  sys.trace.finish_task_reaping?.(pid)
  return true
}

/** What faults in from now on would be lost: such faults fail. @kernel mm/oom_kill.c:__oom_reap_task_mm */
function __oom_reap_task_mm(sys: Sys, mm: number): void {
  sys.mm.flags[mm]! |= MMF_UNSTABLE
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!) {
    const flags = sys.vma.flags[vma]!
    if ((flags & (VM_HUGETLB | VM_PFNMAP)) !== 0) continue
    if (sys.vma.file[vma] === 0 || (flags & VM_SHARED) === 0)
      zap_page_range(sys, vma, sys.vma.start[vma]!, sys.vma.end[vma]!)
  }
}

/** Whether an address space still holds what was written to it. @kernel include/linux/oom.h:check_stable_address_space */
export function check_stable_address_space(sys: Sys, mm: number): boolean {
  return (sys.mm.flags[mm]! & MMF_UNSTABLE) === 0
}
