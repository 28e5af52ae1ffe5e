// Every counter of /proc/vmstat of reclaim recordings, recorded and on the twin: where a run that misses leaves the way.
//   node tools/reclaim_counters.mjs FOLDER [REGEXP of the run's path]
// Counters that only say how much there is are shown as they stand at the end, all others as they grew; first while the
// program wrote its memory, then while it touched it.
import { verifyFiles } from '../dist/node/verify_files.js'
import { reclaimRows } from '../dist/verify/reclaim.js'

const [folder, only = ''] = process.argv.slice(2)
const run = /reclaim\/[^/]+\/reclaim\/[^/]+\/mempat\.txt(\.gz)?$/
const wanted = new RegExp(only)
const files = verifyFiles(folder).filter(({ path }) => !run.test(path) || wanted.test(path))
const isGauge = name => /^nr_/.test(name) && !/^nr_(vmscan|dirtied|written|throttled)/.test(name)

function* phases({ start, populated, done }) {
  for (const name of start.keys()) {
    const at = [start, populated, done].map(counters => counters.get(name) ?? 0)
    yield [name, isGauge(name) ? at : [at[1] - at[0], at[2] - at[1]]]
  }
}

for (const row of reclaimRows(files)) {
  if ('error' in row) {
    console.log(`${row.path}: ${row.error}`)
    continue
  }
  console.log(`${row.path}${row.killed ? ' killed' : ''}${row.twinKilled ? ' twin killed' : ''}`)
  for (const name of Object.keys(row.recorded)) {
    const off = Math.abs(row.twin[name] - row.recorded[name]) > row.allowed[name]
    console.log(`  ${off ? 'MISS' : ' ok '} ${name} ${row.recorded[name]} / ${row.twin[name]}`)
  }
  const twin = new Map(phases(row.counters.twin))
  for (const [name, recorded] of phases(row.counters.recorded)) {
    const ours = twin.get(name) ?? []
    if ([...recorded, ...ours].some(value => value !== 0))
      console.log(`    ${name.padEnd(34)} ${recorded.join(' ').padEnd(24)} / ${ours.join(' ')}`)
  }
}
