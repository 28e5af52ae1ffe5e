// Each law of `check` finds a machine that breaks it, with a sentence that says where.
import { describe, expect, it } from 'vitest'
import { list_add, list_del } from '../../src/image/list.ts'
import { check } from '../../src/mm/check.ts'
import { GFP_HIGHUSER_MOVABLE } from '../../src/mm/gfp.ts'
import { PAGE_PCP, PAGE_USED } from '../../src/mm/mm_types.ts'
import { free_list_head, type Sys, set_pageblock_migratetype } from '../../src/mm/mmzone.ts'
import { alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { NR_FREE_PAGES } from '../../src/mm/vmstat_item.ts'
import { lists, pcpLists } from '../notation.ts'
import { machine, small_6_12 } from './machine.ts'

const NORMAL = 2
const MOVABLE = 1

/** Blocks of all small orders free, two pages waiting, frame 32 in use. */
function sound(): Sys {
  const sys = machine({
    kernel: small_6_12,
    batch: 3,
    high: 16,
    zones: [
      { name: 'DMA32', start: 0, end: 32 },
      { name: 'Normal', start: 32, end: 128 },
    ],
  })
  expect(alloc_pages(sys, GFP_HIGHUSER_MOVABLE, 0)).toBe(32)
  expect([lists(sys, NORMAL), pcpLists(sys, 0, NORMAL)]).toEqual(['0:35 2:36 3:40 4:48 5:64 5:96', '0:33,34'])
  expect(check(sys)).toEqual([])
  return sys
}

const head = (sys: Sys, order: number, type = MOVABLE): number => free_list_head(sys, NORMAL, order, type)

const CORRUPT: readonly (readonly [string, (sys: Sys) => void, RegExp])[] = [
  ['a free block that is not aligned', sys => move(sys, 36, 37, 2), /free block 37 order 2 .*not aligned/],
  ['a free block whose head says another order', sys => (sys.page.state[48] = 2), /free block 48 .*page\.state 2/],
  ['a free block with users', sys => (sys.page._refcount[40] = 1), /free block 40 .*_refcount 1/],
  ['a free block of another zone', sys => (sys.block.zone[1] = 1), /free block 48 .*belongs to zone 1/],
  ['a wrong count of blocks', sys => sys.free_area.nr_free[NORMAL * 6 + 3]!++, /order 3: nr_free 2, 1 blocks/],
  [
    'a mask without its bit',
    sys => (sys.free_mask.orders[NORMAL * 5 + MOVABLE]! &= ~8),
    /order 3 type 1: mask bit 0, 1/,
  ],
  ['a mask with a bit too many', sys => (sys.free_mask.orders[NORMAL * 5]! |= 1), /order 0 type 0: mask bit 1, 0/],
  [
    'a wrong counter of free pages',
    sys => sys.zone_stat.vm_stat[NORMAL * 12 + NR_FREE_PAGES]!++,
    /NR_FREE_PAGES 94, 93/,
  ],
  [
    'a difference that was lost',
    sys => sys.zone_stat_diff.vm_stat_diff[NORMAL * 12 + NR_FREE_PAGES]!--,
    /NR_FREE_PAGES 92/,
  ],
  [
    'a block on the list of another type',
    sys => set_pageblock_migratetype(sys, NORMAL, 48, 0),
    /48 .*on list 1, pageblock is 0/,
  ],
  ['buddies that are both free', sys => split(sys), /free block 40 order 2 .*its buddy 44 is free, too/],
  ['a frame on two lists', sys => twice(sys), /frame 37 is in another list, too/],
  [
    'a list that does not come back',
    sys => (sys.link.link[2 * 33] = 48),
    /list \d+: what follows 33 does not point back/,
  ],
  ['a wrong count on a CPU', sys => sys.pcp.count[NORMAL]!++, /pcp zone 2 cpu 0: count 3, 2 pages/],
  [
    'a waiting page that says it is in use',
    sys => (sys.page.state[33] = PAGE_USED | 1),
    /per-CPU block 33 .*page\.state 129/,
  ],
  [
    'a head inside a free block',
    sys => (sys.page.state[38] = 3),
    /free block 36 .*frame 38 inside of it has page\.state 3/,
  ],
  ['a head inside a block in use', sys => headInside(sys), /block 32 order 1 in use: frame 33 inside/],
  [
    'a page that waits on no list',
    sys => (sys.page.state[32] = PAGE_PCP | 1),
    /frame 32: page\.state 65, but on no list/,
  ],
  ['a free head on no list', sys => (sys.page.state[32] = 1), /frame 32: page\.state 1, but on no list/],
  ['a page in use without users', sys => (sys.page._refcount[32] = 0), /frame 32: in use with _refcount 0/],
  ['a page in use that is free', sys => (sys.page.state[32] = PAGE_USED | 3), /frame 33: in use \(block 32 order 2\)/],
  ['a lock that is still held', sys => (sys.cpu.held[0] = 2), /cpu 0 still holds lock classes 2/],
]

function move(sys: Sys, from: number, to: number, order: number): void {
  list_del(sys.link.link, from)
  list_add(sys.link.link, to, head(sys, order))
  sys.page.state[to] = sys.page.state[from]!
  sys.page.state[from] = 0
}

function headInside(sys: Sys): void {
  sys.page.state[32] = PAGE_USED | 2
  sys.page.state[33] = 1
}

function split(sys: Sys): void {
  list_del(sys.link.link, 40)
  for (const pfn of [40, 44]) {
    list_add(sys.link.link, pfn, head(sys, 2))
    sys.page.state[pfn] = 3
  }
}

function twice(sys: Sys): void {
  move(sys, 35, 37, 0)
  list_del(sys.link.link, 40)
  list_add(sys.link.link, 36, head(sys, 3))
}

describe('check finds', () => {
  it.each(CORRUPT)('%s', (_, corrupt, sentence) => {
    const sys = sound()
    corrupt(sys)
    expect(check(sys).join('\n')).toMatch(sentence)
  })
})
