// One run of mempat on a twin: the same pages in the same order, with the same reads and writes.
import { truncate_inode_pages } from '../mm/files.ts'
import type { Sys } from '../mm/mmzone.ts'
import { cond_resched, spend } from '../mm/reclaim_clock.ts'
import { vmstatOf } from '../sim/inspect_memory.ts'
import { Toucher } from '../sim/toucher.ts'
import { type MempatRun, MempatSequence } from './mempat.ts'
import type { ReclaimMachine } from './reclaim_machine.ts'
import { ANON_FLAGS, FILE_FLAGS, INODE_REGULAR, mapArea, openFile, startTask, TEXT_FLAGS } from './reclaim_program.ts'

export interface ReclaimOutcome {
  readonly killed: boolean
  /** Counters of /proc/vmstat when the program begins to touch memory, after it wrote all of its own, and at its end. */
  readonly counters: Readonly<Record<Moment, Counters>>
  readonly microseconds: number
}

export type Counters = ReadonlyMap<string, number>
export type Moment = 'start' | 'populated' | 'done'

/** Pages of the program's code that it always uses, and of its data. */
const TEXT_PAGES = 16
const DATA_PAGES = 8

class Program {
  private readonly sequence: MempatSequence
  private readonly anon: Toucher
  private readonly file: Toucher
  private readonly text: Toucher
  private readonly data: Toucher
  private readonly tables: Toucher
  private readonly permFirst: number

  private readonly sys: Sys
  private readonly run: MempatRun

  constructor(sys: Sys, run: MempatRun, machine: ReclaimMachine) {
    this.sys = sys
    this.run = run
    const { mm } = startTask(sys)
    this.sequence = new MempatSequence(run)
    const words = sys.page_bytes / 4
    const tablePages = Math.ceil(this.sequence.table.length / words)
    this.permFirst = tablePages
    this.text = new Toucher(sys, mapArea(sys, mm, 0x400, TEXT_PAGES, TEXT_FLAGS, machine.ramdisk))
    this.data = new Toucher(sys, mapArea(sys, mm, 0x800, DATA_PAGES, ANON_FLAGS))
    this.tables = new Toucher(sys, mapArea(sys, mm, 0x1000, Math.max(1, 2 * tablePages), ANON_FLAGS))
    this.anon = new Toucher(sys, mapArea(sys, mm, 0x7ffff0000, run.anon, ANON_FLAGS))
    this.file = new Toucher(
      sys,
      mapArea(sys, mm, 0x7fff00000, Math.max(1, run.file), FILE_FLAGS, openFile(sys, INODE_REGULAR, run.file)),
    )
    for (let page = 0; page < 2 * tablePages; page++) this.tables.touch(page, true)
  }

  /** The code and data that every turn of its loop uses. */
  private own(turn: number): boolean {
    if ((turn & 63) !== 0) return true
    for (let page = 0; page < DATA_PAGES; page++) if (!this.data.touch(page, true)) return false
    for (let page = 0; page < TEXT_PAGES; page++) if (!this.text.touch(page, false)) return false
    return true
  }

  populate(): boolean {
    const { sys, run } = this
    const cost = sys.reclaim_clock.access[0]!
    for (let page = 0; page < run.anon; page++) {
      if (!this.own(page) || !this.anon.touch(page, true)) return false
      spend(sys, cost)
      if ((page & 15) === 0) cond_resched(sys)
    }
    return true
  }

  touchAll(): boolean {
    const { sys, run, sequence } = this
    const cost = sys.reclaim_clock.access[0]!
    const words = sys.page_bytes / 4
    for (let turn = 0; sequence.next(); turn++) {
      if (!this.own(turn)) return false
      for (const rank of sequence.looked) if (!this.tables.touch(Math.floor(rank / words), false)) return false
      if (sequence.table.length > 0 && !this.tables.touch(this.permFirst + Math.floor(sequence.rank / words), false))
        return false
      const { page, write } = sequence
      if (!(page < run.anon ? this.anon.touch(page, write) : this.file.touch(page - run.anon, false))) return false
      spend(sys, cost)
      if ((turn & 15) === 0) cond_resched(sys)
    }
    return true
  }
}

const LRU_COUNTERS = ['nr_inactive_anon', 'nr_active_anon', 'nr_inactive_file', 'nr_active_file'] as const

/** What the recorder of `before` held, and had given back when the program started, is free: the newest pages. */
function giveBackRecorder({ sys, ramdisk, ramdiskPages }: ReclaimMachine, started: Counters): void {
  if (!started.has(LRU_COUNTERS[0])) return
  const now = vmstatOf(sys).counters
  const surplus = LRU_COUNTERS.reduce((sum, name) => sum + now.get(name)! - started.get(name)!, 0)
  if (surplus > 0) truncate_inode_pages(sys, sys.file.inode[ramdisk]!, ramdiskPages - surplus, ramdiskPages - 1)
}

/** Plays a run to its end, or until the program is killed; `started`: counters that were recorded when it began. */
export function playMempat(machine: ReclaimMachine, run: MempatRun, started: Counters): ReclaimOutcome {
  const { sys } = machine
  let killed = false
  sys.seams = {
    ...sys.seams,
    oom: {
      pagefault_out_of_memory: () => undefined,
      // The program is the only process that holds memory: it is the one to go.
      out_of_memory: () => {
        killed = true
        return false
      },
    },
  }
  const program = new Program(sys, run, machine)
  giveBackRecorder(machine, started)
  const start = vmstatOf(sys).counters
  const begin = sys.reclaim_clock.now[0]!
  let alive = program.populate()
  const populated = vmstatOf(sys).counters
  if (alive) alive = program.touchAll()
  return {
    killed: killed || !alive,
    counters: { start, populated, done: vmstatOf(sys).counters },
    microseconds: sys.reclaim_clock.now[0]! - begin,
  }
}
