// A machine as programs use it: camelCase over the kernel room. Every method that changes something is one command
// (commands.ts); every one that looks changes nothing. What listens (tracepoints, log) is not state.
import { type Address, format_address } from '../base/address.ts'
import type { Gfp, Order, Pfn } from '../base/units.ts'
import { parse_gfp } from '../mm/gfp_names.ts'
import type { Kernel } from '../mm/kernel.ts'
import { attach_sys } from '../mm/machine_image.ts'
import type { Sys } from '../mm/mmzone.ts'
import { task_comm } from '../mm/oom_report.ts'
import { page_address } from '../mm/page_address.ts'
import type { SwapStore } from '../mm/swap_bytes.ts'
import { sysctl_peek } from '../mm/sysctl.ts'
import type { Snapshot as CapturedFiles } from '../report/snapshot.ts'
import type { ProbeName, Probes } from '../trace/probes.ts'
import { type RecordRing, WIDE_EVENTS } from '../trace/record_ring.ts'
import { boot_from_description, type DescriptionBootOptions } from './boot.ts'
import { apply, type Command, type Result } from './commands.ts'
import { filesOfDescription, filesOfSnapshot } from './constant_files.ts'
import { type ByteMeaning, explainByte } from './explain_byte.ts'
import { procFile } from './inspect.ts'
import { type MachineDescription, parseMachineDescription } from './machine_description.ts'
import { brokenLaws, hasAllocators } from './mm_core_init.ts'
import { restore } from './restore.ts'
import { forkSys, hashSys, restoreSys, type Snapshot, snapshotSys } from './state.ts'
import { WRITABLE, WRITE_REFUSALS, writeCommand } from './write_file.ts'

/** A block of 2^order frames that was allocated. */
export interface Block {
  readonly pfn: Pfn
  readonly order: Order
}

/** A request for frames; `gfp` as bits or as the kernel writes them (`GFP_KERNEL|__GFP_ZERO`, the default GFP_KERNEL). */
export interface AllocOptions {
  readonly order?: Order
  readonly gfp?: Gfp | string
  /** The node to begin with; default: that of the running CPU. */
  readonly node?: number
  /** The CPU that asks; default: the running one. */
  readonly cpu?: number
}

/** A line of the kernel's log and the number of the command that it came with. */
export interface LogLine {
  readonly at: number
  readonly line: string
}

/** Ticks of a second. */
const HZ = 250

export class Machine {
  /** The state itself, for the functions of the kernel room. */
  readonly sys: Sys
  #log: LogLine[] = []
  /** Numbers of byte stores, by the names of their files. */
  readonly #stores = new Map<string, number>()
  readonly #listeners = new Map<ProbeName, Set<(...values: number[]) => void>>()

  /** Files that never change, by path: the memory map, the command line. */
  readonly constants: ReadonlyMap<string, string>

  constructor(sys: Sys, constants: ReadonlyMap<string, string> = new Map()) {
    this.sys = sys
    this.constants = constants
    sys.printk = line => this.#log.push({ at: sys.machine.next_command[0]!, line })
  }

  /** Boots a machine: `Machine.boot({ memory: '1G', cpus: 2 })`. @throws RangeError for one that cannot be
   * @kernel init/main.c:start_kernel */
  static boot(description: MachineDescription, options: DescriptionBootOptions = {}): Machine {
    const known = parseMachineDescription(description)
    return new Machine(boot_from_description(known, options), filesOfDescription(known))
  }

  /** The machine whose files were captured, in the state of that moment. @throws RangeError where zoneinfo is missing
   * or no kernel profile fits */
  static restore(files: CapturedFiles): Machine {
    return new Machine(restore(files).sys, filesOfSnapshot(files))
  }

  /** A machine over a buffer that holds one, made in this thread or in another. */
  static attach(kernel: Kernel, buffer: ArrayBufferLike): Machine {
    return new Machine(attach_sys(kernel, buffer))
  }

  /** Does a command. @throws RangeError where it is wrong; nothing is changed then */
  apply(command: Command): Result {
    return apply(this.sys, command)
  }

