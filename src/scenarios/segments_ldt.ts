// Story: segments of 32-bit x86. A process gets one of its own (modify_ldt, as WINE does); what the processor checks, and how it says no.
import type { Fault } from '../arch/x86/segmentation.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const hex = (value: number): string => `0x${value.toString(16)}`
const word = (fault: Fault | undefined): string => (fault ? `${fault.fault}(${hex(fault.error_code)})` : 'no fault')

/** The thread block of a Windows program: a page of data. */
const TEB = { entry_number: 1, base_addr: 0x7ffd_e000, limit: 0xfff, seg_32bit: 1, useable: 1 }
const USER_CS = 0x73
const USER_DS = 0x7b
const selector = (entry: number): number => entry * 8 + 4 + 3

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  stage.do({ op: 'mm_core_init', cmdline: '' })
  const load = (register: string, value: number): Fault | undefined =>
    stage.do({ op: 'loadsegment', register, selector: value }).fault
  const linear = (register: string, offset: number, bytes = 4, access = 'read'): { linear?: number; fault?: Fault } =>
    stage.do({ op: 'linear_address', register, offset, bytes, access })
  const entry = (info: object): number => stage.do({ op: 'modify_ldt', info }).error!

  stage.do({ op: 'return_to_user', cs: USER_CS, ss: USER_DS })
  const flat = linear('ds', 0x0804_8000)
  yield {
    say: `A process runs in user mode with the flat segments of the GDT: code ${hex(USER_CS)}, data ${hex(USER_DS)}, both from 0 to 4 GiB. So offset 0x8048000 is the linear address ${hex(flat.linear ?? 0)}: Linux does its work with pages, and segments are out of the way.`,
    expect: { 'an offset is its linear address': flat.linear === 0x0804_8000 },
  }

  const made = entry(TEB)
  const loaded = load('fs', selector(1))
  const first = linear('fs', 0x18)
  yield {
    say: `Windows programs find their thread block at fs:0, wherever it lies. WINE asks for a segment in the process's own table, the LDT: entry 1, base ${hex(TEB.base_addr)}, limit ${hex(TEB.limit)}. The selector is ${hex(selector(1))} (entry 1, table LDT, privilege 3). Now fs:0x18 is ${hex(first.linear ?? 0)}.`,
    expect: {
      'the entry was made': made === 0 && loaded === undefined,
      'base and offset are added': first.linear === TEB.base_addr + 0x18,
      'the table belongs to the process': sys.segment.ldt_entries[0]! > 1,
    },
  }

  const last = linear('fs', TEB.limit - 3)
  const over = linear('fs', TEB.limit - 2)
  yield {
    say: `The limit is the last offset: four bytes at ${hex(TEB.limit - 3)} are served, at ${hex(TEB.limit - 2)} one byte would lie beyond, and the processor raises ${word(over.fault)}. Linux sends SIGSEGV, WINE makes a Windows exception of it. Paging could not do that: it protects whole pages.`,
    expect: { 'the last one is inside': last.linear !== undefined, 'the next is not': over.fault?.fault === '#GP' },
  }

  entry({ ...TEB, entry_number: 2, read_exec_only: 1 })
  load('gs', selector(2))
  const read = linear('gs', 0)
  const write = linear('gs', 0, 4, 'write')
  const run = linear('gs', 0, 1, 'fetch')
  yield {
    say: `A segment has a type: from one that is read only, reading works, writing is ${word(write.fault)}, and running code there ${word(run.fault)}.`,
    expect: {
      'it can be read': read.linear !== undefined,
      'not written': write.fault?.fault === '#GP',
      'nor run': run.fault?.fault === '#GP',
    },
  }

  entry({ ...TEB, entry_number: 3, seg_not_present: 1 })
  const absent = load('es', selector(3))
  const stack = load('ss', selector(3))
  const beyond = load('es', selector(4000))
  const kernel = load('ds', 0x68)
  yield {
    say: `Selectors are checked when they are loaded. A segment that is not present raises ${word(absent)}, as a stack ${word(stack)}: a system could fetch it and try again. A selector behind the end of its table raises ${word(beyond)}, and the kernel's data segment, which has privilege 0, ${word(kernel)}. The error code is the selector that is to blame.`,
    expect: {
      '#NP for what is absent': absent?.fault === '#NP' && absent.error_code === (selector(3) & ~3),
      '#SS for a stack': stack?.fault === '#SS',
      '#GP behind the end': beyond?.fault === '#GP',
      '#GP for more privilege than one has': kernel?.fault === '#GP' && kernel.error_code === 0x68,
    },
  }

  const still = linear('fs', 0)
  stage.do({ op: 'enter_kernel' })
  yield {
    say: `A load that fails changes nothing: fs still leads to ${hex(still.linear ?? 0)}. In the kernel all is flat again, and privilege is 0.`,
    expect: { 'fs is as it was': still.linear === TEB.base_addr },
  }
}

export const segmentsLdt: Scenario = {
  name: 'segments_ldt',
  title: 'Segments: an LDT for WINE, and how the processor refuses',
  story:
    'A 32-bit processor adds a base to every address and compares with a limit before paging sees it. Linux makes all segments flat and forgets about them; but programs of other systems need theirs, so a process may have a table of its own. Every check has its fault, and the fault says which selector is to blame.',
  terms: {
    GDT: 'the global table of segments, one for each CPU',
    LDT: "a process's own table; modify_ldt sets its entries",
    selector: 'entry * 8, plus 4 for the LDT, plus the privilege asked for',
    '#GP, #SS, #NP': 'general protection, stack, and segment not present: faults 13, 12 and 11',
  },
  through: ['write_ldt', 'load_segment', 'logical_to_linear', 'restore_all'],
  machine: { kernel: '6.1-i386', memory: '64M' },
  steps,
}
