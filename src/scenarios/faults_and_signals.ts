// Story: which faults the kernel resolves, and which end in a signal.
import { get_current } from '../mm/mm_counter.ts'
import {
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SIGBUS,
  SIGSEGV,
} from '../mm/vm_flags.ts'
import { addressText, mapAnonymous, pageOf } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  stage.do({ op: 'thp', mode: 'never' })
  const stack = stage.do({ op: 'spawn', comm: 'demo' }).page!
  const task = get_current(sys)
  const code = (): number => sys.task.si_code[task]!
  const page = mapAnonymous(stage, 8)
  stage.do({ op: 'touch', page, pages: 8, access: 'write' })
  stage.do({ op: 'mprotect', page, pages: 8, prot: PROT_READ })
  const denied = stage.do({ op: 'touch', page, pages: 1, access: 'write' })
  const why = code()
  yield {
    say: `8 pages at ${addressText(sys, page)} are written, then mprotect() takes the right to write away. The next write: the page is there, but the entry forbids it and so does the area: error code ${sys.task.error_code[task]}, SIGSEGV, SEGV_ACCERR.`,
    expect: {
      'the process got SIGSEGV': denied.signal === SIGSEGV,
      'because the area forbids it': why === SEGV_ACCERR,
    },
  }

  stage.do({ op: 'mprotect', page, pages: 8, prot: PROT_READ | PROT_WRITE })
  const allowed = stage.do({ op: 'touch', page, pages: 8, access: 'write' })
  yield {
    say: `Allowed again, all 8 are written with ${allowed.minor} faults: the pages are this process's alone, so mprotect() could open the entries at once.`,
    expect: { 'no fault came': allowed.minor === 0 && allowed.signal === 0 },
  }

  const nowhere = stage.do({ op: 'touch', page: 16, pages: 1, access: 'read' })
  yield {
    say: `Page 16 is in no area: SIGSEGV again, but SEGV_MAPERR.`,
    expect: { 'nothing is mapped there': nowhere.signal === SIGSEGV && code() === SEGV_MAPERR },
  }

  const grown = stage.do({ op: 'touch', page: stack - 20, pages: 1, access: 'write' })
  const low = sys.mm.stack_vm[sys.task.mm[task]!]!
  yield {
    say: `20 pages below the stack is in no area either, but the area above grows downwards: expand_stack() makes it ${low} pages and the write goes on, ${grown.minor} fault.`,
    expect: { 'the stack grew': grown.signal === 0 && low === 53 },
  }

  const wall = stack - 400
  stage.do({ op: 'mmap', page: wall, pages: 1, prot: PROT_READ, flags: MAP_PRIVATE | MAP_FIXED | 0x20 })
  const near = stage.do({ op: 'touch', page: wall + 100, pages: 1, access: 'write' })
  yield {
    say: `A mapping 400 pages below the stack. A write 100 pages above it: the stack may not come nearer than 256 pages (stack_guard_gap), or it could run into other memory unseen.`,
    expect: { 'the stack may not grow': near.signal === SIGSEGV && code() === SEGV_MAPERR },
  }

  stage.do({ op: 'create_file', name: '/data/short', pages: 2 })
  const file = stage.do({ op: 'mmap', pages: 4, prot: PROT_READ | PROT_WRITE, flags: MAP_SHARED, file: '/data/short' })
    .page!
  const major = stage.do({ op: 'touch', page: file, pages: 1, access: 'read' })
  const beyond = stage.do({ op: 'touch', page: file + 3, pages: 1, access: 'read' })
  yield {
    say: `A file of 2 pages, mapped with 4. The first read waits for the disk: ${major.major} major fault. Page 3 is in the area, but behind the end of the file: SIGBUS.`,
    expect: {
      'the first read was a major fault': major.major === 1,
      'behind the end is SIGBUS': beyond.signal === SIGBUS,
    },
  }

  const first = stage.do({ op: 'touch', page: file, pages: 1, access: 'write' })
  const again = stage.do({ op: 'touch', page: file, pages: 1, access: 'write' })
  yield {
    say: `The file's page 0 is mapped since the read, and the area may write. Yet the first write faults (${first.minor}), the second does not (${again.minor}): the file must hear of it, or nobody would write the page back. Frame ${pageOf(sys, file).pfn} is dirty now.`,
    expect: { 'the first write was noticed': first.minor === 1, 'the second was not': again.minor === 0 },
  }
}

export const faultsAndSignals: Scenario = {
  name: 'faults_and_signals',
  title: 'Page faults: resolved, or answered with a signal',
  story:
    'A page fault is no mistake: it is how memory is given, how stacks grow, how files are read and dirty pages are found. The kernel decides by the area in which the address lies, and by the word that the processor gives about the access. Only what no area explains becomes SIGSEGV, and what an area cannot serve SIGBUS.',
  terms: {
    'error code':
      'bits of the processor: 1 = the page was there, 2 = a write, 4 = from user mode, 16 = a fetch of code',
    SEGV_MAPERR: 'no area there',
    SEGV_ACCERR: 'the area forbids it',
    stack_guard_gap: 'pages below a stack that nothing may lie in',
  },
  through: [
    'do_user_addr_fault',
    'handle_mm_fault',
    'expand_downwards',
    'mprotect_fixup',
    'filemap_fault',
    'wp_page_shared',
  ],
  machine: { memory: '256M' },
  processes: { nr_tasks: 4 },
  steps,
}
