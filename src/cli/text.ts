// Text for people: columns that fit a terminal, an alphabet that it knows, and a little colour where one is wanted.
import { wantsAscii } from './text_plots.ts'

/** Columns of the terminal on stdout; where it is none, what COLUMNS says, or 100. */
export function outputColumns(): number {
  return process.stdout.columns ?? (Number.parseInt(process.env.COLUMNS ?? '', 10) || 100)
}

/** Whether stdout gets colour: NO_COLOR and FORCE_COLOR decide before the terminal does. */
export function wantsColour(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if (NO_COLOR) return false
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0'
  return process.stdout.isTTY === true && TERM !== 'dumb'
}

const CODES = { bold: 1, red: 31, green: 32, yellow: 33, grey: 90 } as const

/** `text` in a colour, or as it is. */
export function coloured(text: string, colour: keyof typeof CODES): string {
  return wantsColour() ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text
}

/** `text` without what would steer a terminal or begin another line: names of files and traces can hold anything. */
export function oneLine(text: string): string {
  return inAlphabet(text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, '?'))
}

const PLAIN: Readonly<Record<string, string>> = {
  '…': '~',
  '→': '->',
  '×': 'x',
  '·': '-',
  '−': '-',
  '“': '"',
  '”': '"',
}

/** `text` in the alphabet of the user's locale: as it is, or in ASCII. */
export function inAlphabet(text: string): string {
  if (!wantsAscii(process.env)) return text
  return text.replace(/[^\0-\x7f]/gu, character => PLAIN[character] ?? '?')
}

/** `text` cut to `width` characters. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Rows with columns as wide as their widest cell; the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** `text` in lines of at most `width` characters, broken at blanks; longer words stand alone. */
export function wrapped(text: string, width: number): string {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) {
    let line = ''
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else line = line === '' ? word : `${line} ${word}`
    }
    lines.push(line)
  }
  return lines.join('\n')
}
