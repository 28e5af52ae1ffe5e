// The followed machine by hand: every block goes where the events say, whatever it was before.
import { describe, expect, it } from 'vitest'
import { kernel_by_name } from '../../../src/kernels/index.ts'
import { check } from '../../../src/mm/check.ts'
import { create_sys } from '../../../src/mm/machine_image.ts'
import { BLOCK_TOUCHED, MIGRATE_MOVABLE, type Sys } from '../../../src/mm/mmzone.ts'
import { add_to_free_list_tail } from '../../../src/mm/page_alloc/buddy.ts'
import { NR_FREE_PAGES } from '../../../src/mm/vmstat_item.ts'
import { CAUSE, CAUSES, type Cause } from '../../../src/sim/replay/causes.ts'
import { freeBlocksOf } from '../../../src/sim/replay/compare.ts'
import { Follow } from '../../../src/sim/replay/follow.ts'

/** One zone of 2048 MOVABLE frames: frames 1024 … 2047 are one free block, the others are in use. */
function machine(): Sys {
  const sys = create_sys(kernel_by_name('6.1-x86_64'), { max_pfn: 2048, nr_nodes: 1, nr_cpus: 1 }, false)
  sys.zone.spanned_pages[0] = sys.zone.present_pages[0] = sys.zone.managed_pages[0] = 2048
  sys.block.state.fill(BLOCK_TOUCHED)
  sys.pageblock.migratetype.fill(MIGRATE_MOVABLE)
  sys.pcp.batch.fill(31)
  sys.page.state.fill(0x81, 0, 1024)
  sys.page._refcount.fill(1, 0, 1024)
  add_to_free_list_tail(sys, 1024, 0, 10, MIGRATE_MOVABLE)
  sys.zone_stat.vm_stat[NR_FREE_PAGES] = 1024
  return sys
}

function followed(): { sys: Sys; follow: Follow; caused: (cause: Cause) => number; free: () => string } {
  const sys = machine()
  const none = new Uint8Array(sys.nr_frames)
  const follow = new Follow(sys, { taken: true, drain: true }, { chosen: none, unproven: none })
  return {
    sys,
    follow,
    caused: cause => follow.causes[CAUSE[cause]]!,
    free: () =>
      freeBlocksOf(sys, 0)
        .flatMap((count, order) => (count === 0 ? [] : [`${order}:${count}`]))
        .join(' '),
  }
}

describe('a block', () => {
  it('leaves the buddy lists, waits, is used, waits again and returns', () => {
    const { sys, follow, free, caused } = followed()
    follow.taken(1030, 0, MIGRATE_MOVABLE, 0)
    expect(free()).toBe('0:1 1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1')
    expect(sys.pcp.count[0]).toBe(1)
    follow.alloc(1030, 0, MIGRATE_MOVABLE, true, 0)
    expect(sys.pcp.count[0]).toBe(0)
    follow.free(1030, 0, 0, false)
    expect(sys.pcp.count[0]).toBe(1)
    follow.drained(1030, 0, MIGRATE_MOVABLE)
    expect(free()).toBe('10:1')
    expect(CAUSES.filter(cause => caused(cause) > 0)).toEqual([])
    expect(check(sys)).toEqual([])
  })

  it('of a high order passes no list', () => {
    const { sys, follow, free } = followed()
    follow.taken(1024, 5, MIGRATE_MOVABLE, 0)
    follow.alloc(1024, 5, MIGRATE_MOVABLE, false, 0)
    expect(free()).toBe('5:1 6:1 7:1 8:1 9:1')
    follow.free(1024, 5, 0, false)
    expect(free()).toBe('10:1')
    expect(check(sys)).toEqual([])
  })

  it('may be freed in parts', () => {
    const { sys, follow, caused } = followed()
    follow.taken(1024, 2, MIGRATE_MOVABLE, 0)
    follow.alloc(1024, 2, MIGRATE_MOVABLE, false, 0)
    for (const pfn of [1026, 1024, 1027, 1025]) follow.free(pfn, 0, 0, false)
    expect(sys.pcp.count[0]).toBe(4)
    expect(CAUSES.filter(cause => caused(cause) > 0)).toEqual([])
    expect(check(sys)).toEqual([])
  })
})

