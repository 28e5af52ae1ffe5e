// The kernel's lines → reports. A head opens a report, what follows belongs to it: to the one of the same caller where
// the kernel prints callers (CPUs print into each other), else to the one opened last. A dump without head is a report,
// too. Law: a fact is entered once; what contradicts it later opens another report or is left out.
import type { Diagnostic } from '../proc/lines.ts'
import { assemble, type KernelLine } from './assemble.ts'
import { cleanLines } from './clean_lines.ts'
import { emptyFacts, type ReportFacts, type ReportKind } from './facts.ts'
import type { LineKind } from './line_kinds.ts'
import * as event from './read_event.ts'
import * as memory from './read_memory.ts'

/** Lines about other things after which a report is over. */
const LONGEST_GAP = 400
/** Within so many lines a head belongs to the note just before. */
const NEAR = 6
/** What one report can hold at most: more is a damaged input. */
const MOST_ROWS = 100_000

type Handler = (reader: Reader, line: KernelLine) => void

/** A handler that adds to the report that is open, if one is. */
const adds =
  (read: (line: KernelLine, facts: ReportFacts) => void): Handler =>
  (reader, line) => {
    const facts = reader.open(line)
    if (facts) read(line, facts)
  }

/** A handler that opens a report of `kind` where none is open. */
const needs =
  (kind: ReportKind, read: (line: KernelLine, facts: ReportFacts, reader: Reader) => void): Handler =>
  (reader, line) =>
    read(line, reader.open(line) ?? reader.begin(kind, line), reader)

const HANDLERS: Readonly<Record<LineKind, Handler>> = {
  'oom-head': (reader, line) => event.readHead(line, reader.beginAfter('sysrq-f', 'oom-kill', line)),
  'alloc-head': (reader, line) => event.readHead(line, reader.begin('alloc-failure', line)),
  'stall-head': (reader, line) => {
    const facts = reader.begin('mem-info', line)
    facts.occasion = { value: 'stall', line: line.line }
    event.readHead(line, facts)
  },
  'vmalloc-head': (reader, line) => {
    const facts = reader.vmallocNote(line) ?? reader.begin('vmalloc-failure', line)
    event.readVmalloc(line, facts)
    event.readHead(line, facts)
  },
  'vmap-note': (reader, line) => event.readVmapNote(line, reader.begin('vmalloc-failure', line)),
  'slab-head': (reader, line) => event.readSlabHead(line, reader.begin('slab-failure', line)),
  'slab-cache': adds((line, facts) => {
    if (facts.kind === 'slab-failure') event.readSlabCache(line, facts)
  }),
  sysrq: (reader, line) => reader.sysrq(line),
  hung: (reader, line) => reader.note(line),
  cpu: adds(event.readCpu),
  frame: adds(({ text, line }, facts) => {
    const name = /\b(moom_callback|mem_cgroup_out_of_memory|mem_cgroup_oom|pagefault_out_of_memory|try_charge)/.exec(
      text,
    )
    if (name && !facts.hasMemInfo && !facts.frames.has(name[1]!)) facts.frames.set(name[1]!, line)
  }),
  registers: adds(({ text, line }, facts) => event.readRegisters(text, line, facts)),
  'mem-info': (reader, line) => {
    const open = reader.open(line)
    const facts = open && !open.hasMemInfo && open.zones.length === 0 ? open : reader.begin('mem-info', line)
    facts.hasMemInfo = true
  },
  counters: adds((line, facts) => memory.readCounters(line, facts.counters)),
  node: adds((line, facts) => memory.readNode(line, facts.nodes)),
  zone: (reader, line) => reader.zone(line),
  reserve: needs('mem-info', (line, facts) => {
    const zone = facts.zones.at(-1)
    if (zone && zone.reserve === null) zone.reserve = memory.readReserve(line)
  }),
  blocks: (reader, line) => reader.blocks(line),
  hugepages: adds((line, facts) => memory.readHugepages(line, facts.hugepages)),
  swap: adds(memory.readSwap),
  pages: adds(memory.readPages),
  cpuset: adds(({ text, line }, facts) => event.readCpuset(text, line, facts)),
  'slab-table': adds(({ line }, facts) => {
    facts.slabTable ??= line
  }),
  'slab-row': adds((line, facts) => {
    if (facts.slabTable !== null && facts.slabs.length < MOST_ROWS) memory.readSlabRow(line, facts)
  }),
  'memcg-usage': needs('oom-kill', memory.readMemcgUsage),
  'memcg-stat': needs('oom-kill', memory.readMemcgStat),
  'memcg-task': needs('oom-kill', ({ text, line }, facts) => {
    const [, task, path] = /^Task in (.*) killed as a result of limit of (.*)$/.exec(text) ?? []
    if (path === undefined) return
    facts.memcg.taskPath ??= { value: task!, line }
    facts.memcg.path ??= { value: path, line }
    facts.scope ??= { value: 'memcg', line }
  }),
  'stat-row': adds((line, facts) => {
    if (facts.memcg.usageKB !== null || facts.memcg.path !== null) memory.readStatRow(line, facts)
  }),
  'task-header': needs('oom-kill', event.readTaskHeader),
  'task-row': adds((line, facts) => {
    if (facts.taskHeader === null || facts.tasksEnded || facts.tasks.length >= MOST_ROWS) return
    const row = event.readTaskRow(line, facts.taskHeader.value)
    if (row && !facts.tasks.some(({ pid }) => pid === row.pid)) facts.tasks.push(row)
  }),
  'oom-kill': (reader, line) => {
    const facts = reader.killDump(line)
    const whole = facts && facts.chosen === null ? facts : reader.begin('oom-kill', line)
    whole.tasksEnded = true
    event.readOomKill(line, whole)
  },
  kill: (reader, line) => reader.kill(line),
  group: adds(({ line }, facts) => {
    facts.groupLine ??= line
  }),
  panic: adds(({ text, line }, facts) => {
    facts.panic ??= { value: text.replace(/^.*?: /, ''), line }
    facts.tasksEnded = true
  }),
  'no-victim': adds(({ line }, facts) => {
    facts.noVictim ??= line
    facts.tasksEnded = true
  }),
  known: () => {},
}

