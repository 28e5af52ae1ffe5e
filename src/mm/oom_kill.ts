// Memory is out: somebody is chosen, the report is printed, the victim dies and its memory comes back.
// Law: one victim at a time; whoever is killed may use reserves to die; when nobody can be killed the machine panics.
import { __GFP_FS } from './gfp.ts'
import { panic } from './kernel_stack_report.ts'
import { count_oom_kill, mem_cgroup_get_oom_group } from './memcg_oom.ts'
import { get_current_or_none, get_mm_counter } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { queue_oom_reaper } from './oom_reaper.ts'
import { dump_header, kill_line, task_comm } from './oom_report.ts'
import {
  constrained_alloc,
  LONG_MIN,
  OOM_SCORE_ADJ_MIN,
  OOM_WAIT,
  type OomConstraint,
  type OomControl,
  oom_badness,
  select_bad_process,
} from './oom_select.ts'
import { get_signal } from './signal.ts'
import {
  MM_ANONPAGES,
  MM_FILEPAGES,
  MM_SHMEMPAGES,
  MMF_OOM_SKIP,
  MMF_OOM_VICTIM,
  PF_EXITING,
  PF_TIF_MEMDIE,
  SIGKILL,
  TASK_RUNNING,
} from './vm_flags.ts'
import type { OomSeam } from './vm_seams.ts'

/** SysRq-f asks with this order. @kernel mm/oom_kill.c:is_sysrq_oom */
const SYSRQ = -1

/**
 * Kills somebody so that memory comes back; false where the request must fail instead.
 * @kernel mm/oom_kill.c:out_of_memory
 * @differs a victim that does not run now is gone when this returns: nothing else would let it run
 */
export function out_of_memory(sys: Sys, oc: OomControl): boolean {
  if (sys.stack_state.panic[0] === 1) return false
  const current = get_current_or_none(sys)
  if (current !== 0 && task_will_free_mem(sys, current)) {
    mark_oom_victim(sys, current)
    queue_oom_reaper(sys, current)
    return true
  }
  // Who must not enter a file system cannot wait for it, and killing would not help.
  if (oc.gfp_mask !== 0 && (oc.gfp_mask & __GFP_FS) === 0 && oc.memcg === null) return true
  const { constraint, totalpages } = constrained_alloc(sys, oc)
  if (check_panic_on_oom(sys, oc, constraint)) return false
  if (oc.memcg === null && kills_caller(sys, current)) {
    oom_kill_process(sys, oc, current, constraint, 'Out of memory (oom_kill_allocating_task)')
    return true
  }
  const victim = select_bad_process(sys, oc, totalpages)
  if (victim === OOM_WAIT) return true
  if (victim === 0) return no_victim(sys, oc, constraint)
  oom_kill_process(sys, oc, victim, constraint, oc.memcg === null ? 'Out of memory' : 'Memory cgroup out of memory')
  return true
}

function kills_caller(sys: Sys, current: number): boolean {
  if (sys.sysctl.oom_kill_allocating_task[0] === 0 || current === 0 || sys.task.mm[current] === 0) return false
  return sys.task.oom_score_adj[current] !== OOM_SCORE_ADJ_MIN && oom_badness(sys, current, 0) !== LONG_MIN
}

/** vm.panic_on_oom: 1 = when nothing limits the request, 2 = always. @kernel mm/oom_kill.c:check_panic_on_oom */
function check_panic_on_oom(sys: Sys, oc: OomControl, constraint: OomConstraint): boolean {
  const wish = sys.sysctl.panic_on_oom[0]!
  if (wish === 0 || oc.order === SYSRQ || (wish !== 2 && constraint !== 'NONE')) return false
  dump_header(sys, oc, 0, constraint)
  panic(sys, `Out of memory: ${wish === 2 ? 'compulsory' : 'system-wide'} panic_on_oom is enabled`)
  return true
}

function no_victim(sys: Sys, oc: OomControl, constraint: OomConstraint): boolean {
  dump_header(sys, oc, 0, constraint)
  sys.printk?.('Out of memory and no killable processes...')
  if (oc.order !== SYSRQ && oc.memcg === null) panic(sys, 'System is deadlocked on memory')
  return false
}

/** Whether a task is on its way out, and its memory with it. @kernel mm/oom_kill.c:task_will_free_mem */
export function task_will_free_mem(sys: Sys, task: number): boolean {
  const mm = sys.task.mm[task]!
  if (mm === 0 || (sys.mm.flags[mm]! & MMF_OOM_SKIP) !== 0) return false
  const dying = (each: number): boolean =>
    (sys.task.flags[each]! & PF_EXITING) !== 0 || sys.task.signal[each] === SIGKILL
  return sharers(sys, mm).every(dying)
}

