// The shell's words for processes: made, forked, ended; memory mapped, changed, touched. Addresses are hexadecimal bytes.
import { MADV, type MadviseName } from '../../mm/madvise.ts'
import { get_current } from '../../mm/mm_counter.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { kpagecount, stable_page_flags } from '../../mm/page_flags_user.ts'
import { walk } from '../../mm/pgtable.ts'
import { pagemap_entry } from '../../mm/task_mmu.ts'
import * as F from '../../mm/vm_flags.ts'
import type { Command, Result } from '../commands.ts'
import { taskOf } from '../process_commands.ts'
import type { Builtin, Session } from './session.ts'
import { namedWords, ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

const group = 'process'

const hex = (session: Session, page: number): string => `0x${(page * session.machine.sys.page_bytes).toString(16)}`

/** The page of an address; `ADDRESS+N` is N pages further. */
export function pageOf(session: Session, word: string | undefined): number {
  const [address, more] = (word ?? '').split('+')
  const value = wholeNumber(/^0x/i.test(address!) ? address : `0x${address}`, 'address')
  if (value > Number.MAX_SAFE_INTEGER) throw new ShellSyntaxError(`${address} is above all addresses of processes`)
  return Math.floor(value / session.machine.sys.page_bytes) + (more === undefined ? 0 : wholeNumber(more, 'pages'))
}

const ERRORS: Readonly<Record<number, string>> = {
  [F.EPERM]: 'EPERM',
  [F.ENOENT]: 'ENOENT: no such file',
  [F.E2BIG]: 'E2BIG',
  [F.ENOEXEC]: 'ENOEXEC: it is no program',
  [F.EBADF]: 'EBADF',
  [F.EAGAIN]: 'EAGAIN',
  [F.ENOMEM]: 'ENOMEM',
  [F.EACCES]: 'EACCES',
  [F.EFAULT]: 'EFAULT',
  [F.EBUSY]: 'EBUSY',
  [F.EEXIST]: 'EEXIST',
  [F.EINVAL]: 'EINVAL',
}

/** Does a command; a kernel's refusal fails the line. */
export function act(session: Session, command: Command): Result & { readonly printed: string } {
  const { result, printed } = session.do(command)
  const error = result.error ?? 0
  if (error < 0) throw Object.assign(new ShellFailure(`${command.op}: ${ERRORS[-error] ?? error}`), { text: printed })
  return { ...result, printed }
}

export function pidOf(args: readonly string[]): [string[], { pid?: number }] {
  const [plain, named] = namedWords(args, ['pid'])
  return [plain, named.has('pid') ? { pid: wholeNumber(named.get('pid'), 'pid') } : {}]
}

const PROTS: Readonly<Record<string, number>> = { r: F.PROT_READ, w: F.PROT_WRITE, x: F.PROT_EXEC, '-': 0 }

function protOf(word: string): number {
  let prot = 0
  for (const letter of word) {
    if (!Object.hasOwn(PROTS, letter)) throw new ShellSyntaxError(`"${word}" is no protection: letters r, w, x or -`)
    prot |= PROTS[letter]!
  }
  return prot
}

const FLAGS: Readonly<Record<string, number>> = {
  shared: F.MAP_SHARED,
  private: F.MAP_PRIVATE,
  populate: F.MAP_POPULATE,
  locked: F.MAP_LOCKED,
  noreserve: F.MAP_NORESERVE,
  hugetlb: F.MAP_HUGETLB,
  growsdown: F.MAP_GROWSDOWN,
}

function mmap(session: Session, args: readonly string[]): string {
  const [words, pid] = pidOf(args)
  const [plain, named] = namedWords(words, ['file', 'at', 'offset'])
  const pages = wholeNumber(plain[0], 'pages')
  let flags = named.has('file') ? 0 : F.MAP_ANONYMOUS
  for (const word of plain.slice(2)) {
    if (!Object.hasOwn(FLAGS, word))
      throw new ShellSyntaxError(`no word "${word}": there are ${Object.keys(FLAGS).join(', ')}`)
    flags |= FLAGS[word]!
  }
  if ((flags & 3) === 0) flags |= F.MAP_PRIVATE
  const fixed = named.has('at') ? { page: pageOf(session, named.get('at')) } : {}
  if (named.has('at')) flags |= F.MAP_FIXED
  const file = named.has('file') ? { file: named.get('file')! } : {}
  const offset = named.has('offset') ? { pgoff: wholeNumber(named.get('offset'), 'offset') } : {}
  const { page, printed } = act(session, {
    op: 'mmap',
    pages,
    prot: protOf(plain[1] ?? 'rw'),
    flags,
    ...fixed,
    ...file,
    ...offset,
    ...pid,
  })
  return `${hex(session, page!)}\n${printed}`
}

const SIGNALS: Readonly<Record<number, string>> = {
  [F.SIGBUS]: 'SIGBUS',
  [F.SIGSEGV]: 'SIGSEGV',
}
const CODES: Readonly<Record<number, string>> = { 1: 'SEGV_MAPERR', 2: 'SEGV_ACCERR' }

function touch(how: 'read' | 'write' | 'exec'): Builtin['run'] {
  return (session, args) => {
    const [[address, pages], pid] = pidOf(args)
    const count = pages === undefined ? 1 : wholeNumber(pages, 'pages')
    const page = pageOf(session, address)
    const { signal, minor, major, printed } = act(session, { op: 'touch', page, pages: count, access: how, ...pid })
    const faults = `${minor} minor, ${major} major faults\n${printed}`
    return signalled(session, pid.pid, signal!, faults)
  }
}

/** What faults came to: a signal fails the line. */
export function signalled(session: Session, pid: number | undefined, signal: number, faults: string): string {
  if (signal === 0) return faults
  // Nothing is left of it that could tell more.
  if (signal === F.SIGKILL) throw Object.assign(new ShellFailure('SIGKILL'), { text: faults })
  const { sys } = session.machine
  const task = sys.task.pid.indexOf(pid ?? sys.task.pid[get_current(sys)]!, 1)
  const code = signal === F.SIGSEGV ? (CODES[sys.task.si_code[task]!] ?? '') : 'BUS_ADRERR'
  const at = `0x${sys.task.si_addr[task]!.toString(16)}`
  const why = ` (${code}) at ${at}, error code ${sys.task.error_code[task]}`
  throw Object.assign(new ShellFailure(`${SIGNALS[signal] ?? signal}${why}`), { text: faults })
}

function ranged(op: 'munmap' | 'mlock' | 'munlock'): Builtin['run'] {
  return (session, args) => {
    const [[address, pages, how], pid] = pidOf(args)
    if (how !== undefined && (op !== 'mlock' || how !== 'onfault')) throw new ShellSyntaxError(`no word "${how}"`)
    const range = { page: pageOf(session, address), pages: wholeNumber(pages, 'pages') }
    return act(session, { op, ...range, ...pid, ...(how === undefined ? {} : { onfault: true }) }).printed
  }
}

function madvise(session: Session, args: readonly string[]): string {
  const [[address, pages, word], pid] = pidOf(args)
  const advice = (word ?? '').toUpperCase().replace(/^MADV_/, '')
  if (!Object.hasOwn(MADV, advice))
    throw new ShellSyntaxError(`no advice "${word}": there are ${Object.keys(MADV).join(', ')}`)
  return act(session, {
    op: 'madvise',
    page: pageOf(session, address),
    pages: wholeNumber(pages, 'pages'),
    advice: advice as MadviseName,
    ...pid,
  }).printed
}

/** All steps from the top table to the entry, and what /proc says of the page. */
function pagemap(session: Session, args: readonly string[]): string {
  const [[address], { pid }] = pidOf(args)
  const { sys } = session.machine
  const mm = sys.task.mm[taskOf(sys, pid)]!
  const page = pageOf(session, address)
  const lines = walk(sys, sys.mm.pgd[mm]! - 1, page).map(({ level, table, index, entry }) => {
    const bits = `${entry.hi.toString(16).padStart(8, '0')}${entry.lo.toString(16).padStart(8, '0')}`
    return `${level} table ${table} [${index}] 0x${sys.kernel.pgtable.entry_bytes === 8 ? bits : bits.slice(8)}`
  })
  const { pfn, present, swap, file, exclusive } = pagemap_entry(sys, mm, page)
  if (present) {
    const flags = `flags 0x${stable_page_flags(sys, pfn).toString(16)}`
    lines.push(
      `pfn ${pfn} mapped ${kpagecount(sys, pfn)} times, ${flags}${file ? ', file or shared' : ''}${exclusive ? ', exclusive' : ''}`,
    )
  } else lines.push(swap ? `in swap: type ${pfn % 32} offset ${Math.floor(pfn / 32)}` : 'nothing there')
  return `${lines.join('\n')}\n`
}

const stateLetter = (sys: Sys, task: number): string =>
  sys.task.state[task] === F.TASK_ZOMBIE ? 'Z' : sys.task.stuck[task] === 1 ? 'D' : 'R'

function ps(session: Session): string {
  const { sys } = session.machine
  let text = ''
  for (let task = 1; task < sys.task.state.length; task++) {
    if (sys.task.state[task] === 0) continue
    const here = get_current(sys) === task ? '*' : ' '
    const faults = `minor ${sys.task.min_flt[task]} major ${sys.task.maj_flt[task]}`
    text += `${here} ${sys.task.pid[task]} ${stateLetter(sys, task)} ${faults}\n`
  }
  return text
}

export const processBuiltins: Readonly<Record<string, Builtin>> = {
  spawn: {
    usage: '[NAME]',
    about: 'a new process with a stack; it runs from now on',
    group,
    arity: [0, 1],
    run: (session, [comm = 'sh']) => `pid ${act(session, { op: 'spawn', comm }).pid}\n`,
  },
  fork_process: {
    usage: '[pid=N]',
    about: 'forks the running process',
    group,
    arity: [0, 1],
    run: (session, args) => `pid ${act(session, { op: 'fork', ...pidOf(args)[1] }).pid}\n`,
  },
  kill: {
    usage: '[pid=N]',
    about: 'ends a process; its parent runs then',
    group,
    arity: [0, 1],
    run: (session, args) => act(session, { op: 'exit', ...pidOf(args)[1] }).printed,
  },
  run: {
    usage: 'PID',
    about: 'lets a process run',
    group,
    arity: [1, 1],
    run: (session, [pid]) => act(session, { op: 'run_process', pid: wholeNumber(pid, 'pid') }).printed,
  },
  ps: { usage: '', about: 'the processes; * marks the one that runs', group, arity: [0, 0], run: ps },
  mmap: {
    usage:
      'PAGES [rwx-] [shared|private|populate|locked|noreserve|hugetlb|growsdown …] [file=NAME] [offset=PAGES] [at=ADDRESS]',
    about: 'maps memory and prints where',
    group,
    arity: [1, 12],
    run: mmap,
  },
  munmap: { usage: 'ADDRESS PAGES', about: 'unmaps pages', group, arity: [2, 3], run: ranged('munmap') },
  mlock: {
    usage: 'ADDRESS PAGES [onfault]',
    about: 'locks pages in memory',
    group,
    arity: [2, 4],
    run: ranged('mlock'),
  },
  munlock: { usage: 'ADDRESS PAGES', about: 'lets them go again', group, arity: [2, 3], run: ranged('munlock') },
  mprotect: {
    usage: 'ADDRESS PAGES rwx-',
    about: 'changes what pages allow',
    group,
    arity: [3, 4],
    run: (session, args) => {
      const [[address, pages, prot], pid] = pidOf(args)
      const page = pageOf(session, address)
      return act(session, { op: 'mprotect', page, pages: wholeNumber(pages, 'pages'), prot: protOf(prot!), ...pid })
        .printed
    },
  },
  madvise: {
    usage: 'ADDRESS PAGES ADVICE',
    about: 'advice about pages, as DONTNEED',
    group,
    arity: [3, 4],
    run: madvise,
  },
  mremap: {
    usage: 'ADDRESS OLD NEW',
    about: 'resizes a mapping, moves it where it must',
    group,
    arity: [3, 4],
    run: (session, args) => {
      const [[address, old, pages], pid] = pidOf(args)
      const { page } = act(session, {
        op: 'mremap',
        page: pageOf(session, address),
        old: wholeNumber(old, 'pages'),
        pages: wholeNumber(pages, 'pages'),
        flags: F.MREMAP_MAYMOVE,
        ...pid,
      })
      return `${hex(session, page!)}\n`
    },
  },
  read: { usage: 'ADDRESS[+N] [PAGES]', about: 'reads a byte of each page', group, arity: [1, 3], run: touch('read') },
  write: {
    usage: 'ADDRESS[+N] [PAGES]',
    about: 'writes a byte of each page',
    group,
    arity: [1, 3],
    run: touch('write'),
  },
  execute: { usage: 'ADDRESS[+N]', about: 'runs code there', group, arity: [1, 3], run: touch('exec') },
  pagemap: {
    usage: 'ADDRESS[+N]',
    about: 'the way through the page tables, and what the kernel says of the page',
    group,
    arity: [1, 2],
    run: pagemap,
  },
  create_file: {
    usage: 'NAME PAGES [memory]',
    about: 'a file to map, on a disk or in memory',
    group,
    arity: [2, 3],
    run: (session, [name, pages, memory]) =>
      act(session, {
        op: 'create_file',
        name: name!,
        pages: wholeNumber(pages, 'pages'),
        ...(memory === undefined ? {} : { memory: true }),
      }).printed,
  },
  thp: {
    usage: 'always|madvise|never',
    about: 'transparent huge pages',
    group,
    arity: [1, 1],
    run: (session, [mode]) => act(session, { op: 'thp', mode: mode as 'always' }).printed,
  },
  khugepaged: {
    usage: 'PAGES',
    about: 'lets khugepaged look at so many pages',
    group,
    arity: [1, 1],
    run: (session, [pages]) =>
      `${act(session, { op: 'khugepaged', pages: wholeNumber(pages, 'pages') }).count} huge pages gathered\n`,
  },
  nr_hugepages: {
    usage: 'COUNT',
    about: 'size of the pool of huge pages',
    group,
    arity: [1, 1],
    run: (session, [count]) => `${act(session, { op: 'nr_hugepages', count: wholeNumber(count, 'count') }).count}\n`,
  },
}
