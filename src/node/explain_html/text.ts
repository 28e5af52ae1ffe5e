// The words of a report: its title, its sentences with the lines that prove them, advice, what another setting would do.
import type { Advice, ExplainedReport, Sentence, WhatIf } from '../../report/explain/answer.ts'
import { type Html, html } from '../replay_html/markup.ts'
import { integer } from '../replay_html/numbers.ts'

const KINDS: Readonly<Record<ExplainedReport['kind'], string>> = {
  'oom-kill': 'Out of memory',
  'alloc-failure': 'Page allocation failure',
  'vmalloc-failure': 'vmalloc failure',
  'slab-failure': 'Slab allocation failure',
  'sysrq-m': 'Memory dump by SysRq',
  'mem-info': 'Memory dump',
}

/** `Out of memory at line 12: dd (402) · Linux 5.7`. */
export function reportTitle({ kind, line, process, kernel, constraint }: ExplainedReport): string {
  const scope = constraint === null || constraint === 'none' ? '' : ` (${constraint})`
  const who = process ? `: ${process.name}${process.pid === null ? '' : ` (${process.pid})`}` : ''
  return `${KINDS[kind]}${scope} at line ${integer(line)}${who}${kernel ? ` · Linux ${kernel}` : ''}`
}

/** Each sentence is a link to its first line; the script makes it show all of them. */
export function sentenceList(sentences: readonly Sentence[]): Html {
  return html`<ul class="sentences">${sentences.map(({ text, evidence }) => html`<li>${sentence(text, evidence)}</li>`)}</ul>`
}

function sentence(text: string, evidence: readonly number[]): Html | string {
  if (evidence.length === 0) return text
  return html`<a href="#L${evidence[0]!}" data-lines="${evidence.join(' ')}">${text}</a>`
}

/** What one could do. */
export function adviceList(advice: readonly Advice[]): Html | string {
  if (advice.length === 0) return ''
  const items = advice.map(
    ({ text, setting }) => html`<li>${text}${setting ? html` <code>${setting}</code>` : ''}</li>`,
  )
  return html`<h3>What one could do</h3><ul>${items}</ul>`
}

/** What the same request would meet under other settings. */
export function whatIfSection(whatIf: WhatIf | undefined): Html | string {
  if (!whatIf) return ''
  const set = Object.entries(whatIf.settings).map(([name, value]) => `${name}=${value}`)
  const verdict = whatIf.wouldSucceed ? 'it would succeed' : 'it would still fail'
  return html`<h3>With <code>${set.join(' ')}</code> ${verdict}</h3>${sentenceList(whatIf.explanation)}`
}
