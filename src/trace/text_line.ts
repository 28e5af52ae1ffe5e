// The head of one event line: who, on which CPU, when, which event. One parser for the layouts of ftrace's `trace`
// and `trace_pipe` (with and without the columns of trace flags and thread group), `trace-cmd report` and
// `perf script`: what they share is "[cpu]" between the task and the time.

const SPACE = 32

/** What stands before the arguments of an event. Positions are indexes into the bytes that were parsed. */
export interface LineHead {
  commFrom: number
  commTo: number
  pid: number
  cpu: number
  /** Position behind "] ". */
  afterCpu: number
  /** Characters of the column of trace flags; 0 where there is none. */
  irqWidth: number
  irq: number
  time: number
  nameFrom: number
  nameTo: number
  /** Position behind the colon of the event's name. */
  argsFrom: number
}

export function lineHead(): LineHead {
  const zero = { commFrom: 0, commTo: 0, pid: 0, cpu: 0, afterCpu: 0, irqWidth: 0 }
  return { ...zero, irq: 0, time: 0, nameFrom: 0, nameTo: 0, argsFrom: 0 }
}

/**
 * Parses the head of `bytes[from, end)` into `head`.
 * @returns null; or what is wrong; or 'foreign' for a line of another tracer (no event name with a colon).
 */
export function parseHead(bytes: Uint8Array, from: number, end: number, head: LineHead): string | null {
  let wrong = 'not an event line: no task-pid [cpu] in it'
  // A task's name may look like " 1 [000]" itself: the right bracket is the one that a time follows.
  for (let close = from; (close = findCpu(bytes, from, close, end, head)) >= 0; ) {
    let p = skipBlanks(bytes, close + 1, end)
    head.afterCpu = p
    p = parseIrq(bytes, p, end, head)
    p = parseTime(bytes, p, end, head)
    if (p >= 0) return parseName(bytes, skipBlanks(bytes, p, end), end, head)
    wrong = 'no time after the [cpu]'
  }
  return wrong
}

function skipBlanks(bytes: Uint8Array, p: number, end: number): number {
  while (p < end && bytes[p] === SPACE) p++
  return p
}

function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 48 && c <= 57
}

/** Looks behind `after` for "pid [digits]"; position of the closing bracket or -1. */
function findCpu(bytes: Uint8Array, from: number, after: number, end: number, head: LineHead): number {
  for (let open = Math.max(after, from + 2); open < end; open++) {
    if (bytes[open] !== 91 || bytes[open - 1] !== SPACE) continue
    let p = open + 1
    let cpu = 0
    while (p < end && isDigit(bytes[p]) && p - open < 6) cpu = cpu * 10 + bytes[p++]! - 48
    if (p > open + 1 && p < end && bytes[p] === 93 && parseTask(bytes, from, open - 1, head)) {
      head.cpu = cpu
      return p
    }
  }
  return -1
}

/** Reads "task-pid", "task pid", "task pid/tid" and an optional "(tgid)" backwards from `p`. */
function parseTask(bytes: Uint8Array, from: number, p: number, head: LineHead): boolean {
  while (p >= from && bytes[p] === SPACE) p--
  if (bytes[p] === 41) {
    while (p >= from && bytes[p] !== 40) p--
    p--
    while (p >= from && bytes[p] === SPACE) p--
  }
  let pid = 0
  let scale = 1
  const last = p
  for (; p > from && isDigit(bytes[p]); p--, scale *= 10) pid += (bytes[p]! - 48) * scale
  if (p === last || pid > 0x7fffffff) return false
  if (bytes[p] === 47) for (p--; p > from && isDigit(bytes[p]); ) p--
  if (bytes[p] !== 45 && bytes[p] !== SPACE) return false
  const commFrom = skipBlanks(bytes, from, p)
  while (p > commFrom && bytes[p - 1] === SPACE) p--
  if (commFrom === p) return false
  head.commFrom = commFrom
  head.commTo = p
  head.pid = pid
  return true
}

