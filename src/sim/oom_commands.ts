// Commands around the end of memory: what /proc/PID and /proc/sysrq-trigger take, processes that hang, children that are
// waited for. Law: as in commands.ts.
import { release_task, switch_to } from '../mm/fork.ts'
import { GFP_KERNEL } from '../mm/gfp.ts'
import { get_current_or_none } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { oom_adj_write, oom_score_adj_write } from '../mm/oom_adj.ts'
import { out_of_memory } from '../mm/oom_kill.ts'
import { __show_mem } from '../mm/show_mem.ts'
import { get_signal } from '../mm/signal.ts'
import { ENOENT } from '../mm/sysctl.ts'
import { SIGKILL, TASK_RUNNING, TASK_ZOMBIE } from '../mm/vm_flags.ts'
import { has_processes } from '../mm/vm_init.ts'
import { type ProcessResult, taskOf } from './process_commands.ts'

/** Commands around the end of memory. */
export type OomCommand =
  /** Writes a file of /proc/PID: oom_score_adj or oom_adj. */
  | { readonly op: 'proc_write'; readonly pid: number; readonly name: string; readonly value: string }
  /** A letter for /proc/sysrq-trigger: f calls the OOM killer, m shows memory. */
  | { readonly op: 'sysrq'; readonly key: string }
  /** A process waits for something that does not come, and no signal reaches it; or that has come. */
  | { readonly op: 'hang' | 'wake'; readonly pid: number }
  /** A process asks for a child that has ended. */
  | { readonly op: 'wait'; readonly pid?: number }

type Handlers = {
  readonly [Name in OomCommand['op']]: (sys: Sys, command: OomCommand & { op: Name }) => ProcessResult
}

export const OOM_HANDLERS: Handlers = {
  proc_write: (sys, { pid, name, value }) => ({ error: proc_write(sys, taskOf(sys, pid, true), name, value) }),
  sysrq: (sys, { key }) => sysrq(sys, key),
  hang: (sys, { pid }) => hang(sys, taskOf(sys, pid)),
  wake: (sys, { pid }) => {
    sys.task.stuck[taskOf(sys, pid, true)] = 0
    return {}
  },
  wait: (sys, { pid }) => wait(sys, taskOf(sys, pid)),
}

/** Fields that a command must have. */
export const OOM_REQUIRED: { readonly [Name in OomCommand['op']]: readonly string[] } = {
  proc_write: ['pid', 'name', 'value'],
  sysrq: ['key'],
  hang: ['pid'],
  wake: ['pid'],
  wait: [],
}

/** Looks at a command's own fields. @throws RangeError with what is wrong */
export function checkOomCommand(sys: Sys, command: { readonly op: string; readonly pid?: unknown }): void {
  if (!Object.hasOwn(OOM_HANDLERS, command.op) || command.op === 'sysrq') return
  if (!has_processes(sys)) throw new RangeError('this machine has no room for processes: boot it with nr_tasks')
  if (command.pid !== undefined && !Number.isInteger(command.pid))
    throw new RangeError(`pid ${String(command.pid)} is not a whole number`)
}

const ECHILD = 10
const EACCES = 13

function proc_write(sys: Sys, task: number, name: string, value: string): number {
  if (name === 'oom_score_adj') return oom_score_adj_write(sys, task, value)
  if (name === 'oom_adj') return oom_adj_write(sys, task, value)
  return name === 'oom_score' ? -EACCES : -ENOENT
}

/** @kernel drivers/tty/sysrq.c:__handle_sysrq */
function sysrq(sys: Sys, key: string): ProcessResult {
  if (key === 'm') {
    sys.printk?.('sysrq: Show Memory')
    __show_mem(sys, 0, null, sys.nr_zone_types - 1)
  } else if (key === 'f') {
    sys.printk?.('sysrq: Manual OOM execution')
    const oc = { gfp_mask: GFP_KERNEL, order: -1, nodemask: null, mems_allowed: null, memcg: null }
    // A worker of the kernel asks, not the process that runs.
    const current = get_current_or_none(sys)
    if (current !== 0) switch_to(sys, 0)
    if (!out_of_memory(sys, oc)) sys.printk?.('OOM request ignored. No task eligible')
    if (current !== 0) switch_to(sys, current)
  } else throw new RangeError(`sysrq "${key}": the twin knows f (call the OOM killer) and m (show memory)`)
  return {}
}

function hang(sys: Sys, task: number): ProcessResult {
  sys.task.stuck[task] = 1
  if (get_current_or_none(sys) === task) switch_to(sys, next_task(sys, task))
  return {}
}

/** Who runs when a task cannot any more: its parent, where that can. */
function next_task(sys: Sys, task: number): number {
  const parent = sys.task.parent[task]!
  return parent !== 0 && sys.task.state[parent] === TASK_RUNNING && sys.task.stuck[parent] === 0 ? parent : 0
}

/** @kernel kernel/exit.c:do_wait */
function wait(sys: Sys, parent: number): ProcessResult {
  const { state, pid } = sys.task
  for (let task = 1; task < state.length; task++) {
    if (state[task] !== TASK_ZOMBIE || sys.task.parent[task] !== parent) continue
    const ended = pid[task]!
    return { pid: ended, signal: release_task(sys, task) }
  }
  return { error: -ECHILD }
}

/** After a command: who was killed and can run ends, and who ended without a parent is gone. @ours */
export function end_killed(sys: Sys): void {
  if (!has_processes(sys)) return
  const { state, signal } = sys.task
  for (let task = 1; task < state.length; task++) {
    if (signal[task] !== SIGKILL) continue
    const was_current = get_current_or_none(sys) === task
    if (get_signal(sys, task) && was_current) switch_to(sys, next_task(sys, task))
    if (state[task] === TASK_ZOMBIE && sys.task.parent[task] === 0) release_task(sys, task)
  }
}
