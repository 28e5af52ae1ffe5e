// Processes: made, copied, given a new program, ended. A fork copies the entries of areas that have own pages and forbids
// writes to both sides; what can be found again by a fault (files, shared memory) is left to faults.
import { anon_vma_fork } from './anon_vma.ts'
import { get_file } from './files.ts'
import { copy_page_range } from './fork_copy.ts'
import { put_text } from './kernel_stack_tables.ts'
import { khugepaged_enter_vma, khugepaged_exit } from './khugepaged_list.ts'
import { free_pgtables, unmap_page_range } from './memory_zap.ts'
import { get_current, sync_mm_rss } from './mm_counter.ts'
import { remove_vma } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { __vm_enough_memory } from './overcommit.ts'
import { KERNEL_PGD_BOUNDARY, pgd_alloc } from './pgd.ts'
import { entry_at, entry_pfn, free_table } from './pgtable.ts'
import * as F from './vm_flags.ts'
import { lru_add_drain } from './vm_lru.ts'
import { put_vm_row, take_vm_row } from './vm_rows.ts'
import { COMM_LEN, ROWS_MM, ROWS_TASK } from './vm_tables.ts'
import { accountable, vm_area_dup, vma_link } from './vma.ts'
import { mm_put_huge_zero_page } from './zero_page.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** A task with the limits that boot gives, and no address space. @kernel kernel/fork.c:copy_process */
export function task_alloc(sys: Sys, comm: string): number {
  const task = take_vm_row(sys, ROWS_TASK, sys.task.next)
  sys.vm_state.last_pid[0]! += 1
  sys.task.pid[task] = sys.task.tgid[task] = sys.vm_state.last_pid[0]!
  sys.task.state[task] = F.TASK_RUNNING
  sys.task.rlim.fill(Infinity, 8 * task, 8 * task + 8)
  sys.task.rlim[8 * task + F.RLIMIT_STACK] = 8 * MiB
  sys.task.rlim[8 * task + F.RLIMIT_MEMLOCK] = 8 * MiB
  put_text(sys.task.comm, task, COMM_LEN, comm)
  return task
}

/** First page that no user's address reaches. @kernel arch/x86/include/asm/page_64_types.h:TASK_SIZE_MAX */
export function task_size_pages(sys: Sys): number {
  const { kernel } = sys
  // A process uses the fifth level only where it asks for it: addresses stay below 2^47.
  if (kernel.BITS_PER_LONG === 64) return 2 ** 35 - 1
  return kernel.PAGE_OFFSET / sys.page_bytes
}

/** An empty address space; 0 = no memory. @kernel kernel/fork.c:mm_init */
export function mm_alloc(sys: Sys, owner: number): number {
  const pgd = pgd_alloc(sys)
  if (pgd < 0) return 0
  const mm = take_vm_row(sys, ROWS_MM, sys.mm.next)
  sys.mm.pgd[mm] = pgd + 1
  sys.mm.users[mm] = 1
  sys.mm.owner[mm] = owner
  sys.mm.task_size[mm] = task_size_pages(sys)
  sys.mm.mmap_base[mm] = mmap_base(sys, owner)
  if (is_pae(sys)) sys.mm.pgtables_bytes[mm] = KERNEL_PGD_BOUNDARY(sys) * sys.page_bytes
  return mm
}

const is_pae = (sys: Sys): boolean => sys.kernel.arch === 'i386' && sys.kernel.pgtable.levels.length === 3

/** Mappings are placed below the room that the stack may grow into. @kernel arch/x86/mm/mmap.c:mmap_base */
function mmap_base(sys: Sys, owner: number): number {
  const size = task_size_pages(sys)
  const limit = owner === 0 ? 8 * MiB : sys.task.rlim[8 * owner + F.RLIMIT_STACK]!
  const gap = Math.min(Math.max(limit + MiB, 128 * MiB), Math.floor((size * sys.page_bytes) / 6) * 5)
  return Math.ceil((size * sys.page_bytes - gap) / sys.page_bytes)
}

