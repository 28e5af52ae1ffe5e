// `npm run bench [-- QUESTION…] [-- --write]`: measures, prints one table, and with --write keeps it in RESULTS.md.
// It needs two quiet cores and a few minutes; BENCH_ROUNDS (default 5) is how often each rival has its turn.

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { compiler, here, ROUNDS } from './lib.mjs'

const QUESTIONS = [
  'page_alloc',
  'slab',
  'boot',
  'trace',
  'tracepoints',
  'sanitizers',
  'replay',
  'policies',
  'faults',
  'explain',
  'rejected',
]

const COLUMNS = ['goal', 'what', 'figure', 'limit', 'verdict']

/** Rows as a Markdown table with even columns. */
function table(rows) {
  const cells = [COLUMNS, ...rows.map(row => COLUMNS.map(name => row[name]))]
  const widths = COLUMNS.map((_, i) => Math.max(...cells.map(row => row[i].length)))
  const line = row => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  return [
    line(cells[0]),
    `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`,
    ...cells.slice(1).map(line),
  ].join('\n')
}

function machine() {
  const c = compiler ? execFileSync(compiler, ['--version']).toString().split('\n')[0] : 'no C compiler'
  const [cpu] = cpus()
  return `${cpu.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version}; ${c} (-O2); each rival had ${ROUNDS} turns`
}

const METHOD = `Figures of one run of \`npm run bench -- --write\`. CPU time; every rival is its own process and warmed up, they take
turns, the fastest batch of all turns counts. Ratios mean something, times depend on the machine. The C programs
(\`bench/c\`) do the same operations on the same columns from the same bytes, and must end with the same bytes.`

const asked = process.argv.slice(2).filter(word => !word.startsWith('--'))
const unknown = asked.find(word => !QUESTIONS.includes(word))
if (unknown) {
  console.error(`bench: no question "${unknown}"; there are ${QUESTIONS.join(', ')}`)
  process.exit(2)
}
const rows = []
for (const name of asked.length > 0 ? asked : QUESTIONS) {
  const question = await import(`./${name}.mjs`)
  console.error(`${question.title} …`)
  try {
    rows.push(...(await question.run()))
  } catch (error) {
    // What was measured so far took minutes: the table shows it, and what went wrong.
    console.error(error)
    rows.push({
      goal: '',
      what: question.title,
      figure: String(error.message).split('\n')[0],
      limit: '',
      verdict: 'failed',
    })
    process.exitCode = 1
  }
}
const text = `${machine()}\n\n${table(rows)}`
console.log(text)
if (process.argv.includes('--write')) writeFileSync(`${here}RESULTS.md`, `# Results\n\n${METHOD}\n\n${text}\n`)
