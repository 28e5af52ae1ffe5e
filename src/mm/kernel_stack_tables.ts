// Tables of kernel stacks: the stacks, the frames of the calls that are on them, what each CPU runs on, and what an
// overflow destroyed. Units: positions on a stack are bytes above its lowest address; stacks grow down, so that a
// position below 0 is outside. Row 0 of stacks and frames is nobody, so that zeros are "none".
import { f64, i32, u8, u32 } from '../image/table.ts'
import type { Sys } from './mmzone.ts'
import { take_row } from './vmalloc_types.ts'

/** Frames that the largest stack can have. */
export const STACK_PAGES = 8
/** Bytes of a task's name and of a function's, with the 0 that ends them. @kernel include/linux/sched.h:TASK_COMM_LEN */
export const TASK_COMM_LEN = 16
export const FUNCTION_LEN = 32
/** Stacks of freed tasks that a CPU keeps for the next ones. @kernel kernel/fork.c:NR_CACHED_STACKS */
export const NR_CACHED_STACKS = 2

/** kernel_stack.kind; 0 = no stack. A cached one has frames, but no task. */
export const STACK_TASK = 1
export const STACK_HARDIRQ = 2
export const STACK_SOFTIRQ = 3
export const STACK_CACHED = 4

/** stack_frame.kind: a call; an interrupted one's registers; the same when the handler is through and softirqs may run;
 * the switch to softirqs. */
export const FRAME_CALL = 1
export const FRAME_IRQ = 2
export const FRAME_IRQ_DONE = 3
export const FRAME_SOFTIRQ = 4

/** One row a stack. */
export const KERNEL_STACK = {
  kind: u8('STACK_*; 0 = no stack'),
  killed: u8('1 = an oops ended its task'),
  vmapped: u8('1 = it lies in the vmalloc area, with a guard page'),
  comm: u8('name of the task, ASCII, ends with 0', TASK_COMM_LEN),
  pid: i32('number of the task'),
  cpu: i32('the CPU whose interrupts run on it'),
  page: f64('its lowest page, a virtual page number'),
  pfn: i32('its frames, lowest address first', STACK_PAGES),
  sp: i32('stack pointer, bytes above the lowest address'),
  lowest: i32('lowest stack pointer there was'),
  frame: i32('row of the latest frame; 0 = none'),
  depth: i32('frames on it'),
  from: i32('of an interrupt stack in use: the stack that it was entered from'),
  next: i32('chain of unused rows'),
} as const

/** One row a frame of a call chain. */
export const STACK_FRAME = {
  kind: u8('FRAME_*; 0 = unused'),
  name: u8('the function, ASCII, ends with 0', FUNCTION_LEN),
  stack: i32('the stack that it is on'),
  sp: i32('stack pointer when it was pushed: its lowest byte'),
  size: i32('bytes'),
  prev: i32('frame that was there before; of an unused row the next unused one'),
  to: i32('stack on which the CPU went on; 0 = the same one'),
} as const

/** One row a CPU. */
export const STACK_CPU = {
  task: i32('stack of the task that runs; 0 = the idle task, whose stack is not modelled'),
  stack: i32('stack that it runs on now'),
  hardirq: i32('nesting of interrupts'),
  softirq: i32('1 = softirqs run'),
  lost: u8('1 = it returned to where nobody called from: what it does since then is not modelled'),
  hardirq_stack: i32('its own stack for interrupts; 0 = there is none'),
  softirq_stack: i32('its own stack for softirqs'),
  cached: i32('vmapped stacks of freed tasks; 0 = none', NR_CACHED_STACKS),
} as const

/** Scalars: one row. */
export const STACK_STATE = {
  unused_stack: i32('first row of a chain of kernel_stack rows that were used before; 0 = none'),
  used_stacks: i32('rows of kernel_stack that were ever used'),
  unused_frame: i32('as unused_stack, for stack_frame'),
  used_frames: i32('rows of stack_frame that were ever used'),
  last_pid: i32('number of the task that was made last'),
  panic: u8('1 = the kernel has panicked: nothing runs any more'),
  oopses: i32('reports that ended a task or the machine'),
  damages: f64('rows of stack_damage ever written'),
} as const

/** stack_damage.owner: whose bytes were overwritten. */
export const OWNER_FREE = 0
export const OWNER_PAGES = 1
export const OWNER_SLAB = 2
export const OWNER_STACK = 3
export const OWNER_BOOT = 4

/** Words of an overwritten range that are kept. */
export const DAMAGE_WORDS = 4