/** The running task's child: its row, or a negated errno. @kernel kernel/fork.c:kernel_clone */
export function fork(sys: Sys, parent: number): number {
  const old = sys.task.mm[parent]!
  const child = task_alloc(sys, '')
  const { comm, rlim, oom_score_adj, policy, il_prev, flags } = sys.task
  comm.copyWithin(COMM_LEN * child, COMM_LEN * parent, COMM_LEN * (parent + 1))
  rlim.copyWithin(8 * child, 8 * parent, 8 * parent + 8)
  oom_score_adj[child] = oom_score_adj[parent]!
  policy[child] = policy[parent]!
  sys.task.memcg[child] = sys.task.memcg[parent]!
  il_prev[child] = il_prev[parent]!
  flags[child] = flags[parent]! | F.PF_FORKNOEXEC
  sys.task.parent[child] = parent
  const mm = old === 0 ? 0 : dup_mm(sys, child, old)
  if (mm < 0) {
    put_vm_row(sys, ROWS_TASK, sys.task, sys.task.next, child)
    return mm
  }
  sys.task.mm[child] = mm
  return child
}

/** A copy of an address space; a negated errno where there is no memory. @kernel kernel/fork.c:dup_mm */
function dup_mm(sys: Sys, owner: number, old: number): number {
  const mm = mm_alloc(sys, owner)
  if (mm === 0) return -F.ENOMEM
  copy_layout(sys, mm, old)
  for (let vma = sys.mm.mmap[old]!; vma !== 0; vma = sys.vma.next[vma]!) {
    if (dup_vma(sys, mm, old, vma)) continue
    mmput(sys, mm)
    return -F.ENOMEM
  }
  return mm
}

function copy_layout(sys: Sys, mm: number, old: number): void {
  const { mmap_base, start_brk, brk, start_code, end_code, start_data, end_data, start_stack } = sys.mm
  const { arg_start, arg_end, total_vm, data_vm, exec_vm, stack_vm } = sys.mm
  for (const column of [mmap_base, start_brk, brk, start_code, end_code, start_data, end_data, start_stack])
    column[mm] = column[old]!
  for (const column of [arg_start, arg_end, total_vm, data_vm, exec_vm, stack_vm]) column[mm] = column[old]!
  // Memory that is locked stays so only with whom locked it.
  sys.mm.hiwater_vm[mm] = total_vm[mm]!
  sys.mm.flags[mm] = sys.mm.flags[old]! & F.MMF_DISABLE_THP
}

/** Copies an area and what it maps. @kernel kernel/fork.c:dup_mmap */
function dup_vma(sys: Sys, mm: number, old: number, vma: number): boolean {
  const flags = sys.vma.flags[vma]!
  const pages = sys.vma.end[vma]! - sys.vma.start[vma]!
  if ((flags & F.VM_DONTCOPY) !== 0) {
    sys.mm.total_vm[mm]! -= pages
    if ((flags & (F.VM_WRITE | F.VM_SHARED | F.VM_GROWSDOWN)) === F.VM_WRITE) sys.mm.data_vm[mm]! -= pages
    return true
  }
  if (accountable(flags) && __vm_enough_memory(sys, old, pages) !== 0) return undo_totals(sys, mm)
  const copy = vm_area_dup(sys, vma, mm)
  sys.vma.huge_used[copy] = (flags & F.VM_HUGETLB) !== 0 ? pages / 2 ** sys.kernel.huge_order : 0
  if ((flags & F.VM_WIPEONFORK) !== 0) sys.vma.anon_vma[copy] = 0
  else anon_vma_fork(sys, copy, vma)
  sys.vma.flags[copy] = (sys.vma.flags[copy]! & ~(F.VM_LOCKED | F.VM_LOCKONFAULT)) >>> 0
  if (sys.vma.file[copy] !== 0) get_file(sys, sys.vma.file[copy]!)
  vma_link(sys, mm, copy)
  if ((flags & F.VM_HUGEPAGE) !== 0) khugepaged_enter_vma(sys, copy)
  if ((flags & F.VM_WIPEONFORK) !== 0) return true
  return copy_page_range(sys, copy, vma) || undo_totals(sys, mm)
}