// Trace flags: the kernel prints one character for each of interrupts off, reschedule, interrupt context,
// preempt depth, migrate-disable depth; the batch keeps the bits of the binary format, depths in the high byte.
const IRQS_OFF = { '.': 0, d: 0x01, X: 0x02, b: 0x80, D: 0x81 }
const RESCHED = { '.': 0, N: 0x24, n: 0x04, p: 0x20 }
const CONTEXT = { '.': 0, h: 0x08, s: 0x10, H: 0x18, z: 0x40, Z: 0x48 }

/** For each of the five characters: bits by byte, -1 where the byte is none of them. */
export const IRQ_BITS: readonly Int32Array[] = [
  charTable(IRQS_OFF),
  charTable(RESCHED),
  charTable(CONTEXT),
  charTable(depths(8)),
  charTable(depths(12)),
]

function depths(shift: number): Record<string, number> {
  const bits: Record<string, number> = { '.': 0 }
  for (let i = 0; i < 16; i++) bits[i.toString(16)] = i << shift
  return bits
}

function charTable(bits: Readonly<Record<string, number>>): Int32Array {
  const table = new Int32Array(256).fill(-1)
  for (const [char, value] of Object.entries(bits)) table[char.charCodeAt(0)] = value
  return table
}

/** The five characters of trace flags, as the kernel prints them; the reverse of `IRQ_BITS`. */
export function formatIrq(irq: number): string {
  const char = (bits: Readonly<Record<string, number>>, mask: number) =>
    Object.keys(bits).find(key => bits[key] === (irq & mask)) ?? '.'
  const depth = (irq >> 8) & 15
  const disabled = irq >> 12
  const flags = char(IRQS_OFF, irq & 0x81 ? 0x81 : 0x02) + char(RESCHED, 0x24) + char(CONTEXT, 0x58)
  return flags + (depth ? depth.toString(16) : '.') + (disabled ? disabled.toString(16) : '.')
}

/** Reads the trace flags where the word at `p` is no time; position behind them. */
function parseIrq(bytes: Uint8Array, p: number, end: number, head: LineHead): number {
  head.irq = 0
  head.irqWidth = 0
  let q = p
  while (q < end && bytes[q] !== SPACE) q++
  const width = q - p
  if (bytes[q - 1] === 58 || width < 4 || width > 6 || (width === 6 && !isDelayMark(bytes[q - 1]!))) return p
  let irq = 0
  for (let i = 0; i < width && i < 5; i++) irq |= IRQ_BITS[i]![bytes[p + i]!]!
  if (irq < 0) return p
  head.irq = irq
  head.irqWidth = width
  q = skipBlanks(bytes, q, end)
  return q + 1 < end && isDelayMark(bytes[q]!) && bytes[q + 1] === SPACE ? skipBlanks(bytes, q + 1, end) : q
}

/** The marks + ! # * @ $ of long delays stand before the time. */
function isDelayMark(c: number): boolean {
  return c === 43 || c === 33 || c === 35 || c === 42 || c === 64 || c === 36
}

/** Reads "12.345678:" (or a plain count of the clock's units "12345:"); position behind the colon, or -1. */
function parseTime(bytes: Uint8Array, p: number, end: number, head: LineHead): number {
  const first = p
  let whole = 0
  while (isDigit(bytes[p]) && p < end) whole = whole * 10 + bytes[p++]! - 48
  if (p === first) return -1
  let scale = 1
  if (bytes[p] === 46) for (p++; isDigit(bytes[p]) && p < end; scale *= 10) whole = whole * 10 + bytes[p++]! - 48
  head.time = whole / scale
  return bytes[p] === 58 && p < end ? p + 1 : -1
}

/** Reads "name:" or "system:name:". */
function parseName(bytes: Uint8Array, p: number, end: number, head: LineHead): string | null {
  let from = p
  while (p < end && bytes[p] !== SPACE) {
    if (bytes[p] === 58 && p + 1 < end && bytes[p + 1] !== SPACE) from = p + 1
    p++
  }
  if (p === from) return 'no event after the time'
  if (bytes[p - 1] !== 58) return 'foreign'
  head.nameFrom = from
  head.nameTo = p - 1
  head.argsFrom = p
  return null
}
