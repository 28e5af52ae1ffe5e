// What a replay starts from: the captured states, a first reading of the trace, a machine that somebody made.
import type { Sys } from '../../mm/mmzone.ts'
import type { Snapshot } from '../../report/snapshot.ts'
import { boot_zones_from_snapshot } from '../boot_snapshot.ts'
import type { Restored } from '../restore.ts'
import { type TraceScan, TraceScanner } from './scan.ts'
import type { ListRoom } from './scan_lists.ts'

/** The captured states that a trace lies between. */
export interface ReplayStates {
  /** Captured when the trace began; null = the trace is of a boot, and begins before anything was allocated. */
  readonly before: Snapshot | null
  /** Captured when it ended; null = the end is not compared. */
  readonly after: Snapshot | null
}

/** The state to build the machine from. @throws RangeError where there is none */
export function firstOf({ before, after }: ReplayStates): Snapshot {
  const snapshot = before ?? after
  if (!snapshot) throw new RangeError('a replay needs the files captured before or after the trace')
  return snapshot
}

/** The first reading for a replay between these states. @throws RangeError without zoneinfo or kernel profile */
export function createScan(states: ReplayStates): TraceScanner {
  const snapshot = firstOf(states)
  const sys = boot_zones_from_snapshot(snapshot, { shared: false })
  return new TraceScanner({
    frames: sys.nr_frames,
    pageblockOrder: sys.pageblock_order,
    fromMarker: states.before !== null,
    fallbackTakes: sys.kernel.freelist_hygiene,
    zones: listRooms(snapshot, sys, states.before !== null),
    cpus: sys.nr_cpus,
  })
}

/** Zones with memory and what each of their lists may take; lists that tune themselves, and those of a boot, anything. */
function listRooms({ zoneinfo }: Snapshot, sys: Sys, counted: boolean): ListRoom[] {
  const fixed = counted && !sys.kernel.watches_high_mark
  return (zoneinfo?.zones ?? [])
    .filter(({ pages }) => pages.present > 0)
    .map(({ startPfn, pages, pagesets }) => ({
      start: startPfn,
      end: startPfn + pages.spanned,
      room: fixed ? pagesets.map(({ high, count }) => high - count) : [],
    }))
}

/** A machine that somebody made, as the state of the start. */
export function startFrom(sys: Sys, scan: TraceScan | undefined): Restored {
  const listEvents = { taken: scan?.hasTaken ?? true, drain: scan?.hasDrain ?? true }
  return {
    sys,
    listEvents,
    zones: [],
    chosen: new Uint8Array(sys.nr_frames),
    unproven: new Uint8Array(sys.nr_frames),
    source: 'counts',
  }
}