/** Areas that were not copied do not count. */
function undo_totals(sys: Sys, mm: number): false {
  let [total, data, exec, stack] = [0, 0, 0, 0]
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = sys.vma.next[vma]!) {
    const pages = sys.vma.end[vma]! - sys.vma.start[vma]!
    const flags = sys.vma.flags[vma]!
    total += pages
    if ((flags & (F.VM_EXEC | F.VM_WRITE | F.VM_GROWSDOWN)) === F.VM_EXEC) exec += pages
    else if ((flags & F.VM_GROWSDOWN) !== 0) stack += pages
    else if ((flags & (F.VM_WRITE | F.VM_SHARED)) === F.VM_WRITE) data += pages
  }
  sys.mm.total_vm[mm] = total
  sys.mm.data_vm[mm] = data
  sys.mm.exec_vm[mm] = exec
  sys.mm.stack_vm[mm] = stack
  return false
}

/** One user less of an address space. @kernel kernel/fork.c:mmput */
export function mmput(sys: Sys, mm: number): void {
  sys.mm.users[mm]! -= 1
  if (sys.mm.users[mm] !== 0) return
  khugepaged_exit(sys, mm)
  exit_mmap(sys, mm)
  mm_put_huge_zero_page(sys, mm)
  free_pgd(sys, mm)
  put_vm_row(sys, ROWS_MM, sys.mm, sys.mm.next, mm)
}

/** Unmaps everything. @kernel mm/mmap.c:exit_mmap */
export function exit_mmap(sys: Sys, mm: number): void {
  const { start, end, next } = sys.vma
  const areas: number[] = []
  for (let vma = sys.mm.mmap[mm]!; vma !== 0; vma = next[vma]!) areas.push(vma)
  if (areas.length === 0) return
  lru_add_drain(sys)
  for (const vma of areas) unmap_page_range(sys, vma, start[vma]!, end[vma]!)
  const ranges = areas.map(vma => [start[vma]!, end[vma]!] as const)
  free_pgtables(sys, mm, ranges, 0, Infinity)
  for (const vma of areas) remove_vma(sys, mm, vma)
}

/** The top table, and what PAE keeps below it. @kernel arch/x86/mm/pgtable.c:pgd_free */
function free_pgd(sys: Sys, mm: number): void {
  const pgd = sys.mm.pgd[mm]! - 1
  if (is_pae(sys)) {
    const first = entry_at(sys, pgd, 0, 0)
    for (let i = 0; i < KERNEL_PGD_BOUNDARY(sys); i++) free_table(sys, entry_pfn(sys, first + 2 * i))
  }
  free_table(sys, pgd)
}

/** A task ends: its memory goes, it waits to be asked for. @kernel kernel/exit.c:do_exit */
export function do_exit(sys: Sys, task: number, code: number): void {
  const mm = sys.task.mm[task]!
  sys.task.flags[task]! |= F.PF_EXITING
  sys.task.exit_code[task] = code
  if (mm !== 0) {
    const before = get_current(sys)
    if (before === task) sync_mm_rss(sys, mm)
    sys.task.mm[task] = 0
    if (sys.mm.owner[mm] === task) sys.mm.owner[mm] = other_task(sys, mm)
    mmput(sys, mm)
  }
  sys.task.state[task] = F.TASK_ZOMBIE
}

function other_task(sys: Sys, mm: number): number {
  return sys.task.mm.indexOf(mm, 1) === -1 ? 0 : sys.task.mm.indexOf(mm, 1)
}

/** Somebody asks for a task that has ended: its row is free. Returns its exit code. @kernel kernel/exit.c:release_task */
export function release_task(sys: Sys, task: number): number {
  const code = sys.task.exit_code[task]!
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) if (sys.vm_cpu.current[cpu] === task) sys.vm_cpu.current[cpu] = 0
  for (let child = 1; child < sys.task.parent.length; child++)
    if (sys.task.parent[child] === task) sys.task.parent[child] = 0
  put_vm_row(sys, ROWS_TASK, sys.task, sys.task.next, task)
  return code
}

/** The task that runs on this CPU from now on; 0 = none. @kernel kernel/sched/core.c:context_switch */
export function switch_to(sys: Sys, task: number): void {
  sys.vm_cpu.current[sys.machine.this_cpu[0]!] = task
}
