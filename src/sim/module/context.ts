// A module's stay in a machine: what it holds, what was printed meanwhile, how many calls it made, and addresses into
// physical ones. Law: what a module does wrong ends in a report of the kernel or in a ModuleStop, which unwinds the module
// and leaves the machine sound; a call that is refused has changed nothing.
import { type Address, address_add, address_distance, address_of, NULL_ADDRESS } from '../../base/address.ts'
import { kasan_check_range } from '../../mm/kasan.ts'
import { kasan_enabled } from '../../mm/kasan_shadow.ts'
import { stack_depot_save } from '../../mm/kasan_stack.ts'
import { ZERO_SIZE_PTR } from '../../mm/kmalloc.ts'
import { rcu_barrier } from '../../mm/kvfree_rcu.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { virt_to_page } from '../../mm/page_address.ts'
import type { PercpuPlace } from '../../mm/percpu.ts'
import { vmalloc_to_pfn } from '../../mm/pgtable_map.ts'
import { isComplaint } from '../complaints.ts'
import { kasanTitle } from './kasan_titles.ts'
import type { ModuleMemory } from './module_memory.ts'
import type { PerCpu } from './percpu_calls.ts'
import { type Cache, type Mempool, Page, Pointer, type Task } from './pointer.ts'

/** Why a module was stopped: an oops, a sleep without end, too many calls. */
export class ModuleStop extends Error {
  override readonly name: string = 'ModuleStop'
}

/** Something that a module took and did not give back. */
export interface Held {
  /** The call that gave it. */
  readonly call: string
  readonly bytes: number
}

/** Calls that are no functions in a kernel, but instructions of the module. */
const INLINE =
  /^(read|write)[blp]$|^(atomic_|READ_ONCE|WRITE_ONCE|smp_)|_bit(_lock|_unlock)?(_is_negative_byte)?$|^(INIT_LIST_HEAD|list_\w+)$/
/** Lines kept of a log; a module can print for ever. */
const MOST_LINES = 10_000

export interface ContextOptions {
  /** Calls that a module may make. */
  readonly limit: number
  /** Hears each line as it is printed. */
  readonly onLine: (line: string) => void
}

export class ModuleContext {
  readonly sys: Sys
  readonly module: string
  readonly log: string[] = []
  /** Titles of what KASAN reported. */
  readonly kasanReports: string[] = []
  /** First lines of whatever else the kernel complained of. */
  readonly complaints: string[] = []
  /** What the module holds: blocks of pages by frame, objects by physical address, areas and mappings by page number. */
  readonly pages: Map<number, Held & { readonly order: number }> = new Map()
  readonly objects: Map<number, Held> = new Map()
  readonly areas: Map<number, Held> = new Map()
  /** Mappings of kmap by frame, how often; and those of kmap_atomic and kmap_local_page. */
  readonly kmaps: Map<number, number> = new Map()
  locals = 0
  readonly caches: Set<Cache> = new Set()
  readonly pools: Set<Mempool> = new Set()
  readonly tasks: Set<Task> = new Set()
  /** Where the module's static data lies. */
  readonly memory: ModuleMemory[] = []
  /** Work that waits, the oldest first. */
  readonly deferred: (() => void)[] = []
  readonly percpuMemory: PercpuPlace[] = []
  /** Memory per CPU that it took, and the call that gave it. */
  readonly percpu: Map<PerCpu, string> = new Map()
  calls = 0
  /** What runs: `init` or `exit`. */
  phase = 'init'
  /** Nesting of interrupts, and of constructors. */
  interrupts = 0
  constructors = 0
  #unheard = 0
  #prints = false
  #cut = false
  #pending: unknown = null
  readonly #frames: Map<number, Page> = new Map()
  readonly #stacks: Map<string, number> = new Map()
  readonly #options: ContextOptions

  constructor(sys: Sys, module: string, options: ContextOptions) {
    this.sys = sys
    this.module = module
    this.#options = options
  }

  /** A line of the kernel's log. */
  say(line: string): void {
    this.#listen(line)
    const title = kasanTitle(line)
    if (title !== null && this.kasanReports.length < MOST_LINES) this.kasanReports.push(title)
    if (this.log.length >= MOST_LINES) {
      this.#unheard++
      return
    }
    this.log.push(line)
    this.#options.onLine(line)
  }

