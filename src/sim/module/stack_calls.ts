// Kernel stacks as modules use them: tasks that have one, functions that call each other on it, interrupts and softirqs on
// top. What runs inside a call is the function that is handed over, so that the chain of a module is the chain on the
// stack. Law: a frame is popped where its function ends, also where that throws; it stays where another task runs by then,
// since its own task sleeps in it. A machine that panicked, or a CPU that lost its way, ends the module.
import { kernel_stack_alloc, kernel_stack_free, kernel_stack_view, schedule } from '../../mm/kernel_stack.ts'
import { end_of_stack, stack_address, task_stack_end_corrupted, task_top } from '../../mm/kernel_stack_bytes.ts'
import {
  irq_enter,
  irq_exit,
  softirq_enter,
  softirq_exit,
  stack_call,
  stack_return,
} from '../../mm/kernel_stack_chain.ts'
import { type StackDamage, stack_damage } from '../../mm/kernel_stack_report.ts'
import { has_stack_row } from '../../mm/kernel_stack_tables.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { type ModuleContext, ModuleStop } from './context.ts'
import { type Pointer, Task } from './pointer.ts'

type Body = () => void

export interface StackCalls {
  /** A task with its stack, that does not run yet; null = no memory, or too many tasks. @kernel kernel/kthread.c:kthread_create_on_node */
  kthread_create(comm: string): Task | null
  /** It ends, and its stack is free. @kernel kernel/kthread.c:kthread_stop */
  kthread_stop(task: Task): void
  /** The CPU goes on with a task, null = with the idle task; false = that was refused. @kernel kernel/sched/core.c:schedule */
  schedule(task: Task | null): boolean
  /** The running task calls a function whose frame has `bytes` bytes; false = it does not come back. @ours */
  call(name: string, bytes: number, body?: Body): boolean
  /** An interrupt comes to the task that runs. @kernel arch/x86/kernel/irq.c:common_interrupt */
  common_interrupt(body?: Body): boolean
  /** What an interrupt left to be done, at its end; false = not now: a handler or another softirq runs. @kernel kernel/softirq.c:do_softirq */
  do_softirq(body?: Body): boolean
  /** The lowest address of a task's stack. @kernel include/linux/sched/task_stack.h:task_stack_page */
  task_stack_page(task: Task): Pointer
  /** The word that must not be overwritten. @kernel include/linux/sched/task_stack.h:end_of_stack */
  end_of_stack(task: Task): Pointer
  /** @kernel include/linux/sched/task_stack.h:task_stack_end_corrupted */
  task_stack_end_corrupted(task: Task): boolean
  /** Bytes that a task never used; below 0 = so many more than it had.
   * @kernel include/linux/sched/task_stack.h:stack_not_used @differs the kernel looks for zeros, and never finds fewer than none */
  stack_not_used(task: Task): number
  /** Bytes that are in use. @ours */
  stack_used(task: Task): number
  /** What stacks that were too small overwrote, and whose it was; no kernel knows that. @ours */
  stack_damage(): StackDamage[]
}

export function stackCalls(ctx: ModuleContext): StackCalls {
  const { sys } = ctx
  const at = (task: Task, offset: number): Pointer => ctx.pointer(stack_address(sys, rowOf(ctx, task), offset))!
  const { in_atomic } = sys.machine
  const interrupt = (body: Body) => (): void => {
    ctx.interrupts++
    in_atomic[0]! += 1
    try {
      body()
    } finally {
      ctx.interrupts--
      in_atomic[0]! -= 1
    }
  }
  return {
    kthread_create: comm => created(ctx, comm),
    kthread_stop: task => {
      kernel_stack_free(sys, rowOf(ctx, task))
      ctx.tasks.delete(task)
    },
    schedule: task => alive(ctx, () => schedule(sys, task === null ? 0 : rowOf(ctx, task))),
    call: (name, bytes, body = () => {}) =>
      within(ctx, () => stack_call(sys, String(name), frameSize(ctx, bytes)), body, stack_return),
    common_interrupt: (body = () => {}) => within(ctx, () => irq_enter(sys), interrupt(body), irq_exit),
    do_softirq: (body = () => {}) => within(ctx, () => softirq_enter(sys) === 1, interrupt(body), softirq_exit),
    task_stack_page: task => at(task, 0),
    end_of_stack: task => at(task, end_of_stack(sys)),
    task_stack_end_corrupted: task => task_stack_end_corrupted(sys, rowOf(ctx, task)),
    stack_not_used: task => {
      const { lowest, floor } = kernel_stack_view(sys, rowOf(ctx, task))
      return lowest - floor
    },
    stack_used: task => task_top(sys, rowOf(ctx, task)) - kernel_stack_view(sys, task.stack).sp,
    stack_damage: () => stack_damage(sys),
  }
}

/** Bytes of a task's stack. @kernel arch/x86/include/asm/page_64_types.h:THREAD_SIZE */
export function threadSize({ sys: { kernel } }: ModuleContext): number {
  return 2 ** (kernel.PAGE_SHIFT + kernel.stack.THREAD_SIZE_ORDER)
}

function created(ctx: ModuleContext, comm: string): Task | null {
  // As many tasks as the machine has rows for are its threads-max: then there is none.
  const stack = has_stack_row(ctx.sys) ? kernel_stack_alloc(ctx.sys, String(comm)) : 0
  if (stack === 0) return null
  const task = new Task(stack, String(comm))
  ctx.tasks.add(task)
  return task
}

/** Row of a task's stack. @throws RangeError for one that ended */
function rowOf(ctx: ModuleContext, task: Task): number {
  if (!(task instanceof Task)) throw new TypeError(`${String(task)} is no task`)
  if (!ctx.tasks.has(task)) throw new RangeError(`task ${task} has ended`)
  return task.stack
}

/** No compiler lets a frame pass that is larger than the stack; and an overflow begins at its end. */
function frameSize(ctx: ModuleContext, bytes: number): number {
  const most = threadSize(ctx)
  if (bytes <= most) return bytes
  throw new RangeError(`a frame of ${bytes} bytes is larger than a stack, which has ${most}`)
}

/** The latest frame of the running CPU, where it is on a stack of its own that is empty: of the one before; 0 = none. */
function latestFrame({ kernel_stack, stack_cpu, machine }: Sys): number {
  const { frame, from } = kernel_stack
  const stack = stack_cpu.stack[machine.this_cpu[0]!]!
  return frame[stack] === 0 && from[stack] !== 0 ? frame[from[stack]!]! : frame[stack]!
}

/** Enters, does what is to be done there, and leaves; false = it was not entered, or did not come back. */
function within(ctx: ModuleContext, enter: () => boolean, body: Body, leave: (sys: Sys) => boolean): boolean {
  if (!alive(ctx, enter)) return false
  const frame = latestFrame(ctx.sys)
  let back = false
  try {
    body()
  } finally {
    if (latestFrame(ctx.sys) === frame) back = leave(ctx.sys)
  }
  return alive(ctx, () => back)
}

/** What an action says. @throws ModuleStop where the machine panicked or the CPU lost its way: nothing runs any more */
function alive(ctx: ModuleContext, action: () => boolean): boolean {
  const { stack_state, stack_cpu, machine } = ctx.sys
  const went = action()
  if (went) return true
  if (stack_state.panic[0] === 1)
    throw new ModuleStop(ctx.log.findLast(line => line.startsWith('Kernel panic')) ?? 'the kernel panicked before')
  if (stack_cpu.lost[machine.this_cpu[0]!] === 1)
    throw new ModuleStop('the CPU went on at an address that was overwritten, and nobody knows what it does')
  return false
}
