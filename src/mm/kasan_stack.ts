// Who runs and how it got here, as KASAN remembers it: the running task, and a depot of stacks of calls, each kept once.
// A stack is text, a line a function, the innermost first, as symbol_name prints them; its handle is what objects keep.
// Law: equal stacks have one handle. A full depot gives 0, "not available", as the kernel's does.

import { TASK_COMM_LEN } from './kasan_tables.ts'
import { symbol_name, text_number } from './kernel_text.ts'
import type { Sys } from './mmzone.ts'

/** Says who runs from now on. @ours */
export function kasan_set_task(sys: Sys, comm: string, pid: number): void {
  if (sys.kasan_state.pid.length === 0) return
  const { comm: bytes, pid: pids } = sys.kasan_state
  bytes.fill(0)
  for (let at = 0; at < Math.min(comm.length, TASK_COMM_LEN - 1); at++) bytes[at] = comm.charCodeAt(at) & 0x7f
  pids[0] = pid
}

/** The name of the task that runs; the idle task's where nobody said. @ours */
export function kasan_comm(sys: Sys): string {
  const { comm } = sys.kasan_state
  const end = comm.indexOf(0)
  return end === 0 ? `swapper/${sys.machine.this_cpu[0]}` : String.fromCharCode(...comm.subarray(0, end))
}

/** Says through which calls whatever follows happens; none = only its caller is known. @ours */
export function kasan_set_stack(sys: Sys, frames: readonly string[]): void {
  if (sys.kasan_state.stack.length > 0)
    sys.kasan_state.stack[0] = frames.length === 0 ? 0 : stack_depot_save(sys, frames)
}

/** The handle of the stack that led here. @kernel mm/kasan/common.c:kasan_save_stack */
export function kasan_save_stack(sys: Sys): number {
  const stack = sys.kasan_state.stack[0]!
  if (stack !== 0) return stack
  const caller = sys.slab_state.caller[0]!
  return caller === 0 ? 0 : stack_depot_save(sys, [symbol_name(caller)])
}

/** The handle of a stack, which is kept if it is new; 0 = there is no room. @kernel lib/stackdepot.c:stack_depot_save */
export function stack_depot_save(sys: Sys, frames: readonly string[]): number {
  const text = frames.join('\n').replace(/[^\n\x20-\x7e]/g, '?')
  const hash = text_number(text)
  const { hash: hashes, start, length } = sys.kasan_stack
  const { stacks, text: used } = sys.kasan_state
  for (let row = 0; row < stacks[0]!; row++) if (hashes[row] === hash && depot_text(sys, row) === text) return row + 1
  if (stacks[0] === hashes.length || used[0]! + text.length > sys.kasan_text.bytes.length) return 0
  const row = stacks[0]!
  hashes[row] = hash
  start[row] = used[0]!
  length[row] = text.length
  for (let at = 0; at < text.length; at++) sys.kasan_text.bytes[used[0]! + at] = text.charCodeAt(at)
  used[0]! += text.length
  stacks[0]! += 1
  return row + 1
}

function depot_text(sys: Sys, row: number): string {
  const start = sys.kasan_stack.start[row]!
  let text = ''
  for (const byte of sys.kasan_text.bytes.subarray(start, start + sys.kasan_stack.length[row]!))
    text += String.fromCharCode(byte)
  return text
}

/** The lines of a stack; none for a handle that is none. @kernel lib/stackdepot.c:stack_depot_fetch */
export function stack_depot_fetch(sys: Sys, handle: number): string[] {
  return handle > 0 && handle <= sys.kasan_state.stacks[0]! ? depot_text(sys, handle - 1).split('\n') : []
}
