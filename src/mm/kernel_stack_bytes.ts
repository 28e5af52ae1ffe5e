// The bytes of kernel stacks: a frame is written word by word into the frames of memory behind it, from its highest
// address down, and nobody looks whether they still are the stack's.
// Law: a frame's return address is a number of the function that called; every other word is a number of its own function,
// below 2^31, so that what was overwritten can be told from what belongs there.
import { type Address, address_add, address_of } from '../base/address.ts'
import {
  DAMAGE_WORDS,
  FRAME_IRQ,
  FRAME_IRQ_DONE,
  FUNCTION_LEN,
  get_text,
  HIT_LEN,
  OWNER_BOOT,
  OWNER_FREE,
  OWNER_PAGES,
  OWNER_SLAB,
  OWNER_STACK,
  put_text,
  STACK_CACHED,
  STACK_PAGES,
  STACK_TASK,
} from './kernel_stack_tables.ts'
import { text_number } from './kernel_text.ts'
import { PAGE_USED, PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { vmalloc_to_pfn } from './pgtable_map.ts'
import { read_u32, write_u32 } from './physmem.ts'

/** The word at the end of a task's stack. @kernel include/uapi/linux/magic.h:STACK_END_MAGIC */
export const STACK_END_MAGIC = 0x57ac6e9d

/** Bytes of a stack. @kernel arch/x86/include/asm/page_64_types.h:THREAD_SIZE, IRQ_STACK_SIZE */
export function stack_size(sys: Sys, stack: number): number {
  const { THREAD_SIZE_ORDER, IRQ_STACK_ORDER } = sys.kernel.stack
  const kind = sys.kernel_stack.kind[stack]!
  return (
    2 ** (sys.kernel.PAGE_SHIFT + (kind === STACK_TASK || kind === STACK_CACHED ? THREAD_SIZE_ORDER : IRQ_STACK_ORDER))
  )
}

/** Bytes of a word on the stack. @ours */
export const sizeof_long = (sys: Sys): number => sys.kernel.BITS_PER_LONG / 8

/** The virtual address of a position on a stack, which may lie outside. @ours */
export function stack_address(sys: Sys, stack: number, offset: number): Address {
  return address_add(address_of(sys.kernel_stack.page[stack]! * 2 ** sys.kernel.PAGE_SHIFT), offset)
}

/** The physical address of a position on a stack, also of one outside; -1 = nothing is mapped there. @ours */
export function stack_paddr(sys: Sys, stack: number, offset: number): number {
  const { pfn, vmapped, page } = sys.kernel_stack
  const bytes = 2 ** sys.kernel.PAGE_SHIFT
  const at = Math.floor(offset / bytes)
  const inside = offset >= 0 && offset < stack_size(sys, stack)
  if (inside) return pfn[STACK_PAGES * stack + at]! * bytes + (offset - at * bytes)
  const frame = vmapped[stack] === 1 ? vmalloc_to_pfn(sys, page[stack]! + at) : pfn[STACK_PAGES * stack]! + at
  return frame < 0 ? -1 : frame * bytes + (offset - at * bytes)
}

/** Writes a word; false = nothing is mapped there. @ours */
export function write_stack(sys: Sys, stack: number, offset: number, { hi, lo }: Address): boolean {
  const at = stack_paddr(sys, stack, offset)
  if (at < 0) return false
  write_u32(sys, at, lo)
  if (sys.kernel.BITS_PER_LONG === 64) write_u32(sys, at + 4, hi)
  return true
}

/** Reads a word. @ours */
export function read_stack(sys: Sys, stack: number, offset: number): Address {
  const at = stack_paddr(sys, stack, offset)
  if (at < 0) return { hi: 0, lo: 0 }
  return { hi: sys.kernel.BITS_PER_LONG === 64 ? read_u32(sys, at + 4) : 0, lo: read_u32(sys, at) }
}

/** Position of the word at the end of a task's stack. @kernel include/linux/sched/task_stack.h:end_of_stack */
export function end_of_stack(sys: Sys): number {
  return sys.kernel.stack.sizeof_thread_info
}

/** @kernel kernel/fork.c:set_task_stack_end_magic */
export function set_task_stack_end_magic(sys: Sys, stack: number): void {
  write_stack(sys, stack, end_of_stack(sys), { hi: 0, lo: STACK_END_MAGIC })
}

/** Whether the word at the end of a task's stack is lost. @kernel include/linux/sched/task_stack.h:task_stack_end_corrupted */
export function task_stack_end_corrupted(sys: Sys, stack: number): boolean {
  const { hi, lo } = read_stack(sys, stack, end_of_stack(sys))
  return hi !== 0 || lo !== STACK_END_MAGIC
}

/** Where the code of a function lies. @kernel arch/x86/kernel/vmlinux.lds.S:_text
 * @differs functions lie where the hash of their name says */
export function text_address(sys: Sys, name: string): Address {
  const { kernel_text } = sys.kernel.stack
  const base = address_of(kernel_text ?? sys.kernel.PAGE_OFFSET)
  return address_add(base, TEXT_OFFSET + (text_number(name) % TEXT_BYTES) * 16)
}

const TEXT_OFFSET = 0x1000000
const TEXT_BYTES = 0x40000

/** Whether the processor finds code of the kernel, or at least memory of its own, at an address. @ours */
export function is_kernel_address(sys: Sys, { hi, lo }: Address): boolean {
  const { hi: base_hi, lo: base_lo } = address_of(sys.kernel.PAGE_OFFSET)
  return hi > base_hi || (hi === base_hi && lo >= base_lo)
}

/** Where a call in a function returns to. @ours */
export const return_site = (sys: Sys, name: string): Address => address_add(text_address(sys, name), 10)

/** What a function's local variables hold. @ours */
export const locals_of = (name: string): number => text_number(name) & 0x7fffffff

/** Who stands behind a frame: the function that calls, or that was interrupted. @ours */
export function frame_name(sys: Sys, frame: number): string {
  return frame === 0 ? 'entry' : get_text(sys.stack_frame.name, frame, FUNCTION_LEN)
}

/** Writes a frame of `size` bytes, whose lowest byte is at `sp`: words of `name`, and `back` at `back_at`. The position of
 * the word that nothing was mapped for; null = all were written. @ours */
export function write_frame(
  sys: Sys,
  stack: number,
  sp: number,
  size: number,
  name: string,
  back: Address,
  back_at: number,
): number | null {
  const fill = locals_of(name)
  const step = sizeof_long(sys)
  const locals = { hi: fill, lo: fill }
  for (let at = sp + size - step; at >= sp; at -= step)
    if (!write_stack(sys, stack, at, at - sp === back_at ? back : locals)) return at
  return null
}

/** Bytes at the bottom that are not for frames: thread_info, and the word behind it. @ours */
export function stack_floor(sys: Sys, stack: number): number {
  const { sizeof_thread_info, saves_sp_at } = sys.kernel.stack
  if (sys.kernel_stack.kind[stack] === STACK_TASK) return sizeof_thread_info + sizeof_long(sys)
  return sizeof_thread_info > 0 ? sizeof_thread_info : saves_sp_at === 'bottom' ? sizeof_long(sys) : 0
}

/** Where a task's first frame ends: below the registers of user space. @kernel arch/x86/include/asm/processor.h:task_pt_regs */
export function task_top(sys: Sys, stack: number): number {
  const { user_regs, TOP_OF_KERNEL_STACK_PADDING } = sys.kernel.stack
  return stack_size(sys, stack) - TOP_OF_KERNEL_STACK_PADDING - user_regs
}

/** What lies at a position of a stack. @ours */
export function stack_part(sys: Sys, stack: number, offset: number): string {
  const { sizeof_thread_info, saves_sp_at } = sys.kernel.stack
  const task = sys.kernel_stack.kind[stack] === STACK_TASK
  if (offset < sizeof_thread_info) return 'thread_info'
  if (offset < stack_floor(sys, stack)) return task ? 'STACK_END_MAGIC' : 'saved stack pointer'
  if (task && offset >= task_top(sys, stack)) return 'registers of user space'
  const { sp, size, prev, kind } = sys.stack_frame
  for (let frame = sys.kernel_stack.frame[stack]!; frame !== 0; frame = prev[frame]!) {
    if (offset < sp[frame]! || offset >= sp[frame]! + size[frame]!) continue
    const saved = kind[frame] === FRAME_IRQ || kind[frame] === FRAME_IRQ_DONE
    return saved ? `registers of ${frame_name(sys, prev[frame]!)}` : frame_name(sys, frame)
  }
  return !task && saves_sp_at === 'top' && offset >= sys.kernel_stack.sp[stack]! ? 'saved stack pointer' : 'unused part'
}

/** Notes what a frame is about to overwrite below its stack's floor, a row for each page. @ours */
export function note_damage(sys: Sys, stack: number, sp: number, size: number, name: string): void {
  const page = 2 ** sys.kernel.PAGE_SHIFT
  let end = Math.min(sp + size, stack_floor(sys, stack))
  while (end > sp) {
    const start = Math.max(sp, Math.floor((end - 1) / page) * page)
    const paddr = stack_paddr(sys, stack, start)
    if (paddr < 0) return
    add_damage(sys, stack, name, paddr, end - start)
    end = start
  }
}

function add_damage(sys: Sys, stack: number, name: string, paddr: number, length: number): void {
  const { stack_damage: table, stack_state } = sys
  const row = stack_state.damages[0]! % table.stack.length
  stack_state.damages[0] = stack_state.damages[0]! + 1
  const pfn = Math.floor(paddr / 2 ** sys.kernel.PAGE_SHIFT)
  const offset = paddr - pfn * 2 ** sys.kernel.PAGE_SHIFT
  const [victim, at] = stack_of_frame(sys, pfn)
  table.stack[row] = stack
  table.pfn[row] = pfn
  table.offset[row] = offset
  table.length[row] = length
  for (let word = 0; word < DAMAGE_WORDS; word++) {
    const at = length - 4 * (DAMAGE_WORDS - word)
    table.was[DAMAGE_WORDS * row + word] = at < 0 ? 0 : read_u32(sys, paddr + at)
  }
  table.owner[row] = victim === 0 ? frame_owner(sys, pfn) : OWNER_STACK
  table.victim[row] = victim
  put_text(table.name, row, FUNCTION_LEN, name)
  put_text(table.hit, row, HIT_LEN, victim === 0 ? '' : hit_parts(sys, victim, at + offset, length))
}

/** What of a stack lies in a range: both ends of it. */
function hit_parts(sys: Sys, stack: number, offset: number, length: number): string {
  const [low, high] = [stack_part(sys, stack, offset), stack_part(sys, stack, offset + length - 1)]
  return low === high ? low : `${high}, ${low}`
}

/** The stack that has a frame of memory, 0 = none, and the position of the frame's first byte on it. @ours */
export function stack_of_frame(sys: Sys, pfn: number): readonly [stack: number, offset: number] {
  const { kind, pfn: frames } = sys.kernel_stack
  const { used_stacks } = sys.stack_state
  for (let stack = 1; stack <= used_stacks[0]!; stack++) {
    if (kind[stack] === 0) continue
    const pages = stack_size(sys, stack) / 2 ** sys.kernel.PAGE_SHIFT
    for (let at = 0; at < pages; at++)
      if (frames[STACK_PAGES * stack + at] === pfn) return [stack, at * 2 ** sys.kernel.PAGE_SHIFT]
  }
  return [0, 0]
}

/** Whose a frame is that is no stack's. */
function frame_owner(sys: Sys, pfn: number): number {
  const { state, flags } = sys.page
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const head = pfn & -(1 << order)
    const value = state[head]!
    if (value === 0 || (value & 0x1f) <= order) continue
    if ((value & PAGE_USED) === 0) return OWNER_FREE
    return (flags[head]! & PG.slab) !== 0 ? OWNER_SLAB : OWNER_PAGES
  }
  return OWNER_BOOT
}
