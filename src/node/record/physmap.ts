// /proc/kpageflags and /proc/kpagecount of every frame, run-length coded while they are read.
// Law: the columns of the runs are made and touched before the moment; a map with more runs than they hold is no map.
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePhysmap } from '../../report/proc/physmap.ts'
import { explainFileError } from '../user_error.ts'
import { type Host, hostText } from './host.ts'

/** Frames read at once. */
const PIECE = 1 << 16
/** Runs that columns are made for, and those for a machine that does not say its size. */
const MOST_RUNS = 1 << 25
const USUAL_RUNS = 1 << 22

export class PhysmapCapture {
  readonly #flags: number
  readonly #count: number
  readonly #pieces = { flags: new Uint32Array(2 * PIECE).fill(1), count: new Uint32Array(2 * PIECE).fill(1) }
  readonly #runs: Uint32Array
  #length = 0

  /** Null where the host has no such files. */
  static open({ proc }: Host): PhysmapCapture | null {
    const total = /^MemTotal: +(\d+) kB$/m.exec(hostText(join(proc, 'meminfo')) ?? '')
    const runs = total ? Math.min(MOST_RUNS, Math.ceil(Number(total[1]) / 4)) : USUAL_RUNS
    try {
      const flags = openSync(join(proc, 'kpageflags'), 'r')
      return new PhysmapCapture(flags, openSync(join(proc, 'kpagecount'), 'r'), runs)
    } catch {
      return null
    }
  }

  private constructor(flags: number, count: number, runs: number) {
    this.#flags = flags
    this.#count = count
    this.#runs = new Uint32Array(5 * runs).fill(1)
  }

  /** Reads the map from the first frame to the last. */
  take(): void {
    this.#length = 0
    for (let pfn = 0; ; pfn += PIECE) {
      const frames = Math.min(
        readFrames(this.#flags, pfn, this.#pieces.flags),
        readFrames(this.#count, pfn, this.#pieces.count),
      )
      for (let at = 0; at < frames; at++) this.#add(pfn + at, 2 * at)
      if (frames < PIECE) return
    }
  }

  #add(pfn: number, at: number): void {
    const { flags, count } = this.#pieces
    const runs = this.#runs
    const last = 5 * (this.#length - 1)
    if (
      last >= 0 &&
      runs[last + 2] === flags[at] &&
      runs[last + 3] === flags[at + 1] &&
      runs[last + 4] === count[at] &&
      runs[last]! + runs[last + 1]! === pfn
    )
      runs[last + 1]!++
    else if (5 * this.#length < runs.length) {
      const next = 5 * this.#length++
      runs[next] = pfn
      runs[next + 1] = 1
      runs[next + 2] = flags[at]!
      runs[next + 3] = flags[at + 1]!
      runs[next + 4] = count[at]!
    }
  }

  /** Writes the map and gives the files back. @returns false, and nothing written, where it had too many runs */
  write(path: string): boolean {
    closeSync(this.#flags)
    closeSync(this.#count)
    const runs = this.#length
    if (5 * runs === this.#runs.length) return false
    const column = (at: number): Uint32Array =>
      Uint32Array.from({ length: runs }, (_, run) => this.#runs[5 * run + at]!)
    const [pfn, length, flagsLow, flagsHigh, count] = [column(0), column(1), column(2), column(3), column(4)]
    try {
      writeFileSync(path, writePhysmap({ runs, pfn, length, flagsLow, flagsHigh, count }))
    } catch (error) {
      throw explainFileError(path, error)
    }
    return true
  }
}

/** Whole frames read at a place: eight bytes each. */
function readFrames(fd: number, pfn: number, words: Uint32Array): number {
  const bytes = new Uint8Array(words.buffer)
  let length = 0
  while (length < bytes.length) {
    const read = readSync(fd, bytes, length, bytes.length - length, 8 * pfn + length)
    if (read === 0) break
    length += read
  }
  return length >>> 3
}
