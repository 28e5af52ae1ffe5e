// `mmtwin verify DIR`: every recording below a folder against the model, as a table or as JSON.
import type { Command } from 'commander'
import type { VerifyKind, VerifyResult } from '../verify/types.ts'
import { print, printJson } from './output.ts'
import { coloured, cut, oneLine, outputColumns, table, wrapped } from './text.ts'

const EXAMPLES = `
Examples:
  $ mmtwin verify recordings/
  $ mmtwin verify recordings/ --kind buddy --kind gfp
  $ mmtwin verify recordings/ --json

--json prints { "kinds": [ { "kind", "files", "checks", "exact",
"first": null | { "file", "line", "expected", "got" } } ] }. Exit 1 where a check is not exact.`

interface Options {
  readonly json?: boolean
  readonly kind?: readonly string[]
}

/** Adds the command `verify` to the program. */
export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('recordings of real kernels against the model: a table of files, checks, and what is exact')
    .argument('<dir>', 'folder with recordings; all folders below it are searched')
    .option('-k, --kind <kind>', 'only this kind of recordings; given again, these', addKind)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(verify)
}

function addKind(kind: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), kind]
}

async function verify(dir: string, options: Options): Promise<void> {
  const { UserError } = await import('../node/user_error.ts')
  const kinds = await chosenKinds(options.kind)
  const results = (await runKinds(dir, kinds)).filter(({ files }) => files > 0)
  if (results.length === 0)
    throw new UserError(`${dir}: no recording of the kinds ${kinds.map(({ kind }) => kind).join(', ')} in this folder`)
  if (options.json) printJson({ kinds: results })
  else print(resultsText(results, outputColumns()))
  if (results.some(({ checks, exact }) => exact !== checks)) process.exitCode = 1
}

async function chosenKinds(wanted: readonly string[] | undefined): Promise<readonly VerifyKind[]> {
  const { verifyKinds } = await import('../verify/index.ts')
  for (const name of wanted ?? [])
    if (!verifyKinds.some(({ kind }) => kind === name))
      throw new RangeError(`no kind "${name}"; there are ${verifyKinds.map(({ kind }) => kind).join(', ')}`)
  return wanted ? verifyKinds.filter(({ kind }) => wanted.includes(kind)) : verifyKinds
}

/** The bar counts files that were read: kinds read the same ones again, so it may run more than once. */
async function runKinds(dir: string, kinds: readonly VerifyKind[]): Promise<VerifyResult[]> {
  const { startProgress } = await import('./progress.ts')
  const { verifyFiles } = await import('../node/verify_files.ts')
  const progress = await startProgress('verify')
  let place = 0
  const seen = new Set<string>()
  const files = verifyFiles(dir, path => {
    seen.add(path)
    progress.update(place + Math.min(0.99, seen.size / files.length), kinds.length, path)
  })
  try {
    return kinds.map((kind, index) => {
      place = index
      seen.clear()
      return kind.run(files)
    })
  } finally {
    progress.stop()
  }
}

/** The results as a table, then where each kind differs first. */
export function resultsText(results: readonly VerifyResult[], columns: number): string {
  const head = ['kind', 'files', 'checks', 'exact', '%']
  const rows = results.map(({ kind, files, checks, exact }) => [
    kind,
    String(files),
    String(checks),
    String(exact),
    percent(exact, checks),
  ])
  const [title, ...lines] = table([head, ...rows])
  const marked = lines.map((line, i) => coloured(line, results[i]!.exact === results[i]!.checks ? 'green' : 'red'))
  const differences = results.flatMap(result => differenceLines(result, columns))
  return `${[coloured(title!, 'bold'), ...marked, ...differences].join('\n')}\n`
}

/** 100 only where all are exact. */
function percent(exact: number, checks: number): string {
  return exact === checks ? '100' : (Math.floor((exact / checks) * 10000) / 100).toFixed(2)
}

function differenceLines({ kind, first }: VerifyResult, columns: number): string[] {
  if (first === null) return []
  const [expected, got] = aroundDifference(oneLine(first.expected), oneLine(first.got), columns - 11)
  return [
    '',
    ...wrapped(`${kind}: first difference at ${first.file}:${first.line}`, columns).split('\n'),
    `  expected ${expected}`,
    `  got      ${got}`,
  ]
}

/** Two texts in `width` columns each; where they begin alike for longer than that, from shortly before they differ. */
function aroundDifference(a: string, b: string, width: number): [string, string] {
  let same = 0
  while (same < a.length && a[same] === b[same]) same++
  const from = Math.max(a.length, b.length) > width && same > width / 2 ? same - Math.floor(width / 3) : 0
  const shown = (text: string): string => cut(from === 0 ? text : `…${text.slice(from + 1)}`, width)
  return [shown(a), shown(b)]
}
