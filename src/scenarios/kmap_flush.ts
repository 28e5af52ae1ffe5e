// Story: kmap's pool of slots runs round once; only then is anything that was unmapped really gone.
import { frame } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

function* steps(stage: Stage): Generator<Step> {
  const { sys } = stage.machine
  stage.do({ op: 'mm_core_init', cmdline: '' })
  const slots = sys.pkmap_state.entries[0]!
  const pfns = stage.allocMany(0, 'GFP_HIGHUSER', slots + 1)
  const map = (pfn: number): number => stage.do({ op: 'kmap', pfn }).page!
  const unmap = (pfn: number): unknown => stage.do({ op: 'kunmap', pfn })
  const slotOf = (page: number): number => page - sys.pkmap_state.base[0]!
  const inUse = (): number => sys.pkmap.count.subarray(0, slots).reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)

  const [first, kept] = [pfns[0]!, pfns[1]!]
  const page = map(first)
  unmap(first)
  yield {
    say: `A frame of high memory has no address. kmap gives ${frame(first)} one of ${slots} slots, number ${slotOf(page)}. kunmap only counts down: the slot's count is ${sys.pkmap.count[slotOf(page)]}, not 0, and the frame can still be seen there.`,
    expect: {
      'the mapping stayed': sys.pkmap.count[slotOf(page)] === 1,
      'mapped again, it has the same address': map(first) === page,
    },
  }

  unmap(first)
  const held = map(kept)
  const others = pfns.slice(2, slots - 1)
  for (const pfn of others) {
    map(pfn)
    unmap(pfn)
  }
  yield {
    say: `${frame(kept)} is mapped and stays in use; ${others.length} more frames are mapped and unmapped at once. Each took the next slot: ${inUse()} of ${slots} are taken, though one has a user.`,
    expect: {
      'nothing was flushed': inUse() === others.length + 2,
      'the last slot is reached': sys.pkmap_state.last_pkmap_nr[0] === slots - 1,
    },
  }

  const round = map(pfns[slots - 1]!)
  yield {
    say: `The next kmap passes the end. All slots without a user are taken back in one go, since then every CPU must flush its TLB; ${inUse()} remain: the one in use, and the new one in slot ${slotOf(round)}.`,
    expect: {
      'two remain': inUse() === 2,
      'it began again at slot 0': slotOf(round) === 0,
      'who is in use keeps its address': map(kept) === held,
    },
  }

  unmap(kept)
  const again = map(first)
  yield {
    say: `${frame(first)} is mapped once more: slot ${slotOf(again)}, the next in order behind ${slotOf(round)}; before the flush it had ${slotOf(page)}. What counts is the order, not the frame: an address from kmap is good until kunmap, and no longer.`,
    expect: {
      'the order decides': slotOf(again) === slotOf(round) + 1,
      'it has a slot that nobody uses': again !== held && again !== round && sys.pkmap.count[slotOf(again)] === 2,
    },
  }
}

export const kmapFlush: Scenario = {
  name: 'kmap_flush',
  title: 'kmap: slots run round, and then everything is flushed',
  story:
    'A 32-bit kernel sees high memory through a small pool of slots. To take a mapping back, every CPU must forget it, which is dear; so kunmap leaves it, and slots are handed out in order. When the order has run round once, all unused ones are taken back together. Who keeps slots for long takes them from everyone.',
  terms: {
    kmap: 'gives a frame an address in the kernel until kunmap',
    TLB: "the processor's memory of translations; what it remembers of an unmapped page is wrong",
    LAST_PKMAP: 'slots of the pool',
  },
  through: ['kmap', 'kmap_high', 'map_new_virtual', 'flush_all_zero_pkmaps', 'kunmap'],
  machine: { kernel: '6.1-i386', memory: '2G' },
  steps,
}
