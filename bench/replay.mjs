// G8 and memory: how fast is a whole replay (read, follow, predict), and does its memory grow with the trace?
// The bundled trace is replayed once and LONGER times in a row, as one trace: differences leave start and boot out. The
// speed is that of LONGEST times, about as many events as the recordings have that take seconds: the engine has compiled
// what there is by then.
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { bundledTrace } from '../dist/node/bundled.js'
import { build, here, row } from './lib.mjs'

export const title = 'replay'

const LONGER = 5
const LONGEST = 25
const RUNS = 3
/** Makes the process say what it used. */
const METER = `data:text/javascript,process.on('exit',()=>console.error('usage '+JSON.stringify(process.resourceUsage())))`

/** The text of the trace `times` times, each repetition later than the one before; its path. */
function repeated(text, times) {
  const path = `${build}replay${times}.txt`
  const file = openSync(path, 'w')
  const lines = text.split('\n').filter(line => line !== '')
  const body = lines.filter(line => !line.startsWith('#'))
  const seconds = line => Number(/ (\d+\.\d{6}): /.exec(line)?.[1] ?? 0)
  const span = seconds(body.at(-1)) - seconds(body[0]) + 0.001
  writeSync(file, `${lines.filter(line => line.startsWith('#')).join('\n')}\n`)
  for (let n = 0; n < times; n++)
    for (let at = 0; at < body.length; at += 10_000) {
      const later = body
        .slice(at, at + 10_000)
        .map(line => line.replace(/ (\d+\.\d{6}): /, (_, time) => ` ${(Number(time) + n * span).toFixed(6)}: `))
      writeSync(file, `${later.join('\n')}\n`)
    }
  closeSync(file)
  return path
}

/** One replay by the command line: events, CPU seconds, peak memory in MiB. */
function replay(trace, machine) {
  const args = ['--import', METER, `${here}../dist/cli/main.js`, 'replay', trace, '--machine', machine, '--json']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`replay of ${trace}: exit ${status}\n${stderr}`)
  const usage = JSON.parse(/usage (\{.*\})/.exec(stderr)[1])
  return {
    events: JSON.parse(stdout).events,
    seconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    mib: usage.maxRSS / 1024,
  }
}

function least(trace, machine) {
  const runs = Array.from({ length: RUNS }, () => replay(trace, machine))
  const of = name => Math.min(...runs.map(run => run[name]))
  return { events: runs[0].events, seconds: of('seconds'), mib: of('mib') }
}

export async function run() {
  const trace = bundledTrace()
  const bytes = readFileSync(trace)
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('latin1')
  const machine = `${dirname(trace)}/before`
  const short = least(repeated(text, 1), machine)
  const long = least(repeated(text, LONGER), machine)
  const longest = least(repeated(text, LONGEST), machine)
  const rate = (longest.events - long.events) / (longest.seconds - long.seconds) / 1e6
  const grown = [long, longest].map(({ mib }) => mib / short.mib - 1)
  return [
    row('G8', 'replay: read, follow and predict, a thread', `${rate.toFixed(1)} M events/s`, '≥ 3 M', rate >= 3),
    row('', 'peak memory of replaying the bundled trace', `${short.mib.toFixed(0)} MiB`, '', null),
    ...[LONGER, LONGEST].map((times, i) =>
      row(
        '',
        `… of a trace ${times} times as long`,
        `${(grown[i] * 100).toFixed(1)} % more`,
        '≤ 5 %',
        grown[i] <= 0.05,
      ),
    ),
  ]
}
