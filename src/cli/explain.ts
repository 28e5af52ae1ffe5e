// `mmtwin explain`: why requests in a kernel log failed, or who was killed and why, as text or as JSON.
import { type Command, InvalidArgumentError } from 'commander'
import type { ExplainedPart } from '../node/explain_html/index.ts'
import type { Explained } from '../report/explain/explain_report.ts'
import { parseWhatIf, type WhatIfSettings } from '../sim/what_if/settings.ts'
import { print, printJson } from './output.ts'
import { oneLine, outputColumns, wrapped } from './text.ts'

const EXAMPLES = `
Examples:
  $ dmesg | mmtwin explain -
  $ mmtwin explain /var/log/kern.log.1.gz --json
  $ mmtwin explain oom.txt --verbose
  $ mmtwin explain oom.txt --html oom.html
  $ mmtwin explain oom.txt --set vm.min_free_kbytes=8192 --set order=0
  $ mmtwin explain --live --gfp GFP_ATOMIC --order 3

--set asks what another setting would have changed: vm.min_free_kbytes, vm.watermark_scale_factor,
vm.lowmem_reserve_ratio, order, gfp, swap, memory (+512M or a new total), memory.max of the cgroup.

--json prints { "reports": [ { "line", "kind", "reason", "failing", "zones", "victim", "explanation", … } ],
"diagnostics": [ { "line", "message" } ] }; docs/explain.md tells of each. Exit 1 where the log has no report.`

interface Options {
  readonly live?: boolean
  readonly gfp?: string
  readonly order?: number
  readonly html?: string
  readonly json?: boolean
  readonly verbose?: boolean
  readonly set?: WhatIfSettings
}

/** Adds the command `explain` to the program. */
export function registerExplain(program: Command): void {
  program
    .command('explain')
    .description('why memory ran out: OOM kills and allocation failures in a kernel log, with the numbers that decided')
    .argument('[file]', 'text of a kernel log, plain or packed; - for standard input')
    .option('-s, --set <settings>', 'what if NAME=VALUE[,NAME=VALUE…] had been set; given again, more', collect)
    .option('-v, --verbose', 'every sentence, and the score of every process')
    .option('--live', 'instead of a log: would a request succeed on this machine now, and how much is missing?')
    .option('--gfp <mask>', 'with --live: the mask, as GFP_ATOMIC|__GFP_NOWARN (GFP_KERNEL)')
    .option('--order <n>', 'with --live: log2 of the pages (0)', orderOf)
    .option(
      '--html <file>',
      'write the reports with bars, tables and the text that proves each sentence as one HTML file',
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(explain)
}

function collect(text: string, before: WhatIfSettings | undefined): WhatIfSettings {
  return { ...before, ...parseWhatIf(text) }
}

type Found = Awaited<ReturnType<typeof import('../node/explain_input.ts').explainInput>>

function orderOf(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError('a whole number is needed.')
  return Number(text)
}

async function explain(file: string | undefined, options: Options): Promise<void> {
  const { UserError } = await import('../node/user_error.ts')
  const alone = options.live && options.html === undefined
  if ((file === undefined) !== (options.live === true) || (options.live && !alone))
    throw new UserError('explain takes a log or --live, one of the two, and --html only with a log')
  if (options.live && options.set !== undefined)
    throw new UserError('--set goes with a log; --live has --gfp and --order')
  if (!options.live && (options.gfp !== undefined || options.order !== undefined))
    throw new UserError('--gfp and --order go with --live; --set gfp=… asks the same of a log')
  if (file === undefined) await explainNow(options)
  else await explainLog(file, options)
}

/** The running machine. Exit 1 where the request would have to wait or would fail. */
async function explainNow({ gfp = 'GFP_KERNEL', order = 0, json }: Options): Promise<void> {
  const { explainLive } = await import('../report/explain/live.ts')
  const { liveSnapshot } = await import('../node/live.ts')
  const { toldOf } = await import('../node/user_error.ts')
  const answer = toldOf(undefined, () => explainLive(liveSnapshot(), gfp, order))
  if (json) printJson(answer)
  else print(`${answer.explanation.map(text => wrapped(text, outputColumns())).join('\n')}\n`)
  if (!answer.wouldSucceed) process.exitCode = 1
}

async function explainLog(file: string, options: Options): Promise<void> {
  const { reportText } = await import('./explain_text.ts')
  const asked = await withSettings(options.set)
  const answers: unknown[] = []
  const parts: ExplainedPart[] = []
  let count = 0
  if (options.html !== undefined) (await import('../node/write_file.ts')).checkWritable(options.html)
  const found = await readWithProgress(file, (plain, own) => {
    count++
    const explained = asked(plain)
    if (options.html !== undefined) parts.push({ explained, ...own })
    if (options.json) answers.push(explained.answer)
    else print(`${count > 1 ? '\n' : ''}${reportText(explained, outputColumns(), options.verbose === true)}`)
  })
  if (options.json) printJson({ reports: answers, diagnostics: found.diagnostics })
  else tellDiagnostics(found)
  if (count === 0) tellNothing(file, found)
  else if (options.html !== undefined) await writeHtml(options.html, file, parts, found)
}

/** Adds the answers to what-ifs. */
async function withSettings(set: WhatIfSettings | undefined): Promise<(explained: Explained) => Explained> {
  if (set === undefined) return explained => explained
  const { withWhatIf } = await import('../sim/explain.ts')
  return explained => ({ ...explained, answer: withWhatIf(explained, set) })
}

async function writeHtml(path: string, file: string, parts: readonly ExplainedPart[], found: Found): Promise<void> {
  const { writeExplainHtml } = await import('../node/explain_html/index.ts')
  const { writeWhole } = await import('../node/write_file.ts')
  writeWhole(path, writeExplainHtml(file === '-' ? 'standard input' : file, parts, found.diagnostics.length))
  process.stderr.write(`mmtwin explain: wrote ${path}\n`)
}

async function readWithProgress(
  file: string,
  onReport: Parameters<typeof import('../node/explain_input.ts').explainInput>[1],
): Promise<Found> {
  const { startProgress } = await import('./progress.ts')
  const { explainInput } = await import('../node/explain_input.ts')
  const progress = await startProgress('explain')
  try {
    return await explainInput(file, onReport, { onProgress: (read, total) => progress.update(read, total, file) })
  } finally {
    progress.stop()
  }
}

function tellDiagnostics({ diagnostics }: Found): void {
  for (const { line, message } of diagnostics.slice(0, 3))
    process.stderr.write(`mmtwin explain: line ${line}: ${oneLine(message)}\n`)
  if (diagnostics.length > 3) process.stderr.write(`mmtwin explain: ${diagnostics.length - 3} more; --json shows all\n`)
}

function tellNothing(file: string, { bytes }: Found): void {
  const name = file === '-' ? 'standard input' : file
  const what = bytes === 0 ? 'is empty' : 'holds no report of an OOM kill or allocation failure and no memory dump'
  process.stderr.write(`mmtwin explain: ${name} ${what}\n`)
  process.exitCode = 1
}
