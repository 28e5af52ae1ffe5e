// Plays a recording that begins with the complete state of a page allocator (custom, formats C and D): operations must
// name the recorded frames or fail where they failed, and every later dump must be the machine's state line for line.
import { check } from '../mm/check.ts'
import type { Sys } from '../mm/mmzone.ts'
import { __alloc_pages, __free_pages } from '../mm/page_alloc/alloc_pages.ts'
import { drain_local_pages } from '../mm/page_alloc/pcp.ts'
import { readRecordedState, type StateRow, settlePcpTypes, stateLine, sysOfRecordedState } from './allocator_state.ts'
import { jsonLines, type Tally, type VerifyFile } from './types.ts'

/** Lines of a dump: everything that `stateLine` can write. */
const STATE_ROWS: ReadonlySet<unknown> = new Set(['zone', 'fl', 'pcp', 'zstat', 'numaev', 'pb'])

/** The masks of the recorder's programs, by index: those that files list as `gfp` lines, in every file alike. Files of the
 * watermark grid use them without listing them. */
const RECORDER_MASKS: readonly number[] = [
  0x2a20, 0x2800, 0x28c0, 0x1028ca, 0x2810, 0x2801, 0x2804, 0x2a21, 0x1028c2, 0x22800, 0x82a20, 0x2808, 0x2020, 0x2000,
  0x42800, 0x2a28, 0x202800, 0x3028ca, 0x2a30, 0x2a22, 0x2a24,
]

/** What a kind of recording does with its own lines; `play` handles states and operations. */
export type OnRow = (sys: Sys, line: number, row: StateRow) => void

/** Plays a file; `onRow` gets the lines that are neither state nor operation, after the first state. */
export function playRecording(file: VerifyFile, counts: Tally, onRow: OnRow): void {
  counts.file(file.path)
  const lines = [...jsonLines(file.text())]
  const recorded = readRecordedState(lines)
  if (!recorded) {
    counts.check(1, 'a meta line and a state', 'neither')
    return
  }
  const sys = sysOfRecordedState(recorded)
  settlePcpTypes(sys)
  const player = new ScriptPlayer(sys, counts)
  let states = 0
  for (const { line, row } of lines) {
    if (row === null) counts.check(line, 'a JSON object or array', 'neither')
    else if (Array.isArray(row)) player.play(line, row)
    else {
      const fields = row as StateRow
      if (fields.t === 'gfp') player.masks.set(fields.i as number, Number(fields.v))
      else if (fields.t === 'state') states++
      else if (STATE_ROWS.has(fields.t)) {
        if (states > 1) counts.check(line, JSON.stringify(row), stateLine(sys, fields))
      } else if (states > 0) onRow(sys, line, fields)
    }
  }
  counts.check(lines.length, '', check(sys).join('; '))
}

/** Plays operations on a machine; a slot holds what the recording calls a block. */
class ScriptPlayer {
  readonly masks: Map<number, number> = new Map(RECORDER_MASKS.entries())
  private readonly sys: Sys
  private readonly counts: Tally
  private readonly slots = new Map<number, { pfn: number; order: number }>()

  constructor(sys: Sys, counts: Tally) {
    this.sys = sys
    this.counts = counts
  }

  play(line: number, [op, ...args]: readonly unknown[]): void {
    if (op === 'a') this.alloc(line, args as number[])
    else if (op === 'f') this.free(line, args[0] as number)
    else if (op === 'd') drain_local_pages(this.sys)
    else this.counts.check(line, 'an operation a, f or d', String(op))
  }

  private alloc(line: number, [slot, mask, order, nid, recorded]: readonly number[]): void {
    const pfn = __alloc_pages(this.sys, this.masks.get(mask!) ?? 0, order!, nid!)
    this.counts.check(line, `pfn ${recorded}`, `pfn ${pfn}`)
    if (pfn >= 0) this.slots.set(slot!, { pfn, order: order! })
  }

  private free(line: number, slot: number): void {
    const block = this.slots.get(slot)
    this.slots.delete(slot)
    if (block) __free_pages(this.sys, block.pfn, block.order)
    else this.counts.check(line, `slot ${slot} holds a block`, 'it holds none')
  }
}
