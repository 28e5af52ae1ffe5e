// Kernel stacks from birth to death: each task has one, each CPU may have one for interrupts and one for softirqs. Where
// they lie and how large they are is the kernel's choice (`kernel.stack`): contiguous frames of the direct map, whose
// neighbour is whoever the page allocator put there, or the vmalloc area, where the neighbour is a guard page.
// Law: a task's stack begins with thread_info (where that is not in the task) and the word STACK_END_MAGIC at its lowest
// addresses, and with the registers of user space at its highest.
// @differs interrupt stacks are made with the first task, not at boot, and come from the page allocator, not from the
// kernel's image or the per-CPU areas; 2.6 has no STACK_END_MAGIC before 2.6.29; freed stacks wait for no RCU.
import { __GFP_ACCOUNT, __GFP_ZERO, GFP_KERNEL, GFP_KERNEL_ACCOUNT } from './gfp.ts'
import {
  end_of_stack,
  locals_of,
  read_stack,
  set_task_stack_end_magic,
  sizeof_long,
  stack_paddr,
  stack_size,
  task_stack_end_corrupted,
  task_top,
  write_stack,
} from './kernel_stack_bytes.ts'
import { comm_of, oops, panic, stack_name } from './kernel_stack_report.ts'
import {
  NR_CACHED_STACKS,
  put_frame,
  put_stack,
  put_text,
  require_stack_row,
  STACK_CACHED,
  STACK_HARDIRQ,
  STACK_PAGES,
  STACK_SOFTIRQ,
  STACK_TASK,
  TASK_COMM_LEN,
  take_stack,
} from './kernel_stack_tables.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_pages_node } from './page_alloc/alloc_pages.ts'
import { memset, release_frame_bytes } from './physmem.ts'
import { page_to_nid } from './slab_account.ts'
import { find_vm_area, vm_area_pages } from './vm_struct.ts'
import { __vmalloc_node_range, split_page, vfree, vmap } from './vmalloc.ts'
import { VM_MAP } from './vmalloc_types.ts'
import { NODE_STAT_ITEMS } from './vmstat_item.ts'

/** Makes a task with its stack; the stack's row, 0 = no memory. `nid` -1 = the running CPU's node. Throws a RangeError
 * where the kernel has vmapped stacks and the machine has no vmalloc area. @kernel kernel/fork.c:dup_task_struct */
export function kernel_stack_alloc(sys: Sys, comm: string, nid = -1): number {
  if (sys.kernel.config.VMAP_STACK && sys.vmalloc.end[0] === 0)
    throw new RangeError(`stacks of ${sys.kernel.name} lie in the vmalloc area: set up the address space first`)
  if (!irq_stacks_init(sys)) return 0
  const stack = alloc_thread_stack_node(sys, nid)
  if (stack === 0) return 0
  const { kernel_stack, stack_state } = sys
  kernel_stack.kind[stack] = STACK_TASK
  kernel_stack.pid[stack] = stack_state.last_pid[0]! += 1
  put_text(kernel_stack.comm, stack, TASK_COMM_LEN, comm)
  kernel_stack.sp[stack] = kernel_stack.lowest[stack] = task_top(sys, stack)
  set_task_stack_end_magic(sys, stack)
  setup_thread_stack(sys, stack)
  account_kernel_stack(sys, stack, 1)
  return stack
}

/** Counts the stack of a task, in KiB, on the nodes of its frames. @kernel kernel/fork.c:account_kernel_stack
 * @differs one counter for all CPUs */
function account_kernel_stack(sys: Sys, stack: number, account: 1 | -1): void {
  const bytes = 2 ** sys.kernel.PAGE_SHIFT
  for (let at = 0; at < stack_size(sys, stack) / bytes; at++) {
    const node = page_to_nid(sys, sys.kernel_stack.pfn[STACK_PAGES * stack + at]!)
    sys.node_stat.vm_stat[node * NODE_STAT_ITEMS.length + NR_KERNEL_STACK_KB]! += (account * bytes) / 1024
  }
}

const NR_KERNEL_STACK_KB = NODE_STAT_ITEMS.indexOf('nr_kernel_stack')

