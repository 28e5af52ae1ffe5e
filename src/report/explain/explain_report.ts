// One report's facts → its answer.
import type { ExplainedReport, Failing, ReasonCode, Sentence, VictimAnswer, ZoneAnswer } from './answer.ts'
import { type Case, caseOf } from './case.ts'
import type { ReportFacts } from './facts.ts'
import { dumpReasons, memcgReasons, pageReasons, type Reasons } from './reasons.ts'
import * as say from './sentences.ts'
import { type Prediction, predict } from './victim.ts'
import type { ZoneCheck } from './zone_checks.ts'

/** What earlier reports of the same input tell. */
export interface History {
  /** Lines of kills by process. */
  readonly killed: Map<number, number>
  /** The answer before, for the echo of a slab allocator. */
  last: ExplainedReport | null
}

/** An answer with what it was made of. */
export interface Explained {
  readonly answer: ExplainedReport
  readonly case_: Case
  readonly prediction: Prediction | null
}

/** Lines between a failure and the slab allocator's note about it. */
const ECHO = 200

function isMemcg({ facts }: Case): boolean {
  if (facts.kind !== 'oom-kill') return false
  const { scope, constraint, frames, memcg } = facts
  if (scope) return scope.value === 'memcg'
  if (constraint?.value === 'CONSTRAINT_MEMCG') return true
  return (
    memcg.limitKB !== null ||
    frames.has('mem_cgroup_out_of_memory') ||
    frames.has('mem_cgroup_oom') ||
    frames.has('try_charge')
  )
}

function memcgFailing({ facts: { memcg }, order, pageKB, layout }: Case): Failing {
  const known = memcg.usageKB !== null && memcg.limitKB !== null
  const needed = known && layout.pageSize !== null ? 2 ** order * pageKB : null
  const free = known ? Math.max(0, memcg.limitKB!.value - memcg.usageKB!.value) : null
  return { node: null, zone: null, check: 'memcg-limit', freeKB: free, neededKB: needed }
}

function zoneFailing(first: ZoneCheck): Failing {
  const { zone, check, freeKB, usableKB, neededKB } = first
  const answer = { node: zone.node, zone: zone.name, check, freeKB, neededKB }
  return usableKB === freeKB ? answer : { ...answer, usableKB }
}

/** The check that said no. */
function failingOf(case_: Case, reason: ReasonCode): Failing | null {
  const { facts, first, scope } = case_
  if (reason === 'memcg-limit') return memcgFailing(case_)
  if (reason === 'address-space-full')
    return { node: null, zone: null, check: 'address-space', freeKB: null, neededKB: addressKB(case_) }
  if (['not-a-failure', 'size-impossible', 'pagefault-oom'].includes(reason) || facts.kind === 'slab-failure')
    return null
  if (reason === 'no-usable-zone') {
    const [top] = scope.others.filter(({ node }) => scope.nodes?.has(node) ?? true)
    return top
      ? { node: top.node, zone: top.name, check: 'zone-not-allowed', freeKB: top.kb.get('free')!, neededKB: null }
      : null
  }
  if (first === null || first.hasBlock === null) return null
  // Of a dump alone only what no request could have passed is said.
  if (facts.gfp === null && (first.check === 'none' || facts.kind !== 'mem-info')) return null
  return zoneFailing(first)
}

/** What was asked for, and its guard page. */
const addressKB = ({ facts, pageKB }: Case): number | null => {
  if (facts.hole) return Math.ceil(facts.hole.value / 1024)
  return facts.vmalloc ? Math.ceil(facts.vmalloc.value.bytes / 1024) + pageKB : null
}

function vmallocReasons(case_: Case): Reasons {
  const { facts, layout } = case_
  const { why, bytes } = facts.vmalloc?.value ?? { why: '', bytes: facts.hole!.value }
  if (/exceeds total pages/.test(why)) return { reason: 'size-impossible', also: [] }
  if (facts.hole || /vm_struct allocation failed/.test(why)) {
    const ever = layout.highmem || bytes < 2 ** 40
    return { reason: ever ? 'address-space-full' : 'size-impossible', also: [] }
  }
  return pageReasons(case_)
}

/** The slab allocator's own note comes right behind the failure that it is about. */
function echoReasons(case_: Case, { last }: History): Reasons {
  const near = last !== null && last.kind === 'alloc-failure' && case_.facts.line - last.line <= ECHO
  return near ? { reason: last.reason, also: last.also } : { reason: 'unknown', also: [] }
}

function reasonsOf(case_: Case, history: History): Reasons {
  const { facts } = case_
  if (isMemcg(case_)) return memcgReasons(case_)
  if (facts.kind === 'slab-failure') return echoReasons(case_, history)
  if (facts.kind === 'vmalloc-failure') return vmallocReasons(case_)
  if (facts.kind === 'sysrq-m' || facts.kind === 'mem-info') return dumpReasons(case_)
  return pageReasons(case_)
}

const CONSTRAINTS: Readonly<Record<string, ExplainedReport['constraint']>> = {
  CONSTRAINT_NONE: 'none',
  CONSTRAINT_MEMCG: 'memcg',
  CONSTRAINT_CPUSET: 'cpuset',
  CONSTRAINT_MEMORY_POLICY: 'mempolicy',
}

