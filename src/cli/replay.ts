// `mmtwin replay`: a recorded trace on a twin of the machine that recorded it, as a report for a person, as JSON, as
// one HTML file.
import { type Command, InvalidArgumentError } from 'commander'
import { print, printJson } from './output.ts'
import { type AccessCliOptions, collectWords, replayAccessCommand, wantsAccesses } from './replay_access.ts'
import { parseSettings, type Settings } from './settings.ts'
import { oneLine } from './text.ts'

const EXAMPLES = `
Examples:
  $ mmtwin replay --bundled
  $ mmtwin replay recorded/trace.dat --html report.html
  $ mmtwin replay trace.txt.gz --machine recorded/before --json
  $ mmtwin replay trace.dat --set vm.min_free_kbytes=8192 --set vm.watermark_scale_factor=50,vm.min_free_kbytes=8192
  $ mmtwin replay accesses.lackey --policy lru,clock,opt,mine.ts --memory 100,500,64M --html curves.html

The files captured before and after the trace lie beside it, in folders before and after; --machine names others.
--json prints { "events", "diagnostics", "follow": { "zones", "framesCompared", "framesWrong" }, "predict":
{ "zones", "allocations", "sameFrame", "sameZone", "sameMigratetype", "failed" }, "settings" }, and where the trace has
events of objects (kmem:kmalloc …) "slabs": { "pages", "caches", "callSites", "series" }.

A trace of page accesses (lackey, oracleGeneral, csv, DAMON's aggregated events) is run through replacement policies: fifo,
lru, clock, sieve, lfu, 2q, slru, arc, s3-fifo, opt, the kernel's own: linux (active and inactive list) and mglru, which a
twin plays as read-only accesses to a file, or a file that exports create(frames), which returns { evict(page), hit?(page),
insert?(page) }. --json prints { "trace", "format", "accesses", "pages", "pageSize", "records", "diagnostics",
"frames", "policies": [ { "name", "title", "misses", "missRatios" } ] }, misses and ratios one for each of "frames".`

interface Options extends AccessCliOptions {
  readonly machine?: string
  readonly bundled?: boolean
  readonly set?: readonly Settings[]
  readonly traceOut?: string
}

/** Adds the command `replay` to the program. */
export function registerReplay(program: Command): void {
  program
    .command('replay')
    .description('a recorded kernel trace on a twin of the machine that recorded it')
    .argument('[trace]', 'ftrace text, trace.dat or page accesses, plain or packed; - for standard input')
    .option('-m, --machine <path>', 'folder of files captured before the trace, or a machine description in JSON')
    .option('--bundled', 'replay the recording that comes with mmtwin')
    .option('-s, --set <settings>', 'NAME=VALUE[,NAME=VALUE…] of one run; given again, runs are compared', collect)
    .option('--html <file>', 'write the report with plots as one HTML file')
    .option('--trace-out <file>', "write the twin's own trace as ftrace text")
    .option('-p, --policy <names>', 'replacement policies, or files of own ones, for page accesses', collectWords)
    .option('--memory <sizes>', 'memory sizes for page accesses: frames, or bytes as 64M', collectWords)
    .option('--format <format>', 'of page accesses: lackey, oracleGeneral, csv, damon; else by the file itself')
    .option('--page-size <bytes>', 'of page accesses by address (4096)', positive)
    .option('--column <n>', 'of a csv with page accesses: where the object is named, from 1', positive)
    .option('--timeout <seconds>', "that a policy's file may take (600)", positive)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((trace: string | undefined, options: Options) => replay(trace, options))
}

function collect(text: string, before: readonly Settings[] | undefined): Settings[] {
  return [...(before ?? []), parseSettings(text)]
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

async function replay(trace: string | undefined, options: Options): Promise<void> {
  const { bundledName, bundledTrace } = await import('../node/bundled.ts')
  const { UserError } = await import('../node/user_error.ts')
  if ((trace === undefined) === (options.bundled !== true))
    throw new UserError('replay takes a trace or --bundled, one of the two')
  if (options.html !== undefined) {
    const { checkWritable } = await import('../node/write_file.ts')
    checkWritable(options.html)
  }
  if (trace !== undefined && (await wantsAccesses(trace, options))) return replayAccessCommand(trace, options)
  const path = trace ?? bundledTrace()
  const report = await replayWithProgress(path, options)
  tellDiagnostics(report)
  const { traceName } = await import('../node/replay_files.ts')
  await writeReports(trace === undefined ? bundledName(path) : traceName(trace), report, options)
}

type Report = Awaited<ReturnType<typeof import('../node/replay_files.ts').replayTrace>>

async function replayWithProgress(trace: string, { machine, set, traceOut }: Options): Promise<Report> {
  const { startProgress } = await import('./progress.ts')
  const { replayTrace } = await import('../node/replay_files.ts')
  const progress = await startProgress('replay')
  try {
    return await replayTrace(trace, {
      ...(machine === undefined ? {} : { machine }),
      ...(traceOut === undefined ? {} : { traceOut }),
      settings: set ?? [],
      onProgress: (done, total, label) => progress.update(done, total, label),
    })
  } finally {
    progress.stop()
  }
}

function tellDiagnostics({ diagnostics: { count, first } }: Report): void {
  if (count === 0 || first[0] === undefined) return
  const { line, message } = first[0]
  const many = count === 1 ? '1 diagnostic' : `${count} diagnostics, the first`
  process.stderr.write(`mmtwin replay: ${many} at line ${line}: ${oneLine(message)}\n`)
}

async function writeReports(name: string, report: Report, { html, json }: Options): Promise<void> {
  if (html !== undefined) {
    const { replayView } = await import('../node/replay_view.ts')
    const { writeReplayHtml } = await import('../node/replay_html/index.ts')
    const { writeWhole } = await import('../node/write_file.ts')
    writeWhole(html, writeReplayHtml(replayView(report, name)))
    process.stderr.write(`mmtwin replay: wrote ${html}\n`)
  }
  if (json) {
    const { replayJson } = await import('../node/replay_files.ts')
    printJson(replayJson(report))
    return
  }
  const { replayView } = await import('../node/replay_view.ts')
  const { replayText } = await import('./replay_text.ts')
  const { outputColumns, wantsColour } = await import('./text.ts')
  print(replayText(replayView(report, name), { width: outputColumns(), color: wantsColour() }))
}
