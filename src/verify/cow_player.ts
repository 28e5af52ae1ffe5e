// The process of a recording of page faults and copy-on-write, on a machine of the model: its own memory as far as the
// recording tells of it, the calls that the recorded program makes, and the accesses between them.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import { access } from '../mm/access.ts'
import { brk } from '../mm/brk.ts'
import { do_msync, write_file } from '../mm/file_io.ts'
import { fput, invalidate_mapping_pages, new_inode, open_inode } from '../mm/files.ts'
import { do_exit, fork, mm_alloc, release_task, switch_to, task_alloc } from '../mm/fork.ts'
import { faultin_page } from '../mm/gup.ts'
import type { Kernel } from '../mm/kernel.ts'
import { do_madvise, MADV, type MadviseName } from '../mm/madvise.ts'
import { do_mlock, do_munlock } from '../mm/mlock.ts'
import { do_mmap, do_munmap } from '../mm/mmap.ts'
import type { Sys } from '../mm/mmzone.ts'
import { do_mprotect } from '../mm/mprotect.ts'
import { do_mremap } from '../mm/mremap.ts'
import { swapon } from '../mm/swapfile.ts'
import { shmem_get_folio } from '../mm/vm_file_ops.ts'
import * as F from '../mm/vm_flags.ts'
import { vm_init } from '../mm/vm_init.ts'
import { lru_add_drain } from '../mm/vm_lru.ts'
import { find_vma } from '../mm/vma.ts'
import { boot_from_description } from '../sim/boot.ts'
import { ARRAY, type CowGiven } from './cow_given.ts'

const RW = F.PROT_READ | F.PROT_WRITE
const ANON = F.MAP_PRIVATE | F.MAP_ANONYMOUS

/** Own pages that it writes when it has waited for a child. */
const WAITED = 3
/** Pages of its stack's area. */
const STACK = 33 + ARRAY
/** Pages that a fault maps around it. */
const AROUND = 16
/** Pages of the swap disk: 64 MiB. */
const SWAP_PAGES = 16384

export class CowPlayer {
  readonly sys: Sys
  readonly parent: number
  /** The running process. */
  task: number
  /** First page of the mapping that the program works on, and what it looks at: -1 = nothing. */
  p = 0
  q = 0
  reg = -1
  regn = 8
  file = 0
  tmpfs = 0
  children: number[] = []
  /** The program's code: full windows of what a fault maps, then the rest; the vdso. */
  text = 0
  rest = 0
  vdso = 0
  /** Where the program's output goes, and how many bytes it has. */
  private readonly output: number
  private printed = 0
  /** Pages that the program writes: while it forks, at `getrusage`, and to measure itself. */
  private readonly forking: readonly number[]
  private readonly usage: number
  private readonly beginning: readonly number[]
  private readonly before: readonly number[]
  private readonly late: readonly number[]
  /** Pages that a child only reads. */
  private readonly reading: readonly number[]
  readonly own: readonly number[]
  readonly quiet: readonly number[]
  readonly given: CowGiven
  readonly stackTop: number

  constructor(kernel: Kernel, given: CowGiven) {
    this.sys = boot_from_description(
      { memory: '1G' },
      { kernel, shared: false, processes: { nr_tasks: 8, nr_vmas: 1024, nr_xa_nodes: 512, nr_swap_slots: SWAP_PAGES } },
    )
    const { sys } = this
    setup_address_space(sys)
    vm_init(sys)
    const header = { version: 1, last_page: SWAP_PAGES - 1, badpages: [] }
    swapon(sys, { path: '/dev/vdb', header, pages: SWAP_PAGES, rotational: true })
    this.given = given
    this.parent = this.task = task_alloc(sys, 'cow')
    const mm = mm_alloc(sys, this.parent)
    sys.task.mm[this.parent] = mm
    sys.task.rlim[8 * this.parent + F.RLIMIT_MEMLOCK] = Infinity
    switch_to(sys, this.parent)
    this.stackTop = kernel.BITS_PER_LONG === 64 ? 2 ** 35 - 768 : sys.mm.task_size[mm]! - 16
    this.own = this.load(given)
    this.quiet = this.own.slice(-this.given.stackOld - 1)
    const { begin, before, late } = given.measure
    this.before = this.own.slice(0, before)
    this.beginning = this.own.slice(before, before + begin)
    this.late = this.own.slice(before + begin, before + begin + late)
    this.usage = this.own[given.fork]!
    // A second fork writes one page that nothing else does, before those that measuring writes, too.
    const busy = before + begin + late
    const more = this.own[busy]!
    this.reading = this.own.slice(busy + 1)
    this.forking = [...this.own.slice(0, given.fork), more, ...this.before.slice(given.fork + 1)]
    this.output = this.memoryFile('/snap/out', 0)
  }

