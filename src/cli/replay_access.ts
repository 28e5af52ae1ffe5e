// `mmtwin replay` of a trace of page accesses: replacement policies at some memory sizes, their misses as curves.
import type { AccessReport } from '../node/access_files.ts'
import type { AccessFormat } from '../trace/access/index.ts'
import { accessText } from './access_text.ts'
import { print, printJson } from './output.ts'
import { oneLine, outputColumns } from './text.ts'

export interface AccessCliOptions {
  readonly policy?: readonly string[]
  readonly memory?: readonly string[]
  readonly format?: string
  readonly pageSize?: number
  readonly column?: number
  readonly timeout?: number
  readonly html?: string
  readonly json?: boolean
}

/** Words of a list as they come on a command line: between commas, and in repeated options. */
export function collectWords(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',').filter(word => word !== '')]
}

/** Whether a trace is one of page accesses: by an option that only those have, or by how the file begins. */
export async function wantsAccesses(trace: string | undefined, options: AccessCliOptions): Promise<boolean> {
  if (trace === undefined) return false
  if (options.policy ?? options.memory ?? options.format) return true
  if (trace === '-') return false
  const { accessFormatOfFile } = await import('../node/access_files.ts')
  // What is wrong with the file is told by who reads it as a kernel's trace.
  return (await accessFormatOfFile(trace).catch(() => null)) !== null
}

/** Replays the accesses of a file and prints what came of it. */
export async function replayAccessCommand(trace: string, options: AccessCliOptions): Promise<void> {
  const { accessJson, replayAccesses } = await import('../node/access_files.ts')
  const { startProgress } = await import('./progress.ts')
  const { memory, policy, format, pageSize, column, timeout } = options
  const progress = await startProgress('replay')
  let report: AccessReport
  try {
    report = await replayAccesses(trace, {
      ...(policy ? { policies: policy } : {}),
      ...(memory ? { frames: memory.map(word => framesOf(word, pageSize ?? 4096)) } : {}),
      ...(format ? { format: format as AccessFormat } : {}),
      ...(pageSize ? { pageSize } : {}),
      ...(column ? { column } : {}),
      ...(timeout ? { timeout } : {}),
      onProgress: (done, total, label) => progress.update(done, total, label),
    })
  } finally {
    progress.stop()
  }
  tellDiagnostics(report)
  if (options.html !== undefined) await writeHtml(options.html, report)
  if (options.json) printJson(accessJson(report))
  else print(accessText(report, outputColumns()))
}

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** A memory size: a number of frames, or bytes with a unit. @throws RangeError for what is neither */
function framesOf(word: string, pageSize: number): number {
  const [, digits, unit] = /^(\d+)([KMGT]?)(?:i?B)?$/i.exec(word) ?? []
  if (digits === undefined) throw new RangeError(`--memory ${word}: not a number of frames, nor a size as 64M`)
  const frames = unit ? Math.floor((Number(digits) * UNITS[unit.toUpperCase()]!) / pageSize) : Number(digits)
  if (frames < 1) throw new RangeError(`--memory ${word}: less than one frame of ${pageSize} bytes`)
  return frames
}

function tellDiagnostics({ diagnostics: { count, first } }: AccessReport): void {
  if (first[0] === undefined) return
  const many = count === 1 ? '1 diagnostic' : `${count} diagnostics, the first`
  process.stderr.write(`mmtwin replay: ${many} at line ${first[0].line}: ${oneLine(first[0].message)}\n`)
}

async function writeHtml(path: string, report: AccessReport): Promise<void> {
  const { writeAccessHtml } = await import('../node/access_html.ts')
  const { writeWhole } = await import('../node/write_file.ts')
  writeWhole(path, writeAccessHtml(report))
  process.stderr.write(`mmtwin replay: wrote ${path}\n`)
}
