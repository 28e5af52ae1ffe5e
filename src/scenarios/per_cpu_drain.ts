// Story: pages on a CPU's lists are free for that CPU alone, until they are drained.
import { blocksByOrder, blocksText, frame, freeOrder, freePages, pcpOf, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const GFP = 'GFP_HIGHUSER_MOVABLE'

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  const zone = zoneRow(sys, 'DMA32')
  const pcp = (cpu: number) => pcpOf(sys, zone, cpu)
  const locks = (): number => sys.zone.lock_acquired[zone]!
  const { high, batch } = pcp(0)
  yield {
    say: `Two CPUs. Each has lists of single pages and small blocks of its own for each zone; in DMA32 they move ${batch} pages at once and hold fewer than ${high}.`,
  }

  let taken = locks()
  const first = stage.alloc(0, GFP, { cpu: 0 })
  const refill = pcp(0).count + 1
  yield {
    say: `CPU 0 asks for one page. Its list is empty, so rmqueue_bulk() takes ${refill} pages from the zone under one zone->lock; the CPU gets ${frame(first)} and keeps ${pcp(0).count}.`,
    expect: { 'the lock was taken once': locks() === taken + 1, 'a batch came': refill === batch },
  }

  taken = locks()
  const more = stage.allocMany(0, GFP, pcp(0).count, { cpu: 0 })
  yield {
    say: `The next ${more.length} requests are served from the list: neighbours of the first page, and nobody touches the zone.`,
    expect: { 'the zone was not locked': locks() === taken },
  }

  const block = stage.allocMany(0, GFP, 64, { cpu: 0 }).concat(more, first)
  const start = Math.ceil(Math.min(...block) / 16) * 16
  const run = block.filter(pfn => pfn >= start && pfn < start + 16)
  const counted = freePages(sys, zone)
  stage.free(run, 0, { cpu: 0 })
  yield {
    say: `CPU 0 takes ${block.length} pages in all and gives back ${run.length} that are neighbours, ${frame(start)} to ${frame(start + 15)}. They go to its list, which has ${pcp(0).count} pages now. Nothing merges, and for the zone they are still in use: ${counted} pages free before, ${freePages(sys, zone)} after.`,
    expect: {
      'all frames of the run were freed': run.length === 16,
      'the zone counts none of them': freePages(sys, zone) === counted,
      'no block was formed': freeOrder(sys, start) < 0,
    },
  }

  stage.do({ op: 'drain_local_pages', cpu: 1 })
  const still = freeOrder(sys, start)
  const drained = stage.hear('mm_page_pcpu_drain', () => stage.do({ op: 'drain_all_pages' }))
  yield {
    say: `Draining CPU 1 helps nobody: the pages are on CPU 0. drain_all_pages(), which a request in need calls, gives ${drained} blocks back to the zone; they merge, and at ${frame(start)} a block of order ${freeOrder(sys, start)} is free.`,
    expect: {
      'CPU 1 had nothing to give': still < 0,
      'the lists are empty': pcp(0).count === 0,
      'the run is one block': freeOrder(sys, start) >= 4,
    },
  }

  const rest = block.filter(pfn => !run.includes(pfn)).concat(stage.allocMany(0, GFP, 3 * high, { cpu: 0 }))
  const gone: number[] = []
  for (const pfn of rest) gone.push(stage.hear('mm_page_pcpu_drain', () => stage.free([pfn], 0, { cpu: 0 })))
  const batches = gone.filter(count => count > 0)
  yield {
    say: `Nobody drains while a CPU only frees. ${rest.length} frees in a row: when the list holds ${high} pages some go back, and more each time as nothing is allocated in between: ${batches.slice(0, 7).join(', ')} … pages. At the end ${pcp(0).count} wait: ${blocksText(blocksByOrder(sys, zone))} are free.`,
    expect: {
      'the first batch is the configured one': batches[0] === batch,
      'batches grow': batches.at(-1)! > batches[0]!,
      'the list stayed below its mark': pcp(0).count < high,
    },
  }
}

export const perCpuDrain: Scenario = {
  name: 'per_cpu_drain',
  title: 'Per-CPU lists: fast, private, and in the way of large blocks',
  story:
    'Most requests are for one page, and most pages are freed by the CPU that took them. So each CPU keeps a few for itself and locks the zone once for a batch. The price: these pages are free and count as used, and they keep their buddies from merging. Who needs a large block has the lists drained; replaying a trace, one must know what waits where.',
  terms: {
    pcp: 'struct per_cpu_pages: lists of one CPU for one zone',
    batch: 'pages that move between list and zone at once',
    high: 'pages at which a list gives some back',
    free_factor: 'doubles the batches of frees while nothing is allocated',
  },
  through: [
    'rmqueue_pcplist',
    'rmqueue_bulk',
    'free_unref_page',
    'nr_pcp_free',
    'free_pcppages_bulk',
    'drain_local_pages',
    'drain_all_pages',
  ],
  machine: { memory: '256M', cpus: 2 },
  steps,
}
