// Reclaim recordings: for each run of the access program whether it was killed, and how many pages went to swap and came
// back, how many faults waited for I/O, how many pages were reclaimed. Two runs of one kernel differ: a number is right
// within 10 % of the recorded one or, where the same run was recorded twice, within twice their difference if that is more.
// Kind `reclaim` knows the recordings that are there; kind `reclaim, repeated` also what the same kernel did in the same
// run again (reclaim_repeats.ts).
import { readSnapshot, SNAPSHOT_FILES } from '../report/snapshot.ts'
import { type MempatRun, MempatSequence, readMempat } from './mempat.ts'
import { reclaimMachine } from './reclaim_machine.ts'
import { type ReclaimRepeat, reclaimRepeats } from './reclaim_repeats.ts'
import { type Counters, type Moment, playMempat } from './reclaim_run.ts'
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
  /** What the same kernel did in further recordings of this run. */
  readonly repeats: readonly ReclaimRepeat[]
  /** All counters of /proc/vmstat at the program's moments, for who looks for the reason of a difference. */
  readonly counters: Readonly<Record<'recorded' | 'twin', Readonly<Record<Moment, Counters>>>>
}

export const reclaimKind: VerifyKind = kind('reclaim', row => row)
export const reclaimRepeatedKind: VerifyKind = kind('reclaim, repeated', repeated)

/** Both kinds look at the same runs, which take long: they are played once. */
const played = new WeakMap<readonly VerifyFile[], readonly (ReclaimRow | UnplayedRun)[]>()

function rowsOf(files: readonly VerifyFile[]): readonly (ReclaimRow | UnplayedRun)[] {
  const rows = played.get(files) ?? [...reclaimRows(files)]
  played.set(files, rows)
  return rows
}

function kind(name: string, view: (row: ReclaimRow) => ReclaimRow): VerifyKind {
  return {
    kind: name,
    run(files) {
      const counts = tally(name)
      for (const row of rowsOf(files)) {
        counts.file('error' in row ? row.path : `${row.path}/mempat.txt`)
        if ('error' in row) counts.check(1, 'a run of the access program', row.error)
        else checkRow(view(row), counts)
      }
      return counts.result()
    },
  }
}

/** The row beside all recordings of its run that ended as the twin's did: what the kernel did once is right. */
export function repeated(row: ReclaimRow): ReclaimRow {
  const all = [{ killed: row.killed, ...row.recorded }, ...row.repeats]
  const [first, ...again] = all.filter(({ killed }) => killed === row.twinKilled)
  if (!first) return row
  const { killed, ...recorded } = first
  const allowed = { ...(row.killed === killed ? row.allowed : NONE) }
  for (const name of RECLAIM_NUMBERS) {
    const spread = Math.max(0, ...again.map(other => Math.abs(other[name] - recorded[name])))
    allowed[name] = Math.max(allowed[name], recorded[name] * 0.1, 2 * spread)
  }
  return { ...row, killed, recorded, allowed }
}

const NONE: Readonly<Record<ReclaimNumber, number>> = { pswpin: 0, pswpout: 0, pgmajfault: 0, pgsteal: 0 }

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

/** A run that could not be played, and why. */
export interface UnplayedRun {
  readonly path: string
  readonly error: string
}

/** Every run below the files, played. */
export function* reclaimRows(files: readonly VerifyFile[]): Generator<ReclaimRow | UnplayedRun> {
  const byPath: Folder = new Map(files.map(file => [file.path.replace(/\.gz$/, ''), file]))
  for (const file of files) {
    const found = RUN_FILE.exec(file.path)
    if (!found) continue
    try {
      yield playRow(byPath, found[1]!, `${found[1]!}/reclaim/${found[2]!}-swappiness${found[3]!}`, Number(found[3]))
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      yield { path: file.path, error: error.message }
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
  const lruGenText = textOf(files, `${machinePath}/lru_gen_enabled`)
  const lruGen = lruGenText === null ? null : Number.parseInt(lruGenText, 16)
  const slabBoot = readCounters(textOf(files, `${machinePath}/boot/vmstat`) ?? '').get('nr_slab_reclaimable') ?? 0
  const moments = recordedCounters(files, path)
  const snapshot = readSnapshot(texts)
  const machine = reclaimMachine(snapshot, lruGen, swappiness, slabBoot, passedOver(moments))
  const played = playMempat(machine, run, moments.start)
  const counters = { recorded: moments, twin: played.counters }
  const recorded = numbersOf(counters.recorded)
  return {
    path,
    killed: facts.killed,
    twinKilled: played.killed,
    recorded,
    twin: numbersOf(counters.twin),
    allowed: allowances(files, machinePath, path, recorded),
    repeats: lruGen === null ? [] : reclaimRepeats(snapshot, lruGen, run, swappiness),
    counters,
  }
}

/** Whether kswapd passed over pages while the program wrote its memory: it was woken for a low zone alone. */
function passedOver({ start, populated }: Readonly<Record<Moment, Counters>>): boolean {
  return [...populated].some(([name, count]) => name.startsWith('pgskip_') && count !== start.get(name))
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

/** Counters of a text that holds /proc/vmstat, alone or followed by other files. */
function readCounters(text: string): Counters {
  const rows = text.split('\n').map(line => /^([a-z]\w*) (\d+)$/.exec(line))
  return new Map(rows.filter(row => row !== null).map(row => [row[1]!, Number(row[2])]))
}

/** What the program recorded; of one that was killed, the states before and afterwards. */
function recordedCounters(files: Folder, path: string): Record<Moment, Counters> {
  const either = (moment: string, snapshot: string): Counters =>
    readCounters(textOf(files, `${path}/vm.${moment}`) ?? textOf(files, `${path}/${snapshot}/vmstat`) ?? '')
  const start = either('start', 'before')
  const done = either('done', 'after')
  return { start, populated: readCounters(textOf(files, `${path}/vm.populated`) ?? ''), done }
}

/** What grew from the program's start to its end. */
function numbersOf({ start, done }: Readonly<Record<Moment, Counters>>): Record<ReclaimNumber, number> {
  const grown = (name: string): number => (done.get(name) ?? 0) - (start.get(name) ?? 0)
  return {
    pswpin: grown('pswpin'),
    pswpout: grown('pswpout'),
    pgmajfault: grown('pgmajfault'),
    pgsteal: grown('pgsteal_kswapd') + grown('pgsteal_direct') + grown('pgsteal_khugepaged'),
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
  const again = files.has(`${other}/vm.done`) ? numbersOf(recordedCounters(files, other)) : recorded
  const allowed = { ...recorded }
  for (const name of RECLAIM_NUMBERS)
    allowed[name] = Math.max(recorded[name] * 0.1, 2 * Math.abs(recorded[name] - again[name]))
  return allowed
}
