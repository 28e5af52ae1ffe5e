// Story: 32-bit x86. User pages fill high memory and then low memory; and the kernel dies with high memory free.
import { frame, freePages, pages, reserveOf, whyZones, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const ORDER = 4
const USER = 'GFP_HIGHUSER|__GFP_NOWARN'
const KERNEL = 'GFP_KERNEL|__GFP_NOWARN'

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  const [high, normal] = [zoneRow(sys, 'HighMem'), zoneRow(sys, 'Normal')]
  const border = sys.zone.zone_start_pfn[high]!
  yield {
    say: `The kernel sees all of low memory through the direct map: up to ${frame(border)}, ${(border / 256).toFixed(0)} MiB. Above lies HighMem, ${pages(sys, freePages(sys, high))} free, which has no address until it is mapped; below it Normal, ${pages(sys, freePages(sys, normal))} free.`,
    expect: { 'a frame of HighMem has no address': machine.pageAddress(border) === null },
  }

  const users: number[] = []
  for (let pfn = stage.alloc(ORDER, USER); pfn >= border; pfn = stage.alloc(ORDER, USER)) users.push(pfn)
  yield {
    say: `Programs take memory (GFP_HIGHUSER): ${users.length} blocks of ${2 ** ORDER} pages from HighMem. Then their next page comes from Normal: HighMem is at its low mark with ${pages(sys, freePages(sys, high))} left.`,
    expect: { 'HighMem came first, all of it': users.every(pfn => pfn >= border) },
  }

  const spilled = stage.allocMany(ORDER, USER)
  const reserve = reserveOf(sys, normal, 'HighMem')
  const kept = freePages(sys, normal)
  yield {
    say: `They go on through low memory, until lowmem_reserve stops them: Normal keeps ${pages(sys, reserve)} from requests that could use HighMem, and has ${pages(sys, kept)} left.\n${lines(whyZones(sys, machine.gfp(USER), ORDER))}`,
    expect: {
      'programs get no more': stage.alloc(ORDER, USER) < 0,
      'the kernel still does': probe(stage, KERNEL),
      'the reserve is there': kept > reserve,
    },
  }

  stage.free(users, ORDER)
  stage.free(
    spilled.filter(pfn => pfn >= border),
    ORDER,
  )
  const slab = stage.allocMany(ORDER, KERNEL)
  yield {
    say: `The programs in HighMem end, and ${pages(sys, freePages(sys, high))} are free there. But it is the kernel that needs memory now, for its own structures: ${slab.length} blocks more, and low memory is used up. Its requests must not use HighMem, however much there is:\n${lines(whyZones(sys, machine.gfp(KERNEL), ORDER))}`,
    expect: {
      'the kernel gets no more': stage.alloc(ORDER, KERNEL) < 0,
      'while more than half of HighMem is free': freePages(sys, high) > sys.zone.managed_pages[high]! / 2,
      'and programs are served': probe(stage, USER),
    },
  }
}

function probe(stage: Stage, gfp: string): boolean {
  const pfn = stage.alloc(ORDER, gfp)
  if (pfn >= 0) stage.free([pfn], ORDER)
  return pfn >= 0
}

const lines = (sentences: readonly string[]): string => sentences.map(sentence => `  ${sentence}`).join('\n')

export const highmemExhausted: Scenario = {
  name: 'highmem_exhausted',
  title: 'High memory: full from above, starved from below',
  story:
    'A 32-bit kernel has 1 GiB of addresses for itself and maps less than that of memory permanently. The rest, HighMem, is good for user pages and the page cache. Two things go wrong on such machines: programs spill over into the low memory that the kernel cannot do without, and the kernel runs out of low memory while gigabytes of high memory are free. The second one is why large machines became 64-bit.',
  terms: {
    'direct map': 'the kernel addresses at which low memory always appears',
    HighMem: 'frames above the direct map; kmap() gives them an address for a while',
    lowmem: 'zones DMA and Normal: all that GFP_KERNEL may use',
  },
  through: [
    'gfp_zone',
    'get_page_from_freelist',
    '__zone_watermark_ok',
    'is_highmem',
    'page_address',
    'setup_per_zone_lowmem_reserve',
  ],
  machine: { kernel: '6.1-i386', memory: '2G' },
  steps,
}