function constraintOf({ facts }: Case): ExplainedReport['constraint'] {
  if (facts.scope?.value === 'memcg') return 'memcg'
  return facts.constraint ? (CONSTRAINTS[facts.constraint.value] ?? null) : null
}

function zoneAnswers({ facts, zones }: Case): ZoneAnswer[] {
  return facts.zones.map(zone => {
    const blocks = zones.blocksOf(zone)
    const sum = blocks?.counts.reduce((all, count, order) => all + count * 2 ** order, 0) ?? 0
    const adds = blocks !== null && blocks.totalKB !== null && (sum * blocks.unit) / 1024 === blocks.totalKB
    const kb = (name: string): number | null => zone.kb.get(name) ?? null
    return {
      node: zone.node,
      name: zone.name,
      freeKB: zone.kb.get('free')!,
      minKB: kb('min'),
      lowKB: kb('low'),
      highKB: kb('high'),
      presentKB: kb('present'),
      managedKB: kb('managed'),
      lowmemReserve: zone.reserve?.value ?? [],
      freeBlocks: adds ? blocks.counts : null,
      line: zone.line,
    }
  })
}

function victimAnswer({ facts }: Case, prediction: Prediction | null): VictimAnswer | null {
  const { kill, chosen } = facts
  const pid = kill?.pid ?? chosen?.value.pid
  if (pid === undefined) return null
  return {
    pid,
    name: kill?.name || chosen?.value.name || '',
    printedRssKB: kill?.rssKB ?? null,
    predictedPid: prediction?.predicted?.row.pid ?? null,
    score: prediction?.killed?.known ? prediction.killed.score : null,
  }
}

function sentencesOf(
  case_: Case,
  reason: ReasonCode,
  failing: Failing | null,
  prediction: Prediction | null,
): Sentence[] {
  const { facts, checks, first } = case_
  const found: (Sentence | null)[] = [say.requestSentence(case_)]
  if (reason === 'memcg-limit') found.push(...say.memcgSentences(case_))
  else if (facts.kind === 'vmalloc-failure' && !facts.zones.length) found.push(vmallocSentence(case_))
  else {
    if (facts.kind === 'vmalloc-failure') found.push(vmallocSentence(case_))
    const judged = failing !== null || reason !== 'unknown'
    found.push(say.scopeSentence(case_))
    if (judged && facts.kind !== 'slab-failure' && reason !== 'size-impossible' && reason !== 'address-space-full')
      for (const check of checks) found.push(say.checkSentence(check.zone === first?.zone ? first : check, case_))
    found.push(say.fillSentence(case_), say.swapSentence(case_), say.slabSentence(case_))
  }
  if (facts.occasion) found.push(occasionSentence(facts))
  found.push(say.missingSentence(case_, reason, failing), ...say.victimSentences(case_, prediction))
  return [say.headline(reason, case_), ...found.filter(sentence => sentence !== null)]
}

function vmallocSentence({ facts: { vmalloc, hole } }: Case): Sentence {
  const why = vmalloc ? `vmalloc said: ${vmalloc.value.why}` : 'vmalloc failed'
  const room = hole ? `; ${hole.value} bytes of addresses were not to be had` : ''
  return { text: `${why}${room}.`, evidence: [hole?.line, vmalloc?.line].filter(line => line !== undefined) }
}

function occasionSentence({ occasion }: ReportFacts): Sentence {
  const words = {
    'sysrq-m': 'Somebody asked for this dump (SysRq-m).',
    'sysrq-f': 'Somebody asked for a kill (SysRq-f).',
    'hung-task': 'The dump belongs to the report of a task that hangs.',
    stall: 'The request took long, but did not fail.',
  } as const
  return { text: words[occasion!.value], evidence: [occasion!.line] }
}

/** Explains one report. `history` learns from it. */
export function explainReport(facts: ReportFacts, history: History): Explained {
  const case_ = caseOf(facts, history.killed)
  const { mask, layout } = case_
  const { reason, also } = reasonsOf(case_, history)
  const failing = failingOf(case_, reason)
  const prediction = predict(facts, layout.pageSize, history.killed)
  const answer: ExplainedReport = {
    line: facts.line,
    kind: facts.kind,
    kernel: facts.kernel?.value ?? null,
    process: facts.process?.value ?? null,
    gfp: mask && { mask: mask.printed, names: mask.names },
    order: facts.order?.value ?? null,
    constraint: constraintOf(case_),
    pageSize: layout.pageSize,
    zones: zoneAnswers(case_),
    failing,
    reason,
    also,
    victim: victimAnswer(case_, prediction),
    explanation: sentencesOf(case_, reason, failing, prediction),
    advice: say.adviceFor(reason),
  }
  for (const kill of [facts.kill, ...facts.groupKills]) if (kill) history.killed.set(kill.pid, kill.line)
  if (facts.chosen && !history.killed.has(facts.chosen.value.pid))
    history.killed.set(facts.chosen.value.pid, facts.chosen.line)
  history.last = answer
  return { answer, case_, prediction }
}
