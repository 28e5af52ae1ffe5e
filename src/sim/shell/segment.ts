// The shell's words for segments of 32-bit x86: the process's LDT, registers, logical addresses.
import type { UserDesc } from '../../arch/x86/segment.ts'
import type { Fault } from '../../arch/x86/segmentation.ts'
import type { Command, Result } from '../commands.ts'
import { gdtViews, initSegments, ldtViews, type SegmentView } from '../segments.ts'
import { act, failure, perform } from './named.ts'
import type { Builtin, Session } from './session.ts'
import { ShellFailure, ShellSyntaxError, wholeNumber } from './words.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/** `#GP(0x4)`. */
const faultText = ({ fault, error_code }: Fault): string => `${fault}(${hex(error_code)})`

/** Does what the processor may refuse. */
function tried(session: Session, command: Command): Result {
  const { result, printed } = perform(session, command)
  if (result.fault) throw failure(`${command.op}: ${faultText(result.fault)}`, printed)
  return result
}

/** `entry_number=1 base_addr=0x10000 limit=0xfff`: a struct user_desc. */
function modifyLdt(session: Session, words: readonly string[]): string {
  const info: Record<string, number> = {}
  for (const word of words) {
    const [, name, value] = /^(\w+)=(\w+)$/.exec(word) ?? []
    if (name === undefined) throw new ShellSyntaxError(`"${word}" is not FIELD=NUMBER of a struct user_desc`)
    info[name] = wholeNumber(value, name)
  }
  const { error } = tried(session, { op: 'modify_ldt', info: info as Partial<UserDesc> })
  if (error) throw new ShellFailure(`modify_ldt: ${error === -22 ? 'invalid argument' : `error ${error}`}`)
  return `selector ${hex((info.entry_number ?? 0) * 8 + 7)}\n`
}

function loadSegment(session: Session, [register, selector]: readonly string[]): string {
  tried(session, { op: 'loadsegment', register: register!, selector: wholeNumber(selector, 'selector') })
  return ''
}

/** `fs:0x10`. */
function linear(session: Session, [logical, how = 'read', count = '1']: readonly string[]): string {
  const [, register, offset] = /^([a-z]s):(\w+)$/.exec(logical!) ?? []
  if (register === undefined) throw new ShellSyntaxError(`"${logical}" is no logical address: fs:0x10`)
  const bytes = wholeNumber(count, 'number of bytes')
  const at = wholeNumber(offset, 'offset')
  const result = tried(session, { op: 'linear_address', register, offset: at, bytes, access: how })
  return `${hex(result.linear!)}\n`
}

function returnToUser(session: Session, [cs, ss]: readonly string[]): string {
  tried(session, { op: 'return_to_user', cs: wholeNumber(cs, 'cs'), ss: wholeNumber(ss, 'ss') })
  return ''
}

function viewText({ selector, base, limit, dpl, p, s, type }: SegmentView): string {
  const kind = s === 0 ? 'system' : (type & 8) === 0 ? 'data' : 'code'
  return `${hex(selector).padStart(6)}  base ${hex(base)} limit ${hex(limit)} dpl ${dpl} ${kind} type ${type}${p === 1 ? '' : ' not present'}\n`
}

/** A look at tables that are made when they are first needed: made on a copy, where they are not there yet. */
const table =
  (views: typeof gdtViews): Builtin['run'] =>
  session => {
    session.initAllocators()
    const { sys } = session.machine.fork()
    initSegments(sys)
    return views(sys).map(viewText).join('') || 'no entry\n'
  }

const group = 'segment'

export const segmentBuiltins: Readonly<Record<string, Builtin>> = {
  modify_ldt: {
    usage: 'entry_number=N base_addr=N limit=N …',
    about: "sets an entry of the process's LDT",
    group,
    arity: [1, 9],
    run: modifyLdt,
  },
  loadsegment: {
    usage: 'REGISTER SELECTOR',
    about: 'loads a segment register',
    group,
    arity: [2, 2],
    run: loadSegment,
  },
  linear_address: {
    usage: 'REGISTER:OFFSET [read|write|fetch] [BYTES]',
    about: 'the linear address of a logical one, or the fault',
    group,
    arity: [1, 3],
    run: linear,
  },
  return_to_user: { usage: 'CS SS', about: 'goes on in user mode', group, arity: [2, 2], run: returnToUser },
  enter_kernel: {
    usage: '',
    about: 'goes on in the kernel',
    group,
    arity: [0, 0],
    run: session => act(session, { op: 'enter_kernel' }),
  },
  gdt: { usage: '', about: "the running CPU's GDT", group, arity: [0, 0], run: table(gdtViews) },
  ldt: { usage: '', about: "the running process's LDT", group, arity: [0, 0], run: table(ldtViews) },
}