/** thread_info at the bottom, registers of user space at the top. @kernel include/linux/sched/task_stack.h:setup_thread_stack
 * @differs a task_struct is not modelled: the pointer to it is the task's number */
function setup_thread_stack(sys: Sys, stack: number): void {
  const { sizeof_thread_info, thread_info_task, user_regs } = sys.kernel.stack
  const number = sys.kernel_stack.pid[stack]!
  if (sizeof_thread_info > 0) write_stack(sys, stack, thread_info_task, { hi: 0, lo: number })
  const value = locals_of('user space')
  const top = task_top(sys, stack)
  const step = sizeof_long(sys)
  for (let at = top; at < top + user_regs; at += step) write_stack(sys, stack, at, { hi: value, lo: value })
}

/** A stack that this CPU kept, else a new one; 0 = no memory. @kernel kernel/fork.c:alloc_thread_stack_node */
function alloc_thread_stack_node(sys: Sys, nid: number): number {
  const { THREAD_SIZE_ORDER } = sys.kernel.stack
  const cached = sys.kernel.config.VMAP_STACK ? take_cached_stack(sys) : 0
  if (cached !== 0) return cached
  require_stack_row(sys)
  if (!sys.kernel.config.VMAP_STACK) return alloc_contiguous(sys, nid, STACK_TASK, THREAD_SIZE_ORDER)
  const size = 2 ** (sys.kernel.PAGE_SHIFT + THREAD_SIZE_ORDER)
  const gfp = thread_gfp(sys) & ~__GFP_ACCOUNT
  const page = __vmalloc_node_range(sys, size, { align: size, gfp, caller: 'kernel_clone' })
  return page === 0 ? 0 : vmapped_stack(sys, STACK_TASK, page, vm_area_pages(sys, find_vm_area(sys, page)))
}

/** @kernel include/linux/thread_info.h:THREADINFO_GFP */
function thread_gfp(sys: Sys): number {
  return sys.kernel.config.THREAD_INFO_IN_TASK ? GFP_KERNEL_ACCOUNT | __GFP_ZERO : GFP_KERNEL
}

function vmapped_stack(sys: Sys, kind: number, page: number, pfns: readonly number[]): number {
  const stack = new_stack(sys, kind, page, pfns)
  sys.kernel_stack.vmapped[stack] = 1
  return stack
}

function new_stack(sys: Sys, kind: number, page: number, pfns: readonly number[]): number {
  const stack = take_stack(sys)
  sys.kernel_stack.kind[stack] = kind
  sys.kernel_stack.next[stack] = 0
  sys.kernel_stack.page[stack] = page
  for (const [at, pfn] of pfns.entries()) sys.kernel_stack.pfn[STACK_PAGES * stack + at] = pfn
  return stack
}

/** Frames behind each other in the direct map. */
function alloc_contiguous(sys: Sys, nid: number, kind: number, order: number): number {
  const gfp = thread_gfp(sys)
  const first = alloc_pages_node(sys, nid, gfp, order)
  if (first < 0) return 0
  const pfns = Array.from({ length: 2 ** order }, (_, at) => first + at)
  if ((gfp & __GFP_ZERO) !== 0) for (const pfn of pfns) release_frame_bytes(sys, pfn)
  return new_stack(sys, kind, sys.kernel.PAGE_OFFSET / 2 ** sys.kernel.PAGE_SHIFT + first, pfns)
}

/** A stack that this CPU kept, emptied; 0 = it has none. */
function take_cached_stack(sys: Sys): number {
  const { cached } = sys.stack_cpu
  const first = NR_CACHED_STACKS * sys.machine.this_cpu[0]!
  for (let at = first; at < first + NR_CACHED_STACKS; at++) {
    const stack = cached[at]!
    if (stack === 0) continue
    cached[at] = 0
    for (let page = 0; page < stack_size(sys, stack); page += 2 ** sys.kernel.PAGE_SHIFT)
      memset(sys, stack_paddr(sys, stack, page), 0, 2 ** sys.kernel.PAGE_SHIFT)
    return stack
  }
  return 0
}

