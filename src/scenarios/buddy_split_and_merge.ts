// Story: one large block is split down to a small one, and grows together again from both buddies.
import { blocksByOrder, blocksText, frame, freeOrder, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

/** Above the orders that per-CPU lists keep, and no huge page: straight from the buddy lists. */
const ORDER = 4
const GFP = 'GFP_HIGHUSER_MOVABLE'

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const zone = zoneRow(sys, 'DMA32')
  const size = 2 ** ORDER
  const text = (): string => blocksText(blocksByOrder(sys, zone))
  const before = text()
  yield {
    say: `Zone DMA32 has these free blocks: ${before}. A block of order n is 2^n pages, and its pfn is a multiple of 2^n.`,
  }

  // Small blocks that boot left over go first, so that a large one must be split.
  const leftovers = stage.allocMany(
    ORDER,
    GFP,
    blocksByOrder(sys, zone)
      .slice(ORDER, -1)
      .reduce((sum, count, i) => sum + count * 2 ** i, 0),
  )
  const counts = blocksByOrder(sys, zone)
  yield {
    say: `To see one split, ${leftovers.length} requests of order ${ORDER} first use up the blocks between order ${ORDER} and ${sys.block_shift - 1}. Left: ${text()}.`,
    expect: { 'only blocks of the highest order can serve now': counts.slice(ORDER, -1).every(count => count === 0) },
  }

  const first = stage.alloc(ORDER, GFP)
  const halves = sizes(sys.block_shift).map(order => `${frame(first + 2 ** order)} (order ${order})`)
  yield {
    say: `A request of order ${ORDER} gets ${frame(first)}. expand() cut a block of order ${sys.block_shift} in half ${halves.length} times and freed each upper half: ${halves.join(', ')}.`,
    expect: {
      'one block of the highest order is gone':
        blocksByOrder(sys, zone)[sys.block_shift] === counts[sys.block_shift]! - 1,
      'each upper half is free': sizes(sys.block_shift).every(order => freeOrder(sys, first + 2 ** order) === order),
    },
  }

  const second = stage.alloc(ORDER, GFP)
  yield {
    say: `The next request takes the smallest block that fits: ${frame(second)}, the buddy of the first. Buddies differ in one bit: 0x${first.toString(16)} ^ 2^${ORDER} = 0x${(first ^ size).toString(16)}.`,
    expect: { 'it is the buddy': second === (first ^ size) },
  }

  stage.free([first], ORDER)
  yield {
    say: `The first block is freed. Its buddy is in use, so __free_one_page() leaves it alone, with order ${freeOrder(sys, first)}.`,
    expect: { 'it did not merge': freeOrder(sys, first) === ORDER },
  }

  stage.free([second], ORDER)
  yield {
    say: `Now the buddy is freed, and finds its own buddy free: they merge, the block of order ${ORDER + 1} finds its buddy free, and so on, ${sys.block_shift - ORDER} times, up to order ${freeOrder(sys, first)} at ${frame(first)}.`,
    expect: { 'the block is whole again': freeOrder(sys, first) === sys.block_shift },
  }

  stage.free(leftovers, ORDER)
  yield {
    say: `When the leftovers of the beginning come back, too, the zone has what it had: ${text()}.`,
    expect: { 'nothing was lost and nothing is in pieces': text() === before },
  }
}

/** Orders of the upper halves that a split of an order-`high` block leaves. */
const sizes = (high: number): number[] => Array.from({ length: high - ORDER }, (_, i) => high - 1 - i)

export const buddySplitAndMerge: Scenario = {
  name: 'buddy_split_and_merge',
  title: 'Buddies: split and merge',
  story:
    'The page allocator keeps free memory in blocks of 1, 2, 4 … pages. A request takes the smallest block that fits; if it is too large, it is halved until it is not. A freed block looks for the other half of the block that it once was, its buddy; if that is free, too, both become one again. One exclusive-or finds the buddy: no list is searched.',
  terms: {
    order: 'log2 of a block in pages',
    buddy: 'the block of the same size whose pfn differs in the bit of that size',
    'free_area[n]': 'the lists of free blocks of order n, one for each migrate type',
  },
  through: [
    '__alloc_pages',
    'rmqueue',
    '__rmqueue_smallest',
    'expand',
    '__free_pages',
    '__free_one_page',
    'add_to_free_list',
  ],
  machine: { memory: '128M' },
  steps,
}
