// Story: zone Normal is used up, requests fall to DMA32, and lowmem_reserve stops them before it is empty.
import { freePages, marksOf, pages, reserveOf, whyZones, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const ORDER = 9
const GFP = 'GFP_KERNEL|__GFP_NOWARN'

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  const [normal, dma32] = [zoneRow(sys, 'Normal'), zoneRow(sys, 'DMA32')]
  const border = sys.zone.zone_start_pfn[normal]!
  const [marks, lower] = [marksOf(sys, normal), marksOf(sys, dma32)]
  const reserve = reserveOf(sys, dma32, 'Normal')
  yield {
    say: `The zonelist of this machine is Normal, DMA32, DMA. Normal has ${pages(sys, freePages(sys, normal))} free, its marks are min ${marks.min}, low ${marks.low}, high ${marks.high}. DMA32 has ${pages(sys, freePages(sys, dma32))} free and keeps ${reserve} pages from requests that could use Normal.`,
  }

  const fast: number[] = []
  for (let pfn = stage.alloc(ORDER, GFP); pfn >= border; pfn = stage.alloc(ORDER, GFP)) fast.push(pfn)
  const left = freePages(sys, normal)
  yield {
    say: `Huge pages (order ${ORDER}) for the kernel come from Normal: ${fast.length} of them. Then one comes from DMA32: Normal has ${left} pages left, and with ${2 ** ORDER} less it would not stay above low. It still has memory; the next zone is simply the better choice.`,
    expect: {
      'Normal is not below its low mark': left > marks.low,
      'one more would have been too much': left - (2 ** ORDER - 1) <= marks.low,
    },
  }

  const others = stage.allocMany(ORDER, GFP)
  const rest = freePages(sys, dma32) - (2 ** ORDER - 1)
  const from = others.filter(pfn => pfn < border).length
  yield {
    say: `${others.length} more are served, ${from} of them from DMA32; at last even the min marks are reached, and a request fails. Without reclaim this is the end:\n${whyZones(
      sys,
      machine.gfp(GFP),
      ORDER,
    )
      .map(line => `  ${line}`)
      .join('\n')}`,
    expect: {
      'a request fails': stage.alloc(ORDER, GFP) < 0,
      'the reserve is what stopped it': rest <= lower.min + reserve,
      'without the reserve it would be served': rest > lower.min,
    },
  }

  const device = stage.allocMany(ORDER, `${GFP}|GFP_DMA32`)
  yield {
    say: `A driver whose device reaches only 32 bits of address asks with GFP_DMA32. From it nothing is kept in DMA32: it gets ${device.length} huge pages more, where the others had to leave ${pages(sys, reserve)}. That is what lowmem_reserve is for.`,
    expect: { 'the driver is served': device.length > 0, 'from below 4 GiB': device.every(pfn => pfn < border) },
  }

  stage.free(device, ORDER)
  stage.do({ op: 'drain_all_pages' })
  stage.do({ op: 'sysctl', name: 'lowmem_reserve_ratio', value: '256 0 0 0' })
  const greedy = stage.allocMany(ORDER, GFP)
  const later = stage.allocMany(ORDER, `${GFP}|GFP_DMA32`)
  yield {
    say: `The driver gives its pages back. With vm.lowmem_reserve_ratio at 0 for DMA32 the reserve is ${reserveOf(sys, dma32, 'Normal')} pages: the request that failed now gets ${greedy.length} more, and the driver, which got ${device.length} before, gets ${later.length}.`,
    expect: {
      'others take what was kept': greedy.length > 0,
      'the driver goes without': later.length < device.length - greedy.length / 2,
    },
  }
}

export const zoneFallback: Scenario = {
  name: 'zone_fallback',
  title: 'Zones: falling back, and what lowmem_reserve keeps',
  story:
    'Memory that every device can reach is scarce, memory that only the CPU can reach is plenty. A request begins in the highest zone that it may use and falls to lower ones when that would sink below its low mark. So that big appetites do not eat up the scarce memory, each zone keeps a part from those who had the choice; the larger the zones above, the more.',
  terms: {
    zonelist: 'the zones that a request tries, in this order',
    lowmem_reserve:
      'pages of a zone that requests which may use a higher zone must leave: managed pages above / vm.lowmem_reserve_ratio',
    GFP_DMA32: 'modifier: nothing above 4 GiB',
  },
  through: [
    'get_page_from_freelist',
    'zone_watermark_fast',
    '__zone_watermark_ok',
    'gfp_zone',
    'setup_per_zone_lowmem_reserve',
    'lowmem_reserve_ratio_sysctl_handler',
  ],
  machine: { memory: '6G' },
  steps,
}
