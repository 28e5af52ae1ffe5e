// The boot gives memory that was never allocated to the buddy lists without passing the per-CPU ones: the threads that
// initialize it late, and whole pageblocks. @kernel mm/mm_init.c:deferred_free_range
import { PAGE_USED } from '../../mm/mm_types.ts'
import type { Sys } from '../../mm/mmzone.ts'
import type { EventBatch } from '../../trace/batch.ts'
import { DEFERRED_THREAD } from './scan.ts'

export class GivenMemory {
  /** Frames that nobody has given to the allocator yet, 1 each. */
  readonly #reserved: Uint8Array
  readonly #pageblock_order: number

  constructor(sys: Sys) {
    this.#reserved = sys.page.state.map(state => ((state & PAGE_USED) === 0 ? 0 : 1))
    this.#pageblock_order = sys.pageblock_order
  }

  /** Whether a block that is freed is given so. */
  gives({ strings, comm }: EventBatch, row: number, pfn: number, order: number): boolean {
    const reserved = this.#reserved
    const first = reserved[pfn] === 1
    reserved.fill(0, pfn, pfn + (1 << order))
    if (!first) return false
    return order >= this.#pageblock_order || strings.get(comm[row]!).startsWith(DEFERRED_THREAD)
  }
}