describe('what the trace does not show is put right and counted', () => {
  it('a page freed although free', () => {
    const { sys, follow, caused } = followed()
    follow.free(1500, 0, 0, false)
    expect(caused('freedWhileFree')).toBe(1)
    expect(check(sys)).toEqual([])
  })

  it('a page allocated although in use', () => {
    const { sys, follow, caused } = followed()
    follow.alloc(7, 0, MIGRATE_MOVABLE, false, 0)
    expect(caused('allocatedWhileInUse')).toBe(1)
    expect(check(sys)).toEqual([])
  })

  it('pages that bulk allocation took: those before the one that is handed out', () => {
    const { sys, follow, caused } = followed()
    for (const pfn of [1024, 1025, 1026, 1027, 1028]) follow.taken(pfn, 0, MIGRATE_MOVABLE, 0)
    follow.endRefill(0)
    follow.alloc(1028, 0, MIGRATE_MOVABLE, false, 0)
    expect(caused('bulkAllocated')).toBe(4)
    expect(sys.pcp.count[0]).toBe(0)
    expect(check(sys)).toEqual([])
  })

  it('a list that is refilled was empty', () => {
    const { sys, follow, caused } = followed()
    follow.taken(1024, 0, MIGRATE_MOVABLE, 0)
    follow.endRefill(0)
    follow.taken(1025, 0, MIGRATE_MOVABLE, 0)
    expect(caused('bulkAllocated')).toBe(1)
    expect(sys.pcp.count[0]).toBe(1)
    expect(check(sys)).toEqual([])
  })

  it('free blocks that compaction took, found again by its search', () => {
    const { sys, follow, caused, free } = followed()
    for (const pfn of [1024, 1025, 1026, 1027]) follow.taken(pfn, 0, MIGRATE_MOVABLE, 0)
    for (const pfn of [1024, 1026]) follow.drained(pfn, 0, MIGRATE_MOVABLE)
    // Every second frame is looked at: both single pages are taken.
    follow.compaction.isolate(1024, 1028, 2, 2)
    expect(caused('isolated')).toBe(2)
    expect(free()).toBe('2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1')
    expect(check(sys)).toEqual([])
  })

  it('frames that the machine does not have', () => {
    const { follow, caused } = followed()
    follow.alloc(1 << 20, 0, MIGRATE_MOVABLE, false, 0)
    follow.free(-3, 0, 0, false)
    follow.taken(1025, 3, MIGRATE_MOVABLE, 0)
    expect(caused('outsideMemory')).toBe(3)
  })
})

describe('compaction', () => {
  it('took a block before without an event, when it looked at all frames and got fewer than are free', () => {
    const { follow, free } = followed()
    follow.taken(1024, 4, MIGRATE_MOVABLE, 0)
    follow.alloc(1024, 4, MIGRATE_MOVABLE, true, 0)
    expect(free()).toBe('4:1 5:1 6:1 7:1 8:1 9:1')
    follow.compaction.isolate(1024, 1536, 512, 512 - 16 - 64)
    expect(free()).toBe('9:1')
  })

  it('takes what its step finds where it looked at some frames only', () => {
    const { follow, free } = followed()
    follow.taken(1024, 4, MIGRATE_MOVABLE, 0)
    follow.alloc(1024, 4, MIGRATE_MOVABLE, true, 0)
    follow.compaction.isolate(1024, 1056, 17, 16)
    expect(free()).toBe('5:1 6:1 7:1 8:1 9:1')
  })
})

describe('a trace without the events of the per-CPU lists', () => {
  it('shows refills by pages that are handed out of free blocks', () => {
    const sys = machine()
    const none = new Uint8Array(sys.nr_frames)
    const follow = new Follow(sys, { taken: false, drain: false }, { chosen: none, unproven: none })
    sys.pcp.batch[0] = 4
    follow.alloc(1024, 0, MIGRATE_MOVABLE, true, 0)
    expect(sys.pcp.count[0]).toBe(3)
    follow.alloc(1025, 0, MIGRATE_MOVABLE, true, 0)
    expect(sys.pcp.count[0]).toBe(2)
    expect(check(sys)).toEqual([])
  })
})
