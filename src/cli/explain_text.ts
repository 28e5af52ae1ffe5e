// Explanations for a terminal: a report fits a screen; what does not is told with --verbose.
import type { ExplainedReport, Sentence } from '../report/explain/answer.ts'
import type { Explained } from '../report/explain/explain_report.ts'
import { arithmetic } from '../report/explain/sentences.ts'
import { coloured, oneLine, wrapped } from './text.ts'

/** Sentences of one report that are shown without --verbose, its headline aside. */
const SHOWN = 9
/** Scores shown with --verbose. */
const MOST_SCORES = 40

/** One report as text; `verbose`: every sentence and every score. */
export function reportText({ answer, prediction }: Explained, columns: number, verbose: boolean): string {
  const [head, ...sentences] = answer.explanation
  const lines = [coloured(title(answer), 'bold'), ...wrappedAll(`${answer.reason}: ${head!.text}`, '', columns)]
  if (answer.also.length > 0) lines.push(...wrappedAll(`also: ${answer.also.join(', ')}`, '', columns))
  const shown = verbose ? sentences : sentences.slice(0, SHOWN)
  for (const sentence of shown) lines.push(...sentenceLines(sentence, columns))
  if (shown.length < sentences.length) lines.push(`  … ${sentences.length - shown.length} more with --verbose`)
  for (const { text, setting } of answer.advice)
    lines.push(...wrappedAll(`Try: ${text}${setting ? ` (${setting})` : ''}`, '  ', columns))
  if (answer.whatIf) lines.push(...whatIfLines(answer.whatIf, columns))
  if (verbose && prediction) {
    const scored = prediction.scored.toSorted((a, b) => (b.score ?? -1) - (a.score ?? -1)).slice(0, MOST_SCORES)
    lines.push('  Scores:', ...scored.map(each => `    ${oneLine(arithmetic(each, prediction))}`))
  }
  return `${lines.join('\n')}\n`
}

const NAMES: Readonly<Record<ExplainedReport['kind'], string>> = {
  'oom-kill': 'OOM kill',
  'alloc-failure': 'page allocation failure',
  'vmalloc-failure': 'vmalloc failure',
  'slab-failure': 'slab allocation failure',
  'sysrq-m': 'memory dump (SysRq-m)',
  'mem-info': 'memory dump',
}

function title({ line, kind, kernel, constraint }: ExplainedReport): string {
  const scope = constraint === null || constraint === 'none' ? '' : ` (${constraint})`
  return oneLine(`line ${line}: ${NAMES[kind]}${scope}${kernel ? `, Linux ${kernel}` : ''}`)
}

function wrappedAll(text: string, indent: string, columns: number): string[] {
  const width = Math.max(20, columns - indent.length)
  return wrapped(oneLine(text), width)
    .split('\n')
    .map(line => indent + line)
}

/** `12-14, 20`: lines that prove a sentence. */
function places(lines: readonly number[]): string {
  const runs: string[] = []
  for (let from = 0, at = 0; at < lines.length; from = at) {
    while (++at < lines.length && lines[at] === lines[at - 1]! + 1);
    runs.push(at - from > 1 ? `${lines[from]}-${lines[at - 1]}` : `${lines[from]}`)
  }
  return runs.length > 4 ? `${runs.slice(0, 3).join(', ')}, …` : runs.join(', ')
}

function sentenceLines({ text, evidence }: Sentence, columns: number): string[] {
  const proof = evidence.length > 0 ? ` [${places(evidence)}]` : ''
  const [first, ...rest] = wrappedAll(`${text}${proof}`, '    ', columns)
  return [`  - ${first!.trimStart()}`, ...rest]
}

function whatIfLines(
  { settings, wouldSucceed, explanation }: NonNullable<ExplainedReport['whatIf']>,
  columns: number,
): string[] {
  const set = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  const verdict = wouldSucceed ? coloured('it would succeed', 'green') : coloured('it would still fail', 'red')
  return [
    ...wrappedAll(`With ${set.join(', ')}:`, '  ', columns),
    `  ${verdict}`,
    ...explanation.flatMap(sentence => sentenceLines(sentence, columns)),
  ]
}
