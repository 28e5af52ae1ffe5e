// Page table entries of real kernels (custom, part K, pt/): the machine's page tables are built by the model's own code, then
// walked for every recorded address: indexes, folded levels, the flags of every entry, leaves with all their bits, and
// which addresses share which tables.
// Given, not compared: the frames of tables, and those that a driver or a fault got; which huge pages of the kernel's image
// were split (that follows from the borders of its sections, which are not recorded); whether the file behind a shared
// mapping hears of the first write; the processor's features.
import type { Sys } from '../mm/mmzone.ts'
import { walk } from '../mm/pgtable.ts'
import type { LevelName } from '../mm/pgtable_types.ts'
import { constLine, protectionLine, vmaLine } from './page_tables_lines.ts'
import { buildPageTables, ptAddress, readPtFile } from './page_tables_machine.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'
import type { Row } from './vmalloc_state.ts'

const PT_FILE = /(^|\/)pt\/pt[^/]*\.jsonl(\.gz)?$/

/** Kind `page tables` of `mmtwin verify`. */
export const pageTablesKind: VerifyKind = {
  kind: 'page tables',
  run(files) {
    const counts = tally('page tables')
    for (const file of files) if (PT_FILE.test(file.path)) verifyFile(file, counts)
    return counts.result()
  },
}

/** Lines of other facts: the frame of the page that was mapped, and the borders of the program. */
const FACTS: ReadonlySet<unknown> = new Set(['highpage', 'mm'])

function verifyFile(file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const read = readPtFile(file)
  if (read === null) {
    counts.check(1, 'a first line that describes the kernel, and constants', 'none')
    return
  }
  const tables = new Map<number, string>()
  const machine = buildPageTables(read)
  for (const { line, row, text } of read.lines) {
    const fields = (row ?? {}) as Row
    if (FACTS.has(fields.t)) continue
    const check = (got: Row): void => counts.check(line, JSON.stringify(fields), JSON.stringify({ ...fields, ...got }))
    if (typeof fields.name === 'string') check(walkLine(machine.at(line), fields, tables))
    else if (fields.t === 'const') check(constLine(machine.sys))
    else if (fields.t === 'vma') check(vmaLine(machine.sys, fields))
    else if (fields.t === 'protection_map') check(protectionLine(machine.sys, fields))
    else counts.check(line, 'a line of a known kind', text.slice(0, 80))
  }
}

const hexOf = ({ lo, hi }: { lo: number; hi: number }): string =>
  `0x${hi === 0 ? lo.toString(16) : hi.toString(16) + lo.toString(16).padStart(8, '0')}`

const LEVELS: readonly LevelName[] = ['pgd', 'p4d', 'pud', 'pmd', 'pte']
const LEAF_NAMES: Readonly<Record<number, string>> = { 30: '1G', 22: '4M', 21: '2M' }

/** The line of a walk: what the model's tables say, with the recorded frames in the place of its own tables' frames. */
function walkLine({ sys, pgd }: { sys: Sys; pgd: number }, row: Row, tables: Map<number, string>): Row {
  const steps = walk(sys, pgd, ptAddress(row.va))
  const line: Record<string, unknown> = { name: row.name, va: row.va }
  const has = new Set(sys.kernel.pgtable.levels.map(({ name }) => name))
  for (const level of LEVELS) {
    if (!has.has(level)) {
      if (steps.at(-1)!.leaf && LEVELS.indexOf(level) > LEVELS.indexOf(steps.at(-1)!.level) && level === 'pte') break
      line[`${level}_folded`] = 1
      continue
    }
    const step = steps.find(one => one.level === level)
    if (!step) break
    line[`${level}_idx`] = step.index
    const table = step.present && !step.leaf
    line[level] = table
      ? tableEntry(steps[steps.indexOf(step) + 1]!.table, step.entry, row[level], tables)
      : hexOf(step.entry)
    if (step.leaf && level !== 'pte') line.leaf = LEAF_NAMES[step.shift]
  }
  return line
}

/** An entry that points to a table: the recorded frame, if this table of the model was the same one before. */
function tableEntry(
  table: number,
  entry: { lo: number; hi: number },
  recorded: unknown,
  tables: Map<number, string>,
): string {
  const frame = (BigInt(String(recorded ?? 0)) & 0xffffffffff000n).toString(16)
  const known = tables.get(table) ?? frame
  tables.set(table, known)
  const flags = (BigInt(entry.hi & 0xfff00000 ? entry.hi >>> 0 : 0) << 32n) | BigInt(entry.lo & 0xfff)
  return `0x${((flags & 0xfff0000000000fffn) | BigInt(`0x${known}`)).toString(16)}`
}