/** Every CPU's own stacks; false = no memory. @kernel arch/x86/kernel/irq_64.c:irq_init_percpu_irqstack */
function irq_stacks_init(sys: Sys): boolean {
  const { IRQ_STACK_ORDER, softirq_stack: own } = sys.kernel.stack
  const { hardirq_stack, softirq_stack } = sys.stack_cpu
  if (IRQ_STACK_ORDER < 0) return true
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) {
    if (hardirq_stack[cpu] === 0) hardirq_stack[cpu] = irq_stack(sys, cpu, STACK_HARDIRQ)
    if (own && softirq_stack[cpu] === 0) softirq_stack[cpu] = irq_stack(sys, cpu, STACK_SOFTIRQ)
    if (hardirq_stack[cpu] === 0 || (own && softirq_stack[cpu] === 0)) return false
  }
  return true
}

function irq_stack(sys: Sys, cpu: number, kind: number): number {
  const { IRQ_STACK_ORDER, irq_stack_vmapped } = sys.kernel.stack
  const node = sys.cpu.node[cpu]!
  const stack = irq_stack_vmapped ? map_irq_stack(sys, node, kind) : alloc_contiguous(sys, node, kind, IRQ_STACK_ORDER)
  if (stack === 0) return 0
  sys.kernel_stack.cpu[stack] = cpu
  sys.kernel_stack.sp[stack] = sys.kernel_stack.lowest[stack] = stack_size(sys, stack)
  return stack
}

/** @kernel arch/x86/kernel/irq_64.c:map_irq_stack */
function map_irq_stack(sys: Sys, node: number, kind: number): number {
  const order = sys.kernel.stack.IRQ_STACK_ORDER
  const first = alloc_pages_node(sys, node, GFP_KERNEL, order)
  if (first < 0) return 0
  split_page(sys, first, order)
  const pfns = Array.from({ length: 2 ** order }, (_, at) => first + at)
  for (const pfn of pfns) release_frame_bytes(sys, pfn)
  const page = vmap(sys, pfns, VM_MAP, sys.kernel.pgtable.PAGE_KERNEL, 'irq_init_percpu_irqstack')
  if (page !== 0) return vmapped_stack(sys, kind, page, pfns)
  for (const pfn of pfns) __free_pages(sys, pfn, 0)
  return 0
}

/** Ends a task: its stack is kept by this CPU for the next one, or freed. Throws a RangeError for a stack that is no
 * task's, and for one that runs. @kernel kernel/fork.c:free_thread_stack */
export function kernel_stack_free(sys: Sys, stack: number): void {
  require_task(sys, stack)
  const { kernel_stack, stack_cpu, stack_frame } = sys
  if (stack_cpu.task.includes(stack)) throw new RangeError(`${stack_name(sys, stack)} runs: its stack is in use`)
  account_kernel_stack(sys, stack, -1)
  for (let frame = kernel_stack.frame[stack]!; frame !== 0; ) {
    const before = stack_frame.prev[frame]!
    put_frame(sys, frame)
    frame = before
  }
  if (kernel_stack.vmapped[stack] === 0) {
    __free_pages(sys, kernel_stack.pfn[STACK_PAGES * stack]!, sys.kernel.stack.THREAD_SIZE_ORDER)
    put_stack(sys, stack)
  } else if (!try_release_thread_stack_to_cache(sys, stack)) {
    vfree(sys, kernel_stack.page[stack]!)
    put_stack(sys, stack)
  }
}

/** @kernel kernel/fork.c:try_release_thread_stack_to_cache */
function try_release_thread_stack_to_cache(sys: Sys, stack: number): boolean {
  const { cached } = sys.stack_cpu
  const first = NR_CACHED_STACKS * sys.machine.this_cpu[0]!
  for (let at = first; at < first + NR_CACHED_STACKS; at++) {
    if (cached[at] !== 0) continue
    const { kind, killed, pid, sp, lowest, frame, depth, comm } = sys.kernel_stack
    for (const column of [killed, pid, sp, lowest, frame, depth]) column[stack] = 0
    comm.fill(0, TASK_COMM_LEN * stack, TASK_COMM_LEN * (stack + 1))
    kind[stack] = STACK_CACHED
    cached[at] = stack
    return true
  }
  return false
}

