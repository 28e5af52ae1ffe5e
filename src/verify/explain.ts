// Reports of failures with the answers that were worked out by hand: what `explain` says against what the label says.
// One row a criterion. A report that is not found, or found where none is, fails every criterion that it has.
import type { ExplainedReport } from '../report/explain/answer.ts'
import { explainText } from '../report/explain/explain.ts'
import { tally, type VerifyFile, type VerifyKind } from './types.ts'

interface FailingLabel {
  readonly node?: number | null
  readonly zone?: string | null
  readonly check: string
  readonly freeKB?: number | null
  readonly neededKB?: number | null
}

/** What a label says of one report; `…Alt`: other values that are right, too. */
export interface ReportLabel {
  readonly line: number
  readonly lineAlt?: readonly number[]
  readonly kind: string
  readonly kindAlt?: readonly string[]
  readonly order: number | null
  readonly orderAlt?: readonly (number | null)[]
  readonly gfpMask: string | null
  readonly constraint: string | null
  readonly constraintAlt?: readonly (string | null)[]
  readonly failing: FailingLabel | null
  readonly failingAlt?: readonly (FailingLabel | null)[]
  readonly reason: string
  readonly acceptable: readonly string[]
  readonly victim: {
    readonly pid: number
    readonly predictedPid: number | null
    readonly predictedPidAlt?: readonly number[]
    readonly tiedPids?: readonly number[]
    readonly score?: number
  } | null
  readonly zoneCount: number
  readonly zoneCountAlt?: readonly number[]
  readonly optional?: boolean
}

export interface Label {
  readonly source: string
  readonly reports: readonly ReportLabel[]
  readonly optionalReports?: readonly { readonly line: number }[]
}

export type Criterion = 'reports' | 'zones' | 'reason' | 'failing' | 'victim'

/** One question put to an answer. */
export interface Score {
  readonly criterion: Criterion
  readonly line: number
  readonly expected: string
  readonly got: string
}

const oneOf = <T>(value: T, ...allowed: (T | readonly T[] | undefined)[]): boolean => allowed.flat().includes(value)

/** The labelled report that an answer belongs to. */
function labelAt(labels: readonly ReportLabel[], line: number): ReportLabel | undefined {
  return labels.find(label => oneOf(line, label.line, label.lineAlt))
}

/** Every question that the labels ask, with the answer given. */
export function score(label: Label, reports: readonly ExplainedReport[], text: string): Score[] {
  const lines = text.split('\n')
  const scores: Score[] = []
  for (const wanted of label.reports) {
    const got = reports.find(({ line }) => labelAt([wanted], line))
    if (got || !wanted.optional) scores.push(...scoreReport(wanted, got ?? null, lines))
  }
  for (const { line, kind } of reports)
    if (!labelAt(label.reports, line) && !label.optionalReports?.some(optional => optional.line === line))
      scores.push({ criterion: 'reports', line, expected: 'no report', got: kind })
  return scores
}

function scoreReport(label: ReportLabel, got: ExplainedReport | null, lines: readonly string[]): Score[] {
  const { line } = label
  const head = (kind: unknown, order: unknown, constraint: unknown): string => `${kind} order ${order} ${constraint}`
  const scores: Score[] = []
  const ask = (criterion: Criterion, right: boolean, expected: string, said: string): void => {
    scores.push({ criterion, line, expected, got: right ? expected : said })
  }
  const right =
    got !== null &&
    oneOf(got.kind, label.kind, label.kindAlt) &&
    oneOf(got.order, label.order, label.orderAlt) &&
    (oneOf(got.constraint, label.constraint as never, label.constraintAlt as never) ||
      label.constraint === got.constraint)
  ask(
    'reports',
    right,
    head(label.kind, label.order, label.constraint),
    got ? head(got.kind, got.order, got.constraint) : 'no report',
  )
  if (label.zoneCount > 0) {
    const said = got ? zonesSaid(got, lines) : 'no report'
    ask(
      'zones',
      said === 'whole' && oneOf(got!.zones.length, label.zoneCount, label.zoneCountAlt),
      `${label.zoneCount} zones`,
      said === 'whole' ? `${got!.zones.length} zones` : said,
    )
  }
  ask(
    'reason',
    got !== null && oneOf<string>(got.reason, label.reason, label.acceptable),
    label.reason,
    got?.reason ?? 'no report',
  )
  if (label.failing !== null)
    ask('failing', failingRight(label, got), failingText(label.failing), failingText(got?.failing ?? null))
  const { victim } = label
  if (victim?.predictedPid != null) {
    const said = got?.victim?.predictedPid ?? null
    const allowed = oneOf<number | null>(said, victim.predictedPid, victim.predictedPidAlt, victim.tiedPids)
    const scoreRight = victim.score === undefined || got?.victim?.score === victim.score
    const text = (pid: unknown, points: unknown): string => `${pid} with ${points} pages`
    ask('victim', allowed && scoreRight, text(victim.predictedPid, victim.score), text(said, got?.victim?.score))
  }
  return scores
}