class Reader {
  readonly reports: ReportFacts[] = []
  readonly diagnostics: Diagnostic[] = []
  /** Open reports by the caller that prints them. */
  readonly #open = new Map<string | null, ReportFacts>()
  #noted: { kind: 'sysrq-m' | 'sysrq-f' | 'hung-task'; line: number } | null = null

  take(line: KernelLine): void {
    HANDLERS[line.kind](this, line)
    const facts = this.open(line)
    if (facts) facts.lastLine = Math.max(facts.lastLine, line.lines.at(-1)!)
  }

  /** The open report that a line belongs to. */
  open({ caller, line }: KernelLine): ReportFacts | null {
    const facts = this.#open.get(caller) ?? null
    return facts && line - facts.lastLine <= LONGEST_GAP ? facts : null
  }

  begin(kind: ReportKind, { line, caller }: KernelLine): ReportFacts {
    const facts = emptyFacts(kind, line, caller)
    const note = this.#noted
    if (note && kind === 'mem-info' && line - note.line <= LONGEST_GAP) {
      facts.occasion = { value: note.kind, line: note.line }
      this.#noted = null
    }
    this.reports.push(facts)
    this.#open.set(caller, facts)
    return facts
  }

  /** A report that a note just before explains. */
  beginAfter(noted: 'sysrq-f', kind: ReportKind, line: KernelLine): ReportFacts {
    const note = this.#noted
    const facts = this.begin(kind, line)
    if (note?.kind === noted && line.line - note.line <= LONGEST_GAP) {
      facts.occasion = { value: noted, line: note.line }
      this.#noted = null
    }
    return facts
  }

  /** The open report, where it is about a kill; a dump whose head was cut off is, when a kill follows. */
  killDump(line: KernelLine): ReportFacts | null {
    const facts = this.open(line)
    if (facts?.kind === 'mem-info' && facts.occasion === null && facts.gfp === null) facts.kind = 'oom-kill'
    return facts?.kind === 'oom-kill' ? facts : null
  }

  vmallocNote(line: KernelLine): ReportFacts | null {
    const facts = this.open(line)
    const near = facts?.kind === 'vmalloc-failure' && facts.process === null && line.line - facts.line <= NEAR
    return near ? facts : null
  }

  sysrq(line: KernelLine): void {
    if (/manual oom/i.test(line.text)) this.#noted = { kind: 'sysrq-f', line: line.line }
    else this.begin('sysrq-m', line).occasion = { value: 'sysrq-m', line: line.line }
  }

  note({ line }: KernelLine): void {
    this.#noted = { kind: 'hung-task', line }
  }

