// A process gets a new program: a new address space with the program's segments, its heap's begin, a stack with the arguments and
// the kernel's own pages; the old one goes. Laws: what is refused before the old address space is gone leaves the process as it
// was; a program is a file whose inode says where its segments lie.
import { read_file } from './file_io.ts'
import { fput, new_inode, open_inode } from './files.ts'
import { mm_alloc, mmput } from './fork.ts'
import { faultin_page } from './gup.ts'
import { put_text } from './kernel_stack_tables.ts'
import { get_current, sync_mm_rss } from './mm_counter.ts'
import { do_mmap, get_unmapped_area } from './mmap.ts'
import type { Sys } from './mmzone.ts'
import { get_user_text, put_user_bytes, put_user_word } from './uaccess.ts'
import * as F from './vm_flags.ts'
import { COMM_LEN, NAME_LEN } from './vm_tables.ts'
import { find_vma, vm_area_alloc, vm_stat_account, vma_link } from './vma.ts'

/** A program's segments, pages: a file has them one behind the other. Fields of inode.program in this order. */
export interface Program {
  /** Page of the first byte. */
  readonly base: number
  /** Pages of headers, code, constants; of data in the file and behind it. */
  readonly headers: number
  readonly text: number
  readonly rodata: number
  readonly data: number
  readonly bss: number
  /** Page of the file at which data begins: it may share its first page with the constants. */
  readonly data_pgoff: number
}

/** Where chance puts things; what is left out lies where it does without chance. Pages. */
export interface ExecLayout {
  /** End of the stack, and the first page of what the kernel maps for itself. */
  readonly stack_top?: number
  readonly vdso?: number
}

/** @kernel arch/x86/entry/vdso/vma.c:vdso_image */
const VVAR_PAGES = 4
const VDSO_PAGES = 1
/** @kernel fs/exec.c:setup_arg_pages */
const STACK_EXPAND = 131072
/** @kernel include/uapi/linux/binfmts.h:MAX_ARG_STRLEN */
const MAX_ARG_PAGES = 32
const STACK_FLAGS: number =
  F.VM_READ | F.VM_WRITE | F.VM_MAYREAD | F.VM_MAYWRITE | F.VM_MAYEXEC | F.VM_GROWSDOWN | F.VM_ACCOUNT

/** A file with a program. @ours */
export function new_program(sys: Sys, kind: number, name: string, program: Program): number {
  const { base, headers, text, rodata, data, bss, data_pgoff } = program
  const inode = new_inode(sys, kind, name, (data_pgoff + data) * sys.page_bytes)
  sys.inode.program.set([base, headers, text, rodata, data, bss, data_pgoff], 7 * inode)
  return inode
}

function program_of(sys: Sys, inode: number): Program | null {
  const [base = 0, headers = 0, text = 0, rodata = 0, data = 0, bss = 0, data_pgoff = 0] = sys.inode.program.subarray(
    7 * inode,
    7 * inode + 7,
  )
  return text === 0 ? null : { base, headers, text, rodata, data, bss, data_pgoff }
}

/** Runs a file in a task: 0, or a negated errno. @kernel fs/exec.c:do_execveat_common */
export function do_execve(
  sys: Sys,
  task: number,
  inode: number,
  argv: readonly string[],
  layout: ExecLayout = {},
): number {
  if (inode === 0) return -F.ENOENT
  if (argv.some(word => word.length >= MAX_ARG_PAGES * sys.page_bytes)) return -F.E2BIG
  const mm = mm_alloc(sys, task)
  if (mm === 0) return -F.ENOMEM
  const file = open_inode(sys, inode)
  const error = bprm_execve(sys, task, mm, file, argv, layout)
  fput(sys, file)
  if (error !== 0 && sys.task.mm[task] !== mm) mmput(sys, mm)
  return error
}

/** @kernel fs/exec.c:bprm_execve */
function bprm_execve(
  sys: Sys,
  task: number,
  mm: number,
  file: number,
  argv: readonly string[],
  layout: ExecLayout,
): number {
  const inode = sys.file.inode[file]!
  const top = layout.stack_top ?? sys.mm.task_size[mm]!
  bprm_mm_init(sys, mm, top)
  const sp = copy_strings(sys, mm, top, file_name(sys, inode), argv)
  if (sp < 0) return sp
  // The first bytes say what it is.
  if (read_file(sys, file, 0, 1) !== 0) return -F.ENOMEM
  const program = program_of(sys, inode)
  if (program === null) return -F.ENOEXEC
  exec_mmap(sys, task, mm)
  begin_new_exec(sys, task, inode)
  setup_arg_pages(sys, task, mm, sp)
  const error = load_elf_binary(sys, mm, file, program) || map_vdso(sys, mm, layout.vdso)
  if (error !== 0) return error
  create_elf_tables(sys, mm, sp, argv.length)
  return 0
}

