// Commands: every change of a machine's state is one of these small pieces of plain data, and there is no other way in.
// Law: a command that is wrong (a CPU or node that does not exist, an order below 0) throws a RangeError and changes
// nothing; one that the machine cannot serve returns what the kernel returns. The same commands on the same machine
// give the same states, which is what the timeline stands on.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import type { Address } from '../base/address.ts'
import type { Gfp, Order, Pfn } from '../base/units.ts'
import { HZ } from '../mm/jiffies.ts'
import { kernel_stack_alloc, kernel_stack_free, schedule } from '../mm/kernel_stack.ts'
import { irq_enter, irq_exit, softirq_enter, softirq_exit, stack_call, stack_return } from '../mm/kernel_stack_chain.ts'
import { kmemleak_scan_thread, kmemleak_write } from '../mm/kmemleak_debugfs.ts'
import { rcu_barrier } from '../mm/kvfree_rcu.ts'
import type { Sys } from '../mm/mmzone.ts'
import {
  __get_free_page,
  __get_free_pages,
  free_page,
  free_pages,
  get_zeroed_page,
  page_address,
  virt_to_page,
} from '../mm/page_address.ts'
import { __free_page, __free_pages, alloc_page, alloc_pages_node } from '../mm/page_alloc/alloc_pages.ts'
import { drain_all_pages, drain_local_pages } from '../mm/page_alloc/pcp.ts'
import { wait_until } from '../mm/reclaim_clock.ts'
import { run_reapers } from '../mm/slab_drain.ts'
import { slab_attr_store, slab_attributes } from '../mm/slub_sysfs.ts'
import { set_transparent_hugepage, sysctl_write } from '../mm/sysctl.ts'
import { refresh_cpu_vm_stats } from '../mm/vmstat.ts'
import {
  ALLOCATOR_HANDLERS,
  ALLOCATOR_REQUIRED,
  type AllocatorCommand,
  type AllocatorResult,
  checkAllocatorCommand,
} from './allocator_commands.ts'
import { CGROUP_HANDLERS, CGROUP_REQUIRED, type CgroupCommand, checkCgroupCommand } from './cgroup_commands.ts'
import { slabFolderCache } from './inspect_slab.ts'
import { hasCaches, mm_core_init } from './mm_core_init.ts'
import { checkOomCommand, end_killed, OOM_HANDLERS, OOM_REQUIRED, type OomCommand } from './oom_commands.ts'
import {
  checkProcessCommand,
  PROCESS_HANDLERS,
  PROCESS_REQUIRED,
  type ProcessCommand,
  type ProcessResult,
} from './process_commands.ts'

import {
  checkProgramCommand,
  PROGRAM_HANDLERS,
  PROGRAM_REQUIRED,
  type ProgramCommand,
  type ProgramResult,
} from './program_commands.ts'
import { checkSwapCommand, SWAP_HANDLERS, SWAP_REQUIRED, type SwapCommand, type SwapResult } from './swap_commands.ts'

/** Where a command runs, for the time of the command; default: the CPU that runs now. */
interface OnCpu {
  readonly cpu?: number
}

/** One change of a machine's state. The names are the kernel's functions. */
export type Command =
  | ProcessCommand
  | ProgramCommand
  | OomCommand
  | CgroupCommand
  | AllocatorCommand
  | SwapCommand
  | (OnCpu & { readonly op: 'alloc_pages'; readonly gfp: Gfp; readonly order: Order; readonly nid?: number })
  | (OnCpu & { readonly op: 'alloc_page'; readonly gfp: Gfp })
  | (OnCpu & { readonly op: '__get_free_pages'; readonly gfp: Gfp; readonly order: Order })
  | (OnCpu & { readonly op: '__get_free_page' | 'get_zeroed_page'; readonly gfp: Gfp })
  | (OnCpu & { readonly op: '__free_pages'; readonly pfn: Pfn; readonly order: Order })
  | (OnCpu & { readonly op: '__free_page'; readonly pfn: Pfn })
  | (OnCpu & { readonly op: 'free_pages'; readonly address: Address; readonly order: Order })
  | (OnCpu & { readonly op: 'free_page'; readonly address: Address })
  | (OnCpu & { readonly op: 'drain_local_pages' })
  | { readonly op: 'mm_core_init'; readonly cmdline: string }
  | { readonly op: 'drain_all_pages' }
  | (OnCpu & { readonly op: 'slab_attr_store'; readonly folder: string; readonly name: string; readonly value: string })
  | { readonly op: 'sysctl'; readonly name: string; readonly value: string }
  | { readonly op: 'kmemleak'; readonly text: string }
  | { readonly op: 'transparent_hugepage'; readonly enabled: boolean }
  | { readonly op: 'set_cpu'; readonly cpu: number }
  | { readonly op: 'tick'; readonly ticks: number }
  | (OnCpu & { readonly op: 'kernel_stack_alloc'; readonly comm: string; readonly nid?: number })
  | (OnCpu & { readonly op: 'kernel_stack_free' | 'schedule'; readonly stack: number })
  | (OnCpu & { readonly op: 'call'; readonly name: string; readonly size: number })
  | (OnCpu & { readonly op: 'irq_enter'; readonly name?: string })
  | (OnCpu & { readonly op: 'return' | 'irq_exit' | 'softirq_enter' | 'softirq_exit' })

