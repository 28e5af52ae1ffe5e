// A replay of files: the trace is gone through twice, once to learn what the captured files do not say of the start, once
// to replay it; it is parsed once, and kept as columns in between. The captured states lie beside the trace:
//   before/ after/          the state at the two ends; of the trace of a boot only the end, called after/ or boot/
//   boot/ boot-full/        files that these have not (iomem, version …), here or one folder up
// What comes through a pipe is read once; the start is then less exact.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Sys } from '../mm/mmzone.ts'
import type { Snapshot } from '../report/snapshot.ts'
import { boot_from_description } from '../sim/boot_description.ts'
import type { TraceScan } from '../sim/replay/scan.ts'
import type { Settings } from '../sim/replay/settings.ts'
import { createSlabReplay, createSlabScan } from '../sim/replay/slab_replay.ts'
import type { SlabScan } from '../sim/replay/slab_scan.ts'
import { createReplay, createScan, type ReplayReport, type ReplayStates } from '../sim/replay.ts'
import type { EventBatch, TraceDiagnostic } from '../trace/batch.ts'
import type { TraceSummary } from '../trace/ftrace_text.ts'
import { EventSpool } from './event_spool.ts'
import { expectReadable } from './input.ts'
import { readDescription } from './machine_file.ts'
import { holdsFile, readMachineDirs, sharedFolders } from './snapshot_dir.ts'
import { readTrace } from './trace_input.ts'
import { type TraceOut, traceOut } from './trace_out.ts'
import { toldOf, UserError } from './user_error.ts'

export type { ReplayReport } from '../sim/replay.ts'

export interface ReplayFilesOptions {
  /** Folder of files captured before the trace, or a machine description in JSON; default: beside the trace. */
  readonly machine?: string
  /** Groups of settings: the trace is replayed with the recorded ones and with each of these. */
  readonly settings?: readonly Settings[]
  /** File that takes the predicting machine's own events as ftrace text. */
  readonly traceOut?: string
  /** Bytes done of all that are to be read; NaN where that is not known. */
  readonly onProgress?: (done: number, total: number, label: string) => void
  readonly signal?: AbortSignal
}

/** Replays a recorded trace. @throws UserError, InputError, SnapshotDirError: one sentence that names the file */
export async function replayTrace(trace: string, options: ReplayFilesOptions = {}): Promise<ReplayReport> {
  if (trace !== '-') expectReadable(trace)
  const start = startOf(trace, options.machine)
  const spool = new EventSpool()
  try {
    return await replayTwice(trace, start, options, spool)
  } finally {
    spool.close()
  }
}

async function replayTwice(
  trace: string,
  start: Start,
  options: ReplayFilesOptions,
  spool: EventSpool,
): Promise<ReplayReport> {
  const scans = trace === '-' ? null : await scanTrace(trace, start, options, spool)
  if (scans && scans.pages.snapshots === 0 && options.machine === undefined && start.states.before === null)
    throw new UserError(`${traceName(trace)}: ${NO_SNAPSHOT}`)
  const out = options.traceOut === undefined ? null : traceOut(options.traceOut)
  try {
    return await replayScanned(trace, start, scans, options, spool, out)
  } finally {
    out?.discard()
  }
}

const NO_SNAPSHOT =
  'a trace without captured states: folders before and after beside it, or a machine with --machine, are needed'

/** What a trace is called: the path as it was given. */
export function traceName(trace: string): string {
  return trace === '-' ? 'standard input' : trace
}

interface Start {
  /** The folder of the state that the machine is made of. */
  readonly folder: string
  readonly states: ReplayStates
  /** A machine of a description. */
  readonly machine: Sys | null
}

async function replayScanned(
  trace: string,
  { states, machine }: Start,
  scans: Scans | null,
  options: ReplayFilesOptions,
  spool: EventSpool,
  out: TraceOut | null,
): Promise<ReplayReport> {
  const { settings = [], machine: machineName } = options
  const replay = toldOf(undefined, () =>
    createReplay({
      ...states,
      ...(scans ? { scan: scans.pages } : {}),
      ...(machine ? { machine } : {}),
      ...(out ? { onTwinEvents: (sys: Sys, batch: EventBatch) => out.write(sys, batch) } : {}),
      settings: [{}, ...settings],
      fromMarker: machineName === undefined,
    }),
  )
  const slabs = scans?.slabs ? createSlabReplay(states, scans.slabs, scans.pages) : null
  const summary = await readAgain(trace, scans, spool, options, batch => {
    replay.push(batch)
    slabs?.push(batch)
  })
  const report = replay.finish()
  if (report.replayed === 0) throw nothingReplayed(trace, summary.first[0])
  out?.finish(replay.machine)
  const { count, first } = report.diagnostics
  const all = [...summary.first.map(({ line, message }) => ({ line, message })), ...first]
  const objects = slabs?.finish()
  return {
    ...report,
    ...(objects ? { slabs: objects } : {}),
    diagnostics: { count: count + summary.diagnostics, first: all.slice(0, 20) },
  }
}

