// A module's life: loaded, run, unloaded; and what it left behind. Law: whatever a module does, the machine is sound
// afterwards (`faults` is empty), and what it still holds is told, object by object.
import { msecs_to_jiffies } from '../../mm/jiffies.ts'
import { kasan_set_task } from '../../mm/kasan_stack.ts'
import { caller_text } from '../../mm/kernel_text.ts'
import { kmemleak_text, kmemleak_write } from '../../mm/kmemleak_debugfs.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { tick } from '../commands.ts'
import type { Machine } from '../machine.ts'
import { brokenLaws } from '../mm_core_init.ts'
import { type Held, ModuleContext, ModuleStop } from './context.ts'
import { type KernelModule, kernelApi, type ModuleKernel } from './kernel_api.ts'
import { freeModuleMemory } from './module_memory.ts'
import { endSegments } from './segment_calls.ts'
import { threadSize } from './stack_calls.ts'

export interface ModuleOptions {
  /** What the module is called in reports: its file's name without the ending. */
  readonly name: string
  /** Calls of the kernel that it may make; default one million. */
  readonly limit?: number
  /** Hears each line of the log as it is printed. */
  readonly onLine?: (line: string) => void
}

/** Something that was not given back. */
export interface Leak {
  readonly kind: 'pages' | 'object' | 'vmalloc' | 'kmap' | 'percpu' | 'task'
  /** The call that gave it. */
  readonly call: string
  readonly bytes: number
  /** Its address as %px prints it; of pages the frame. */
  readonly at: string
}

/** /sys/kernel/debug/kmemleak after two scans; empty = no leak was found. */
export interface KmemleakReport {
  /** While the module was loaded; empty where it never was. */
  readonly loaded: string
  /** At the end: after it was unloaded, where it was. */
  readonly ended: string
}

export interface ModuleReport {
  readonly module: string
  readonly kernel: string
  /** What init returned; null where it did not come to that. */
  readonly returned: number | null
  /** Whether exit ran to its end, or there is none and init went well. */
  readonly finished: boolean
  /** Why the module ended before its time. */
  readonly error: string | null
  /** Lines of the log, of the module and of the kernel. */
  readonly log: readonly string[]
  /** Lines that were printed after the log was full. */
  readonly unheard: number
  /** Calls of the kernel. */
  readonly calls: number
  readonly leaks: readonly Leak[]
  /** Caches that were not destroyed, or could not be. */
  readonly caches: readonly string[]
  /** Pools that were not destroyed. */
  readonly pools: number
  /** What kmemleak says, on a kernel that has it. */
  readonly kmemleak: KmemleakReport | null
  /** What KASAN reported: kind and place of each mistake. */
  readonly kasanReports: readonly string[]
  /** First lines of whatever else the kernel complained of: wrong use, damage, a sleep where nobody may. */
  readonly complaints: readonly string[]
  /** Broken laws of the machine. */
  readonly faults: readonly string[]
}

const MOST_CALLS = 1_000_000

/** Whether a module came and went without a trace, and the kernel had nothing to complain of. */
export function isClean(report: ModuleReport): boolean {
  const { error, returned, leaks, caches, pools, faults, kmemleak, kasanReports, complaints } = report
  const left = leaks.length + caches.length + pools + faults.length + kasanReports.length + complaints.length
  return error === null && (returned ?? 0) >= 0 && left === 0 && (kmemleak?.ended ?? '') === ''
}

/** Runs a module's init and exit on a machine. Never throws for what the module does. */
export function runModule(machine: Machine, loaded: KernelModule, options: ModuleOptions): ModuleReport {
  const { sys } = machine
  machine.initAllocators()
  const { limit = MOST_CALLS, onLine = () => {} } = options
  const ctx = new ModuleContext(sys, options.name, { limit, onLine })
  const { printk } = sys
  const { caller } = sys.slab_state
  const before = caller[0]!
  const stack = sys.kasan_state.stack[0] ?? 0
  sys.printk = line => {
    if (ctx.unheard === 0) printk?.(line)
    ctx.say(line)
  }
  try {
    const life = live(ctx, loaded)
    return reportOf(ctx, life, kmemleakReport(sys))
  } finally {
    sys.printk = printk
    caller[0] = before
    sys.kasan_state.stack[0] = stack
  }
}

/** How it went, and what kmemleak said while the module was loaded. */
interface Life extends Pick<ModuleReport, 'returned' | 'finished' | 'error'> {
  readonly loaded: string
}

/** init, and exit where init went well. */
function live(ctx: ModuleContext, given: KernelModule): Life {
  const k = kernelApi(ctx)
  const never = { returned: null, finished: false, loaded: '' }
  if (typeof given.init !== 'function') return { ...never, error: 'the module exports no function init(k)' }
  const init = phase(ctx, 'init', given.init, k)
  // A module that was killed in init is there for ever, half loaded.
  if (init.error !== null) return { ...never, error: init.error }
  const returned = Number(init.value ?? 0)
  if (returned !== 0) {
    freeModuleMemory(ctx)
    return { ...never, returned, error: null }
  }
  const loaded = kmemleakReport(ctx.sys)
  if (typeof given.exit !== 'function') return { returned, finished: true, error: null, loaded }
  const exit = phase(ctx, 'exit', given.exit, k)
  if (exit.error === null) freeModuleMemory(ctx)
  return { returned, finished: exit.error === null, error: exit.error, loaded }
}

