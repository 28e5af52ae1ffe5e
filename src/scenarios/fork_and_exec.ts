// Story: a shell starts a program: fork makes a second shell, exec makes another program of it.
import { get_current } from '../mm/mm_counter.ts'
import { get_user_text } from '../mm/uaccess.ts'
import { mapsText } from '../sim/process_files.ts'
import { mapAnonymous, pageOf } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const WORK = 32

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const mmOf = (pid: number): number => {
    const task = sys.task.pid.indexOf(pid, 1)
    if (!(task > 0)) throw new RangeError(`no process ${pid}`)
    return sys.task.mm[task]!
  }
  const areas = (pid: number): number => sys.mm.map_count[mmOf(pid)]!
  stage.do({ op: 'thp', mode: 'never' })
  for (const name of ['/bin/sh', '/bin/ls'])
    stage.do({ op: 'create_program', name, text: 24, rodata: 8, data: 2, bss: 6, memory: true })
  const shell = stage.do({ op: 'spawn', comm: 'init' }).pid!
  stage.do({ op: 'exec', path: '/bin/sh' })
  const maps = mapsText(sys, mmOf(shell)).trimEnd().split('\n')
  yield {
    say: `exec("/bin/sh") gives process ${shell} ${maps.length} areas: headers, code, constants and data of the file, the zeros behind them, the stack with its argument, and what the kernel maps itself:\n${maps.join('\n')}`,
    expect: {
      'code may be run and not written': maps.some(line => line.includes(' r-xp ') && line.endsWith('/bin/sh')),
      'there is a stack of 33 pages': sys.mm.stack_vm[mmOf(shell)] === 33,
      'the argument lies on it': get_user_text(sys, mmOf(shell), sys.mm.arg_start[mmOf(shell)]!) === '/bin/sh',
    },
  }

  const page = mapAnonymous(stage, WORK)
  stage.do({ op: 'touch', page, pages: WORK, access: 'write' })
  const child = stage.do({ op: 'fork' }).pid!
  const frame = pageOf(sys, page).pfn
  const theirs = pageOf(sys, page, sys.task.pid.indexOf(child, 1))
  yield {
    say: `The shell writes ${WORK} pages and forks. Child ${child} has the same ${areas(child)} areas and the same frames: frame ${frame} is mapped ${sys.page._mapcount[frame]} times.`,
    expect: { 'the frame is shared': theirs.pfn === frame && sys.page._mapcount[frame] === 2 },
  }

  const missing = stage.do({ op: 'exec', pid: child, path: '/bin/nothing' })
  yield {
    say: `The child tries exec("/bin/nothing"): error ${missing.error}, and it is the shell that it was: the old address space goes only when nothing can fail any more.`,
    expect: {
      ENOENT: missing.error === -2,
      'it maps what it mapped': pageOf(sys, page, sys.task.pid.indexOf(child, 1)).pfn === frame,
    },
  }

  stage.do({ op: 'exec', pid: child, path: '/bin/ls', argv: ['/bin/ls', '-l'] })
  const mm = mmOf(child)
  yield {
    say: `exec("/bin/ls -l"): the child has an address space of its own with ${areas(child)} areas. Of the ${WORK} pages that fork had shared it never copied one; frame ${frame} is mapped ${sys.page._mapcount[frame]} time again.`,
    expect: {
      'the shell has its pages alone': sys.page._mapcount[frame] === 1,
      'the child does not see them': !pageOf(sys, page, sys.task.pid.indexOf(child, 1)).present,
      'it has its arguments': get_user_text(sys, mm, sys.mm.arg_start[mm]! + '/bin/ls '.length) === '-l',
    },
  }

  const before = sys.task.min_flt[get_current(sys)]!
  stage.do({ op: 'touch', page, pages: WORK, access: 'write' })
  const faults = sys.task.min_flt[get_current(sys)]! - before
  yield {
    say: `The shell writes its pages again: ${faults} faults, because the entries still forbid it, and not one copy.`,
    expect: { 'each entry faulted once': faults === WORK, 'the frame is the same': pageOf(sys, page).pfn === frame },
  }
}

export const forkAndExec: Scenario = {
  name: 'fork_and_exec',
  title: 'Fork and exec',
  story:
    'Every program of a shell begins as a copy of the shell. fork() shares all memory with the child, and exec() lets go of it before anything had to be copied: that is why the copy may be put off, and why it mostly never comes.',
  terms: {
    'address space': 'mm_struct: the areas and page tables that a process, or several threads, run in',
    vdso: 'code of the kernel that every process has mapped, to ask for the time without a call',
    bss: 'data that begins as zeros; the file only says how much of it there is',
  },
  through: ['do_execve', 'copy_strings', 'exec_mmap', 'setup_arg_pages', 'load_elf_binary', 'map_vdso'],
  machine: { memory: '256M' },
  processes: { nr_tasks: 4 },
  steps,
}