  zone(line: KernelLine): void {
    const zone = memory.readZone(line)
    if (zone === null) {
      this.diagnostics.push({ line: line.line, message: 'a zone without its numbers: the line is cut' })
      return
    }
    const open = this.open(line)
    const same = open?.zones.find(({ node, name }) => node === zone.node && name === zone.name)
    // A second dump, unless one dump was quoted twice.
    const facts =
      open && !same && open.tasks.length === 0
        ? open
        : same && sameZone(same, zone)
          ? null
          : this.begin('mem-info', line)
    facts?.zones.push(zone)
  }

  blocks(line: KernelLine): void {
    const blocks = memory.readBlocks(line)
    if (blocks === null) return
    const sum = blocks.counts.reduce((all, count, order) => all + count * 2 ** order, 0) * (blocks.unit / 1024)
    if (blocks.totalKB === null || sum !== blocks.totalKB) {
      const said = blocks.totalKB === null ? 'end without their sum' : `are ${sum} kB, the line says ${blocks.totalKB}`
      this.diagnostics.push({ line: line.line, message: `the free blocks ${said}: they are not used` })
    }
    const facts = this.open(line) ?? this.begin('mem-info', line)
    if (!facts.blocks.some(({ node, name }) => node === blocks.node && name === blocks.name)) facts.blocks.push(blocks)
  }

  kill(line: KernelLine): void {
    const kill = event.readKill(line)
    if (kill === null) return
    let facts = this.killDump(line) ?? this.#waiting(line)
    if (facts && this.#inGroup(facts, kill)) return
    const again =
      facts?.kill != null && facts.groupLine === null && kill.pid !== facts.kill.pid && kill.scope !== 'unknown'
    if (facts === null || again) facts = this.begin('oom-kill', line)
    facts.tasksEnded = true
    if (kill.scope === 'memcg') facts.scope ??= { value: 'memcg', line: line.line }
    if (kill.scope === 'global') facts.scope ??= { value: 'global', line: line.line }
    if (facts.kill === null || (facts.kill.rssKB === null && facts.kill.score !== null)) {
      // Up to 5.0 the choice and the kill are two lines.
      if (kill.score !== null) facts.chosen ??= { value: { pid: kill.pid, name: kill.name }, line: line.line }
      facts.kill = facts.kill ? { ...kill, score: facts.kill.score, scope: facts.kill.scope } : kill
    }
  }

  /** A further kill of the same event: announced, or of a process in its table that was not the one chosen. */
  #inGroup(facts: ReportFacts, kill: NonNullable<ReturnType<typeof event.readKill>>): boolean {
    const { chosen, groupLine, tasks } = facts
    const main =
      facts.kill?.pid ?? (chosen !== null && kill.score === null && facts.constraint ? chosen.value.pid : null)
    if (main === null || kill.pid === main || kill.scope === 'unknown') return false
    if (groupLine === null && !tasks.some(({ pid }) => pid === kill.pid)) return false
    if (!facts.groupKills.some(({ pid }) => pid === kill.pid)) facts.groupKills.push(kill)
    facts.tasksEnded = true
    return true
  }

  /** The last report of a kill that has none yet: something else was printed in between. */
  #waiting({ line }: KernelLine): ReportFacts | null {
    const facts = this.reports.findLast(({ kind }) => kind === 'oom-kill')
    return facts && facts.kill === null && line - facts.lastLine <= LONGEST_GAP ? facts : null
  }
}

function sameZone(a: ReportFacts['zones'][number], b: ReportFacts['zones'][number]): boolean {
  return ['free', 'min', 'high'].every(name => a.kb.get(name) === b.kb.get(name))
}

/** Reserve rows of another length than most are damaged: they are left out. */
function dropOddReserves(facts: ReportFacts, diagnostics: Diagnostic[]): void {
  const lengths = facts.zones.flatMap(({ reserve }) => (reserve ? [reserve.value.length] : []))
  const usual = lengths.toSorted((a, b) => lengths.filter(n => n === b).length - lengths.filter(n => n === a).length)[0]
  for (const zone of facts.zones) {
    if (!zone.reserve || zone.reserve.value.length === usual) continue
    diagnostics.push({
      line: zone.reserve.line,
      message: 'a row of reserves with another count than the others: not used',
    })
    zone.reserve = null
  }
}

/** Reads lines of a log; the first has the number `firstLine`. */
export function readReports(
  lines: readonly string[],
  firstLine = 1,
): { reports: ReportFacts[]; diagnostics: Diagnostic[] } {
  const reader = new Reader()
  for (const line of assemble(cleanLines(lines, firstLine))) reader.take(line)
  for (const facts of reader.reports) dropOddReserves(facts, reader.diagnostics)
  return { reports: reader.reports, diagnostics: reader.diagnostics }
}