  /** Allocates 2^order contiguous frames; null when the machine cannot. @kernel mm/page_alloc.c:alloc_pages */
  allocPages({ order = 0, gfp = 'GFP_KERNEL', node, cpu }: AllocOptions = {}): Block | null {
    const mask = typeof gfp === 'string' ? this.gfp(gfp) : gfp
    const where = { ...(node === undefined ? {} : { nid: node }), ...(cpu === undefined ? {} : { cpu }) }
    const { pfn = -1 } = this.apply({ op: 'alloc_pages', gfp: mask, order, ...where })
    return pfn < 0 ? null : { pfn, order }
  }

  /** Drops a reference to a block; with the last one it is free. @kernel mm/page_alloc.c:__free_pages */
  freePages({ pfn, order }: Block): void {
    this.apply({ op: '__free_pages', pfn, order })
  }

  /** Makes the allocators above the page allocator (address space, caches) where they are not there yet.
   * @kernel mm/mm_init.c:mm_core_init */
  initAllocators(): void {
    if (hasAllocators(this.sys)) return
    this.apply({ op: 'mm_core_init', cmdline: (this.constants.get('/proc/cmdline') ?? '').trim() })
  }

  /** Gives the running CPU's pages back to their zones. @kernel mm/page_alloc.c:drain_local_pages */
  drainLocalPages(): void {
    this.apply({ op: 'drain_local_pages' })
  }

  /** The address of a frame in the direct map; null for high memory. @kernel mm/highmem.c:page_address */
  pageAddress(pfn: Pfn): Address | null {
    const address = page_address(this.sys, pfn)
    return address.hi === 0 && address.lo === 0 ? null : address
  }

  /** An address in all the digits that this machine's kernel prints. */
  formatAddress(address: Address): string {
    return format_address(address, this.sys.kernel.BITS_PER_LONG)
  }

  /** Reads vm.`name`, which changes nothing, or writes it. @throws RangeError for a name or a value that the kernel refuses */
  sysctl(name: string, value?: string | number): string {
    const key = name.replace(/^vm[./]/, '')
    if (value !== undefined) {
      const { error = 0 } = this.apply({ op: 'sysctl', name: key, value: String(value) })
      if (error !== 0) throw new RangeError(sysctlComplaint(key, String(value), error))
    }
    const text = sysctl_peek(this.sys, key)
    if (text === null) throw new RangeError(sysctlComplaint(key, '', -2))
    return text
  }

  /** The bits of a mask as the kernel prints it. @throws RangeError for words that no kernel prints */
  gfp(text: string): Gfp {
    const { value, unknown } = parse_gfp(this.sys.kernel.gfp, text)
    if (unknown.length > 0) throw new RangeError(`no GFP flag "${unknown[0]}"`)
    return value
  }

  /** A file of /proc or of /sys/devices/system/node, byte for byte as the machine's kernel lays it out:
   * `proc('buddyinfo')`. @throws RangeError for a file that there is not */
  proc(path: string): string {
    const text = procFile(this.sys, path, this.constants)
    if (text === null) throw new RangeError(`${path}: no such file`)
    return text
  }

  /** Writes a file of /proc or /sys that takes something: `write('/proc/7/oom_score_adj', '500')`. @throws RangeError for
   * a file that cannot be written, or a text that the kernel refuses */
  write(path: string, text: string): void {
    const command = writeCommand(path, text)
    if (command === null) throw new RangeError(`${path}: it cannot be written; there are ${WRITABLE}`)
    const { error = 0 } = this.apply(command)
    if (error !== 0) throw new RangeError(`${path}: ${WRITE_REFUSALS[error] ?? `error ${error}`}`)
  }

  /** Hears a tracepoint, under the kernel's name, with its numbers; returns what ends it. */
  on<Name extends ProbeName>(tracepoint: Name, listener: NonNullable<Probes[Name]>): () => void {
    const heard = this.#listeners.get(tracepoint) ?? new Set()
    this.#listeners.set(tracepoint, heard)
    heard.add(listener as (...values: number[]) => void)
    this.#listen(tracepoint, heard)
    return () => {
      heard.delete(listener as (...values: number[]) => void)
      this.#listen(tracepoint, heard)
    }
  }