  /** What the kernel complains of; KASAN's reports are told by themselves. */
  #listen(line: string): void {
    if (this.#prints || kasanTitle(line) !== null || this.complaints.length >= MOST_LINES) return
    // What a warning says stands behind the line that cuts it out.
    const cut = line.endsWith('[ cut here ]------------')
    if (this.#cut || (!cut && isComplaint(line))) this.complaints.push(line)
    this.#cut = cut
  }

  /** A line of the module's own. */
  print(line: string): void {
    this.#prints = true
    this.sys.printk?.(line)
    this.#prints = false
  }

  /** Lines that were printed after the log was full. */
  get unheard(): number {
    return this.#unheard
  }

  /** What the compiler asks KASAN before each access of a module; false = it was reported. */
  allowed(pointer: Pointer | null, bytes: number, access: 'read' | 'write'): boolean {
    const address = pointer instanceof Pointer ? pointer.address : NULL_ADDRESS
    return kasan_check_range(this.sys, address, bytes, access === 'write')
  }

  /** Counts a call of a function of the kernel. @throws ModuleStop where there were too many */
  enter(name: string): void {
    this.calls++
    if (kasan_enabled(this.sys)) this.sys.kasan_state.stack[0] = this.#stackOf(name)
    if (this.calls > this.#options.limit)
      throw new ModuleStop(`stopped after ${this.#options.limit} calls of the kernel: does it end at all?`)
  }

  /** Does all work that waits, and what that asks for. */
  runDeferred(): void {
    for (let work = this.deferred.shift(); work !== undefined; work = this.deferred.shift()) work()
    rcu_barrier(this.sys)
  }

  /** Handle of the stack of calls inside a function of the kernel; loads and stores are the module's own code. */
  #stackOf(name: string): number {
    const key = `${this.phase} ${name}`
    const known = this.#stacks.get(key)
    if (known !== undefined) return known
    const own = `${this.phase}_module [${this.module}]`
    const handle = stack_depot_save(this.sys, INLINE.test(name) ? [own] : [name, own])
    this.#stacks.set(key, handle)
    return handle
  }

  /** Runs a function of the module from inside of the kernel: what it throws waits until the kernel is done. */
  callBack<T>(action: () => T, otherwise: T): T {
    if (this.#pending !== null) return otherwise
    try {
      return action()
    } catch (error) {
      this.#pending = error
      return otherwise
    }
  }

  /** Throws what a function of the module threw inside of the call that ends now. */
  leave(): void {
    if (this.#pending === null) return
    const error = this.#pending
    this.#pending = null
    throw error
  }

  /** The kernel cannot go on with this module. */
  oops(what: string): never {
    this.sys.printk?.(what)
    throw new ModuleStop(what)
  }

  page(pfn: number): Page | null {
    if (pfn < 0) return null
    let page = this.#frames.get(pfn)
    if (page === undefined) this.#frames.set(pfn, (page = new Page(pfn)))
    return page
  }

  pointer(address: Address): Pointer | null {
    const { hi, lo } = NULL_ADDRESS
    return address.hi === hi && address.lo === lo ? null : new Pointer(address, this.sys.kernel.BITS_PER_LONG)
  }

  /** The address of an object of kmalloc or of a cache. */
  object(paddr: number): Pointer | null {
    const base = paddr <= ZERO_SIZE_PTR ? NULL_ADDRESS : address_of(this.sys.kernel.PAGE_OFFSET)
    return this.pointer(address_add(base, paddr))
  }

  /** The address of a page of the kernel's address space. */
  at(page: number): Pointer | null {
    return this.pointer(address_of(page * 2 ** this.sys.kernel.PAGE_SHIFT))
  }

  /** Physical address of a pointer into the direct map; ZERO_SIZE_PTR stays; -1 = none. */
  paddrOf(pointer: Pointer): number {
    const { address } = pointer
    if (address.hi === 0 && address.lo === ZERO_SIZE_PTR) return ZERO_SIZE_PTR
    if (virt_to_page(this.sys, address) < 0) return -1
    return address_distance(address_of(this.sys.kernel.PAGE_OFFSET), address)
  }

  /** Number of the page that an address lies in. */
  pageNumber({ address: { hi, lo } }: Pointer): number {
    const { PAGE_SHIFT } = this.sys.kernel
    return hi * 2 ** (32 - PAGE_SHIFT) + (lo >>> PAGE_SHIFT)
  }

  /** Bytes from the begin of its page to an address. */
  pageOffset({ address: { lo } }: Pointer): number {
    return lo % 2 ** this.sys.kernel.PAGE_SHIFT
  }

  /** Physical address behind any address of the kernel, by the direct map or the page tables. @throws ModuleStop where
   * nothing is mapped */
  translate(pointer: Pointer | null, access: 'read' | 'write'): number {
    if (!(pointer instanceof Pointer)) {
      const zeros = '0'.repeat(this.sys.kernel.BITS_PER_LONG / 4)
      return this.oops(`BUG: kernel NULL pointer dereference, address: ${zeros}`)
    }
    const direct = this.paddrOf(pointer)
    if (direct > ZERO_SIZE_PTR) return direct
    const pfn = vmalloc_to_pfn(this.sys, this.pageNumber(pointer))
    if (pfn < 0) {
      this.sys.printk?.(`BUG: unable to handle page fault for address: ${pointer}`)
      return this.oops(`#PF: supervisor ${access} access in kernel mode`)
    }
    return pfn * 2 ** this.sys.kernel.PAGE_SHIFT + this.pageOffset(pointer)
  }
}
