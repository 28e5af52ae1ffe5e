// A recorded report of KASAN taken apart: what is given to the model (who did what at which address, through which calls,
// who had the object), and the lines that the model must say itself.
import { type Address, parse_address } from '../base/address.ts'

const RULE = /^={66}$/
const TRACE_BEGINS = 'Call Trace:'
const TRACE_ENDS = ' </TASK>'

export interface ReportLine {
  /** 1-based. */
  readonly line: number
  /** Without its level. */
  readonly text: string
}

/** Who allocated or freed an object. */
export interface RecordedTrack {
  readonly pid: number
  readonly frames: readonly string[]
}

export interface RecordedReport {
  /** What must be said: all but the trace of calls. */
  readonly lines: readonly ReportLine[]
  readonly ip: string
  readonly kind: 'Read' | 'Write' | 'Free'
  /** Bytes; 0 for a free. */
  readonly size: number
  readonly address: Address
  readonly comm: string
  readonly pid: number
  readonly allocated: RecordedTrack | null
  readonly freed: RecordedTrack | null
  /** The frame that the physical page's line names; -1 = none. */
  readonly pfn: number
  /** What the kernel's symbols say of the memory: a variable, the function of a frame, who called vmalloc; '' = nothing. */
  readonly symbol: string
  /** Rows of shadow: the address that each begins with, and its bytes. */
  readonly rows: readonly (readonly [Address, readonly number[]])[]
}

/** The first report in a text; null where there is none that can be read. */
export function recordedReport(text: string): RecordedReport | null {
  const all = text.split('\n').map((each, at) => ({ line: at + 1, text: each.replace(/^<\d>/, '') }))
  const title = all.findIndex(({ text: each }) => each.startsWith('BUG: KASAN: '))
  if (title < 0) return null
  const end = all.findIndex(({ text: each }, at) => at > title && RULE.test(each))
  if (end < 0) return null
  const tainted = all[end + 1]?.text.startsWith('Disabling lock debugging') ? 1 : 0
  return taken(all.slice(title - 1, end + 1 + tainted))
}

function taken(said: readonly ReportLine[]): RecordedReport | null {
  const texts = said.map(({ text }) => text)
  const access = said
    .map(({ text }) => /^(Read|Write|Free) of (?:size (\d+) at )?addr ([0-9a-f]{16}) by task (.+)\/(\d+)$/.exec(text))
    .find(match => match !== null)
  const address = parse_address(access?.[3] ?? 'none')
  const ip = / in (\S+)$/.exec(texts[1] ?? '')?.[1]
  if (!access || address === null || ip === undefined) return null
  const pfn = /\bpfn:0x([0-9a-f]+)$/.exec(texts.find(text => text.startsWith('page:')) ?? '')?.[1]
  return {
    lines: withoutTrace(said),
    ip,
    kind: access[1] as RecordedReport['kind'],
    size: Number(access[2] ?? 0),
    address,
    comm: access[4]!,
    pid: Number(access[5]),
    allocated: track(texts, 'Allocated'),
    freed: track(texts, 'Freed'),
    pfn: pfn === undefined ? -1 : Number.parseInt(pfn, 16),
    symbol: symbolOf(texts),
    rows: texts.flatMap(shadowRow),
  }
}

function withoutTrace(said: readonly ReportLine[]): ReportLine[] {
  const from = said.findIndex(({ text }) => text === TRACE_BEGINS)
  const to = said.findIndex(({ text }) => text === TRACE_ENDS)
  return from < 0 || to < from ? [...said] : [...said.slice(0, from), ...said.slice(to + 1)]
}

function track(texts: readonly string[], what: string): RecordedTrack | null {
  const at = texts.findIndex(text => text.startsWith(`${what} by task `))
  if (at < 0) return null
  const end = texts.indexOf('', at)
  const frames = texts.slice(at + 1, end).map(text => text.slice(1))
  return { pid: Number.parseInt(texts[at]!.slice(what.length + 9), 10), frames }
}

function shadowRow(text: string): (readonly [Address, readonly number[]])[] {
  const row = /^[ >]([0-9a-f]{16}):((?: [0-9a-f]{2}){16})$/.exec(text)
  if (row === null) return []
  const bytes = row[2]!
    .trim()
    .split(' ')
    .map(byte => Number.parseInt(byte, 16))
  return [[parse_address(row[1]!)!, bytes]]
}

function symbolOf(texts: readonly string[]): string {
  const variable = texts.indexOf('The buggy address belongs to the variable:')
  if (variable >= 0) return (texts[variable + 1] ?? '').trim().replace(/\+.*$/, '')
  const frame = texts.findIndex(text => text.endsWith(' in frame:'))
  if (frame >= 0) return (texts[frame + 1] ?? '').trim()
  return texts.map(text => / allocated at (\S+)$/.exec(text)?.[1]).find(symbol => symbol !== undefined) ?? ''
}
