// Story: `page allocation failure: order:3` in the log of a machine that has memory, and how to read it.
import { blocksByOrder, blocksText, freePages, largestOrder, marksOf, pages, whyZones, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const ORDER = 3
/** What a network driver asks with in its interrupt, for a buffer of 32 KiB. */
const DRIVER = 'GFP_ATOMIC|__GFP_COMP'
const QUIET = 'GFP_KERNEL|__GFP_NOWARN'

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  const zone = zoneRow(sys, 'DMA32')
  const driver = machine.gfp(DRIVER)
  const marks = marksOf(sys, zone)
  stage.do({ op: 'sysctl', name: 'watermark_boost_factor', value: '0' })
  yield {
    say: `To keep the marks where they are, vm.watermark_boost_factor is 0. A driver asks for 2^${ORDER} pages in one piece with GFP_ATOMIC: it must not wait, so it may go below min: to ${threshold(stage, driver)} pages where others stop at ${marks.min}.`,
    expect: { 'it may go lower than others': threshold(stage, driver) < marks.min },
  }

  const all = stage.allocMany(0, QUIET)
  yield {
    say: `The machine fills up with single pages until ordinary requests fail: ${pages(sys, freePages(sys, zone))} left in DMA32, in ${blocksText(blocksByOrder(sys, zone))}.`,
    expect: { 'one page is refused': stage.alloc(0, QUIET) < 0 },
  }

  const served = stage.allocMany(ORDER, `${DRIVER}|__GFP_NOWARN`)
  yield {
    say: `The driver is still served, ${served.length} times, out of what is kept for such as it. Then the reserve is used up, too:\n${lines(whyZones(sys, driver, ORDER))}`,
    expect: {
      'it was served below min': served.length > 0,
      'now it fails': stage.alloc(ORDER, `${DRIVER}|__GFP_NOWARN`) < 0,
    },
  }

  all.push(...stage.allocMany(0, `${QUIET}|__GFP_MEMALLOC`))
  // Every page whose number modulo 8 is not 7: runs of seven pages, and no eight.
  stage.free(
    all.filter(pfn => pfn % 2 ** ORDER !== 2 ** ORDER - 1),
    0,
  )
  stage.do({ op: 'drain_all_pages' })
  const free = freePages(sys, zone)
  const reserved = sys.zone.nr_reserved_highatomic[zone]!
  yield {
    say: `Whoever ignores marks takes the rest. Then memory is given back, nearly all of it: ${pages(sys, free)} are free in DMA32, far above high (${marks.high}). But of every eight pages one stays in use: ${blocksText(blocksByOrder(sys, zone))}. The blocks of order ${ORDER} and more are in ${sys.kernel.migratetypes[3]} pageblocks, ${reserved} pages that were set aside when the driver was served.`,
    expect: {
      'far above the high mark': free > 2 * marks.high,
      'ordinary requests have no block of the order': largestOrder(sys, zone) < ORDER && stage.alloc(ORDER, QUIET) < 0,
    },
  }

  const printed = machine.log.length
  const lucky = stage.allocMany(ORDER, DRIVER)
  const report = machine.log.slice(printed).map(({ line }) => line)
  const line = report.find(text => text.includes('page allocation failure')) ?? ''
  yield {
    say: `The driver asks again, is served ${lucky.length} times from these pageblocks, and then the log says:\n  ${line}\nThe first half of the check is true, the second is not:\n${lines(whyZones(sys, driver, ORDER))}`,
    expect: {
      'the reserve helped at first': lucky.length > 0,
      'then the kernel reported a failure': line.includes(`order:${ORDER}`),
      'not because of the marks': freePages(sys, zone) > marks.high,
    },
  }

  stage.do({ op: 'sysctl', name: 'min_free_kbytes', value: String(2 * sys.sysctl.min_free_kbytes[0]!) })
  const again = stage.alloc(ORDER, `${DRIVER}|__GFP_NOWARN`)
  const single = stage.alloc(0, DRIVER)
  yield {
    say: `The advice to raise vm.min_free_kbytes does not help here and now: min is ${marksOf(sys, zone).min}, and the request fails as before. It makes kswapd begin earlier, which leaves larger blocks next time. What helps now is to ask for less: a single page is served at once.`,
    expect: { 'order 3 fails with higher marks, too': again < 0, 'order 0 is served': single >= 0 },
  }
}

/** The min mark of DMA32 as a request sees it. */
function threshold({ machine: { sys } }: Stage, gfp: number): number {
  return Number(/lowered to (\d+)/.exec(whyZones(sys, gfp, ORDER)[0]!)?.[1] ?? marksOf(sys, zoneRow(sys, 'DMA32')).min)
}

const lines = (sentences: readonly string[]): string => sentences.map(sentence => `  ${sentence}`).join('\n')

export const order3Failure: Scenario = {
  name: 'order3_failure',
  title: 'page allocation failure: order:3',
  story:
    'The most misread message of the kernel: "page allocation failure: order:3, mode:…(GFP_ATOMIC…)" on a machine with memory free. A check has two halves. Would the zone stay above its mark, which is lowered for those who cannot wait? And is there a block of that size? This story makes both halves fail, one after the other, with the numbers that the check compares.',
  terms: {
    'order:3': 'eight pages in one piece, 32 KiB',
    GFP_ATOMIC: '__GFP_HIGH and no waiting: half of min, and a quarter of that, may be used',
    'min, low, high': 'watermarks: below low kswapd is woken, below min ordinary requests wait',
  },
  through: [
    '__alloc_pages_slowpath',
    'gfp_to_alloc_flags',
    '__zone_watermark_ok',
    'warn_alloc',
    'reserve_highatomic_pageblock',
    'min_free_kbytes_sysctl_handler',
  ],
  machine: { memory: '128M' },
  steps,
}
