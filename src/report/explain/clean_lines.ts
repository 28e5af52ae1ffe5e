// Lines of a kernel log without what stands before the kernel's words: time stamps, host names, levels, the frames of
// containers and clouds, quotation marks of mail. Law: what is not known as a prefix stays; no line is dropped, so that
// a line's number is its place in the input.

/** One line of the input. */
export interface LogLine {
  /** Its number in the input, from 1. */
  readonly number: number
  /** The kernel's words. */
  readonly text: string
  /** Whether a time stamp, level or host name stood before them: then the line is no continuation of the one before. */
  readonly stamped: boolean
  /** The task or CPU that printed it, `T123` or `C1`, where the kernel says so. */
  readonly caller: string | null
  /** Length of the line as it stood in the input, without quotation marks. */
  readonly width: number
  /** It ended with a blank. */
  readonly blankEnd: boolean
}

/** A longer line is no line of a kernel log: what is behind this is not read. */
const LONGEST_LINE = 16384
/** How far behind the line's beginning a prefix may end. */
const LONGEST_PREFIX = 240

const QUOTES = /^(?:\s{0,3}[>|]\s?)+/
const ESCAPES = /\p{Cc}\[[0-9;]*[A-Za-z]|[^\P{Cc}\t]|\ufeff/gu
const LEVEL = /^<\d{1,2}>/
const KMSG = /^\d+,\d+,\d+,[^;,\s]*(?:,[^;]*)?;/
/** Seconds since boot, wherever other words end; the caller's id may follow. */
const SECONDS = /\[\s*\d+\.\d{3,9}\]/
const CALLER = /^\s?(?:\[\s*([TC]\d+)\]|\(\d+\)\[\d+:[^\]]*\])/
const CLOCK = /^\[[^\]]{0,40}\d{1,2}:\d\d(?::\d\d)?[^\]]{0,24}\]\s?/
const DELTA = /^\[\s*[+<]\s*\d+\.\d+>?\s*\]\s?/
const KERNEL = /^.*?\bkernel(?:\[\d+\])?:(?=\s|\[|<)\s?/
const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s]*\s+(?:(?:stdout|stderr)\s+[FP]\s)?/
const SYSLOG_DATE = /^[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d(?:\.\d+)?\s+(?:[\w.-]+\s+)?/
const TIME = /^\d\d:\d\d:\d\d(?:[.,]\d+)?\s+/
const FACILITY = /^(?:kern|user|daemon|syslog)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*:\s?/
const COMPOSE = /^[\w.-]{2,40}\s+\|\s/

const PREFIXES: readonly RegExp[] = [LEVEL, KMSG, FACILITY, DELTA, CLOCK, ISO, SYSLOG_DATE, TIME, COMPOSE]

/** The lines of `raw`, whose first has the number `first`. */
export function cleanLines(raw: readonly string[], first = 1): LogLine[] {
  let caller: string | null = null
  return raw.map((line, index) => {
    const clean = cleanLine(line, first + index)
    if (clean.stamped) caller = clean.caller
    // What was wrapped belongs to whom printed the line before.
    return clean.stamped ? clean : { ...clean, caller }
  })
}

function cleanLine(raw: string, number: number): LogLine {
  const cutOff = raw.length > LONGEST_LINE ? raw.slice(0, LONGEST_LINE) : raw
  const plain = cutOff.replace(ESCAPES, '')
  const unpacked = unpackJson(plain)
  const body = (unpacked ?? plain).replace(/[\r\n]+$/, '')
  const words = body.replace(QUOTES, '')
  const { text, stamped, caller } = withoutPrefixes(words)
  return {
    number,
    text,
    stamped: stamped || unpacked !== null,
    caller,
    width: words.length,
    blankEnd: words.endsWith(' '),
  }
}

/** The message in a line of `docker logs`, `journalctl -o json` and the like; null = it is no such line. */
function unpackJson(line: string): string | null {
  if (!line.startsWith('{"') || !/"(?:log|MESSAGE|message|msg|textPayload)"\s*:\s*"/.test(line)) return null
  try {
    const row = JSON.parse(line) as Record<string, unknown>
    const said = row.MESSAGE ?? row.log ?? row.message ?? row.msg ?? row.textPayload
    return typeof said === 'string' ? said : null
  } catch {
    return null
  }
}

function withoutPrefixes(line: string): { text: string; stamped: boolean; caller: string | null } {
  let text = line
  let stamped = false
  let caller: string | null = null
  const seconds = SECONDS.exec(text.slice(0, LONGEST_PREFIX))
  if (seconds) {
    text = text.slice(seconds.index + seconds[0].length)
    stamped = true
    const said = CALLER.exec(text)
    if (said) text = text.slice(said[0].length)
    caller = said?.[1] ?? null
  } else {
    const kernel = text.slice(0, LONGEST_PREFIX).includes('kernel') ? KERNEL.exec(text) : null
    if (kernel && kernel[0].length <= LONGEST_PREFIX) {
      text = text.slice(kernel[0].length)
      stamped = true
    }
    for (let round = 0; round < 4; round++) {
      const prefix = PREFIXES.find(each => each.test(text))
      if (!prefix) break
      text = text.replace(prefix, '')
      stamped = true
    }
  }
  return { text: (stamped ? text.replace(/^ /, '') : text).trimEnd(), stamped, caller }
}
