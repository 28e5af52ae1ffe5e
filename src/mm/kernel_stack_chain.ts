// A call chain that runs on kernel stacks: calls push frames, interrupts push the registers of whom they interrupt and go
// on, on the CPU's own stack where it has one, on the stack of their victim where not; softirqs the same.
// Law: what was pushed is popped in reverse order; the place to return to is read from the stack's bytes, so that who
// overwrote it decides where the processor goes.
import type { Address } from '../base/address.ts'
import {
  frame_name,
  note_damage,
  read_stack,
  return_site,
  sizeof_long,
  stack_address,
  stack_size,
  write_frame,
  write_stack,
} from './kernel_stack_bytes.ts'
import { bad_return, comm_of, handle_stack_overflow, stack_name } from './kernel_stack_report.ts'
import {
  FRAME_CALL,
  FRAME_IRQ,
  FRAME_IRQ_DONE,
  FRAME_SOFTIRQ,
  FUNCTION_LEN,
  put_frame,
  put_text,
  STACK_TASK,
  take_frame,
} from './kernel_stack_tables.ts'
import { print_tainted } from './kernel_taint.ts'
import type { Sys } from './mmzone.ts'

const NAMES = ['', 'call', 'interrupt', 'interrupt', 'softirq']

/** Whether the running CPU does anything that is modelled: no panic, and it did not lose its way. */
function is_alive(sys: Sys): boolean {
  return sys.stack_state.panic[0] === 0 && sys.stack_cpu.lost[sys.machine.this_cpu[0]!] === 0
}

/** The stack that the running CPU is on. */
function current_stack(sys: Sys): number {
  const cpu = sys.machine.this_cpu[0]!
  const stack = sys.stack_cpu.stack[cpu]!
  if (stack === 0)
    throw new RangeError(`CPU ${cpu} is idle, and the idle task's stack is not modelled: schedule a task`)
  return stack
}

/** The running task calls a function whose frame has `size` bytes, return address included; rounded up to words. False =
 * this ended in a report, or nothing runs any more. Throws a RangeError where no task runs, or for a size below 0. @ours */
export function stack_call(sys: Sys, name: string, size: number): boolean {
  if (!is_alive(sys)) return false
  const stack = current_stack(sys)
  const step = sizeof_long(sys)
  if (!(Number.isInteger(size) && size >= 0)) throw new RangeError(`a frame of ${size} bytes`)
  const bytes = Math.max(step, Math.ceil(size / step) * step)
  const back_at = sys.kernel.stack.return_address === 'top' ? bytes - step : 0
  return push(sys, stack, FRAME_CALL, name, bytes, back_at)
}

/** Returns from the latest function; false = not to where it was called from, or nothing runs any more. Throws a
 * RangeError where no function of the current context is left. @ours */
export function stack_return(sys: Sys): boolean {
  if (!is_alive(sys)) return false
  const stack = current_stack(sys)
  const frame = sys.kernel_stack.frame[stack]!
  if (sys.stack_frame.kind[frame] !== FRAME_CALL)
    throw new RangeError(`no call to return from is on the stack of ${stack_name(sys, stack)}`)
  return pop(sys, stack, frame)
}

/** Pushes a frame; false = a guard page was hit. */
function push(sys: Sys, stack: number, kind: number, name: string, size: number, back_at: number): boolean {
  const { kernel_stack, stack_frame } = sys
  const caller = frame_name(sys, kernel_stack.frame[stack]!)
  const frame = take_frame(sys)
  const sp = kernel_stack.sp[stack]! - size
  note_damage(sys, stack, sp, size, name)
  const hit = write_frame(sys, stack, sp, size, name, return_site(sys, caller), back_at)
  if (sp < kernel_stack.lowest[stack]!) kernel_stack.lowest[stack] = hit ?? sp
  if (hit !== null) {
    put_frame(sys, frame)
    handle_stack_overflow(sys, stack, hit, name)
    return false
  }
  stack_frame.kind[frame] = kind
  stack_frame.stack[frame] = stack
  stack_frame.sp[frame] = sp
  stack_frame.size[frame] = size
  stack_frame.prev[frame] = kernel_stack.frame[stack]!
  put_text(stack_frame.name, frame, FUNCTION_LEN, name)
  kernel_stack.frame[stack] = frame
  kernel_stack.sp[stack] = sp
  kernel_stack.depth[stack]! += 1
  return true
}