  get mm(): number {
    return this.sys.task.mm[this.task]!
  }

  /** The program in memory: its file's pages, its own pages, its stack. Returns the own pages. */
  private load({ anon, program, vdso, data, running, ...given }: CowGiven): number[] {
    const { sys, mm } = this
    const wide = sys.kernel.BITS_PER_LONG === 64
    const stackPages = this.given.stackOld + 3
    // Room for an array of 64 pages in main's frame is there from the start.
    const stack = this.map(STACK, RW, ANON | F.MAP_FIXED | F.MAP_GROWSDOWN, 0, this.stackTop - STACK)
    const file = this.memoryFile('/bin/cow', program + 1)
    const base = wide ? 0x400 : 0x8050
    const code = (pages: number, page: number, pgoff: number): number =>
      this.map(pages, F.PROT_READ | F.PROT_EXEC, F.MAP_PRIVATE | F.MAP_FIXED, file, page, pgoff)
    // A fault maps 16 pages around it: the code that a child ran ends somewhere within them.
    const rest = (((running - data) % AROUND) + AROUND) % AROUND
    const full = program - data - rest
    this.text = code(full, base, 0)
    // The rest begins where a fault's pages begin; data, bss and heap follow.
    const behind = Math.ceil((base + full) / AROUND + 1) * AROUND
    if (rest > 0) this.rest = code(rest, behind, full)
    const own: number[] = [this.map(data + 1, RW, F.MAP_PRIVATE | F.MAP_FIXED, file, behind + AROUND, full + rest)]
    const bss = this.map(anon - stackPages - 1, RW, ANON | F.MAP_FIXED, 0, behind + AROUND + data + 2)
    sys.mm.start_brk[mm] = sys.mm.brk[mm] = (bss + anon - stackPages) * sys.page_bytes
    this.vdso = this.loadVdso(vdso, given)
    for (let i = 0; i < full; i++) this.touch(this.text + i, false)
    for (let i = 0; i < rest; i++) this.touch(this.rest + i, false)
    for (let i = 0; i < vdso; i++) this.touch(this.vdso + i, false)
    for (let i = 0; i < anon - stackPages - 1; i++) own.push(bss + i)
    for (let i = 0; i < stackPages; i++) own.push(stack + STACK - 1 - i)
    // exec() writes the arguments from outside; then it unmaps the old program, which empties the batches of LRU pages.
    switch_to(sys, 0)
    faultin_page(sys, mm, find_vma(sys, mm, stack + STACK - 1), stack + STACK - 1, true)
    switch_to(sys, this.parent)
    lru_add_drain(sys)
    for (const page of own) this.touch(page, true)
    for (let i = 1; i <= data; i++) this.touch(own[0]! + i, false)
    return own
  }

  /** 64-bit kernels put the vdso near the stack, 32-bit ones above the mappings. */
  private loadVdso(
    pages: number,
    { residue, farAway, sharedVdso }: Pick<CowGiven, 'residue' | 'farAway' | 'sharedVdso'>,
  ): number {
    const { sys, mm } = this
    const wide = sys.kernel.BITS_PER_LONG === 64
    const code = this.regularFile('[vdso]', pages)
    const top = sys.mm.mmap_base[mm]!
    const tables = wide ? 2 ** 18 : 2 ** 10
    const far = farAway ? 2 ** 27 : 0
    sys.mm.mmap_base[mm] = Math.floor((top - far) / tables) * tables - tables / 2 + 256 + residue
    const above = wide ? this.stackTop + 4 : sys.mm.mmap_base[mm]!
    const load = (): number => this.map(pages, F.PROT_READ | F.PROT_EXEC, F.MAP_PRIVATE | F.MAP_FIXED, code, above)
    if (sharedVdso) {
      const shell = task_alloc(sys, 'sh')
      sys.task.mm[shell] = mm_alloc(sys, shell)
      this.as(shell, () => {
        load()
        for (let i = 0; i < pages; i++) this.touch(above + i, false)
      })
    }
    return load()
  }

