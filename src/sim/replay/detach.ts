// Taking frames out of whatever they are: in use, on a per-CPU list, or in a free block, in part or whole.
import { PAGE_PCP, PAGE_STATE_ORDER, PAGE_USED } from '../../mm/mm_types.ts'
import { get_pageblock_migratetype, type Sys } from '../../mm/mmzone.ts'
import { pcp_list_add, pcp_list_del, splitUsed, take_block } from './buddy_edit.ts'
import { CAUSES } from './causes.ts'

export class Detacher {
  readonly sys: Sys
  readonly #causes: Float64Array

  /** `causes`: pages by zone * CAUSES.length + cause. */
  constructor(sys: Sys, causes: Float64Array) {
    this.sys = sys
    this.#causes = causes
  }

  /** Takes frames out of whatever they are, counting pages in use, on per-CPU lists and in free blocks by a cause each
   * (-1 = nothing special). Afterwards they are nobody's. */
  detach(pfn: number, order: number, zone: number, inUse: number, listed: number, free: number): void {
    const { sys } = this
    const { state, _refcount } = sys.page
    const end = pfn + (1 << order)
    for (let at = pfn; at < end; ) {
      const was = state[at]!
      const size = 1 << ((was & PAGE_STATE_ORDER) - 1)
      let cause = -1
      let pages = 1
      if ((was & PAGE_USED) !== 0) {
        if (at + size > end) splitUsed(sys, at)
        else {
          state[at] = 0
          _refcount[at] = 0
          pages = size
        }
        if (at + size > end) continue
        cause = inUse
      } else if ((was & PAGE_PCP) !== 0) {
        pages = this.#unlist(at, Math.min(size, end - at))
        cause = listed
      } else if (take_block(sys, at, zone, 0, get_pageblock_migratetype(sys, zone, at))) cause = free
      else if (this.#splitHolder(at)) continue
      if (cause >= 0) this.#causes[zone * CAUSES.length + cause]! += pages
      at += pages
    }
  }

  /** Takes a block off its per-CPU list; frames beyond `pages` go back to it as single ones. */
  #unlist(pfn: number, pages: number): number {
    const { sys } = this
    const { state, index } = sys.page
    const pcp = sys.page.private[pfn]!
    const size = 1 << ((state[pfn]! & PAGE_STATE_ORDER) - 1)
    const type = index[pfn]!
    pcp_list_del(sys, pfn, pcp)
    for (let frame = pfn + pages; frame < pfn + size; frame++) {
      pcp_list_add(sys, frame, pcp, 0, type, true)
      sys.page.private[frame] = pcp
    }
    return pages
  }

  /** Makes single frames of the used or waiting block that holds `pfn` inside; false where there is none. */
  #splitHolder(pfn: number): boolean {
    const { sys } = this
    const { state } = sys.page
    for (let order = 1; order < sys.NR_PAGE_ORDERS; order++) {
      const head = pfn & (-1 << order)
      const was = state[head]!
      if ((was & PAGE_STATE_ORDER) - 1 < order || head === pfn) continue
      if ((was & PAGE_USED) !== 0) splitUsed(sys, head)
      else if ((was & PAGE_PCP) !== 0) {
        const pcp = sys.page.private[head]!
        this.#unlist(head, 1)
        pcp_list_add(sys, head, pcp, 0, sys.page.index[head]!, true)
      } else continue
      return true
    }
    return false
  }
}