/** Words of all commands. */
export type CommandName = Command['op']

/** What a command gave back; `pfn` -1 and a null address mean that an allocation failed. */
export interface Result extends ProcessResult, ProgramResult, AllocatorResult, SwapResult {
  readonly pfn?: Pfn
  readonly address?: Address
  /** 0, or a negated errno. */
  readonly error?: number
  /** Row of a kernel stack that was made; 0 = no memory. */
  readonly stack?: number
}

const DONE: Result = {}

type Handlers = { readonly [Name in CommandName]: (sys: Sys, command: Command & { op: Name }) => Result }

const HANDLERS: Handlers = {
  ...PROCESS_HANDLERS,
  ...PROGRAM_HANDLERS,
  ...OOM_HANDLERS,
  ...CGROUP_HANDLERS,
  ...ALLOCATOR_HANDLERS,
  ...SWAP_HANDLERS,
  alloc_pages: (sys, { gfp, order, nid }) => allocated(sys, alloc_pages_node(sys, nid ?? -1, gfp, order)),
  alloc_page: (sys, { gfp }) => allocated(sys, alloc_page(sys, gfp)),
  __get_free_pages: (sys, { gfp, order }) => addressed(sys, __get_free_pages(sys, gfp, order)),
  __get_free_page: (sys, { gfp }) => addressed(sys, __get_free_page(sys, gfp)),
  get_zeroed_page: (sys, { gfp }) => addressed(sys, get_zeroed_page(sys, gfp)),
  __free_pages: (sys, { pfn, order }) => done(__free_pages(sys, pfn, order)),
  __free_page: (sys, { pfn }) => done(__free_page(sys, pfn)),
  free_pages: (sys, { address, order }) => done(free_pages(sys, address, order)),
  free_page: (sys, { address }) => done(free_page(sys, address)),
  drain_local_pages: sys => done(drain_local_pages(sys)),
  mm_core_init: (sys, { cmdline }) => done(mm_core_init(sys, cmdline)),
  drain_all_pages: sys => done(drain_all_pages(sys)),
  slab_attr_store: (sys, { folder, name, value }) => ({ error: store_slab_attribute(sys, folder, name, value) }),
  sysctl: (sys, { name, value }) => ({ error: sysctl_write(sys, name, value) }),
  kmemleak: (sys, { text }) => ({ error: kmemleak_write(sys, text) }),
  transparent_hugepage: (sys, { enabled }) => done(set_transparent_hugepage(sys, enabled)),
  set_cpu: (sys, { cpu }) => done((sys.machine.this_cpu[0] = cpu)),
  tick: (sys, { ticks }) => done(tick(sys, ticks)),
  kernel_stack_alloc: (sys, { comm, nid }) => ({ stack: new_task(sys, comm, nid) }),
  kernel_stack_free: (sys, { stack }) => done(kernel_stack_free(sys, stack)),
  schedule: (sys, { stack }) => ran(schedule(sys, stack)),
  call: (sys, { name, size }) => ran(stack_call(sys, name, size)),
  return: sys => ran(stack_return(sys)),
  irq_enter: (sys, { name }) => ran(atomic(sys, 1, irq_enter(sys, name))),
  irq_exit: sys => ran(atomic(sys, -1, irq_exit(sys))),
  softirq_enter: sys => ({ error: [-EFAULT, -EBUSY, 0][enter_softirqs(sys) + 1]! }),
  softirq_exit: sys => ran(atomic(sys, -1, softirq_exit(sys))),
}

const done = (_: unknown): Result => DONE
const allocated = (sys: Sys, pfn: Pfn): Result => ({ pfn, address: page_address(sys, pfn) })
const addressed = (sys: Sys, address: Address): Result => ({ pfn: virt_to_page(sys, address), address })

const ENOENT = 2
const EFAULT = 14
const EBUSY = 16

/** What runs on a kernel stack went on, or it ended in a report, or nothing runs there any more. */
const ran = (alive: boolean): Result => ({ error: alive ? 0 : -EFAULT })

/** What runs in an interrupt or softirq must not sleep. */
function atomic(sys: Sys, step: 1 | -1, alive: boolean): boolean {
  if (alive) sys.machine.in_atomic[0]! += step
  return alive
}

function enter_softirqs(sys: Sys): number {
  const entered = softirq_enter(sys)
  atomic(sys, 1, entered === 1)
  return entered
}

/** Writes a file of /sys/kernel/slab. */
function store_slab_attribute(sys: Sys, folder: string, name: string, value: string): number {
  const cache = slabFolderCache(sys, folder)
  return cache < 0 || !slab_attributes(sys).includes(name) ? -ENOENT : slab_attr_store(sys, cache, name, value)
}

