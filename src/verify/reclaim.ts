// Reclaim recordings: for each run of the access program whether it was killed, and how many pages went to swap and came
// back, how many faults waited for I/O, how many pages were reclaimed. Two runs of one kernel differ: a number is right
// within 10 % of the recorded one or, where the same run was recorded twice, within twice their difference if that is more.
import { readSnapshot, SNAPSHOT_FILES } from '../report/snapshot.ts'
import { type MempatRun, MempatSequence, readMempat } from './mempat.ts'
import { reclaimMachine } from './reclaim_machine.ts'
import { playMempat, type ReclaimOutcome } from './reclaim_run.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

/** What is compared. */
export const RECLAIM_NUMBERS = ['pswpin', 'pswpout', 'pgmajfault', 'pgsteal'] as const
export type ReclaimNumber = (typeof RECLAIM_NUMBERS)[number]

/** One recorded run and what the twin made of it. */
export interface ReclaimRow {
  /** Folder of the run. */
  readonly path: string
  readonly killed: boolean
  readonly twinKilled: boolean
  readonly recorded: Readonly<Record<ReclaimNumber, number>>
  readonly twin: Readonly<Record<ReclaimNumber, number>>
  /** How far the twin may be off, pages or faults. */
  readonly allowed: Readonly<Record<ReclaimNumber, number>>
}

export const reclaimKind: VerifyKind = {
  kind: 'reclaim',
  run(files) {
    const counts = tally('reclaim')
    for (const row of reclaimRows(files, counts)) checkRow(row, counts)
    return counts.result()
  },
}

function checkRow(row: ReclaimRow, counts: Tally): void {
  counts.check(1, outcome(row.killed), outcome(row.twinKilled))
  if (row.killed || row.twinKilled) return
  for (const name of RECLAIM_NUMBERS) {
    const expected = `${name} ${row.recorded[name]} within ${Math.floor(row.allowed[name])}`
    const near = Math.abs(row.twin[name] - row.recorded[name]) <= row.allowed[name]
    counts.check(1, expected, near ? expected : `${name} ${row.twin[name]}`)
  }
}

const outcome = (killed: boolean): string => (killed ? 'killed for lack of memory' : 'ran to its end')

/** reclaim/MACHINE/reclaim/PATTERN-swappinessN/mempat.txt */
const RUN_FILE = /^(.*?reclaim\/[^/]+)\/reclaim\/([a-z]+)-swappiness(\d+)\/mempat\.txt(\.gz)?$/

type Folder = ReadonlyMap<string, VerifyFile>

/** Every run below the files, played. A file that cannot be used is a failed check. */
export function* reclaimRows(files: readonly VerifyFile[], counts: Tally): Generator<ReclaimRow> {
  const byPath: Folder = new Map(files.map(file => [file.path.replace(/\.gz$/, ''), file]))
  for (const file of files) {
    const found = RUN_FILE.exec(file.path)
    if (!found) continue
    counts.file(file.path)
    try {
      yield playRow(byPath, found[1]!, `${found[1]!}/reclaim/${found[2]!}-swappiness${found[3]!}`, Number(found[3]))
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      counts.check(1, 'a run of the access program', error.message)
    }
  }
}

function textOf(files: Folder, path: string): string | null {
  return files.get(path)?.text() ?? null
}

function playRow(files: Folder, machinePath: string, path: string, swappiness: number): ReclaimRow {
  const facts = readMempat(textOf(files, `${path}/mempat.txt`) ?? '')
  const run = facts.run ?? runOfMachine(files, machinePath, path)
  if (facts.head !== '') sameSequence(run, facts.head)
  const texts = new Map<string, string>()
  for (const name of Object.values(SNAPSHOT_FILES).flat()) {
    const text = textOf(files, `${path}/before/${name}`) ?? textOf(files, `${machinePath}/boot/${name}`)
    if (text !== null) texts.set(name, text)
  }
  const lruGen = textOf(files, `${machinePath}/lru_gen_enabled`)
  const slabBoot = counter(textOf(files, `${machinePath}/boot/vmstat`) ?? '', 'nr_slab_reclaimable')
  const machine = reclaimMachine(
    readSnapshot(texts),
    lruGen === null ? null : Number.parseInt(lruGen, 16),
    swappiness,
    slabBoot,
  )
  const played = playMempat(machine, run)
  const recorded = numbersOf(files, path)
  return {
    path,
    killed: facts.killed,
    twinKilled: played.killed,
    recorded,
    twin: twinNumbers(played),
    allowed: allowances(files, machinePath, path, recorded),
  }
}

/** A run that was killed before it could print is described by the recorder's variables. */
function runOfMachine(files: Folder, machinePath: string, path: string): MempatRun {
  const script = textOf(files, `${machinePath}/run.sh`) ?? ''
  const value = (name: string): number => Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(script)?.[1] ?? Number.NaN)
  const pattern = /\/([a-z]+)-swappiness\d+$/.exec(path)?.[1] as MempatRun['pattern']
  const run = { pattern, anon: value('A'), file: value('F'), touches: value('N'), seed: 12345, writePercent: 30 }
  if (![run.anon, run.file, run.touches].every(Number.isFinite))
    throw new RangeError('run.sh does not say what was run')
  return run
}

/** What is drawn here must be what was drawn there. */
function sameSequence(run: MempatRun, head: string): void {
  const sequence = new MempatSequence(run)
  const wanted = head.split(',').filter(touch => touch !== '')
  for (const touch of wanted) {
    sequence.next()
    const drawn = `${sequence.page}${sequence.write ? 'w' : 'r'}`
    if (drawn !== touch) throw new RangeError(`the sequence has ${drawn} where ${touch} was recorded`)
  }
}

function counter(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

/** Recorded differences from the program's start to its end; of one that was killed, to the state afterwards. */
function numbersOf(files: Folder, path: string): Record<ReclaimNumber, number> {
  const start = textOf(files, `${path}/vm.start`) ?? textOf(files, `${path}/before/vmstat`) ?? ''
  const end = textOf(files, `${path}/vm.done`) ?? textOf(files, `${path}/after/vmstat`) ?? ''
  const grown = (name: string): number => counter(end, name) - counter(start, name)
  return {
    pswpin: grown('pswpin'),
    pswpout: grown('pswpout'),
    pgmajfault: grown('pgmajfault'),
    pgsteal: grown('pgsteal_kswapd') + grown('pgsteal_direct') + grown('pgsteal_khugepaged'),
  }
}

function twinNumbers({ events }: ReclaimOutcome): Record<ReclaimNumber, number> {
  const of = (name: string): number => events.get(name) ?? 0
  return {
    pswpin: of('pswpin'),
    pswpout: of('pswpout'),
    pgmajfault: of('pgmajfault'),
    pgsteal: of('pgsteal_kswapd') + of('pgsteal_direct'),
  }
}

/** 10 %, or twice the difference to the same run of the machine's repetition. */
function allowances(
  files: Folder,
  machinePath: string,
  path: string,
  recorded: Record<ReclaimNumber, number>,
): Record<ReclaimNumber, number> {
  const twin = machinePath.endsWith('-repeat') ? machinePath.slice(0, -'-repeat'.length) : `${machinePath}-repeat`
  const other = twin + path.slice(machinePath.length)
  const again = files.has(`${other}/vm.done`) ? numbersOf(files, other) : recorded
  const allowed = { ...recorded }
  for (const name of RECLAIM_NUMBERS)
    allowed[name] = Math.max(recorded[name] * 0.1, 2 * Math.abs(recorded[name] - again[name]))
  return allowed
}
