// What all /proc readers and writers share: lines with numbers, diagnostics, and the rows nobody knows.
// Law: a reader never throws; what it cannot understand becomes a diagnostic and stays in the facts as a stray line,
// and a writer puts stray lines back where they stood. So `write(read(text))` is `text` for every file of a known
// layout, and for files with added rows, too.

/** What is wrong with one line of an input; `line` counts from 1. */
export interface Diagnostic {
  line: number
  message: string
}

/** What a reader returns: the facts, and everything that was not as it should be. */
export interface Read<T> {
  facts: T
  diagnostics: Diagnostic[]
}

/** A line that no rule of the reader knows, kept with its place (from 1) so that a writer can put it back. */
export interface Stray {
  line: number
  text: string
}

/** Named numbers in the kernel's order. */
export type Counters = Map<string, number>

/** A longer line is no line of /proc; it is kept, but no rule is tried on it. */
const LONGEST_LINE = 65536
/** A binary file taken for text must not cost a diagnostic per line. */
const MOST_DIAGNOSTICS = 200

/** Walks the lines of a text; `line` is the number of the current one, from 1. */
export class LineReader {
  readonly strays: Stray[] = []
  readonly lines: readonly string[]
  line = 0
  private readonly diagnostics: Diagnostic[] = []
  private unsaid = 0

  constructor(text: string) {
    const lines = text.split('\n')
    const cut = lines.pop() !== ''
    if (cut) lines.push(text.slice(text.lastIndexOf('\n') + 1))
    if (cut) this.complain('the last line has no end: the file may be cut', lines.length)
    if (text.includes('\r\n')) this.complain('lines end with CR LF, which is ignored', 1)
    this.lines = lines.map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
  }

  /** The next line, or null after the last. */
  next(): string | null {
    while (this.line < this.lines.length) {
      const text = this.lines[this.line++]!
      if (text.length <= LONGEST_LINE) return text
      this.stray(`a line of ${text.length} characters`)
    }
    return null
  }

  complain(message: string, line: number = Math.max(1, this.line)): void {
    if (this.diagnostics.length < MOST_DIAGNOSTICS) this.diagnostics.push({ line, message })
    else this.unsaid++
  }

  /** Keeps a line (the current one) as it is and says why. */
  stray(message: string, line: number = this.line): void {
    const text = this.lines[line - 1] ?? ''
    this.strays.push({ line, text })
    this.complain(`${message}: ${excerpt(text)}`, line)
  }

  done<T>(facts: T): Read<T> {
    const diagnostics = [...this.diagnostics].sort((a, b) => a.line - b.line)
    if (this.unsaid > 0) diagnostics.push({ line: this.lines.length, message: `${this.unsaid} more diagnostics` })
    this.strays.sort((a, b) => a.line - b.line)
    return { facts, diagnostics }
  }
}

/** At most 60 printable characters of a line, in quotes. */
export function excerpt(text: string): string {
  const clean = text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')
  return `"${clean}${text.length > 60 ? '…' : ''}"`
}

/** A decimal number that a double holds exactly, else null. */
export function decimal(text: string): number | null {
  if (!/^-?\d{1,16}$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** A hexadecimal number without prefix that a double holds exactly, else null. */
export function hexadecimal(text: string): number | null {
  if (!/^[0-9a-f]{1,16}$/i.test(text)) return null
  const value = Number.parseInt(text, 16)
  return Number.isSafeInteger(value) ? value : null
}

/** All words of a row as exact numbers, or null when one is none. */
export function decimals(words: readonly string[]): number[] | null {
  const numbers: number[] = []
  for (const word of words) {
    const value = decimal(word)
    if (value === null) return null
    numbers.push(value)
  }
  return numbers
}

/** The blank-separated words of a line. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter(word => word !== '')
}

/** The text of `lines` with the stray ones put back at their places. */
export function joinLines(lines: readonly string[], strays: readonly Stray[]): string {
  const out: string[] = []
  let next = 0
  for (const line of lines) {
    while (strays[next] && strays[next]!.line <= out.length + 1) out.push(strays[next++]!.text)
    out.push(line)
  }
  while (strays[next]) out.push(strays[next++]!.text)
  return out.length > 0 ? `${out.join('\n')}\n` : ''
}