/** One page of stack, for the arguments. @kernel fs/exec.c:__bprm_mm_init */
function bprm_mm_init(sys: Sys, mm: number, top: number): void {
  const vma = vm_area_alloc(sys, mm)
  sys.vma.start[vma] = top - 1
  sys.vma.end[vma] = top
  sys.vma.pgoff[vma] = top - 1
  sys.vma.flags[vma] = (STACK_FLAGS | (sys.kernel.config.MEM_SOFT_DIRTY ? F.VM_SOFTDIRTY : 0)) >>> 0
  sys.vm_state.vm_committed_as[0]! += 1
  vma_link(sys, mm, vma)
  sys.mm.total_vm[mm] = sys.mm.stack_vm[mm] = 1
}

/** The file's name and the arguments on the new stack: the address of the first argument, or a negated errno. The kernel faults
 * these pages in for the new address space from the old one. @kernel fs/exec.c:copy_strings */
function copy_strings(sys: Sys, mm: number, top: number, name: string, argv: readonly string[]): number {
  let at = top * sys.page_bytes - sys.kernel.BITS_PER_LONG / 8
  const words = [name, ...argv.toReversed()].map(word => new TextEncoder().encode(`${word}\0`))
  const bytes = words.reduce((sum, word) => sum + word.length, 0)
  const owner = sys.mm.owner[mm]!
  if (bytes > sys.task.rlim[8 * owner + F.RLIMIT_STACK]! / 4) return -F.E2BIG
  for (const [i, word] of words.entries()) {
    if (i === 1) sys.mm.arg_end[mm] = at
    at -= word.length
    const error = put_argument(sys, mm, at, word)
    if (error !== 0) return error
  }
  sys.mm.arg_start[mm] = at
  return at
}

/** @kernel fs/exec.c:get_arg_page */
function put_argument(sys: Sys, mm: number, address: number, bytes: Uint8Array): number {
  const first = Math.floor(address / sys.page_bytes)
  for (let page = Math.floor((address + bytes.length - 1) / sys.page_bytes); page >= first; page--) {
    const vma = find_vma(sys, mm, page)
    if (page < sys.vma.start[vma]!) grow_arguments(sys, mm, vma, page)
    if (faultin_page(sys, mm, vma, page, true) !== 0) return -F.ENOMEM
  }
  put_user_bytes(sys, mm, address, bytes)
  return 0
}

function grow_arguments(sys: Sys, mm: number, vma: number, page: number): void {
  const more = sys.vma.start[vma]! - page
  sys.vma.start[vma]! -= more
  sys.vma.pgoff[vma]! -= more
  sys.mm.total_vm[mm]! += more
  sys.mm.stack_vm[mm]! += more
  sys.vm_state.vm_committed_as[0]! += more
}

const file_name = (sys: Sys, inode: number): string => {
  const bytes = sys.inode.name.subarray(NAME_LEN * inode, NAME_LEN * (inode + 1))
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)))
}

/** The old address space goes; nothing can be refused from here on. @kernel fs/exec.c:exec_mmap */
function exec_mmap(sys: Sys, task: number, mm: number): void {
  const old = sys.task.mm[task]!
  if (old !== 0 && get_current(sys) === task) sync_mm_rss(sys, old)
  sys.task.mm[task] = mm
  if (old === 0) return
  if (sys.mm.owner[old] === task) sys.mm.owner[old] = Math.max(0, sys.task.mm.indexOf(old, 1))
  mmput(sys, old)
}

/** @kernel fs/exec.c:begin_new_exec */
function begin_new_exec(sys: Sys, task: number, inode: number): void {
  const name = file_name(sys, inode)
  put_text(sys.task.comm, task, COMM_LEN, name.slice(name.lastIndexOf('/') + 1).slice(0, COMM_LEN - 1))
  sys.task.flags[task] = (sys.task.flags[task]! & ~F.PF_FORKNOEXEC) >>> 0
  sys.task.signal[task] = 0
}

/** The stack gets room to grow before it must. @kernel fs/exec.c:setup_arg_pages */
function setup_arg_pages(sys: Sys, task: number, mm: number, sp: number): void {
  const vma = find_vma(sys, mm, Math.floor(sp / sys.page_bytes))
  const size = sys.vma.end[vma]! - sys.vma.start[vma]!
  const limit = Math.floor(sys.task.rlim[8 * task + F.RLIMIT_STACK]! / sys.page_bytes)
  grow_arguments(
    sys,
    mm,
    vma,
    sys.vma.end[vma]! - Math.max(size, Math.min(size + STACK_EXPAND / sys.page_bytes, limit)),
  )
  sys.mm.start_stack[mm] = sp
}