/** Lines of a dump between a zone and its free blocks, at most. */
const BLOCKS_WITHIN = 60

/** Whether free blocks add up and watermarks stand in their order; only what is printed can be wrong. */
function zonesSaid({ zones }: ExplainedReport, lines: readonly string[]): string {
  for (const { name, minKB, lowKB, highKB, freeBlocks, line } of zones) {
    if (minKB === null || lowKB === null || highKB === null) return `${name} without watermarks`
    if (!(minKB <= lowKB && lowKB <= highKB)) return `${name}: min ${minKB}, low ${lowKB}, high ${highKB}`
    const behind = lines
      .slice(line, line + BLOCKS_WITHIN)
      .some(text => text.includes(`${name}: `) && /\d\*\d+kB/.test(text))
    if (freeBlocks === null && behind) return `${name} without blocks`
  }
  return 'whole'
}

function failingText(failing: FailingLabel | null): string {
  if (failing === null) return 'none'
  const { node, zone, check, freeKB, neededKB } = failing
  return `node ${node} ${zone}: ${check}, ${freeKB} kB free, ${neededKB} kB needed`
}

function failingRight({ failing, failingAlt = [] }: ReportLabel, got: ExplainedReport | null): boolean {
  if (got === null) return false
  return [failing, ...failingAlt].some(label => {
    if (label === null || got.failing === null) return label === got.failing
    return (['node', 'zone', 'check', 'freeKB', 'neededKB'] as const).every(
      key => label[key] === undefined || label[key] === got.failing![key],
    )
  })
}

/** Labels below the folder with the reports that they are about. A report that is not there (it may lie in another
 * folder of recordings) is no case of this run. */
function* cases(files: readonly VerifyFile[]): Generator<{ label: Label; path: string; text: string }> {
  for (const file of files) {
    if (!/(?:^|\/)labels\/[^/]+\.json$/.test(file.path)) continue
    const label = JSON.parse(file.text()) as Label
    const parts = label.source.split('/')
    const source = files.find(({ path }) =>
      parts.some((_, from) => parts.length - from > 1 && path === parts.slice(from).join('/')),
    )
    if (source) yield { label, path: file.path, text: source.text() }
  }
}

function explainKind(kind: string, criterion: Criterion): VerifyKind {
  return {
    kind,
    run(files) {
      const count = tally(kind)
      for (const { label, path, text } of cases(files)) {
        const scores = score(label, explainText(text).reports, text).filter(each => each.criterion === criterion)
        if (scores.length > 0) count.file(path)
        for (const { line, expected, got } of scores) count.check(line, expected, got)
      }
      return count.result()
    },
  }
}

/** A row for each criterion. */
export const explainKinds: readonly VerifyKind[] = [
  explainKind('explain: kind, order, constraint', 'reports'),
  explainKind('explain: zones', 'zones'),
  explainKind('explain: reason', 'reason'),
  explainKind('explain: failing check', 'failing'),
  explainKind('explain: victim', 'victim'),
]