function require_task(sys: Sys, stack: number): void {
  if (sys.kernel_stack.kind[stack] !== STACK_TASK) throw new RangeError(`stack ${stack} belongs to no task`)
}

/** Switches the running CPU to the task of a stack, 0 = to the idle task; false = that is refused, or ends in a report.
 * Throws a RangeError for a task that cannot run. @kernel kernel/sched/core.c:__schedule
 * @differs a call in an interrupt is reported as the kernel reports it, but does not switch */
export function schedule(sys: Sys, next: number): boolean {
  const { task, stack, hardirq, softirq, lost } = sys.stack_cpu
  const cpu = sys.machine.this_cpu[0]!
  if (next !== 0) require_runnable(sys, next)
  if (sys.stack_state.panic[0] === 1 || lost[cpu] === 1) return false
  const count = hardirq[cpu]! * 2 ** 16 + softirq[cpu]! * 2 ** 8
  if (count > 0) {
    const digits = count.toString(16).padStart(8, '0')
    const prev = task[cpu]!
    sys.printk?.(`BUG: scheduling while atomic: ${comm_of(sys, prev)}/${sys.kernel_stack.pid[prev]}/0x${digits}`)
    return false
  }
  if (task[cpu] !== 0 && !schedule_debug(sys, task[cpu]!)) return false
  task[cpu] = stack[cpu] = next
  return true
}

function require_runnable(sys: Sys, stack: number): void {
  require_task(sys, stack)
  if (sys.kernel_stack.killed[stack] === 1) throw new RangeError(`${stack_name(sys, stack)} was killed`)
  const cpu = sys.stack_cpu.task.indexOf(stack)
  if (cpu >= 0 && cpu !== sys.machine.this_cpu[0])
    throw new RangeError(`${stack_name(sys, stack)} runs on CPU ${cpu} already`)
}

/** What the scheduler notices of the stack of the task that it leaves. A kernel with thread_info on the stack finds the
 * task through it, and faults where the pointer is lost. @kernel kernel/sched/core.c:schedule_debug */
function schedule_debug(sys: Sys, prev: number): boolean {
  const { sizeof_thread_info, thread_info_task } = sys.kernel.stack
  if (sys.kernel.config.SCHED_STACK_END_CHECK && task_stack_end_corrupted(sys, prev)) {
    panic(sys, 'corrupted stack end detected inside scheduler')
    return false
  }
  if (sizeof_thread_info === 0) return true
  const current = read_stack(sys, prev, thread_info_task)
  if (current.hi === 0 && current.lo === sys.kernel_stack.pid[prev]) return true
  oops(sys, current, 'schedule')
  return false
}

/** What is to be seen of a stack. */
export interface KernelStackView {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Page frames, lowest address first. */
  readonly pfns: readonly number[]
  /** Bytes above the lowest address: now, and the lowest there was; below `floor` it is too small. */
  readonly sp: number
  readonly lowest: number
  readonly floor: number
  /** Frames on it. */
  readonly depth: number
  /** The word at its end is still there; true where it has none. */
  readonly end_is_there: boolean
}

/** A stack as it is. Throws a RangeError where there is none. @ours */
export function kernel_stack_view(sys: Sys, stack: number): KernelStackView {
  const { kind, pfn, sp, lowest, depth } = sys.kernel_stack
  if (!kind[stack]) throw new RangeError(`there is no kernel stack ${stack}`)
  const size = stack_size(sys, stack)
  const first = STACK_PAGES * stack
  return {
    name: kind[stack] === STACK_CACHED ? 'cached' : stack_name(sys, stack),
    size,
    pfns: [...pfn.subarray(first, first + size / 2 ** sys.kernel.PAGE_SHIFT)],
    sp: sp[stack]!,
    lowest: lowest[stack]!,
    floor: kind[stack] === STACK_TASK ? end_of_stack(sys) + sizeof_long(sys) : 0,
    depth: depth[stack]!,
    end_is_there: kind[stack] !== STACK_TASK || !task_stack_end_corrupted(sys, stack),
  }
}