/** The events of a trace: as the first reading kept them, else from the trace itself. */
async function readAgain(
  trace: string,
  scans: Scans | null,
  spool: EventSpool,
  { onProgress, signal }: ReplayFilesOptions,
  onBatch: (batch: EventBatch) => void,
): Promise<TraceSummary> {
  const passes = scans ? 2 : 1
  const input = {
    onProgress: (read: number, total: number) => onProgress?.(read + (passes - 1) * total, passes * total, 'replaying'),
    ...(signal ? { signal } : {}),
  }
  if (!scans || !spool.whole) return readTrace(trace, { ...input, onBatch })
  await spool.read(onBatch, input)
  return scans.summary
}

interface Scans {
  readonly pages: TraceScan
  readonly slabs: SlabScan | null
  readonly summary: TraceSummary
}

/** What was not understood first is the likely reason. */
function nothingReplayed(trace: string, first: TraceDiagnostic | undefined): UserError {
  const why = first ? `; line ${first.line}: ${first.message}` : ''
  return new UserError(`${traceName(trace)}: no event between the captured states${why}`)
}

async function scanTrace(
  trace: string,
  { states, folder }: Start,
  { onProgress, signal }: ReplayFilesOptions,
  spool: EventSpool,
): Promise<Scans | null> {
  if (states.before === null && states.after === null) return null
  const scanner = toldOf(folder, () => createScan(states))
  const slabs = createSlabScan(states)
  const summary = await readTrace(trace, {
    onBatch: batch => {
      scanner.push(batch)
      slabs?.push(batch)
      spool.write(batch)
    },
    onProgress: (read, total) => onProgress?.(read, 2 * total, 'reading'),
    ...(signal ? { signal } : {}),
  })
  return { pages: scanner.finish(), slabs: slabs?.finish() ?? null, summary }
}

/** What the replay starts from and is compared with. */
function startOf(trace: string, machine: string | undefined): Start {
  const folder = trace === '-' ? null : stateFolder(dirname(trace))
  const end = folder === null ? [] : [join(folder, 'after')]
  const shared = [machine === undefined ? null : dirname(machine), folder].flatMap(path =>
    path === null ? [] : sharedFolders(path),
  )
  if (machine !== undefined && statSync(machine, { throwIfNoEntry: false })?.isFile())
    return {
      folder: machine,
      machine: toldOf(machine, () => boot_from_description(readDescription(machine))),
      states: { before: null, after: snapshotOf(end, shared) },
    }
  const first = machine ?? (folder === null ? undefined : join(folder, 'before'))
  const before = first === undefined ? null : snapshotOf([first], shared, machine !== undefined)
  const after = snapshotOf(end, shared)
  if (before) return { folder: first!, machine: null, states: { before, after } }
  const boot = after ?? (folder === null ? null : bootState(folder))
  if (!boot) throw new UserError(`${traceName(trace)}: ${NO_SNAPSHOT}`)
  return { folder: folder!, machine: null, states: { before: null, after: boot } }
}

/** The folder that holds before/ and after/: the trace's own, or the only one in it that has them. */
function stateFolder(folder: string): string {
  if (existsSync(join(folder, 'before')) || !existsSync(folder)) return folder
  const inside = readdirSync(folder).filter(name => existsSync(join(folder, name, 'before')))
  return inside.length === 1 ? join(folder, inside[0]!) : folder
}

/** The end of a boot's trace: the state that was captured first, with the physmap that lies beside the trace. */
function bootState(folder: string): Snapshot | null {
  // A folder of this name may be quite another thing: of a machine it is where zoneinfo is.
  const ends = ['boot', '../boot'].map(name => join(folder, name)).filter(name => holdsFile(name, 'zoneinfo'))
  return ends.length === 0 ? null : snapshotOf([ends[0]!, folder], sharedFolders(folder))
}

/** The facts of folders; null where the first of the `own` ones is not there and need not be. */
function snapshotOf(own: readonly string[], shared: readonly string[], must = false): Snapshot | null {
  const there = own.filter((folder, row) => (must && row === 0) || existsSync(folder))
  return there.length === 0 ? null : readMachineDirs(there, shared)
}

/** The documented JSON object of a replay. */
export function replayJson(report: ReplayReport): ReplayReport {
  return report
}
