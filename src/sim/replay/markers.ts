// Markers that the recorder writes into the trace around a snapshot: `SNAP_BEGIN <folder>` just before it reads the
// files, `SNAP_END <folder>` after it. What is between them belongs to the snapshot, not to the workload.
import type { StringTable } from '../../trace/batch.ts'

export const MARKER_NONE = 0
export const MARKER_BEGIN = 1
export const MARKER_END = 2

/** Which marker a `tracing_mark_write` is; other text is none. */
export class MarkerReader {
  readonly #strings: StringTable
  readonly #known: Map<number, number> = new Map()

  constructor(strings: StringTable) {
    this.#strings = strings
  }

  /** `text` is the number of the marker's text in the batch's string table. */
  kindOf(text: number): number {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const words = this.#strings.get(text).trim()
    const kind = words.startsWith('SNAP_BEGIN') ? MARKER_BEGIN : words.startsWith('SNAP_END') ? MARKER_END : MARKER_NONE
    // Endless different texts must not fill the memory.
    if (this.#known.size < 4096) this.#known.set(text, kind)
    return kind
  }
}
