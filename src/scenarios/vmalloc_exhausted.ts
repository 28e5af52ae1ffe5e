// Story: 32-bit x86. vmalloc fails for want of addresses while memory is free; freed areas wait for a purge.
import { freePages, pages, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const MIB = 2 ** 20

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: '' })
  const space = sys.vmalloc
  const zones = [zoneRow(sys, 'Normal'), zoneRow(sys, 'HighMem')]
  const free = (): number => zones.reduce((sum, zone) => sum + freePages(sys, zone), 0)
  const ask = (mib: number): number => stage.do({ op: 'vmalloc', size: mib * MIB }).page ?? 0
  const giveBack = (page: number): unknown => stage.do({ op: 'vfree', page })
  const size = space.end[0]! - space.start[0]!

  const areas: number[] = []
  const printed = machine.log.length
  for (let page = ask(4); page !== 0; page = ask(4)) areas.push(page)
  const said = machine.log.slice(printed).find(({ line }) => line.includes('vmalloc='))?.line ?? ''
  yield {
    say: `vmalloc needs no frames behind each other, but addresses: ${pages(sys, size)} with vmalloc=64M. A driver takes areas of 4 MiB, each with a guard page behind it, and gets ${areas.length}. Then: "${said}". Free are ${pages(sys, free())}.`,
    expect: {
      'addresses were the limit': said !== '' && areas.length * 4 * 256 < size,
      'much more memory is free than was asked for': free() > 10 * 4 * 256,
    },
  }

  giveBack(areas[1]!)
  const lazy = space.lazy_nr[0]!
  yield {
    say: `One area is given back. Its frames are free at once, its addresses are not: ${lazy} pages of them wait (lazily freed), since some CPU's TLB may still know them, and to make all CPUs forget is dear.`,
    expect: { 'they wait': lazy === 4 * 256 + 1 },
  }

  const again = ask(4)
  yield {
    say: `The next request finds no addresses, has all that wait purged, with one flush, and looks again: it gets the area that was given back. ${space.lazy_nr[0]} pages wait.`,
    expect: { 'it got the same addresses': again === areas[1], 'nothing waits any more': space.lazy_nr[0] === 0 },
  }

  giveBack(areas[1]!)
  giveBack(areas[3]!)
  const apart = ask(7)
  giveBack(areas[2]!)
  const joined = ask(7)
  yield {
    say: `Two areas with one in use between them are given back: 8 MiB of addresses, and 7 MiB are refused. Addresses are fragmented, as memory is elsewhere. When the one between is gone, too, the request is served.`,
    expect: { 'not while they lie apart': apart === 0, 'but in one piece': joined !== 0 },
  }
}

export const vmallocExhausted: Scenario = {
  name: 'vmalloc_exhausted',
  title: 'vmalloc: out of addresses, with memory free',
  story:
    '"vmap allocation for size … failed: use vmalloc=<size> to increase size": a 32-bit kernel has few addresses that are not the direct map, and every vmalloc, ioremap and module takes some. Memory does not help. vmalloc= makes the area larger, and low memory smaller.',
  terms: {
    'vmalloc=': "the area's size, a word of the kernel's command line",
    'guard page': 'a page of addresses without memory behind each area',
    'lazily freed': 'unmapped, but some TLB may still know it: not to be handed out before a purge',
  },
  through: ['vmalloc', 'vfree', 'alloc_vmap_area', 'free_vmap_area_noflush', '__purge_vmap_area_lazy'],
  machine: { kernel: '6.1-i386', memory: '2G', commandLine: 'vmalloc=64M' },
  steps,
}
