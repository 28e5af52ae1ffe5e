// A log of any size → its reports, explained one after the other.

import { Explainer } from '../report/explain/explain.ts'
import type { Explained } from '../report/explain/explain_report.ts'
import type { Diagnostic } from '../report/proc/lines.ts'
import { type InputOptions, readInput } from './input.ts'
import { LogScan } from './log_scan.ts'
import { UserError } from './user_error.ts'

/** Part of the first bytes that may be NUL: logs have holes after a crash, other files are no logs. */
const MOST_NULS = 0.1
const LOOKED_AT = 1 << 16

/** A report's own lines, and those near it that prove something of it. */
export interface ReportLines {
  readonly lines: readonly string[]
  /** Number of the first of them. */
  readonly firstLine: number
}

function linesOf({ answer, case_ }: Explained, lines: readonly string[], firstLine: number): ReportLines {
  const proof = answer.explanation.flatMap(({ evidence }) => evidence).filter(line => line >= firstLine)
  const from = Math.min(answer.line, ...proof)
  const to = Math.max(case_.facts.lastLine, ...proof)
  return { lines: lines.slice(from - firstLine, to - firstLine + 1), firstLine: from }
}

/** Explains the reports of a file, `-` for standard input; gzip and zstd are unpacked.
 * @throws UserError for a file that is no text, InputError for one that cannot be read */
export async function explainInput(
  file: string,
  onReport: (explained: Explained, own: ReportLines) => void,
  options: InputOptions = {},
): Promise<{ bytes: number; diagnostics: readonly Diagnostic[] }> {
  const explainer = new Explainer()
  const scan = new LogScan((text, firstLine) => {
    const lines = text.split('\n')
    for (const explained of explainer.take(lines, firstLine)) onReport(explained, linesOf(explained, lines, firstLine))
  })
  let first = true
  const { bytes } = await readInput(
    file,
    piece => {
      if (first) refuseBinary(file, piece)
      first = false
      scan.take(piece)
    },
    options,
  )
  scan.end()
  return { bytes, diagnostics: explainer.diagnostics }
}

function refuseBinary(file: string, piece: Uint8Array): void {
  const start = piece.subarray(0, LOOKED_AT)
  let nuls = 0
  for (const byte of start) if (byte === 0) nuls++
  if (nuls > start.length * MOST_NULS)
    throw new UserError(`${file === '-' ? 'standard input' : file}: a binary file, not the text of a kernel log`)
}
