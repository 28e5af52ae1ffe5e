// physmap.tsv: /proc/kpageflags and /proc/kpagecount of every page frame, run-length coded:
// `pfn TAB len TAB kpageflags (hex) TAB kpagecount`. One row becomes one entry of four columns, nothing else is kept,
// so a large machine's map can be pushed in pieces. Frames on per-CPU lists carry no flag that shows it.
import { type Diagnostic, decimal, excerpt, hexadecimal, type Read } from './lines.ts'

/** kpageflags bit of every page of a free buddy block. */
export const KPF_BUDDY = 1 << 10
/** kpageflags bit 20: there is no such page. */
export const KPF_NOPAGE = 1 << 20

export interface PhysmapFacts {
  /** Number of runs. */
  runs: number
  /** First frame of each run. */
  pfn: Uint32Array
  /** Frames in each run. */
  length: Uint32Array
  /** kpageflags bits 0–31 and 32–63. */
  flagsLow: Uint32Array
  flagsHigh: Uint32Array
  /** kpagecount: how often the frame is mapped. */
  count: Uint32Array
}

const HEADER = '#pfn\tlen\tkpageflags\tkpagecount'
const U32 = 2 ** 32
const MOST_DIAGNOSTICS = 200

/** Takes the text in pieces of any size; `end` gives the facts. */
export class PhysmapReader {
  private rows = new Uint32Array(5 * 1024)
  private runs = 0
  private line = 0
  private rest = ''
  private unsaid = 0
  private nextPfn = 0
  private readonly diagnostics: Diagnostic[] = []

  push(piece: string): void {
    const text = this.rest + piece
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.readLine(text.slice(start, end))
      start = end + 1
    }
    this.rest = text.slice(start)
    if (this.rest.length > 65536) this.rest = this.rest.slice(0, 65536)
  }

  end(): Read<PhysmapFacts> {
    if (this.rest !== '') {
      this.readLine(this.rest)
      this.complain('the last line has no end: the file may be cut')
    }
    if (this.runs === 0) this.complain('no run in this file: it is no physmap.tsv')
    if (this.unsaid > 0) this.diagnostics.push({ line: this.line, message: `${this.unsaid} more diagnostics` })
    return { facts: this.facts(), diagnostics: this.diagnostics }
  }

  private readLine(line: string): void {
    this.line++
    if (this.line === 1 && line === HEADER) return
    const cells = line.length > 100 ? [] : line.split('\t')
    const pfn = decimal(cells[0] ?? '')
    const length = decimal(cells[1] ?? '')
    const flags = hexadecimal(cells[2] ?? '')
    const count = decimal(cells[3] ?? '')
    if (cells.length !== 4 || pfn === null || length === null || flags === null || count === null)
      this.complain(`not a run of frames: ${excerpt(line)}`)
    else if (pfn < 0 || length < 1 || pfn + length > U32 || count < 0 || count >= U32)
      this.complain(`a run beyond what a frame number or count can be: ${excerpt(line)}`)
    else if (pfn < this.nextPfn) this.complain(`frame ${pfn} stands here a second time or out of order`)
    else this.add(pfn, length, flags, count)
  }

  private add(pfn: number, length: number, flags: number, count: number): void {
    const at = this.runs++ * 5
    if (at === this.rows.length) {
      const larger = new Uint32Array(2 * at)
      larger.set(this.rows)
      this.rows = larger
    }
    const { rows } = this
    rows[at] = pfn
    rows[at + 1] = length
    rows[at + 2] = flags % U32
    rows[at + 3] = Math.floor(flags / U32)
    rows[at + 4] = count
    this.nextPfn = pfn + length
  }

  private complain(message: string): void {
    if (this.diagnostics.length < MOST_DIAGNOSTICS) this.diagnostics.push({ line: Math.max(1, this.line), message })
    else this.unsaid++
  }

  private facts(): PhysmapFacts {
    const { runs, rows } = this
    const column = (at: number): Uint32Array => {
      const values = new Uint32Array(runs)
      for (let run = 0; run < runs; run++) values[run] = rows[run * 5 + at]!
      return values
    }
    const [pfn, length, flagsLow, flagsHigh, count] = [column(0), column(1), column(2), column(3), column(4)]
    return { runs, pfn, length, flagsLow, flagsHigh, count }
  }
}

/** Reads a whole physmap.tsv. Never throws; damage is a diagnostic. */
export function readPhysmap(text: string): Read<PhysmapFacts> {
  const reader = new PhysmapReader()
  reader.push(text)
  return reader.end()
}

/** physmap.tsv of these runs. */
export function writePhysmap({ runs, pfn, length, flagsLow, flagsHigh, count }: PhysmapFacts): string {
  const lines = [HEADER]
  for (let run = 0; run < runs; run++) {
    const flags = (flagsHigh[run]! * U32 + flagsLow[run]!).toString(16)
    lines.push(`${pfn[run]}\t${length[run]}\t${flags}\t${count[run]}`)
  }
  return `${lines.join('\n')}\n`
}
