// Tasks that have reclaimed for a request: it is served then, or tried again, at the min watermark.
const MOST = 1 << 16

export class Reclaimers {
  readonly #tasks: Set<number> = new Set()

  /** mm_vmscan_direct_reclaim_end of a task. */
  ended(pid: number): void {
    if (this.#tasks.size < MOST) this.#tasks.add(pid)
  }

  /** Whether a task that is handed out pages has reclaimed for them. */
  served(pid: number): boolean {
    return this.#tasks.delete(pid)
  }
}
