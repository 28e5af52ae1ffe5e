// What the kernel says when a stack was too small, and when it says it: at once where a guard page was hit; at the next
// schedule() where the word at the end of the stack is looked at; when a function returns through an address that was
// overwritten; or never. And what we can say that it cannot: whose bytes were overwritten.
// @differs call traces and instruction pointers have names without offsets, there are no registers and no code bytes;
// addresses are printed as with no_hash_pointers; the task_struct is not modelled.
import { type Address, format_address } from '../base/address.ts'
import {
  is_kernel_address,
  stack_address,
  stack_part,
  stack_size,
  task_stack_end_corrupted,
} from './kernel_stack_bytes.ts'
import {
  DAMAGE_WORDS,
  FUNCTION_LEN,
  get_text,
  HIT_LEN,
  OWNER_FREE,
  OWNER_PAGES,
  OWNER_SLAB,
  OWNER_STACK,
  STACK_HARDIRQ,
  STACK_SOFTIRQ,
  STACK_TASK,
  TASK_COMM_LEN,
} from './kernel_stack_tables.ts'
import { add_taint, print_tainted } from './kernel_taint.ts'
import type { Sys } from './mmzone.ts'

/** @kernel include/linux/panic.h:TAINT_DIE */
const TAINT_DIE = 7

/** What an overflow overwrote in one page. */
export interface StackDamage {
  /** The stack that was too small, and the function whose frame went beyond it. */
  readonly stack: number
  readonly name: string
  /** The page frame, first byte in it, and how many. */
  readonly pfn: number
  readonly offset: number
  readonly length: number
  /** The four words at its highest addresses, which were hit first, as they were before; 0 where it has fewer. */
  readonly was: readonly number[]
  /** In words: whose the bytes were. */
  readonly owner: string
}

/** All damage since boot, oldest first; of very much damage the latest 64 pieces. @ours */
export function stack_damage(sys: Sys): StackDamage[] {
  const table = sys.stack_damage
  const rows = table.stack.length
  const damages = sys.stack_state.damages[0]!
  const list: StackDamage[] = []
  for (let at = Math.max(0, damages - rows); at < damages; at++) {
    const row = at % rows
    list.push({
      stack: table.stack[row]!,
      name: get_text(table.name, row, FUNCTION_LEN),
      pfn: table.pfn[row]!,
      offset: table.offset[row]!,
      length: table.length[row]!,
      was: [...table.was.subarray(DAMAGE_WORDS * row, DAMAGE_WORDS * (row + 1))],
      owner: owner_text(sys, row),
    })
  }
  return list
}

function owner_text(sys: Sys, row: number): string {
  const { owner, victim, hit, stack } = sys.stack_damage
  const part = get_text(hit, row, HIT_LEN)
  if (owner[row] === OWNER_STACK)
    return victim[row] === stack[row] ? `its own ${part}` : `stack of ${stack_name(sys, victim[row]!)}: ${part}`
  if (owner[row] === OWNER_SLAB) return 'slab objects'
  if (owner[row] === OWNER_PAGES) return 'pages that were allocated'
  return owner[row] === OWNER_FREE ? 'a free page' : 'memory of boot'
}

/** `nfsd/3`, `interrupts of CPU 0`. @ours */
export function stack_name(sys: Sys, stack: number): string {
  const { kind, cpu, pid } = sys.kernel_stack
  if (kind[stack] === STACK_HARDIRQ) return `interrupts of CPU ${cpu[stack]}`
  if (kind[stack] === STACK_SOFTIRQ) return `softirqs of CPU ${cpu[stack]}`
  return kind[stack] === STACK_TASK ? `${comm_of(sys, stack)}/${pid[stack]}` : 'nobody'
}

/** Name of a task. @ours */
export function comm_of(sys: Sys, stack: number): string {
  return get_text(sys.kernel_stack.comm, stack, TASK_COMM_LEN)
}

/** A position on a stack in words: address, and what lies there. @ours */
export function stack_position(sys: Sys, stack: number, offset: number): string {
  const inside = offset >= 0 && offset < stack_size(sys, stack)
  return `${address(sys, stack_address(sys, stack, offset))} (${inside ? stack_part(sys, stack, offset) : 'outside'})`
}

const address = (sys: Sys, value: Address): string => format_address(value, sys.kernel.BITS_PER_LONG)

