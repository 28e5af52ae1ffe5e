// Frees that do not pass the per-CPU lists. alloc_pages_exact() takes a block and gives back at once, page after page, the
// end of it that nobody asked for; some kernels give it straight to the buddy lists.
// @kernel mm/page_alloc.c:make_alloc_exact
import type { Sys } from '../../mm/mmzone.ts'

export class ExactTrims {
  readonly #used: boolean
  /** By CPU: the next page of the last block that may go back (0 = any of them), and the block. */
  readonly #next: Int32Array
  readonly #start: Int32Array
  readonly #end: Int32Array

  constructor(sys: Sys) {
    this.#used = sys.kernel.trims_to_buddy
    this.#next = new Int32Array(sys.nr_cpus)
    this.#start = new Int32Array(sys.nr_cpus)
    this.#end = new Int32Array(sys.nr_cpus)
  }

  /** A block was handed out. */
  alloc(pfn: number, order: number, cpu: number): void {
    if (!this.#used || cpu >= this.#next.length) return
    this.#next[cpu] = 0
    this.#start[cpu] = pfn
    this.#end[cpu] = order === 0 ? 0 : pfn + (1 << order)
  }

  /** A block is freed: true where it is the end of the one that was just handed out. */
  free(pfn: number, order: number, cpu: number): boolean {
    if (!this.#used || cpu >= this.#next.length) return false
    const next = this.#next[cpu]!
    const trims = order === 0 && pfn > this.#start[cpu]! && pfn < this.#end[cpu]! && (next === 0 || pfn === next)
    if (trims) this.#next[cpu] = pfn + 1
    else this.#end[cpu] = 0
    return trims
  }
}
