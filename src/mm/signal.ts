// The one signal that needs no handler: a task that was killed ends when it would go back to its program. A task that waits
// for something that does not come (`task.stuck`) does not get that far.
import { do_exit } from './fork.ts'
import type { Sys } from './mmzone.ts'
import { SIGKILL, TASK_RUNNING } from './vm_flags.ts'

/** Ends a task that was killed; true = it is gone. @kernel kernel/signal.c:get_signal */
export function get_signal(sys: Sys, task: number): boolean {
  const { state, signal, stuck } = sys.task
  if (state[task] !== TASK_RUNNING || signal[task] !== SIGKILL || stuck[task] === 1) return false
  do_exit(sys, task, SIGKILL)
  return true
}
