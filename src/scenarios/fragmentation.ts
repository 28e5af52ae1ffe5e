// Story: half of memory is free, and not one block of two pages.
import {
  blocksByOrder,
  blocksText,
  frame,
  freePages,
  largestOrder,
  pages,
  unusableIndex,
  whyZones,
  zoneRow,
} from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const ORDER = 4
const GFP = 'GFP_KERNEL|__GFP_NOWARN'
/** What ignores all marks: who frees memory with what it gets. */
const LAST = `${GFP}|__GFP_MEMALLOC`

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const zone = zoneRow(sys, 'DMA32')
  const mask = stage.machine.gfp(GFP)
  const index = (): string => unusableIndex(sys, zone, ORDER).toFixed(3)
  yield {
    say: `A small machine with ${pages(sys, freePages(sys, zone))} free in zone DMA32: ${blocksText(blocksByOrder(sys, zone))}. Of them, a share of ${index()} is of no use for order ${ORDER}.`,
  }

  const taken = stage.allocMany(0, GFP)
  yield {
    say: `The kernel takes single pages until there are none for it: ${pages(sys, taken.length)}. ${freePages(sys, zone)} pages are left below the min watermark; requests that ignore it (__GFP_MEMALLOC) take those, too.`,
    expect: { 'a request for one page fails': stage.alloc(0, GFP) < 0 },
  }
  taken.push(...stage.allocMany(0, LAST))

  stage.free(
    taken.filter(pfn => pfn % 2 === 0),
    0,
  )
  stage.do({ op: 'drain_all_pages' })
  const free = freePages(sys, zone)
  yield {
    say: `It gives every second page back. Now ${pages(sys, free)} of zone DMA32 are free, but each of these pages has a neighbour in use, and a page finds no buddy: ${blocksText(blocksByOrder(sys, zone))}.`,
    expect: {
      'nearly half of the zone is free': free > sys.zone.managed_pages[zone]! * 0.45,
      'and not one block of two pages': largestOrder(sys, zone) === 0,
    },
  }

  const failed = stage.alloc(ORDER, GFP)
  yield {
    say: `A request for 2^${ORDER} pages in one piece fails. The marks are not to blame:\n${lines(whyZones(sys, mask, ORDER))}\nThe unusable free space index is ${index()}: all that is free is in too small pieces.`,
    expect: { 'the request failed': failed < 0, 'a request for one page is served': serves(stage) },
  }

  const start = firstRun(taken, sys.zone.zone_start_pfn[zone]!)
  stage.free(
    taken.filter(pfn => pfn % 2 === 1 && pfn > start && pfn < start + 2 ** ORDER),
    0,
  )
  stage.do({ op: 'drain_all_pages' })
  const got = stage.alloc(ORDER, GFP)
  yield {
    say: `Only ${2 ** (ORDER - 1)} more pages have to go, if they are the right ones: the odd frames from ${frame(start)} on. The run is whole, its pages merge, and the same request gets ${frame(got)}. To bring that about by moving what is in the way is the work of compaction; it cannot move kernel pages like these, which is why the kernel groups pages by mobility.`,
    expect: { 'the request got that run': got === start },
  }
}

function serves(stage: Stage): boolean {
  const pfn = stage.alloc(0, GFP)
  if (pfn >= 0) stage.free([pfn], 0)
  return pfn >= 0
}

/** First aligned run of 2^ORDER frames in the zone that were all taken. */
function firstRun(taken: readonly number[], zoneStart: number): number {
  const all = new Set(taken)
  const whole = (start: number): boolean =>
    Array.from({ length: 2 ** ORDER }, (_, i) => start + i).every(pfn => all.has(pfn))
  return taken.find(pfn => pfn >= zoneStart && pfn % 2 ** ORDER === 0 && whole(pfn))!
}

const lines = (sentences: readonly string[]): string => sentences.map(sentence => `  ${sentence}`).join('\n')

export const fragmentation: Scenario = {
  name: 'fragmentation',
  title: 'Fragmentation: memory is free, but not in one piece',
  story:
    'A machine can have half of its memory free and still fail a request for a few pages. Buddies merge only with their own buddy, and one page in use keeps a block of any size apart. External fragmentation comes from the order in which pages are freed, not from their number; that is what the numbers in /proc/buddyinfo are for.',
  terms: {
    'external fragmentation': 'free memory in pieces too small for a request',
    'unusable free space index': 'share of the free pages in blocks below an order (debugfs unusable_index)',
    compaction: 'moving pages in use together, so that free ones come together, too',
  },
  through: [
    '__alloc_pages',
    '__alloc_pages_slowpath',
    '__zone_watermark_ok',
    'free_unref_page',
    'drain_all_pages',
    '__free_one_page',
  ],
  machine: { memory: '32M' },
  steps,
}
