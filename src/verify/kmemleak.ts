// Leaks that kmemleak found (custom, Reports: `bug/kmemleak.txt` is /sys/kernel/debug/kmemleak after two scans,
// `bug/leak_dmesg.txt` the log of that time): the same blocks are taken and forgotten on a machine with the same memory,
// and after two scans of it the file and the log's line must come out. A check is a line.
// Taken as given: what the recorder asked for; which blocks it got (addresses), when, as which task, through which calls,
// and the first bytes that it wrote. Compared: every line of the file, so that these and no other blocks are leaks, in
// which order, how large each is, how bytes, characters and all else are laid out; of the log the line that counts them.
import { type Address, address_of, parse_address } from '../base/address.ts'
import { leakMemory } from './kmemleak_memory.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

const TEXT_FILE = /(^|\/)bug\/kmemleak\.txt$/
const LOG_FILE = /(^|\/)bug\/leak_dmesg\.txt$/

/** A block of a recorded text. */
export interface RecordedLeak {
  readonly address: Address
  readonly comm: string
  readonly pid: number
  readonly jiffies: number
  readonly bytes: readonly number[]
  /** Lines of the trace, `[<address>] function`. */
  readonly trace: readonly string[]
}

/** Kind `kmemleak` of `mmtwin verify`. */
export const kmemleakKind: VerifyKind = {
  kind: 'kmemleak',
  run: files => {
    const counts = tally('kmemleak')
    const logs = new Map(files.filter(({ path }) => LOG_FILE.test(path)).map(file => [folder(file.path), file]))
    for (const file of files) if (TEXT_FILE.test(file.path)) verifyFile(file, logs.get(folder(file.path)), counts)
    return counts.result()
  },
}

const folder = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1)

function verifyFile(file: VerifyFile, log: VerifyFile | undefined, counts: Tally): void {
  counts.file(file.path)
  const lines = file.text().replace(/\n$/, '').split('\n')
  const leaks = recordedLeaks(lines)
  const got = answers(leaks)
  compare(
    lines.map((text, at) => [at + 1, text] as const),
    got.text,
    counts,
  )
  if (log === undefined) return
  counts.file(log.path)
  const told = log
    .text()
    .split('\n')
    .map((text, at) => [at + 1, text.replace(/^<\d>/, '')] as const)
  compare(
    told.filter(([, text]) => text.startsWith('kmemleak: ')),
    got.log,
    counts,
  )
}

function compare(expected: readonly (readonly [number, string])[], got: readonly string[], counts: Tally): void {
  for (const [at, [line, text]] of expected.entries()) counts.check(line, text, got[at] ?? 'nothing more is said')
  for (const more of got.slice(expected.length)) counts.check(expected.at(-1)?.[0] ?? 1, 'nothing more', more)
}

/** The file and the log's lines on a machine with these leaks; why there is no such machine. */
function answers(leaks: readonly RecordedLeak[]): { text: readonly string[]; log: readonly string[] } {
  try {
    return leakMemory(leaks)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { text: [error.message], log: [] }
  }
}

/** Blocks of a text; lines that are none of a block's are left out, and then missing in what comes out. */
function recordedLeaks(lines: readonly string[]): RecordedLeak[] {
  const starts = lines.flatMap((line, at) => (line.startsWith('unreferenced object 0x') ? [at] : []))
  return starts.map((start, at) => recordedLeak(lines.slice(start, starts[at + 1] ?? lines.length)))
}

function recordedLeak(lines: readonly string[]): RecordedLeak {
  const text = lines.join('\n')
  const [, comm = '', pid, jiffies] = /^ {2}comm "(.*)", pid (\d+), jiffies (\d+)/m.exec(text) ?? []
  const rows = lines.filter(line => /^ {4}([0-9a-f]{2} )+/.test(line))
  return {
    address: parse_address(/object (0x[0-9a-f]+)/.exec(text)?.[1] ?? '') ?? address_of(0),
    comm,
    pid: Number(pid ?? 0),
    jiffies: Number(jiffies ?? 0),
    bytes: rows.flatMap(row =>
      row
        .slice(4, 52)
        .trim()
        .split(/\s+/)
        .map(byte => Number.parseInt(byte, 16)),
    ),
    trace: lines.flatMap(line => /^ {4}(\[<[0-9a-f]+>\] .*)$/.exec(line)?.[1] ?? []),
  }
}