/** Tasks that run in an address space. */
function sharers(sys: Sys, mm: number): number[] {
  const tasks: number[] = []
  for (let task = 1; task < sys.task.mm.length; task++)
    if (sys.task.mm[task] === mm && sys.task.state[task] === TASK_RUNNING) tasks.push(task)
  return tasks
}

/** Lets a task use reserves. @kernel mm/oom_kill.c:mark_oom_victim */
export function mark_oom_victim(sys: Sys, task: number): void {
  sys.task.flags[task]! |= PF_TIF_MEMDIE
  sys.mm.flags[sys.task.mm[task]!]! |= MMF_OOM_VICTIM
  if (sys.trace.mark_victim) trace_mark_victim(sys, task)
}

function trace_mark_victim(sys: Sys, task: number): void {
  const mm = sys.task.mm[task]!
  const told = sys.kernel.report_text.mark_victim_tells
  const k = (pages: number): number => (told ? pages * 2 ** (sys.kernel.PAGE_SHIFT - 10) : Number.NaN)
  sys.trace.mark_victim?.(
    sys.task.pid[task]!,
    k(sys.mm.total_vm[mm]!),
    k(get_mm_counter(sys, mm, MM_ANONPAGES)),
    k(get_mm_counter(sys, mm, MM_FILEPAGES)),
    k(get_mm_counter(sys, mm, MM_SHMEMPAGES)),
    k(0),
    k(sys.mm.pgtables_bytes[mm]! / sys.page_bytes),
    told ? sys.task.oom_score_adj[task]! : Number.NaN,
    told ? task : Number.NaN,
  )
}

/** @kernel mm/oom_kill.c:oom_kill_process @differs no limit to the rate of reports */
function oom_kill_process(sys: Sys, oc: OomControl, victim: number, constraint: OomConstraint, message: string): void {
  if (task_will_free_mem(sys, victim)) {
    mark_oom_victim(sys, victim)
    queue_oom_reaper(sys, victim)
    die(sys, victim)
    return
  }
  dump_header(sys, oc, victim, constraint)
  const group = oc.memcg?.group ?? mem_cgroup_get_oom_group(sys, victim, oc.memcg?.row ?? 0)
  const dying = [victim, ...__oom_kill_process(sys, victim, message)]
  if (group !== null) {
    sys.printk?.(`Tasks in ${group.path} are going to be killed due to memory.oom.group set`)
    for (const task of group.tasks) dying.push(...oom_kill_memcg_member(sys, task, message))
  }
  for (const task of new Set(dying)) die(sys, task)
}

/** @kernel mm/oom_kill.c:oom_kill_memcg_member */
function oom_kill_memcg_member(sys: Sys, task: number, message: string): number[] {
  const spared = sys.task.oom_score_adj[task] === OOM_SCORE_ADJ_MIN || sys.task.pid[task] === 1
  return spared ? [] : [task, ...__oom_kill_process(sys, task, message)]
}

/** Kills a task and all who share its memory; returns these others. @kernel mm/oom_kill.c:__oom_kill_process */
function __oom_kill_process(sys: Sys, victim: number, message: string): number[] {
  const mm = sys.task.mm[victim]!
  sys.task.signal[victim] = SIGKILL
  mark_oom_victim(sys, victim)
  count_oom_kill(sys, victim)
  sys.printk?.(kill_line(sys, victim, message))
  const others: number[] = []
  let can_oom_reap = true
  for (const task of sharers(sys, mm)) {
    if (task === victim) continue
    if (sys.task.pid[task] === 1) {
      can_oom_reap = false
      sys.mm.flags[mm]! |= MMF_OOM_SKIP
      sys.printk?.(
        `oom killer ${sys.task.pid[victim]} (${task_comm(sys, victim)}) has mm pinned by ${sys.task.pid[task]} (${task_comm(sys, task)})`,
      )
      continue
    }
    sys.task.signal[task] = SIGKILL
    others.push(task)
  }
  if (can_oom_reap) queue_oom_reaper(sys, victim)
  return others
}

/** A victim runs once more, to end; the caller itself ends when it returns to user space. */
function die(sys: Sys, task: number): void {
  if (task !== get_current_or_none(sys)) get_signal(sys, task)
}

/** A fault found no memory, although the allocator did not fail: nothing is killed for it, the task tries again.
 * @kernel mm/oom_kill.c:pagefault_out_of_memory */
export function pagefault_out_of_memory(sys: Sys): void {
  const task = get_current_or_none(sys)
  if (task !== 0 && sys.task.signal[task] === SIGKILL) return
  sys.printk?.('Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF')
}

/** The OOM killer for a machine's seams. @ours */
export const oom_seam: OomSeam = {
  pagefault_out_of_memory,
  out_of_memory: (sys, gfp_mask, order, _zonelist, nodemask) =>
    out_of_memory(sys, { gfp_mask, order, nodemask, mems_allowed: null, memcg: null }),
}