/** A ring: what overflows wrote over, a row for each frame of a chain and page that it hit. */
export const STACK_DAMAGE = {
  stack: i32('the stack that was too small'),
  name: u8('the function whose frame it was, ASCII, ends with 0', FUNCTION_LEN),
  pfn: i32('the page frame that was hit'),
  offset: i32('first byte in it'),
  length: i32('bytes'),
  was: u32('the words at its highest addresses, which were hit first, as they were before', DAMAGE_WORDS),
  owner: u8('OWNER_*'),
  victim: i32('the stack that was hit, where it was one'),
  hit: u8('what of that stack, ASCII, ends with 0', FUNCTION_LEN + 16),
} as const
export const HIT_LEN: number = FUNCTION_LEN + 16

/** The tables by name, for TABLES. @ours */
export const KERNEL_STACK_TABLES = {
  stack_state: STACK_STATE,
  kernel_stack: KERNEL_STACK,
  stack_frame: STACK_FRAME,
  stack_cpu: STACK_CPU,
  stack_damage: STACK_DAMAGE,
} as const

const NR_KERNEL_STACKS = 256
const NR_STACK_FRAMES = 2048
const NR_DAMAGES = 64

/** Rows of the tables. @ours */
export function kernel_stack_rows(nr_cpus: number): Readonly<Record<keyof typeof KERNEL_STACK_TABLES, number>> {
  return {
    stack_state: 1,
    kernel_stack: 1 + NR_KERNEL_STACKS + 2 * nr_cpus,
    stack_frame: NR_STACK_FRAMES,
    stack_cpu: nr_cpus,
    stack_damage: NR_DAMAGES,
  }
}

/** Writes a text into a column of `width` bytes a row, cut to fit. @ours */
export function put_text(column: Uint8Array, row: number, width: number, text: string): void {
  column.fill(0, width * row, width * (row + 1))
  const length = Math.min(text.length, width - 1)
  for (let i = 0; i < length; i++) column[width * row + i] = text.charCodeAt(i) & 0x7f
}

/** @ours */
export function get_text(column: Uint8Array, row: number, width: number): string {
  let text = ''
  for (let at = width * row; column[at] !== 0; at++) text += String.fromCharCode(column[at]!)
  return text
}

/** Whether there can be one more stack. @ours */
export function has_stack_row(sys: Sys): boolean {
  const { unused_stack, used_stacks } = sys.stack_state
  return unused_stack[0] !== 0 || used_stacks[0]! + 1 < sys.kernel_stack.next.length
}

/** Before memory is taken for a stack: throws a RangeError where all rows are taken. @ours */
export function require_stack_row(sys: Sys): void {
  if (!has_stack_row(sys))
    throw new RangeError(`all ${sys.kernel_stack.next.length - 1} rows of kernel_stack are in use`)
}

/** A fresh row of kernel_stack. Throws a RangeError where all are taken. @ours */
export function take_stack(sys: Sys): number {
  const { unused_stack, used_stacks } = sys.stack_state
  const { next } = sys.kernel_stack
  require_stack_row(sys)
  return take_row(unused_stack, used_stacks, next, 1, next.length)
}

/** Empties a row of kernel_stack: equal states have equal bytes. @ours */
export function put_stack(sys: Sys, stack: number): void {
  const { kernel_stack, stack_state } = sys
  const { kind, killed, vmapped, pid, cpu, page, sp, lowest, frame, depth, from } = kernel_stack
  for (const column of [kind, killed, vmapped, pid, cpu, page, sp, lowest, frame, depth, from]) column[stack] = 0
  kernel_stack.comm.fill(0, TASK_COMM_LEN * stack, TASK_COMM_LEN * (stack + 1))
  kernel_stack.pfn.fill(0, STACK_PAGES * stack, STACK_PAGES * (stack + 1))
  kernel_stack.next[stack] = stack_state.unused_stack[0]!
  stack_state.unused_stack[0] = stack
}

/** A fresh row of stack_frame. Throws a RangeError where all are taken. @ours */
export function take_frame(sys: Sys): number {
  const { unused_frame, used_frames } = sys.stack_state
  const { prev } = sys.stack_frame
  if (unused_frame[0] === 0 && used_frames[0]! + 1 >= prev.length)
    throw new RangeError(`all ${prev.length - 1} rows of stack_frame are in use: call chains are too deep`)
  return take_row(unused_frame, used_frames, prev, 1, prev.length)
}

/** @ours */
export function put_frame(sys: Sys, frame: number): void {
  const { kind, stack, sp, size, prev, to, name } = sys.stack_frame
  for (const column of [kind, stack, sp, size, to]) column[frame] = 0
  name.fill(0, FUNCTION_LEN * frame, FUNCTION_LEN * (frame + 1))
  prev[frame] = sys.stack_state.unused_frame[0]!
  sys.stack_state.unused_frame[0] = frame
}