  private memoryFile(name: string, pages: number): number {
    const { sys } = this
    const file = open_inode(sys, new_inode(sys, F.INODE_SHMEM, name, pages * sys.page_bytes))
    write_file(sys, file, 0, pages)
    return file
  }

  private regularFile(name: string, pages: number): number {
    const { sys } = this
    const inode = new_inode(sys, F.INODE_REGULAR, name, pages * sys.page_bytes)
    return open_inode(sys, inode)
  }

  /** mmap: the first page. */
  map(pages: number, prot: number, flags: number, file = 0, page = 0, pgoff = 0): number {
    const at = do_mmap(this.sys, this.mm, { pages, prot, flags, file, page, pgoff })
    if (at < 0) throw new RangeError(`mmap of ${pages} pages failed with ${at}`)
    return at
  }

  anon(pages: number, flags = 0): number {
    return this.map(pages, RW, ANON | flags)
  }

  touch(page: number, write: boolean): void {
    const signal = access(this.sys, page, write ? 1 : 0)
    if (signal !== 0) throw new RangeError(`page 0x${page.toString(16)}: signal ${signal}`)
  }

  /** Reads or writes a byte in each page from `a` up to `b`. */
  read(first: number, a: number, b: number): void {
    for (let i = a; i < b; i++) this.touch(first + i, false)
  }

  write(first: number, a: number, b: number): void {
    for (let i = a; i < b; i++) this.touch(first + i, true)
  }

  advise(page: number, pages: number, advice: MadviseName): number {
    return do_madvise(this.sys, this.mm, page, pages, MADV[advice])
  }

  unmap(page: number, pages: number): void {
    do_munmap(this.sys, this.mm, page, pages)
  }

  protect(page: number, pages: number, prot: number): void {
    do_mprotect(this.sys, this.mm, page, pages, prot)
  }

  remap(page: number, old: number, pages: number, flags: number, to = 0): number {
    return do_mremap(this.sys, this.mm, page, old, pages, flags, to)
  }

  lock(page: number, pages: number): void {
    do_mlock(this.sys, this.mm, page, pages)
  }

  unlock(page: number, pages: number): void {
    do_munlock(this.sys, this.mm, page, pages)
  }

  moveBrk(bytes: number): number {
    return brk(this.sys, this.mm, this.sys.mm.brk[this.mm]! + bytes)
  }

  /** The file of the recording on a disk: written and synced. */
  createFile(pages: number): void {
    const { sys } = this
    this.file = open_inode(sys, new_inode(sys, F.INODE_REGULAR, '/data/cowfile', pages * sys.page_bytes))
    write_file(sys, this.file, 0, pages)
    do_msync(sys, sys.file.inode[this.file]!, 0, pages)
  }

  createTmpfs(pages: number): void {
    const { sys } = this
    this.tmpfs = open_inode(sys, new_inode(sys, F.INODE_SHMEM, '/tmpfs/f', pages * sys.page_bytes))
    for (let i = 0; i < this.given.tmpfs; i++)
      shmem_get_folio(sys, sys.file.inode[this.tmpfs]!, i, 0, new Int32Array(1))
  }

  sync(pages: number): void {
    do_msync(this.sys, this.sys.file.inode[this.file]!, 0, pages)
  }

  /** Dirty pages are sent to the disk, what is clean then goes; pages that are still being written stay. */
  forget(): void {
    const { sys } = this
    const inode = sys.file.inode[this.file]!
    if (this.given.written) do_msync(sys, inode, 0, 256)
    invalidate_mapping_pages(sys, inode, 0, 0x7fffffff)
    if (!this.given.written) do_msync(sys, inode, 0, 256)
  }

  /** The program has waited for its child. */
  waited(): void {
    for (const page of this.before.slice(-WAITED)) this.touch(page, true)
  }

