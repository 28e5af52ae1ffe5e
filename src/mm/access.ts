// What the processor does with an address of the process that runs: it walks the tables, looks whether the entry allows the
// access, notes in it that the page was used and written, and else raises a page fault, which the kernel resolves or
// answers with a signal. There is no TLB: each access walks. Laws: an access that returns 0 has its entry present with
// ACCESSED set, and DIRTY after a write; a signal is noted in the task with code, address and error code.
import { handle_mm_fault } from './memory.ts'
import { get_current } from './mm_counter.ts'
import type { Sys } from './mmzone.ts'
import { page_walk } from './page_walk.ts'
import { expand_stack } from './stack_growth.ts'
import * as F from './vm_flags.ts'
import { find_vma } from './vma.ts'

export const ACCESS_READ = 0
export const ACCESS_WRITE = 1
export const ACCESS_EXEC = 2

const ALLOWED: number = F.FAULT_FLAG_USER | F.FAULT_FLAG_ALLOW_RETRY

/** One access to a page (`kind` ACCESS_*): 0, or the signal that the task got. @ours */
export function access(sys: Sys, page: number, kind: number): number {
  const task = get_current(sys)
  const mm = sys.task.mm[task]!
  for (;;) {
    const missing = page_walk(sys)(sys.mm.pgd[mm]! - 1, page, kind)
    if (missing === 0) return 0
    const signal = do_user_addr_fault(sys, task, mm, page, missing - 1)
    if (signal !== 0) return signal
  }
}

/** Accesses of the running task: `offsets` pages above `base`, a byte of `kinds` each (null = all of `kind`). Stops at a
 * signal and returns how many accesses were made. @ours */
export function access_loop(
  sys: Sys,
  base: number,
  offsets: Int32Array,
  kinds: Uint8Array | null,
  kind: number,
  from: number,
  to: number,
): number {
  const task = get_current(sys)
  const mm = sys.task.mm[task]!
  const walk = page_walk(sys)
  const pgd = sys.mm.pgd[mm]! - 1
  for (let i = from; i < to; i++) {
    const page = base + offsets[i]!
    const how = kinds === null ? kind : kinds[i]!
    let missing = walk(pgd, page, how)
    while (missing !== 0) {
      if (do_user_addr_fault(sys, task, mm, page, missing - 1) !== 0) return i - from
      missing = walk(pgd, page, how)
    }
  }
  return to - from
}

/** Resolves a fault of a user's access: 0, or the signal. @kernel arch/x86/mm/fault.c:do_user_addr_fault */
export function do_user_addr_fault(sys: Sys, task: number, mm: number, page: number, code: number): number {
  const { start, end, flags } = sys.vma
  let fault_flags = ALLOWED
  if ((code & F.X86_PF_WRITE) !== 0) fault_flags |= F.FAULT_FLAG_WRITE
  if ((code & F.X86_PF_INSTR) !== 0) fault_flags |= F.FAULT_FLAG_INSTRUCTION
  for (;;) {
    const vma = mm === 0 ? 0 : find_vma(sys, mm, page)
    if (vma === 0 || page >= end[vma]!) return bad_area(sys, task, page, code, F.SEGV_MAPERR)
    if (page < start[vma]!) {
      const grows = (flags[vma]! & F.VM_GROWSDOWN) !== 0 && expand_stack(sys, vma, page) === 0
      if (!grows) return bad_area(sys, task, page, code, F.SEGV_MAPERR)
    }
    if (access_error(flags[vma]!, code)) return bad_area(sys, task, page, code, F.SEGV_ACCERR)
    const ret = handle_mm_fault(sys, vma, page, fault_flags)
    if ((ret & F.VM_FAULT_ERROR) !== 0) return mm_fault_error(sys, task, page, code, ret)
    if ((ret & F.VM_FAULT_RETRY) === 0) return sys.task.signal[task] === F.SIGKILL ? F.SIGKILL : 0
    fault_flags |= F.FAULT_FLAG_TRIED
  }
}

/** Whether an area forbids the access. @kernel arch/x86/mm/fault.c:access_error */
function access_error(vm_flags: number, code: number): boolean {
  if ((code & F.X86_PF_WRITE) !== 0) return (vm_flags & F.VM_WRITE) === 0
  // A read of a page that is there is forbidden by something else than the area.
  if ((code & F.X86_PF_PROT) !== 0) return true
  return (vm_flags & (F.VM_READ | F.VM_EXEC | F.VM_WRITE)) === 0
}

/** @kernel arch/x86/mm/fault.c:__bad_area */
function bad_area(sys: Sys, task: number, page: number, code: number, si_code: number): number {
  return force_sig(sys, task, F.SIGSEGV, si_code, page, code)
}

function force_sig(sys: Sys, task: number, signal: number, si_code: number, page: number, code: number): number {
  // Who is killed already is not told anything else.
  if (sys.task.signal[task] === F.SIGKILL) return F.SIGKILL
  sys.task.signal[task] = signal
  sys.task.si_code[task] = si_code
  sys.task.si_addr[task] = page * sys.page_bytes
  sys.task.error_code[task] = code
  return signal
}

/** What a fault that failed means for the task. @kernel arch/x86/mm/fault.c:do_user_addr_fault */
function mm_fault_error(sys: Sys, task: number, page: number, code: number, ret: number): number {
  if ((ret & F.VM_FAULT_OOM) !== 0) {
    // The killer chooses; who is not chosen tries again. After a panic nobody runs any more.
    if (sys.seams.oom && sys.stack_state.panic[0] === 0) sys.seams.oom.pagefault_out_of_memory(sys)
    else sys.task.signal[task] = F.SIGKILL
    return sys.task.signal[task] === F.SIGKILL ? F.SIGKILL : 0
  }
  if ((ret & (F.VM_FAULT_SIGBUS | F.VM_FAULT_HWPOISON)) !== 0)
    return force_sig(sys, task, F.SIGBUS, F.BUS_ADRERR, page, code)
  return bad_area(sys, task, page, code, F.SEGV_MAPERR)
}
