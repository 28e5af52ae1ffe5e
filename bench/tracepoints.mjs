// G9: what do tracepoints cost? The twin is compared with a copy of itself from which every tracepoint was cut out.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { alternate, build, row, runNode } from './lib.mjs'
import { DIST } from './machine.mjs'

export const title = 'tracepoints'

/** A copy of the compiled twin without its `sys.trace.…?.(…)` statements; its path. */
function withoutTracepoints() {
  const copy = `${build}untraced`
  cpSync(DIST, copy, { recursive: true })
  writeFileSync(`${copy}/package.json`, '{ "type": "module" }\n')
  let cut = 0
  for (const file of readdirSync(`${copy}/mm/page_alloc`)) {
    if (!file.endsWith('.js')) continue
    const path = `${copy}/mm/page_alloc/${file}`
    const text = readFileSync(path, 'utf8').replace(/sys\.trace\.\w+\?\.\([^;]*\);/g, () => {
      cut++
      return ';'
    })
    if (text.includes('sys.trace.')) throw new Error(`${file}: a tracepoint is left`)
    writeFileSync(path, text)
  }
  if (cut === 0) throw new Error('no tracepoint was found in the twin')
  return copy
}

export async function run() {
  const copy = withoutTracepoints()
  const rows = []
  for (const name of ['churn', 'mixed']) {
    const { cut, off, on } = alternate({
      cut: () => runNode('alloc', name, copy),
      off: () => runNode('alloc', name, DIST),
      on: () => runNode('alloc', name, DIST, 'on'),
    })
    if (new Set([cut.sum, off.sum, on.sum]).size > 1) throw new Error(`${name}: tracepoints change what the twin does`)
    const more = (off.ns / cut.ns - 1) * 100
    const factor = on.ns / off.ns
    rows.push(row('G9', `${name}: off`, `${more.toFixed(1)} % more`, '≤ 5 %', more <= 5))
    rows.push(row('G9', `${name}: five into a ring`, `${factor.toFixed(2)}×`, '≤ 2×', factor <= 2))
  }
  return rows
}