  /** Forks; the parent goes on and writes some of its own pages, the child waits. */
  fork(own: number): number {
    const child = fork(this.sys, this.task)
    if (child < 0) throw new RangeError(`fork failed with ${child}`)
    this.children.push(child)
    for (const page of this.forking.slice(0, own)) this.touch(page, true)
    return child
  }

  /** A fork whose child waits. */
  forkWaiting(own: number): void {
    const child = this.fork(own)
    this.as(child, () => {
      if (this.given.childVdso) this.touch(this.vdso, false)
      this.runChild(this.given.waiting)
    })
  }

  /** Runs a task, then the parent goes on. */
  as(task: number, run: () => void): void {
    const before = this.task
    this.task = task
    switch_to(this.sys, task)
    run()
    this.task = before
    switch_to(this.sys, before)
  }

  exit(child: number): void {
    this.as(child, () => do_exit(this.sys, child, 0))
    release_task(this.sys, child)
    this.children = this.children.filter(other => other !== child)
  }

  exitAll(): void {
    for (const child of [...this.children]) this.exit(child)
  }

  /** Before a step: counters are read. */
  begin(): void {
    for (const page of this.beginning) this.touch(page, true)
  }

  /** getrusage writes what it has found. */
  stamp(): void {
    this.touch(this.usage, true)
  }

  /** Behind it, until smaps has been made. */
  measure(): void {
    for (const page of this.before) this.touch(page, true)
  }

  /** What smaps said is written down. */
  measured(): void {
    for (const page of this.late) this.touch(page, true)
  }

  /** A line of output. */
  print(bytes: number): void {
    const { page_bytes } = this.sys
    const first = Math.floor(this.printed / page_bytes)
    this.printed += bytes
    write_file(this.sys, this.output, first, Math.ceil(this.printed / page_bytes) - first)
    if (this.task === this.parent) return
    this.runChild(this.given.later)
    const [before, behind] = this.given.reads
    for (const page of this.reading.slice(before, before + behind)) this.touch(page, false)
  }

  /** A child runs code of the program until it has so many pages of it. */
  private runChild(pages: number): void {
    const { data } = this.given
    const windows = Math.floor((pages - data) / AROUND)
    for (let i = 0; i < windows; i++) this.touch(this.text + i * AROUND, false)
    if ((pages - data) % AROUND > 0 && this.rest > 0) this.touch(this.rest, false)
  }

  /** prctl(PR_SET_THP_DISABLE). */
  noHuge(off: boolean): void {
    const { flags } = this.sys.mm
    if (off) flags[this.mm]! |= F.MMF_DISABLE_THP
    else flags[this.mm]! &= ~F.MMF_DISABLE_THP
  }

  /** The child goes on with the program, the parent waits. */
  forkAndFollow(): void {
    const child = this.fork(this.given.fork)
    this.begin()
    this.stamp()
    this.task = child
    switch_to(this.sys, child)
    if (this.given.childVdso) this.touch(this.vdso, false)
    for (let i = 1; i <= this.given.data; i++) this.touch(this.own[0]! + i, false)
    for (const page of this.reading.slice(0, this.given.reads[0])) this.touch(page, false)
    this.runChild(this.given.running)
  }

  returnToParent(): void {
    this.task = this.parent
    switch_to(this.sys, this.parent)
  }

  /** Two forks in a loop. */
  forkTwice(): void {
    this.forkWaiting(Math.floor(this.given.twoForks / 2))
    this.forkWaiting(Math.ceil(this.given.twoForks / 2))
  }

  /** A page of its own that is written for the first time since it was shared. */
  writeQuiet(): void {
    this.touch(this.quiet[0]!, true)
  }

  /** An array on the stack, written from its end down. */
  growStack(pages: number): void {
    const old = this.given.stackOld
    for (let i = 0; i < old; i++) this.touch(this.quiet[1 + i]!, true)
    const lowest = Math.min(...this.own.filter(page => page > this.stackTop - STACK))
    for (let i = 1; i <= pages - old; i++) this.touch(lowest - i, true)
  }

  /** The program keeps what the last call gave. */
  writeCollapsed(): void {
    this.writeQuiet()
  }

  closeFile(): void {
    fput(this.sys, this.file)
    this.file = 0
  }
}
