// Miss ratios of replacement policies on a trace of requests. A recording is a text with a table, a policy a row and a memory
// size a column, and beside it the trace (libCacheSim's oracleGeneral) that the text names. A check is one ratio.
import { createPolicy, type Future, nextUses, type PolicyKind, policies, runAll } from '../sim/policy/index.ts'
import { type AccessTrace, accessReader } from '../trace/access/index.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind, type VerifyResult } from './types.ts'

const TRACE = /`([^`\s]+\.oracleGeneral[^`\s]*)`/
const HEAD = /^\|\s*size[^|]*\|/i

export const cacheTracesKind: VerifyKind = { kind: 'cache traces', run }

function run(files: readonly VerifyFile[]): VerifyResult {
  const counts = tally('cache traces')
  for (const table of files.filter(({ path }) => path.endsWith('.md'))) {
    const text = table.text()
    const name = TRACE.exec(text)?.[1]
    const folder = table.path.slice(0, table.path.lastIndexOf('/') + 1)
    const trace = files.find(({ path }) => name !== undefined && path === folder + name)
    if (trace === undefined || !text.split('\n').some(line => HEAD.test(line))) continue
    counts.file(table.path)
    checkTable(counts, text.split('\n'), trace)
  }
  return counts.result()
}

function checkTable(counts: Tally, lines: readonly string[], file: VerifyFile): void {
  const trace = readTrace(file)
  if (typeof trace === 'string') {
    counts.check(1, 'a trace', trace)
    return
  }
  const future: Future = { nextUse: nextUses(trace.accesses, trace.pages) }
  const head = lines.findIndex(line => HEAD.test(line))
  const sizes = cellsOf(lines[head]!).slice(1).map(Number)
  for (let at = head + 2; lines[at]?.startsWith('|'); at++) {
    const [title = '', ...ratios] = cellsOf(lines[at]!)
    const kind = policyOf(title)
    ratios.forEach((ratio, column) => {
      const own = kind ? missRatio(kind, sizes[column]!, trace, future) : 'no policy of this name'
      counts.check(at + 1, `${title} ${sizes[column]} ${ratio}`, `${title} ${sizes[column]} ${own}`)
    })
  }
}

function readTrace(file: VerifyFile): AccessTrace | string {
  if (file.bytes === undefined) return `${file.path}: no bytes`
  try {
    const reader = accessReader('oracleGeneral')
    reader.push(file.bytes())
    return reader.end()
  } catch (error) {
    return `${file.path}: ${(error as Error).message}`
  }
}

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map(cell => cell.trim())

/** `CLOCK (1 bit)` is called by the word before, `Belady (OPT)` by that in parentheses. */
function policyOf(title: string): PolicyKind | undefined {
  const words = title.toLowerCase().split(/[()]/)
  return policies.find(({ name }) => words.some(word => word.trim() === name))
}

/** Four decimals, as the table has them. */
function missRatio(kind: PolicyKind, frames: number, { accesses, pages }: AccessTrace, future: Future): string {
  const policy = createPolicy(kind, frames, future)
  policy.reserve(pages)
  return (runAll(policy, accesses) / accesses.length).toFixed(4).replace(/^0/, '')
}
