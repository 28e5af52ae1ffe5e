// Story: a page that was used since reclaim looked last gets another round.
import { mapAnonymous } from './process.ts'
import type { Scenario, Stage, Step } from './scenario.ts'
import { events, freePages, processEnds, resident, swapArea } from './swap_area.ts'

const SET = 1000
const PART = 100

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  stage.do({ op: 'thp', mode: 'never' })
  stage.do({ op: 'spawn', comm: 'two_sets' })
  swapArea(stage, 16384)
  const hot = mapAnonymous(stage, SET)
  const cold = mapAnonymous(stage, SET)
  stage.do({ op: 'touch', page: hot, pages: SET, access: 'write' })
  stage.do({ op: 'touch', page: cold, pages: SET, access: 'write' })
  yield {
    say: `A process writes two sets of ${SET} pages. For the kernel they are alike: all on the inactive list, the first set the older one.`,
    expect: { 'all are in memory': resident(sys, hot, SET) === SET && resident(sys, cold, SET) === SET },
  }

  const more = freePages(stage) + 6 * SET
  const rest = mapAnonymous(stage, more)
  for (let at = 0; at < more; at += PART) {
    stage.do({ op: 'touch', page: rest + at, pages: Math.min(PART, more - at), access: 'write' })
    stage.do({ op: 'touch', page: hot, pages: SET, access: 'read' })
  }
  const [kept, lost] = [resident(sys, hot, SET), SET - resident(sys, cold, SET)]
  yield {
    say: `It writes ${more} pages more than there is room for, and reads the first set again and again. Reclaim finds the accessed bit in its entries, clears it and puts these pages back: ${kept} of them are still in memory, although they are the oldest. Of the second set, which nobody used, ${lost} went to swap.`,
    expect: {
      'pages were reclaimed': events(sys, 'pgsteal_kswapd') + events(sys, 'pgsteal_direct') >= SET,
      'what is used stays': kept > SET * 0.9,
      'what is not used goes': lost > SET * 0.5,
    },
  }

  const before = events(sys, 'pswpin')
  const again = stage.do({ op: 'touch', page: cold, pages: SET, access: 'read' })
  yield {
    say: `It reads the second set: ${again.major} major faults bring ${events(sys, 'pswpin') - before} pages back.`,
    expect: { 'they come back': resident(sys, cold, SET) > 0, 'from swap': events(sys, 'pswpin') > before },
  }

  yield processEnds(stage)
}

export const secondChance: Scenario = {
  name: 'second_chance',
  title: 'Second chance: the accessed bit gives a page another round',
  story:
    'The kernel does not see each access to memory; it would be far too slow. The processor sets one bit in the page table entry, and reclaim looks at it when it comes by: a page whose bit is set was used since last time, so the bit is cleared and the page gets another round. Pages are thrown out in the order of their age, except for those in use.',
  terms: {
    'accessed bit': 'set by the processor in the entry through which a page was reached',
    'inactive list': 'pages that reclaim looks at next',
    'major fault': 'a fault that had to wait for a device',
  },
  through: ['page_referenced', 'shrink_node', 'do_swap_page'],
  machine: { memory: '64M' },
  processes: { nr_tasks: 4, nr_swap_slots: 16384 },
  steps,
}
