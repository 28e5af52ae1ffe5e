// The process of a recording of page faults and copy-on-write, on a machine of the model: its own memory as far as the
// recording tells of it, the calls that the recorded program makes, and the accesses between them.
import { setup_address_space } from '../arch/x86/setup_address_space.ts'
import { access } from '../mm/access.ts'
import { brk } from '../mm/brk.ts'
import { do_msync, write_file } from '../mm/file_io.ts'
import { fput, invalidate_mapping_pages, new_inode, open_inode } from '../mm/files.ts'
import { do_exit, fork, mm_alloc, release_task, switch_to, task_alloc } from '../mm/fork.ts'
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
import { boot_from_description } from '../sim/boot.ts'

const RW = F.PROT_READ | F.PROT_WRITE
const ANON = F.MAP_PRIVATE | F.MAP_ANONYMOUS

/** What the recording tells of the program before its first step. */
export interface CowGiven {
  /** Own anonymous pages, mapped pages of the program's file, which lies in a memory file system, and of the vdso. */
  readonly anon: number
  readonly program: number
  readonly vdso: number
  /** Lowest mapping address, modulo the pages that a fault maps around it: addresses are random. */
  readonly residue: number
  /** Whether mappings lie in a part of the address space where no table is yet below the top level. */
  readonly farAway: boolean
  /** Own pages that the program writes while it forks, once and twice: it depends on where its stack lies. */
  readonly fork: number
  readonly twoForks: number
  /** Whether the disk had written all pages when the program asked to forget the file. */
  readonly written: boolean
  /** Pages that an earlier run left in the file of the memory file system. */
  readonly tmpfs: number
}

/** Stack pages that the recorded program's array takes which were there before, by the width of its pointers. */
const STACK_OLD: { readonly [bits in 32 | 64]: number } = { 64: 2, 32: 3 }
/** Own pages that it writes when it has waited for a child. */
const WAITED = 3
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
  readonly own: readonly number[]
  readonly quiet: readonly number[]
  readonly given: CowGiven
  readonly stackOld: number
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
    this.stackOld = STACK_OLD[kernel.BITS_PER_LONG]
    this.parent = this.task = task_alloc(sys, 'cow')
    const mm = mm_alloc(sys, this.parent)
    sys.task.mm[this.parent] = mm
    sys.task.rlim[8 * this.parent + F.RLIMIT_MEMLOCK] = Infinity
    switch_to(sys, this.parent)
    this.stackTop = kernel.BITS_PER_LONG === 64 ? 2 ** 35 - 1024 : sys.mm.task_size[mm]! - 16
    this.own = this.load(given)
    this.quiet = this.own.slice(-this.stackOld - 1)
  }

  get mm(): number {
    return this.sys.task.mm[this.task]!
  }

  /** The program in memory: its file's pages, its own pages, its stack. Returns the own pages. */
  private load({ anon, program, vdso, residue, farAway }: CowGiven): number[] {
    const { sys, mm } = this
    const wide = sys.kernel.BITS_PER_LONG === 64
    const stackPages = this.stackOld + 3
    const stack = this.map(33, RW, ANON | F.MAP_FIXED | F.MAP_GROWSDOWN, 0, this.stackTop - 33)
    const text = this.memoryFile('/bin/cow', program)
    const base = wide ? 0x400 : 0x8048
    this.map(program, F.PROT_READ | F.PROT_EXEC, F.MAP_PRIVATE | F.MAP_FIXED, text, base)
    const data = this.map(anon - stackPages, RW, ANON | F.MAP_FIXED, 0, base + 0x300)
    sys.mm.start_brk[mm] = sys.mm.brk[mm] = (base + 0x400) * sys.page_bytes
    const code = this.regularFile('[vdso]', vdso)
    const top = sys.mm.mmap_base[mm]!
    const tables = wide ? 2 ** 18 : 2 ** 10
    const far = farAway ? 2 ** 27 : 0
    sys.mm.mmap_base[mm] = Math.floor((top - far) / tables) * tables - tables / 2 + 256 + residue
    // 64-bit kernels put the vdso near the stack, 32-bit ones above the mappings.
    const above = wide ? this.stackTop + 4 : sys.mm.mmap_base[mm]!
    this.map(vdso, F.PROT_READ | F.PROT_EXEC, F.MAP_PRIVATE | F.MAP_FIXED, code, above)
    for (let i = 0; i < program; i++) this.touch(base + i, false)
    for (let i = 0; i < vdso; i++) this.touch(above + i, false)
    const own: number[] = []
    for (let i = 0; i < anon - stackPages; i++) own.push(data + i)
    for (let i = 0; i < stackPages; i++) own.push(stack + 32 - i)
    // exec() has unmapped the old program, which empties the batches of LRU pages.
    lru_add_drain(sys)
    for (const page of own) this.touch(page, true)
    return own
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
  map(pages: number, prot: number, flags: number, file = 0, page = 0): number {
    const at = do_mmap(this.sys, this.mm, { pages, prot, flags, file, page })
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

  /** Pages of its own that the program writes without looking back. */
  writeOwn(from: number, count: number): void {
    for (let i = 0; i < count; i++) this.touch(this.own[from + i]!, true)
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
    this.writeOwn(0, WAITED)
  }

  /** Forks; the parent goes on and writes some of its own pages. */
  fork(own: number): number {
    const child = fork(this.sys, this.task)
    if (child < 0) throw new RangeError(`fork failed with ${child}`)
    this.children.push(child)
    this.writeOwn(0, own)
    return child
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

  /** What the program does to look at itself: it writes its buffers. */
  measure(): void {
    const busy = this.own.length - this.quiet.length
    for (let i = 0; i < busy; i++) this.touch(this.own[i]!, true)
  }

  /** prctl(PR_SET_THP_DISABLE). */
  noHuge(off: boolean): void {
    const { flags } = this.sys.mm
    if (off) flags[this.mm]! |= F.MMF_DISABLE_THP
    else flags[this.mm]! &= ~F.MMF_DISABLE_THP
  }

  /** The child goes on with the program, the parent waits. */
  forkAndFollow(): void {
    const child = this.fork(0)
    this.task = child
    switch_to(this.sys, child)
  }

  returnToParent(): void {
    this.task = this.parent
    switch_to(this.sys, this.parent)
  }

  /** Two forks in a loop. */
  forkTwice(): void {
    this.fork(Math.floor(this.given.twoForks / 2))
    this.fork(Math.ceil(this.given.twoForks / 2))
  }

  /** A page of its own that is written for the first time since it was shared. */
  writeQuiet(): void {
    this.touch(this.quiet[0]!, true)
  }

  /** An array on the stack, written from its end down. */
  growStack(pages: number): void {
    const old = this.stackOld
    for (let i = 0; i < old; i++) this.touch(this.quiet[1 + i]!, true)
    const lowest = Math.min(...this.own.filter(page => page > this.stackTop - 64))
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