/** Milliseconds after which a block is old enough to be a leak. */
const OLD_ENOUGH = 5000

/** What kmemleak finds now: in one scan what has not changed since it was allocated, in the second all else. */
function kmemleakReport(sys: Sys): string {
  if (!sys.debug_kmemleak || sys.kmemleak_state.enabled[0] === 0) return ''
  tick(sys, msecs_to_jiffies(OLD_ENOUGH))
  for (let scan = 0; scan < 2; scan++) kmemleak_write(sys, 'scan')
  return kmemleak_text(sys)
}

/** Runs one function of the module. @kernel init/main.c:do_one_initcall */
function phase(
  ctx: ModuleContext,
  name: string,
  action: (k: ModuleKernel) => unknown,
  k: ModuleKernel,
): { value: unknown; error: string | null } {
  ctx.phase = name
  ctx.sys.slab_state.caller[0] = caller_text(`${name}_module [${ctx.module}]`)
  runAs(ctx.sys, name === 'init' ? 'insmod' : 'rmmod', name === 'init' ? INSMOD : RMMOD)
  const { in_atomic, irqs_disabled } = ctx.sys.machine
  const [atomic, disabled] = [in_atomic[0]!, irqs_disabled[0]!]
  try {
    const value = action(k)
    ctx.runDeferred()
    if (value instanceof Promise) {
      value.catch(() => {})
      return { value, error: `${name} returned a promise: a module runs to its end, there is nothing to await` }
    }
    return { value, error: null }
  } catch (error) {
    return { value: null, error: `${name} ${sentence(error)}` }
  } finally {
    endSegments(ctx.sys)
    runAs(ctx.sys, '', 0)
    balance(ctx, name, atomic, disabled)
  }
}

/** Numbers of the processes that load and unload a module. */
const INSMOD = 100
const RMMOD = 101

function runAs(sys: Sys, comm: string, pid: number): void {
  if (sys.kasan_state.pid.length > 0) kasan_set_task(sys, comm, pid)
}

function sentence(error: unknown): string {
  if (error instanceof ModuleStop) return `did not end: ${error.message}`
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'overran its stack: it calls itself'
  return error instanceof Error ? `threw ${error.name}: ${error.message}` : `threw ${String(error)}`
}

/** Whoever comes next may sleep again. */
function balance(ctx: ModuleContext, name: string, atomic: number, disabled: number): void {
  const { in_atomic, irqs_disabled } = ctx.sys.machine
  const faults: string[] = []
  if (in_atomic[0] !== atomic) faults.push('preemption imbalance')
  if (irqs_disabled[0] !== disabled) faults.push('disabled interrupts')
  if (faults.length > 0)
    ctx.sys.printk?.(`initcall ${name}_module [${ctx.module}] returned with ${faults.join(' and ')}`)
  in_atomic[0] = atomic
  irqs_disabled[0] = disabled
  ctx.interrupts = 0
  ctx.constructors = 0
}

function reportOf(ctx: ModuleContext, { loaded, ...life }: Life, ended: string): ModuleReport {
  return {
    module: ctx.module,
    kernel: ctx.sys.kernel.name,
    ...life,
    log: ctx.log,
    unheard: ctx.unheard,
    calls: ctx.calls,
    leaks: leaksOf(ctx),
    caches: [...ctx.caches].map(({ name }) => name),
    pools: ctx.pools.size,
    kmemleak: ctx.sys.debug_kmemleak ? { loaded, ended } : null,
    kasanReports: ctx.kasanReports,
    complaints: ctx.complaints,
    faults: brokenLaws(ctx.sys),
  }
}

function leaksOf(ctx: ModuleContext): Leak[] {
  const leaks = (
    kind: Leak['kind'],
    held: ReadonlyMap<number, Held>,
    at: (key: number) => { toString(): string } | null,
  ): Leak[] => Array.from(held, ([key, { call, bytes }]) => ({ kind, call, bytes, at: String(at(key)) }))
  const size = 2 ** ctx.sys.kernel.PAGE_SHIFT
  const mapped = new Map(Array.from(ctx.kmaps, ([pfn, times]) => [pfn, { call: `kmap, ${times} times`, bytes: size }]))
  const local =
    ctx.locals === 0
      ? []
      : [
          {
            kind: 'kmap',
            call: 'kmap_atomic or kmap_local_page',
            bytes: size * ctx.locals,
            at: `${ctx.locals} slots`,
          } as const,
        ]
  return [
    ...leaks('pages', ctx.pages, pfn => ctx.page(pfn)),
    ...leaks('object', ctx.objects, paddr => ctx.object(paddr)),
    ...leaks('vmalloc', ctx.areas, page => ctx.at(page)),
    ...Array.from(ctx.percpu, ([{ place, size }, call]) => ({
      kind: 'percpu' as const,
      call,
      bytes: size * ctx.sys.nr_cpus,
      at: String(ctx.at(place.page)!.plus(place.offset)),
    })),
    ...Array.from(ctx.tasks, ({ comm, stack }) => ({
      kind: 'task' as const,
      call: `kthread_create(${comm})`,
      bytes: threadSize(ctx),
      at: String(ctx.at(ctx.sys.kernel_stack.page[stack]!)),
    })),
    ...leaks('kmap', mapped, pfn => ctx.page(pfn)),
    ...local,
  ]
}
