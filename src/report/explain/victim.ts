// Who should have been killed: the badness of every process in the table, in pages, as the kernel adds it up, and
// whether the highest one is the one that was killed.
import type { ReportFacts, TaskRow } from './facts.ts'
import { versionOf } from './masks.ts'

/** A process and its score. */
export interface Scored {
  readonly row: TaskRow
  /** Pages; null = this process may not be killed. */
  readonly score: number | null
  /** Everything that the score is made of is in the report. */
  readonly known: boolean
  readonly rss: number
  readonly swap: number
  readonly tables: number
  readonly adj: number
  /** What the adjustment and, up to 4.16, the discount for root come to. */
  readonly adjusted: number
}

export interface Prediction {
  readonly scored: readonly Scored[]
  readonly predicted: Scored | null
  /** The highest score, where that decides nothing. */
  readonly top: Scored | null
  /** The process that the kernel chose, in the table. */
  readonly killed: Scored | null
  /** Why the predicted one is not the killed one, or why none is predicted. */
  readonly why: string | null
  /** Lines that say so. */
  readonly whyLines: readonly number[]
  /** Pages of the whole that adjustments are parts of; null = not in the report. */
  readonly totalPages: number | null
  readonly totalLines: readonly number[]
}

const TIES_GO_TO_LAST = 5009
const ROOT_DISCOUNT_ENDS = 4017
/** Before 2.6.36 run time and children counted. */
const FIRST_BY_MEMORY = 2.636

/** The whole of which an adjustment is a thousandth: memory and swap of the cgroup, or of the machine. */
function totalPages(facts: ReportFacts, pageSize: number): { pages: number; lines: number[] } | null {
  if (facts.scope?.value === 'memcg') {
    const { limitKB, swapLimitKB, swapCountsMemory } = facts.memcg
    // Without the line about swap nobody knows whether it adds to the whole.
    if (!limitKB || !facts.memcg.swapUsageKB) return null
    const swap = swapLimitKB && !swapCountsMemory ? swapLimitKB.value : 0
    return { pages: Math.floor(((limitKB.value + swap) * 1024) / pageSize), lines: [limitKB.line] }
  }
  const { ramPages, reservedPages, totalSwapKB } = facts
  if (!ramPages || !reservedPages || !totalSwapKB) return null
  const swap = Math.floor((totalSwapKB.value * 1024) / pageSize)
  return {
    pages: ramPages.value - reservedPages.value + swap,
    lines: [ramPages.line, reservedPages.line, totalSwapKB.line],
  }
}

function scoreOf(row: TaskRow, pageSize: number | null, thousandth: number | null, discount: boolean): Scored {
  const { columns } = row
  const adj = columns.oom_score_adj ?? 0
  const rss = columns.rss ?? 0
  const swap = columns.swapents ?? 0
  const tables =
    columns.pgtables_bytes !== undefined
      ? Math.floor(columns.pgtables_bytes / (pageSize ?? 4096))
      : (columns.nr_ptes ?? 0) + (columns.nr_pmds ?? 0)
  const pages = rss + swap + tables
  const root = discount && columns.uid === 0 ? -Math.trunc((pages * 3) / 100) : 0
  const adjusted = (adj === 0 ? 0 : adj * (thousandth ?? 0)) + root
  const excluded = adj === -1000 || row.pid === 1
  const score = excluded ? null : Math.max(discount ? 1 : Number.NEGATIVE_INFINITY, pages + adjusted)
  const known = (thousandth !== null || adj === 0) && (pageSize !== null || columns.pgtables_bytes === undefined)
  return { row, score, known, rss, swap, tables, adj, adjusted }
}

/** The highest score; of equal ones the last or the first, as the kernel does. */
function highest(scored: readonly Scored[], lastWins: boolean): Scored | null {
  let best: Scored | null = null
  for (const each of scored) {
    if (each.score === null) continue
    if (best === null || each.score > best.score! || (lastWins && each.score === best.score)) best = each
  }
  return best
}

/** Scores and prediction; null where the report has no table of processes. `earlier`: processes killed before, by pid. */
export function predict(
  facts: ReportFacts,
  pageSize: number | null,
  earlier: ReadonlyMap<number, number>,
): Prediction | null {
  if (facts.tasks.length === 0) return null
  const size = pageSize ?? 4096
  const total = totalPages(facts, size)
  const version = versionOf(facts.kernel?.value)
  const discount = version !== null && version < ROOT_DISCOUNT_ENDS
  const thousandth = total ? Math.floor(total.pages / 1000) : null
  const scored = facts.tasks.map(row => scoreOf(row, pageSize, thousandth, discount))
  const lastWins = version === null || version >= TIES_GO_TO_LAST
  const base = { scored, totalPages: total?.pages ?? null, totalLines: total?.lines ?? [] }
  const pid = facts.chosen?.value.pid ?? facts.kill?.pid ?? null
  const killed = scored.find(({ row }) => row.pid === pid) ?? null
  const none = (why: string, lines: readonly number[]): Prediction => ({
    ...base,
    predicted: null,
    top: null,
    killed,
    why,
    whyLines: lines,
  })
  const header = facts.taskHeader!.line
  if (!facts.tasksEnded) return none('the table of processes is cut off', [header])
  if (version !== null && version < FIRST_BY_MEMORY && facts.tasks[0]!.columns.oom_score_adj === undefined)
    return none('kernels before 2.6.36 also weigh run time and children, which the report does not show', [header])
  if (thousandth === null && scored.some(({ adj, row }) => adj !== 0 && adj !== -1000 && row.pid !== 1))
    return none('adjusted scores need the size of the memory, which is not in the report', [header])
  if (scored.some(({ known, score }) => !known && score !== null))
    return none('the size of a page is not in the report', [header])
  if (pid !== null && killed === null)
    return none(`the killed process ${pid} has no row in the table`, [facts.chosen?.line ?? facts.kill!.line])
  const candidates = scored.filter(({ row }) => !earlier.has(row.pid) || row.pid === pid)
  const best = highest(candidates, lastWins)
  return { ...base, top: best, ...decided(facts, best, killed, earlier) }
}

function decided(
  facts: ReportFacts,
  best: Scored | null,
  killed: Scored | null,
  earlier: ReadonlyMap<number, number>,
): Pick<Prediction, 'predicted' | 'killed' | 'why' | 'whyLines'> {
  if (best === null) return { predicted: null, killed, why: 'no process in the table may be killed', whyLines: [] }
  if (facts.kill?.scope === 'allocating-task')
    return {
      predicted: killed ?? best,
      killed,
      why: 'vm.oom_kill_allocating_task kills whoever asks, whatever the scores',
      whyLines: [facts.kill.line],
    }
  if (killed === null || killed === best) return { predicted: best, killed, why: null, whyLines: [] }
  if (killed.score === best.score) return { predicted: killed, killed, why: null, whyLines: [] }
  if (facts.kill === null && facts.panic === null)
    return {
      predicted: null,
      killed,
      why: 'the line of the kill is missing, which says whether scores decided',
      whyLines: [killed.row.line],
    }
  if (facts.frames.has('moom_callback') && killed.score === null)
    return { predicted: best, killed, why: 'the killed process was protected', whyLines: [killed.row.line] }
  const before = earlier.get(best.row.pid)
  const why =
    before !== undefined
      ? `process ${best.row.pid} had been killed before`
      : 'the process with the highest score was left alone: it may have been exiting, a victim already, or shared its memory'
  return { predicted: best, killed, why, whyLines: before === undefined ? [best.row.line, killed.row.line] : [before] }
}
