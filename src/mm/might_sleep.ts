// Code that may wait says so when it is entered; in a context that must not sleep the kernel reports the caller and goes on.
import type { Sys } from './mmzone.ts'

/** Reports a call from a context that must not sleep. `where` is the kernel's file.
 * @kernel kernel/sched/core.c:__might_sleep @differs without the line number and the call trace */
export function might_sleep(sys: Sys, where: string): boolean {
  const { in_atomic, irqs_disabled, this_cpu } = sys.machine
  if (in_atomic[0] === 0 && irqs_disabled[0] === 0) return true
  sys.printk?.(`BUG: sleeping function called from invalid context at ${where}`)
  sys.printk?.(
    `in_atomic(): ${in_atomic[0]! > 0 ? 1 : 0}, irqs_disabled(): ${irqs_disabled[0]! > 0 ? 1 : 0}, non_block: 0, pid: 0, name: swapper/${this_cpu[0]}`,
  )
  return false
}