/** Stacks with guard pages need the kernel's address space, which is set up when it is first needed. */
function new_task(sys: Sys, comm: string, nid: number | undefined): number {
  if (sys.kernel.config.VMAP_STACK && sys.vmalloc.end[0] === 0) setup_address_space(sys)
  return kernel_stack_alloc(sys, comm, nid)
}

/** Time passes: processes sleep, writes end, kswapd goes on; SLAB's reaper comes to every CPU when it is due, every CPU folds
 * its counters once in that time, a grace period ends, and kmemleak's thread scans if it is due. */
export function tick(sys: Sys, ticks: number): void {
  if (sys.kernel.slab === 'SLAB' && hasCaches(sys)) run_reapers(sys, sys.machine.jiffies[0]! + ticks)
  else sys.machine.jiffies[0]! += ticks
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++) refresh_cpu_vm_stats(sys, cpu)
  const { now } = sys.reclaim_clock
  if (now.length > 0) wait_until(sys, now[0]! + (ticks * 1e6) / HZ)
  rcu_barrier(sys)
  kmemleak_scan_thread(sys)
}

/** Does a command. @throws RangeError where the command is wrong; the machine is then as it was */
export function apply(sys: Sys, command: Command): Result {
  checkCommand(sys, command)
  const handler = HANDLERS[command.op] as (sys: Sys, command: Command) => Result
  const cpu = command.op === 'set_cpu' || !('cpu' in command) ? undefined : command.cpu
  sys.machine.next_command[0]! += 1
  const before = sys.machine.this_cpu[0]!
  if (cpu !== undefined) sys.machine.this_cpu[0] = cpu
  try {
    const result = handler(sys, command)
    end_killed(sys)
    return result
  } catch (error) {
    // The kernel room refuses before it changes anything; then this was no command.
    sys.machine.next_command[0]! -= 1
    throw error
  } finally {
    if (cpu !== undefined) sys.machine.this_cpu[0] = before
  }
}

/** Fields that a command must have. */
const REQUIRED: { readonly [Name in CommandName]: readonly string[] } = {
  ...PROCESS_REQUIRED,
  ...PROGRAM_REQUIRED,
  ...OOM_REQUIRED,
  ...CGROUP_REQUIRED,
  ...ALLOCATOR_REQUIRED,
  ...SWAP_REQUIRED,
  alloc_pages: ['gfp', 'order'],
  alloc_page: ['gfp'],
  __get_free_pages: ['gfp', 'order'],
  __get_free_page: ['gfp'],
  get_zeroed_page: ['gfp'],
  __free_pages: ['pfn', 'order'],
  __free_page: ['pfn'],
  free_pages: ['address', 'order'],
  free_page: ['address'],
  drain_local_pages: [],
  mm_core_init: ['cmdline'],
  drain_all_pages: [],
  slab_attr_store: ['folder', 'name', 'value'],
  sysctl: ['name', 'value'],
  kmemleak: ['text'],
  transparent_hugepage: ['enabled'],
  set_cpu: ['cpu'],
  tick: ['ticks'],
  kernel_stack_alloc: ['comm'],
  kernel_stack_free: ['stack'],
  schedule: ['stack'],
  call: ['name', 'size'],
  return: [],
  irq_enter: [],
  irq_exit: [],
  softirq_enter: [],
  softirq_exit: [],
}

/** That a command has its fields, and that they have values that they may have. @throws RangeError with what is wrong */
export function checkCommand(sys: Sys, command: Command): void {
  if (!Object.hasOwn(HANDLERS, command.op)) throw new RangeError(`no command "${(command as { op: unknown }).op}"`)
  const fields = command as unknown as Readonly<Record<string, number | undefined>>
  for (const name of REQUIRED[command.op])
    if (fields[name] === undefined) throw new RangeError(`${command.op} needs ${name}`)
  checkProcessCommand(sys, command)
  checkProgramCommand(sys, command)
  checkOomCommand(sys, command)
  checkCgroupCommand(sys, command)
  checkAllocatorCommand(sys, command)
  checkSwapCommand(sys, command)
  whole('cpu', fields.cpu, 0, sys.nr_cpus - 1)
  whole('order', fields.order, 0, 63)
  whole('gfp', fields.gfp, 0, 0xffffffff)
  whole('pfn', fields.pfn, -1, Number.MAX_SAFE_INTEGER)
  whole('ticks', fields.ticks, 0, Number.MAX_SAFE_INTEGER)
  whole('stack', fields.stack, 0, sys.kernel_stack.kind.length - 1)
  if (command.op === 'call') whole('size', fields.size, 0, 2 ** 20)
  whole('nid', fields.nid, -1, sys.nr_nodes - 1)
  if (fields.nid !== undefined && fields.nid >= 0 && sys.node.online[fields.nid] === 0)
    throw new RangeError(`node ${fields.nid} is not online`)
}

function whole(name: string, value: number | undefined, low: number, high: number): void {
  if (value === undefined) return
  if (!Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`${name} ${value} is not a whole number from ${low} to ${high}`)
}