/** @kernel kernel/panic.c:panic */
export function panic(sys: Sys, message: string): void {
  sys.printk?.(`Kernel panic - not syncing: ${message}`)
  sys.stack_state.panic[0] = 1
}

/** The write at `offset` hit the guard page of a vmapped stack: the fault's own frame has no room, so it becomes a double
 * fault, which runs on a stack of its own and, as a kind of NMI, counts as an interrupt.
 * @kernel arch/x86/kernel/traps.c:handle_stack_overflow */
export function handle_stack_overflow(sys: Sys, stack: number, offset: number, name: string): void {
  const kind = sys.kernel_stack.kind[stack] === STACK_TASK ? 'TASK' : 'IRQ'
  const at = (position: number): string => address(sys, stack_address(sys, stack, position))
  const where = `(stack is ${at(0)}..${at(stack_size(sys, stack))})`
  const headline = `BUG: ${kind} stack guard page was hit at ${at(offset)} ${where}`
  die(sys, [headline, sys.kernel.stack.guard_page_oops ?? 'stack guard page'])
  show_trace(sys, [`RIP: 0010:${name}`, `CR2: ${at(offset)}`])
  panic(sys, 'Fatal exception in interrupt')
}

/** A function, or the end of an interrupt, goes on at an address that is not the one it was called from. Where that is
 * memory of the kernel, the processor executes what it finds, and nobody can say what comes then. @ours */
export function bad_return(sys: Sys, value: Address): void {
  if (is_kernel_address(sys, value)) sys.stack_cpu.lost[sys.machine.this_cpu[0]!] = 1
  else oops(sys, value, null)
}

/** A fault at an address that a function read, or went to (null).
 * @kernel arch/x86/mm/fault.c:page_fault_oops */
export function oops(sys: Sys, value: Address, reader: string | null): void {
  const cpu = sys.machine.this_cpu[0]!
  const { task, hardirq, softirq } = sys.stack_cpu
  const overran = task_stack_end_corrupted(sys, task[cpu]!)
  die(sys, sys.kernel.stack.bad_access(address(sys, value), reader, overran))
  show_trace(sys, [])
  if (hardirq[cpu]! + softirq[cpu]! > 0) panic(sys, 'Fatal exception in interrupt')
  else end_task(sys)
}

/** @kernel arch/x86/kernel/dumpstack.c:__die */
function die(sys: Sys, lines: readonly string[]): void {
  const number = (sys.stack_state.oopses[0]! += 1)
  for (const line of lines) sys.printk?.(line.replace('[#1]', `[#${number}]`))
  const cpu = sys.machine.this_cpu[0]!
  const task = sys.stack_cpu.task[cpu]!
  const who = `PID: ${sys.kernel_stack.pid[task]} Comm: ${comm_of(sys, task)}`
  sys.printk?.(`CPU: ${cpu} ${who} ${print_tainted(sys)} ${sys.kernel.release} `)
  add_taint(sys, TAINT_DIE)
}

/** The functions on the stacks of the running CPU, latest first. @kernel arch/x86/kernel/dumpstack.c:show_trace_log_lvl */
function show_trace(sys: Sys, facts: readonly string[]): void {
  const { kernel_stack, stack_frame } = sys
  for (const line of facts) sys.printk?.(line)
  sys.printk?.('Call Trace:')
  for (let stack = sys.stack_cpu.stack[sys.machine.this_cpu[0]!]!; stack !== 0; stack = kernel_stack.from[stack]!) {
    const kind = kernel_stack.kind[stack]!
    const mark = kind === STACK_TASK ? 'TASK' : kind === STACK_HARDIRQ ? 'IRQ' : 'SOFTIRQ'
    sys.printk?.(` <${mark}>`)
    for (let frame = kernel_stack.frame[stack]!; frame !== 0; frame = stack_frame.prev[frame]!)
      sys.printk?.(` ${get_text(stack_frame.name, frame, FUNCTION_LEN)}`)
    sys.printk?.(` </${mark}>`)
  }
  sys.printk?.('---[ end trace 0000000000000000 ]---')
}

/** The running task never runs again; its CPU is idle. @kernel arch/x86/kernel/dumpstack.c:rewind_stack_and_make_dead */
function end_task(sys: Sys): void {
  const { task, stack } = sys.stack_cpu
  const cpu = sys.machine.this_cpu[0]!
  sys.kernel_stack.killed[task[cpu]!] = 1
  task[cpu] = stack[cpu] = 0
}
