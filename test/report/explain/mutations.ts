// Reports as people paste them: cut, wrapped, quoted, with other lines in between. Law: never a crash, and a number that
// is given is the one that the whole report gives.
import type { ExplainedReport } from '../../../src/report/explain/answer.ts'
import { explainText } from '../../../src/report/explain/explain.ts'
import type { Case } from './cases.ts'

type Lines = readonly string[]

const FOREIGN = [
  '[12345.678901] usb 1-1: new high-speed USB device number 7 using xhci_hcd',
  'Jan  6 15:48:30 host systemd[1]: Started Session 12 of user root.',
  'eth0: link up, 1000Mbps',
  'nginx: 10.0.0.1 - - "GET / HTTP/1.1" 200 512',
  'random words 17 and 42',
  'kauditd_printk_skb: 12 callbacks suppressed',
  'foo 123',
  '[123.456789] EXT4-fs (sda1): mounted filesystem',
  '',
]

function folded(line: string, width: number): string[] {
  const parts: string[] = []
  for (let rest = line; ; rest = rest.slice(width)) {
    parts.push(rest.slice(0, width))
    if (rest.length <= width) return parts
  }
}

function wrappedAtBlanks(line: string, width: number): string[] {
  const parts: string[] = []
  let rest = line
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width)
    const at = blank > 20 ? blank : width
    parts.push(rest.slice(0, at).trimEnd())
    rest = rest.slice(at).trimStart()
  }
  return [...parts, rest]
}

function withForeign(lines: Lines, seed: number): string[] {
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state / 2 ** 32
  }
  return lines.flatMap(line => (random() < 0.43 ? [FOREIGN[Math.floor(random() * FOREIGN.length)]!, line] : [line]))
}

const every = (lines: Lines, step: number): string[][] =>
  Array.from({ length: Math.floor(lines.length / step) }, (_, part) => lines.slice(0, (part + 1) * step))

export const MUTATIONS: Readonly<Record<string, (lines: Lines) => string[][]>> = {
  'cut at every 10th line': lines => every(lines, 10),
  'wrapped at 72 columns': lines => [lines.flatMap(line => folded(line, 72))],
  'wrapped at 80 columns': lines => [lines.flatMap(line => folded(line, 80))],
  'wrapped at blanks': lines => [lines.flatMap(line => wrappedAtBlanks(line, 72))],
  quoted: lines => [lines.map(line => `> ${line}`), lines.map(line => `>> > ${line}`)],
  'quoted and wrapped': lines => [lines.flatMap(line => folded(line, 72)).map(line => `> ${line}`)],
  'with foreign lines': lines => [1, 2].map(seed => withForeign(lines, seed)),
}

/** Every number that an answer gives, by its name. */
function numbers(report: ExplainedReport): Map<string, unknown> {
  const { order, pageSize, gfp, zones, failing, victim, process } = report
  const found = new Map<string, unknown>([
    ['order', order],
    ['pageSize', pageSize],
    ['gfp', gfp?.mask],
    ['pid', process?.pid],
  ])
  for (const { node, name, line: _, ...zone } of zones)
    for (const [key, value] of Object.entries(zone)) {
      const said = Array.isArray(value) && value.length === 0 ? null : value
      found.set(`node ${node} ${name} ${key}`, said === null ? null : JSON.stringify(said))
    }
  for (const [key, value] of Object.entries(failing ?? {})) found.set(`failing ${key}`, value)
  for (const [key, value] of Object.entries(victim ?? {})) found.set(`victim ${key}`, value)
  for (const [key, value] of found) if (value === null || value === undefined) found.delete(key)
  return found
}

/** Numbers of `got` that the report it is most like does not give. */
function wrongNumbers(got: ExplainedReport, whole: readonly ExplainedReport[]): string[] {
  const said = numbers(got)
  const wrong = whole.map(report => {
    const right = numbers(report)
    return [...said].filter(([name, value]) => right.get(name) !== value).map(([name, value]) => `${name} = ${value}`)
  })
  return wrong.sort((a, b) => a.length - b.length)[0] ?? ['a report where there is none']
}

/** Wrong numbers of all variants that `mutate` makes of the reports. */
export function faultsOf(mutate: (lines: Lines) => string[][], cases: readonly Case[]): string[] {
  const faults: string[] = []
  for (const { name, text } of cases) {
    const whole = explainText(text).reports
    for (const lines of mutate(text.split('\n')))
      for (const report of explainText(lines.join('\n')).reports)
        faults.push(...wrongNumbers(report, whole).map(fault => `${name}:${report.line} ${fault}`))
  }
  return faults
}
