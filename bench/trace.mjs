// G8: how fast is trace text read, against the same steps in C and node:readline, and what do two workers gain?
import { statSync } from 'node:fs'
import { alternate, build, compile, row, runJson, runNode } from './lib.mjs'

export const title = 'trace text'
const FILE = `${build}trace.txt`

export async function run() {
  runNode('make_trace', FILE)
  const program = compile('trace_text')
  const { js, c, lines } = alternate({
    js: () => runNode('parse', FILE, 5),
    c: program && (() => runJson(program, [FILE, 6])),
    lines: () => runNode('readline', FILE),
  })
  if (c && (c.sum !== js.sum || c.events !== js.events)) throw new Error('JavaScript and C read different events')
  const bytesPerLine = statSync(FILE).size / js.events
  const rate = ns => `${(1e3 / ns).toFixed(1)} M events/s, ${(bytesPerLine / ns).toFixed(2)} GB/s`
  const speed = c ? c.ns / js.ns : 0
  const { one, two, plainOne, plainTwo } = runNode('parse_workers', FILE)
  return [
    row('G8', 'ftrace text to columns', rate(js.ns), '', null),
    c
      ? row('G8', '… speed of C', `${speed.toFixed(2)}× (${rate(c.ns)})`, '≥ 0.45× C', speed >= 0.45)
      : { goal: 'G8', what: '… speed of C', figure: '', limit: '≥ 0.45× C', verdict: 'no compiler' },
    row('G8', '… speed of readline', `${(lines.ns / js.ns).toFixed(1)}×`, '≥ 6×', lines.ns / js.ns >= 6),
    row('G8', 'reading in two workers (wall clock)', `${(one / two).toFixed(2)}×`, '≥ 1.7×', one / two >= 1.7),
    row('', '… arithmetic in two workers, what the machine gives', `${(plainOne / plainTwo).toFixed(2)}×`, '', null),
  ]
}