/** Pops the latest frame of a stack and goes to where it says; false = nobody called from there. */
function pop(sys: Sys, stack: number, frame: number): boolean {
  const { kernel_stack, stack_frame } = sys
  const { kind, sp, size, prev } = stack_frame
  const back = read_stack(sys, stack, sp[frame]! + back_at(sys, kind[frame]!, size[frame]!))
  const right = return_site(sys, frame_name(sys, prev[frame]!))
  kernel_stack.sp[stack] = sp[frame]! + size[frame]!
  kernel_stack.frame[stack] = prev[frame]!
  kernel_stack.depth[stack]! -= 1
  put_frame(sys, frame)
  if (back.hi === right.hi && back.lo === right.lo) return true
  bad_return(sys, back)
  return false
}

/** Where a frame keeps the address to go on at. */
function back_at(sys: Sys, kind: number, size: number): number {
  const { irq_regs_ip, return_address } = sys.kernel.stack
  if (kind === FRAME_IRQ || kind === FRAME_IRQ_DONE) return irq_regs_ip
  return return_address === 'top' ? size - sizeof_long(sys) : 0
}

/** An interrupt comes: the registers go onto the stack that is in use, then the CPU goes to its own stack for interrupts,
 * unless that is in use already. False = this ended in a report, or nothing runs any more. Throws a RangeError on an
 * idle CPU. @kernel arch/x86/kernel/irq_32.c:execute_on_irq_stack */
export function irq_enter(sys: Sys, name = 'common_interrupt'): boolean {
  if (!is_alive(sys)) return false
  const stack = current_stack(sys)
  const cpu = sys.machine.this_cpu[0]!
  const { irq_regs, irq_align, irq_regs_ip } = sys.kernel.stack
  const sp = sys.kernel_stack.sp[stack]!
  check_stack_overflow(sys, stack, sp)
  const size = sp - align_to(sp, irq_align) + irq_regs
  if (!push(sys, stack, FRAME_IRQ, name, size, irq_regs_ip)) return false
  sys.stack_cpu.hardirq[cpu]! += 1
  switch_stack(sys, stack, sys.stack_cpu.hardirq_stack[cpu]!)
  return true
}

const align_to = (value: number, unit: number): number => Math.floor(value / unit) * unit

/** With DEBUG_STACKOVERFLOW an interrupt reports that little is left of the stack that it came to; one that has
 * overflown already looks like a fresh one. @kernel arch/x86/kernel/irq_32.c:check_stack_overflow */
function check_stack_overflow(sys: Sys, stack: number, sp: number): void {
  if (!sys.kernel.config.DEBUG_STACKOVERFLOW) return
  const size = stack_size(sys, stack)
  const left = sp - align_to(sp, size)
  if (left >= sys.kernel.stack.sizeof_thread_info + size / 8) return
  sys.printk?.('low stack detected by irq handler')
  const task = sys.stack_cpu.task[sys.machine.this_cpu[0]!]!
  sys.printk?.(
    `Pid: ${sys.kernel_stack.pid[task]}, comm: ${comm_of(sys, task)} ${print_tainted(sys)} ${sys.kernel.release}`,
  )
}

/** Goes on, on a stack of the CPU's own, where it has one that is not in use: its bottom or top keeps where it came from.
 * @kernel arch/x86/include/asm/irq_stack.h:call_on_irqstack */
function switch_stack(sys: Sys, stack: number, own: number): void {
  const { kernel_stack, stack_frame, stack_cpu } = sys
  if (own === 0 || own === stack || kernel_stack.from[own] !== 0) return
  const { saves_sp_at, sizeof_thread_info, thread_info_task } = sys.kernel.stack
  const word = sizeof_long(sys)
  const top = stack_size(sys, own)
  const saved: Address = stack_address(sys, stack, kernel_stack.sp[stack]!)
  const bottom = sizeof_thread_info > 0 ? sizeof_thread_info - word : 0
  write_stack(sys, own, saves_sp_at === 'top' ? top - word : bottom, saved)
  const cpu = sys.machine.this_cpu[0]!
  const pid = kernel_stack.pid[stack_cpu.task[cpu]!]!
  if (sizeof_thread_info > 0) write_stack(sys, own, thread_info_task, { hi: 0, lo: pid })
  kernel_stack.sp[own] = top - (saves_sp_at === 'top' ? word : 0)
  kernel_stack.lowest[own] = Math.min(kernel_stack.lowest[own]!, kernel_stack.sp[own]!)
  kernel_stack.from[own] = stack
  stack_frame.to[kernel_stack.frame[stack]!] = own
  stack_cpu.stack[cpu] = own
}

