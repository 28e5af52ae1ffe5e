// The laws of kernel stacks, checked from scratch: each broken one is a sentence. A stack whose bytes were overwritten
// breaks none of them: that is the machine's failure, and `kernel_stack_view` and `stack_damage` tell of it.
import { stack_size, task_top } from './kernel_stack_bytes.ts'
import { stack_name } from './kernel_stack_report.ts'
import {
  FRAME_IRQ,
  FRAME_SOFTIRQ,
  STACK_CACHED,
  STACK_HARDIRQ,
  STACK_PAGES,
  STACK_SOFTIRQ,
  STACK_TASK,
} from './kernel_stack_tables.ts'
import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { swapper_pg_dir, vmalloc_to_pfn } from './pgtable_map.ts'

/** All broken laws. @ours */
export function kernel_stack_check(sys: Sys): string[] {
  const broken: string[] = []
  const { kind } = sys.kernel_stack
  const owners = new Map<number, number>()
  let frames = 0
  for (let stack = 1; stack <= sys.stack_state.used_stacks[0]!; stack++) {
    if (kind[stack] === 0) continue
    memory_check(sys, stack, owners, broken)
    frames += chain_check(sys, stack, broken)
  }
  rows_check(sys, frames, broken)
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) cpu_check(sys, cpu, broken)
  return broken
}

/** Each page of a stack is a frame in use that no other stack has, at the address where the stack says it is. */
function memory_check(sys: Sys, stack: number, owners: Map<number, number>, broken: string[]): void {
  const { pfn, page, vmapped } = sys.kernel_stack
  const bytes = 2 ** sys.kernel.PAGE_SHIFT
  const base = sys.kernel.PAGE_OFFSET / bytes
  const mapped = swapper_pg_dir(sys) >= 0
  for (let at = 0; at < stack_size(sys, stack) / bytes; at++) {
    const frame = pfn[STACK_PAGES * stack + at]!
    const where = `kernel stack ${stack} page ${at} frame ${frame}`
    if (owners.has(frame)) broken.push(`${where}: it is a frame of stack ${owners.get(frame)}, too`)
    owners.set(frame, stack)
    if (!in_use(sys, frame)) broken.push(`${where}: not in use`)
    const virtual = page[stack]! + at
    if (vmapped[stack] === 0 && virtual !== base + frame) broken.push(`${where}: not at its address in the direct map`)
    if (vmapped[stack] === 1 && mapped && vmalloc_to_pfn(sys, virtual) !== frame)
      broken.push(`${where}: its address maps frame ${vmalloc_to_pfn(sys, virtual)}`)
  }
  if (vmapped[stack] === 1 && mapped && vmalloc_to_pfn(sys, page[stack]! - 1) >= 0)
    broken.push(`kernel stack ${stack}: something is mapped below it`)
}

function in_use(sys: Sys, pfn: number): boolean {
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const state = sys.page.state[pfn & -(1 << order)]!
    if ((state & PAGE_USED) !== 0 && (state & 0x1f) > order) return true
  }
  return false
}

/** Frames of a stack lie one below the other, the latest at the stack pointer. Returns how many there are. */
function chain_check(sys: Sys, stack: number, broken: string[]): number {
  const { kind, sp, lowest, frame, depth, from } = sys.kernel_stack
  const { stack_frame } = sys
  const at = `kernel stack ${stack} (${stack_name(sys, stack)})`
  let count = 0
  let end = sp[stack]!
  for (let row = frame[stack]!; row !== 0; row = stack_frame.prev[row]!) {
    if (stack_frame.stack[row] !== stack) broken.push(`${at}: frame ${row} is of stack ${stack_frame.stack[row]}`)
    if (stack_frame.sp[row] !== end) broken.push(`${at}: frame ${row} lies at ${stack_frame.sp[row]}, not at ${end}`)
    end += stack_frame.size[row]!
    if (++count > stack_frame.kind.length) return count
  }
  if (count !== depth[stack]) broken.push(`${at}: depth ${depth[stack]}, ${count} frames`)
  if (kind[stack] === STACK_CACHED) return count
  if (lowest[stack]! > sp[stack]!) broken.push(`${at}: lowest ${lowest[stack]} above sp ${sp[stack]}`)
  const saved = sys.kernel.stack.saves_sp_at === 'top' && from[stack] !== 0 ? sys.kernel.BITS_PER_LONG / 8 : 0
  const top = kind[stack] === STACK_TASK ? task_top(sys, stack) : stack_size(sys, stack) - saved
  if (end !== top) broken.push(`${at}: its first frame ends at ${end}, not at ${top}`)
  return count
}

/** Rows of frames are on a stack or in the chain of unused ones. */
function rows_check(sys: Sys, frames: number, broken: string[]): void {
  const { unused_frame, used_frames } = sys.stack_state
  let unused = 0
  for (let row = unused_frame[0]!; row !== 0 && unused <= used_frames[0]!; row = sys.stack_frame.prev[row]!) unused++
  if (frames + unused !== used_frames[0])
    broken.push(`stack_frame: ${used_frames[0]} rows, ${frames} on stacks, ${unused} unused`)
}

/** A CPU's contexts are those that its stacks hold. */
function cpu_check(sys: Sys, cpu: number, broken: string[]): void {
  const { task, stack, hardirq, softirq, hardirq_stack, softirq_stack } = sys.stack_cpu
  const { kind, from, frame } = sys.kernel_stack
  const at = `cpu ${cpu}`
  const counts = [0, 0, 0, 0, 0]
  let bottom = stack[cpu]!
  for (let on = bottom; on !== 0; on = from[on]!) {
    bottom = on
    for (let row = frame[on]!; row !== 0; row = sys.stack_frame.prev[row]!) counts[sys.stack_frame.kind[row]!]!++
  }
  if (bottom !== task[cpu]) broken.push(`${at}: runs task ${task[cpu]}, its stacks lead to ${bottom}`)
  if (task[cpu] !== 0 && kind[task[cpu]!] !== STACK_TASK) broken.push(`${at}: stack ${task[cpu]} is no task's`)
  if (counts[FRAME_IRQ] !== hardirq[cpu]) broken.push(`${at}: hardirq ${hardirq[cpu]}, ${counts[FRAME_IRQ]} interrupts`)
  if (counts[FRAME_SOFTIRQ] !== softirq[cpu])
    broken.push(`${at}: softirq ${softirq[cpu]}, ${counts[FRAME_SOFTIRQ]} run`)
  const own: readonly (readonly [number, number])[] = [
    [hardirq_stack[cpu]!, STACK_HARDIRQ],
    [softirq_stack[cpu]!, STACK_SOFTIRQ],
  ]
  for (const [row, want] of own)
    if (row !== 0 && (kind[row] !== want || sys.kernel_stack.cpu[row] !== cpu))
      broken.push(`${at}: stack ${row} is not its`)
}
