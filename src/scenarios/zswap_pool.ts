// Story: pages on their way to swap are kept in memory, compressed; what that saves depends on what is in them.
import { ZSWAP_POOL } from '../mm/zsmalloc_tables.ts'
import { mapAnonymous } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'
import { events, freePages, resident, swapArea } from './swap_area.ts'

const TEXT = 2000

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const pool = (column: 'objects' | 'pages' | 'same'): number => sys.zs_pool[column][ZSWAP_POOL]!
  stage.do({ op: 'thp', mode: 'never' })
  stage.do({ op: 'spawn', comm: 'editor' })
  swapArea(stage, 16384)
  stage.do({ op: 'zswap', name: 'enabled', value: 'Y' })
  const page = mapAnonymous(stage, TEXT)
  stage.do({ op: 'fill', page, pages: TEXT, content: 'text' })
  const pages = freePages(stage) + TEXT
  const rest = mapAnonymous(stage, pages)
  yield {
    say: `A process fills ${TEXT} pages with text. ${freePages(stage)} pages are still free; there is a swap area, and zswap before it.`,
    expect: { 'nothing is swapped yet': pool('objects') === 0 && events(sys, 'pswpout') === 0 },
  }

  // At first all pages have their accessed bit: each gets a second chance.
  for (let round = 0; round < 3; round++) stage.do({ op: 'touch', page: rest, pages, access: 'write' })
  const packed = pool('objects') - pool('same')
  yield {
    say: `It writes ${pages} pages more, again and again, which is too much. ${TEXT - resident(sys, page, TEXT)} pages of text leave memory: zswap packs ${packed} pages into ${pool('pages')} frames, keeps ${pool('same')} that only repeat one word in none, and ${events(sys, 'pswpout')} reach the area.`,
    expect: {
      'text is packed': packed > 0,
      'into fewer frames': pool('pages') < packed,
      'nothing reaches the area': events(sys, 'pswpout') === 0,
    },
  }

  stage.do({ op: 'touch', page, pages: TEXT, access: 'read' })
  yield {
    say: `It reads its text: ${events(sys, 'zswpin')} pages are unpacked, ${events(sys, 'pswpin')} are read from the area.`,
    expect: {
      'pages come from the pool': events(sys, 'zswpin') > 0,
      'none from the area': events(sys, 'pswpin') === 0,
    },
  }

  stage.do({ op: 'fill', page, pages: TEXT, content: 'random' })
  for (let round = 0; round < 3; round++) stage.do({ op: 'touch', page: rest, pages, access: 'write' })
  const poor = sys.zswap_state.reject_compress_poor[0]!
  yield {
    say: `It fills these pages with random bytes and uses the others. Random bytes do not compress: zswap rejects ${poor} pages, and ${events(sys, 'pswpout')} go to the area.`,
    expect: { 'zswap rejects them': poor > 0, 'they go to the area': events(sys, 'pswpout') >= poor },
  }
}

export const zswapPool: Scenario = {
  name: 'zswap_pool',
  title: 'zswap: a compressed cache before swap',
  story:
    'A disk is a thousand times slower than memory, and most pages compress to a half or less. zswap keeps what is swapped out in a pool in memory, packed, and a fault unpacks it in microseconds. It takes memory to save memory: a page that does not compress is not worth it, and a pool that grows too large writes its oldest pages to the disk after all.',
  terms: {
    zswpout: 'pages that were packed into the pool',
    zswpin: 'pages that were unpacked from it',
    zsmalloc: 'the allocator of the pool: objects of any size in a few frames',
  },
  through: ['zswap_store', 'zs_malloc', 'zswap_load'],
  machine: { memory: '64M' },
  processes: { nr_tasks: 4, nr_swap_slots: 16384, nr_zspages: 4096 },
  steps,
}