  /** Records tracepoints into a ring, with the CPU that ran and a time made of ticks and commands; returns what ends
   * it. @kernel kernel/trace/ring_buffer.c:ring_buffer_lock_reserve */
  listen(ring: RecordRing): () => void {
    const { machine } = this.sys
    ring.taskName = task => task_comm(this.sys, task)
    const ends = Object.entries(ring.probes()).map(([name, probe]) => {
      const note = probe as (...values: number[]) => void
      // Plain parameters: a rest parameter would allocate for each event.
      const listener = (a: number, b: number, c: number, d: number, e: number, f: number): void => {
        ring.context.cpu = machine.this_cpu[0]!
        ring.context.time = machine.jiffies[0]! / HZ + machine.next_command[0]! / 1e6
        note(a, b, c, d, e, f)
      }
      // Rare events with more numbers than that can afford one.
      const wide = (...values: number[]): void => {
        ring.context.cpu = machine.this_cpu[0]!
        ring.context.time = machine.jiffies[0]! / HZ + machine.next_command[0]! / 1e6
        note(...values)
      }
      return this.on(name as ProbeName, WIDE_EVENTS.has(name) ? wide : listener)
    })
    return () => {
      for (const end of ends) end()
    }
  }

  /** One listener is called directly, several through a loop, none costs nothing. */
  #listen(tracepoint: ProbeName, heard: ReadonlySet<(...values: number[]) => void>): void {
    const all = [...heard]
    const probes = this.sys.trace as Record<string, ((...values: number[]) => void) | undefined>
    const each = (...values: number[]): void => {
      for (const listener of all) listener(...values)
    }
    probes[tracepoint] = all.length > 1 ? each : all[0]
  }

  /** What the kernel printed up to now, oldest first. @kernel kernel/printk/printk.c:printk */
  get log(): readonly LogLine[] {
    const now = this.sys.machine.next_command[0]!
    return this.#log.filter(({ at }) => at <= now)
  }

  /** What the kernel printed in the latest command. */
  get latestLog(): readonly LogLine[] {
    const now = this.sys.machine.next_command[0]!
    const end = 1 + this.#log.findLastIndex(({ at }) => at <= now)
    const start = 1 + this.#log.findLastIndex(({ at }) => at < now)
    return this.#log.slice(start, end)
  }

  /** What was undone will never be done again: its lines go out of the log, and what it wrote to swap files is taken
   * back there. */
  forgetAfter(command: number): void {
    this.#log = this.#log.filter(({ at }) => at <= command)
    for (const store of this.sys.swap_stores) store.forget?.(this.sys.swap_state.io[0]!)
  }

  /** Number of the byte store that swap areas in a file use; `open` makes it when it is first needed. */
  swapStore(file: string, open: () => SwapStore): number {
    const known = this.#stores.get(file)
    if (known !== undefined) return known
    const number = this.sys.swap_stores.push(open())
    this.#stores.set(file, number)
    return number
  }

  /** Whether the machine knows a file as a swap area, in use or not. */
  knowsSwapFile(file: string): boolean {
    return this.#stores.has(file)
  }

  /** A packed copy of the state. */
  snapshot(): Snapshot {
    return snapshotSys(this.sys)
  }

  /** Puts the machine back into a state of its own or of one that it was forked from. */
  rewind(snapshot: Snapshot): void {
    restoreSys(this.sys, snapshot)
  }

  /** A second machine in the same state, with the same log. */
  fork(): Machine {
    const fork = new Machine(forkSys(this.sys), this.constants)
    fork.#log = [...this.log]
    for (const [file, number] of this.#stores) fork.#stores.set(file, number)
    return fork
  }

  /** Sixteen hexadecimal digits for the state. */
  hash(): string {
    return hashSys(this.sys)
  }

  /** The laws that are broken, a sentence each; none on a sound machine. */
  check(): string[] {
    return brokenLaws(this.sys)
  }

  /** What a byte of the image is: table, column, row. */
  explainByte(offset: number): ByteMeaning {
    return explainByte(this.sys, offset)
  }
}

/** What a refused write or a name that is not there comes to, in words. */
export function sysctlComplaint(name: string, value: string, error: number): string {
  if (error === -2) return `vm.${name}: no such setting in this kernel`
  return `vm.${name} = ${value}: invalid argument`
}