/** Maps the segments: 0, or a negated errno. @kernel fs/binfmt_elf.c:load_elf_binary */
function load_elf_binary(sys: Sys, mm: number, file: number, program: Program): number {
  const { base, headers, text, rodata, data, bss, data_pgoff } = program
  const { PROT_READ, PROT_WRITE, PROT_EXEC } = F
  const code = base + headers
  const behind = code + text + rodata
  const segments: readonly (readonly [page: number, pages: number, prot: number, pgoff: number])[] = [
    [base, headers, PROT_READ, 0],
    [code, text, PROT_READ | PROT_EXEC, headers],
    [code + text, rodata, PROT_READ, headers + text],
    [behind, data, PROT_READ | PROT_WRITE, data_pgoff],
  ]
  for (const [page, pages, prot, pgoff] of segments) {
    if (pages === 0) continue
    const at = do_mmap(sys, mm, { page, pages, prot, flags: F.MAP_PRIVATE | F.MAP_FIXED_NOREPLACE, file, pgoff })
    if (at < 0) return at
  }
  const { page_bytes } = sys
  sys.mm.start_code[mm] = base * page_bytes
  sys.mm.end_code[mm] = (code + text) * page_bytes
  sys.mm.start_data[mm] = behind * page_bytes
  sys.mm.end_data[mm] = (behind + data) * page_bytes
  return set_brk(sys, mm, behind + data, bss, data)
}

/** Memory behind the data that is zeros, and where the heap begins. @kernel fs/binfmt_elf.c:set_brk */
function set_brk(sys: Sys, mm: number, page: number, pages: number, data: number): number {
  if (pages > 0) {
    const flags = F.MAP_PRIVATE | F.MAP_ANONYMOUS | F.MAP_FIXED_NOREPLACE
    const at = do_mmap(sys, mm, { page, pages, prot: F.PROT_READ | F.PROT_WRITE, flags })
    if (at < 0) return at
    // What the file has behind its data in the last page is cleared.
    if (data > 0 && faultin_page(sys, mm, find_vma(sys, mm, page - 1), page - 1, true) !== 0) return -F.ENOMEM
  }
  sys.mm.start_brk[mm] = sys.mm.brk[mm] = (page + pages) * sys.page_bytes
  return 0
}

/** The kernel's own pages of a process: its clock's data, and code to read it. @kernel arch/x86/entry/vdso/vma.c:map_vdso
 * @differs their frames are those of a file, and of the page of zeros */
function map_vdso(sys: Sys, mm: number, wish = 0): number {
  const page = get_unmapped_area(sys, mm, wish, VVAR_PAGES + VDSO_PAGES)
  if (page < 0) return page
  const vvar = vm_area_alloc(sys, mm)
  sys.vma.start[vvar] = sys.vma.pgoff[vvar] = page
  sys.vma.end[vvar] = page + VVAR_PAGES
  sys.vma.flags[vvar] = (F.VM_READ | F.VM_MAYREAD | F.VM_IO | F.VM_DONTDUMP | F.VM_PFNMAP) >>> 0
  sys.vma.special[vvar] = F.SPECIAL_VVAR
  vma_link(sys, mm, vvar)
  vm_stat_account(sys, mm, sys.vma.flags[vvar]!, VVAR_PAGES)
  const file = open_inode(sys, vdso_inode(sys))
  const at = do_mmap(sys, mm, {
    page: page + VVAR_PAGES,
    pages: VDSO_PAGES,
    prot: F.PROT_READ | F.PROT_EXEC,
    flags: F.MAP_PRIVATE | F.MAP_FIXED,
    file,
  })
  fput(sys, file)
  if (at < 0) return at
  sys.vma.special[find_vma(sys, mm, at)] = F.SPECIAL_VDSO
  return 0
}

const VDSO_NAME = '[vdso]'

function vdso_inode(sys: Sys): number {
  for (let inode = 1; inode < sys.inode.kind.length; inode++)
    if (sys.inode.kind[inode] !== 0 && file_name(sys, inode) === VDSO_NAME) return inode
  return new_inode(sys, F.INODE_REGULAR, VDSO_NAME, VDSO_PAGES * sys.page_bytes)
}

/** How many arguments there are, and where they lie, below them on the stack. @kernel fs/binfmt_elf.c:create_elf_tables
 * @differs no environment and no auxiliary vector */
function create_elf_tables(sys: Sys, mm: number, sp: number, argc: number): void {
  const word = sys.kernel.BITS_PER_LONG / 8
  const at = Math.floor((sp - (argc + 3) * word) / 16) * 16
  const page = Math.floor(at / sys.page_bytes)
  if (faultin_page(sys, mm, find_vma(sys, mm, page), page, true) !== 0) return
  put_user_word(sys, mm, at, argc)
  let address = sys.mm.arg_start[mm]!
  for (let i = 0; i < argc; i++) {
    put_user_word(sys, mm, at + (i + 1) * word, address)
    address += new TextEncoder().encode(get_user_text(sys, mm, address)).length + 1
  }
  sys.mm.start_stack[mm] = at
}