/** Leaves a stack of the CPU's own that is empty, and returns the one that it came from; else the stack itself. */
function leave_stack(sys: Sys, stack: number): number {
  const { kernel_stack, stack_frame, stack_cpu } = sys
  const from = kernel_stack.from[stack]!
  if (from === 0 || kernel_stack.frame[stack] !== 0) return stack
  kernel_stack.from[stack] = 0
  kernel_stack.sp[stack] = stack_size(sys, stack)
  stack_frame.to[kernel_stack.frame[from]!] = 0
  stack_cpu.stack[sys.machine.this_cpu[0]!] = from
  return from
}

/** The frame that a context of the running CPU began with, when nothing of it is left but that; 0 = there is more. */
function context_frame(sys: Sys, stack: number): number {
  const { frame, from } = sys.kernel_stack
  const at = frame[stack] === 0 ? from[stack]! : stack
  const top = at === 0 ? 0 : frame[at]!
  return sys.stack_frame.kind[top] === FRAME_CALL ? 0 : top
}

/** The interrupt is over: back to whom it interrupted. False = nobody was interrupted there, or nothing runs any more.
 * Throws a RangeError where there is no interrupt, or something of it is left. @kernel kernel/softirq.c:irq_exit */
export function irq_exit(sys: Sys): boolean {
  if (!is_alive(sys)) return false
  const frame = leave_context(sys, FRAME_IRQ, FRAME_IRQ_DONE)
  if (sys.stack_frame.kind[frame] === FRAME_IRQ) sys.stack_cpu.hardirq[sys.machine.this_cpu[0]!]! -= 1
  return pop(sys, sys.stack_frame.stack[frame]!, frame)
}

/** Leaves the stack of a context; the frame that it began with. */
function leave_context(sys: Sys, kind: number, other: number): number {
  const stack = current_stack(sys)
  const frame = context_frame(sys, stack)
  const found = sys.stack_frame.kind[frame]!
  if (frame === 0 || (found !== kind && found !== other)) {
    const top = sys.kernel_stack.frame[stack]!
    const what = top === 0 ? 'no context' : `${NAMES[sys.stack_frame.kind[top]!]} ${frame_name(sys, top)}`
    throw new RangeError(
      `the latest thing on the stack of ${stack_name(sys, stack)} is ${what}: no ${NAMES[kind]} to end`,
    )
  }
  leave_stack(sys, stack)
  return frame
}

/** Softirqs run: at the end of the interrupt whose handler has returned, or in a task. They do not, and 0 is what comes
 * back, in a handler and in softirqs; 1 = they run, -1 = this ended in a report, or nothing runs any more.
 * @kernel kernel/softirq.c:do_softirq */
export function softirq_enter(sys: Sys): number {
  if (!is_alive(sys)) return -1
  const { hardirq, softirq, hardirq_stack, softirq_stack } = sys.stack_cpu
  const cpu = sys.machine.this_cpu[0]!
  let stack = current_stack(sys)
  const irq = context_frame(sys, stack)
  const at_end = sys.stack_frame.kind[irq] === FRAME_IRQ
  if (softirq[cpu] === 1 || hardirq[cpu]! > Number(at_end)) return 0
  if (at_end) {
    sys.stack_frame.kind[irq] = FRAME_IRQ_DONE
    hardirq[cpu]! -= 1
    if (!sys.kernel.stack.irq_exit_on_irq_stack) stack = leave_stack(sys, stack)
  }
  const word = sizeof_long(sys)
  const { softirq_stack: own, return_address } = sys.kernel.stack
  const back = return_address === 'top' ? word : 0
  if (!push(sys, stack, FRAME_SOFTIRQ, 'do_softirq', 2 * word, back)) return -1
  softirq[cpu] = 1
  switch_stack(sys, stack, own ? softirq_stack[cpu]! : hardirq_stack[cpu]!)
  return 1
}

/** Softirqs are done. False = not back to where they came from, or nothing runs any more. Throws a RangeError where none
 * run, or something of them is left. @kernel kernel/softirq.c:softirq_handle_end */
export function softirq_exit(sys: Sys): boolean {
  if (!is_alive(sys)) return false
  const frame = leave_context(sys, FRAME_SOFTIRQ, FRAME_SOFTIRQ)
  sys.stack_cpu.softirq[sys.machine.this_cpu[0]!] = 0
  return pop(sys, sys.stack_frame.stack[frame]!, frame)
}

/** Whether the running CPU is in a task, not in an interrupt or softirq. @kernel include/linux/preempt.h:in_task */
export function in_task(sys: Sys): boolean {
  const stack = sys.stack_cpu.stack[sys.machine.this_cpu[0]!]!
  const { hardirq, softirq } = sys.stack_cpu
  const cpu = sys.machine.this_cpu[0]!
  return stack !== 0 && sys.kernel_stack.kind[stack] === STACK_TASK && hardirq[cpu]! + softirq[cpu]! === 0
}
