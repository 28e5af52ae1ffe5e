// Commands of segments on 32-bit x86: entries of the process's LDT, registers that are loaded, logical addresses that become
// linear ones. A fault is what comes back: who gives the command plays the processor.
import { write_ldt } from '../arch/x86/ldt.ts'
import type { UserDesc } from '../arch/x86/segment.ts'
import { type Fault, load_segment, reset_registers, return_to_user } from '../arch/x86/segmentation.ts'
import type { Sys } from '../mm/mmzone.ts'
import { checkLinear, initSegments, linearAddress, registerOf, segmentWord, userDesc } from './segments.ts'
import type { OnCpu } from './slab_commands.ts'

export type SegmentCommand =
  | (OnCpu & { readonly op: 'modify_ldt'; readonly info: Partial<UserDesc> })
  | (OnCpu & { readonly op: 'loadsegment'; readonly register: string; readonly selector: number })
  | (OnCpu & {
      readonly op: 'linear_address'
      readonly register: string
      readonly offset: number
      readonly bytes: number
      readonly access: string
    })
  | (OnCpu & { readonly op: 'return_to_user'; readonly cs: number; readonly ss: number })
  | (OnCpu & { readonly op: 'enter_kernel' })

export interface SegmentResult {
  readonly error?: number
  /** What the processor raised instead. */
  readonly fault?: Fault
  /** Linear address. */
  readonly linear?: number
}

type Handlers = {
  readonly [Name in SegmentCommand['op']]: (sys: Sys, command: SegmentCommand & { op: Name }) => SegmentResult
}

const raised = (fault: Fault | null): SegmentResult => (fault === null ? {} : { fault })

const linear = (at: number | Fault): SegmentResult => (typeof at === 'number' ? { linear: at } : { fault: at })

/** Every CPU has a GDT before anything is done with it. */
const on = (sys: Sys, action: () => SegmentResult): SegmentResult => {
  initSegments(sys)
  return action()
}

export const SEGMENT_HANDLERS: Handlers = {
  modify_ldt: (sys, { info }) => on(sys, () => ({ error: write_ldt(sys, userDesc(info)) })),
  loadsegment: (sys, { register, selector }) =>
    on(sys, () => raised(load_segment(sys, registerOf(register), segmentWord(selector)))),
  linear_address: (sys, { register, offset, bytes, access }) =>
    on(sys, () => linear(linearAddress(sys, register, offset, bytes, access))),
  return_to_user: (sys, { cs, ss }) => on(sys, () => raised(return_to_user(sys, segmentWord(cs), segmentWord(ss)))),
  enter_kernel: sys =>
    on(sys, () => {
      reset_registers(sys, sys.machine.this_cpu[0]!)
      return {}
    }),
}

export const SEGMENT_REQUIRED: { readonly [Name in SegmentCommand['op']]: readonly string[] } = {
  modify_ldt: ['info'],
  loadsegment: ['register', 'selector'],
  linear_address: ['register', 'offset', 'bytes', 'access'],
  return_to_user: ['cs', 'ss'],
  enter_kernel: [],
}

/** @throws RangeError for what has no such form, before there is a GDT */
export function checkSegmentCommand(sys: Sys, command: SegmentCommand): void {
  if (sys.kernel.arch !== 'i386') throw new RangeError(`${sys.kernel.name} does not use segments: 32-bit x86 does`)
  if (command.op === 'modify_ldt') userDesc(command.info)
  if (command.op === 'loadsegment') segmentWord(command.selector)
  if (command.op === 'return_to_user') for (const selector of [command.cs, command.ss]) segmentWord(selector)
  if (command.op === 'linear_address') checkLinear(command.offset, command.bytes, command.access)
  if ('register' in command) registerOf(command.register)
}
