// Story: kswapd is woken when memory is low and sleeps when enough is free again.

import { zone_page_state } from '../mm/vmstat.ts'
import { NR_FREE_PAGES } from '../mm/vmstat_item.ts'
import { mapAnonymous } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'
import { events, freePages, processEnds, swapArea } from './swap_area.ts'

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const zone = sys.kernel.zones.indexOf('DMA32')
  const free = (): number => zone_page_state(sys, zone, NR_FREE_PAGES)
  const mark = (which: number): number => sys.zone.watermark[4 * zone + which]! + sys.zone.watermark_boost[zone]!
  stage.do({ op: 'thp', mode: 'never' })
  stage.do({ op: 'spawn', comm: 'hog' })
  swapArea(stage, 16384)
  yield {
    say: `Zone DMA32 has ${free()} free pages. Its marks: min ${mark(0)}, low ${mark(1)}, high ${mark(2)}. There is swap, and kswapd sleeps.`,
    expect: { 'the marks rise': mark(0) < mark(1) && mark(1) < mark(2), 'memory is free': free() > mark(2) },
  }

  let [wakes, atWake, lowAtWake] = [0, -1, 0]
  const endWake = stage.machine.on('mm_vmscan_kswapd_wake', () => {
    if (wakes++ === 0) [atWake, lowAtWake] = [free(), mark(1)]
  })
  let sleeps = 0
  const endSleep = stage.machine.on('mm_vmscan_kswapd_sleep', () => void sleeps++)
  const pages = freePages(stage) + 500
  const page = mapAnonymous(stage, pages)
  const touched = stage.do({ op: 'touch', page, pages, access: 'write' })
  yield {
    say: `A process writes ${pages} pages, more than are free. When DMA32 was down to ${atWake} pages, below its low mark of ${lowAtWake}, the allocator woke kswapd, which took ${events(sys, 'pgsteal_kswapd')} pages from the process and wrote them to swap. The process lives; it waited for memory itself ${events(sys, 'allocstall_movable') + events(sys, 'allocstall_normal')} times.`,
    expect: {
      'the process lives': touched.signal === 0,
      'kswapd was woken': wakes > 0,
      'the zone was below low then': atWake <= lowAtWake,
      'kswapd reclaimed': events(sys, 'pgsteal_kswapd') > 0,
    },
  }

  const stolen = events(sys, 'pgsteal_kswapd')
  stage.do({ op: 'tick', ticks: 500 })
  const after = events(sys, 'pgsteal_kswapd')
  stage.do({ op: 'tick', ticks: 500 })
  endWake()
  endSleep()
  yield {
    say: `Two seconds pass. kswapd went on until enough was free (${after - stolen} pages more), and sleeps: ${free()} pages are free in DMA32. In two seconds more it took ${events(sys, 'pgsteal_kswapd') - after}: between low and high nothing happens.`,
    expect: {
      'kswapd sleeps': sleeps > 0,
      'it does nothing more': events(sys, 'pgsteal_kswapd') === after,
    },
  }

  yield processEnds(stage)
}

export const kswapdLowHigh: Scenario = {
  name: 'kswapd_low_high',
  title: 'kswapd between the low and the high watermark',
  story:
    'Who needs a page should not have to make room for it. So each node has a thread that does it before memory is out: it is woken when free memory falls below the low mark, and works until it is above the high one. The gap between the two keeps it from being woken for every page.',
  terms: {
    kswapd: 'the thread that frees memory in the background, one a node',
    'low mark': 'fewer free pages than this wake it',
    'high mark': 'when a zone has as many, it may sleep',
    allocstall: 'a process had to free memory itself',
  },
  through: ['wakeup_kswapd', 'shrink_node', 'zone_watermark_ok_safe', 'swap_writepage'],
  machine: { memory: '64M' },
  processes: { nr_tasks: 4, nr_swap_slots: 16384 },
  steps,
}
