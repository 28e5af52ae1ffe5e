// Which per-CPU lists a drain emptied. A CPU gives pages back list after list, each until it is empty; that is sure only
// within what one free gives back, and only frees of larger blocks give back at once and alone.
import { MIGRATE_MOVABLE, MIGRATE_PCPTYPES, type Sys } from '../../mm/mmzone.ts'
import { order_to_pindex } from '../../mm/page_alloc/pcp.ts'

const NOT_DRAINING = -1
const NO_LIST = -2

export class DrainWatch {
  readonly #sys: Sys
  /** By CPU: the list that is given back now, the row of its lists, and a bit for each list of single pages that was
   * left for another one. */
  readonly #list: Int32Array
  readonly #pcp: Int32Array
  readonly #emptied: Uint8Array

  constructor(sys: Sys) {
    this.#sys = sys
    this.#list = new Int32Array(sys.nr_cpus).fill(NOT_DRAINING)
    this.#pcp = new Int32Array(sys.nr_cpus)
    this.#emptied = new Uint8Array(sys.nr_cpus)
  }

  /** A larger block was freed. */
  begin(cpu: number): void {
    this.#list[cpu] = NO_LIST
  }

  /** A block on the lists `pcp` is given back. */
  from(pcp: number, pfn: number, order: number): void {
    const sys = this.#sys
    const cpu = pcp % sys.nr_cpus
    const before = this.#list[cpu]!
    if (before === NOT_DRAINING) return
    const type = sys.page.index[pfn]!
    const list = order_to_pindex(sys, type < MIGRATE_PCPTYPES ? type : MIGRATE_MOVABLE, order)
    if (before >= 0 && before < MIGRATE_PCPTYPES && before !== list) this.#emptied[cpu]! |= 1 << before
    this.#list[cpu] = list
    this.#pcp[cpu] = pcp
  }

  /** The drain is over: bits of the lists of single pages that it emptied. */
  end(cpu: number): number {
    if (cpu >= this.#list.length) return 0
    this.#list[cpu] = NOT_DRAINING
    const emptied = this.#emptied[cpu]!
    this.#emptied[cpu] = 0
    return emptied
  }

  /** Row of the lists that the last drain was of. */
  list(cpu: number): number {
    return this.#pcp[cpu]!
  }
}
