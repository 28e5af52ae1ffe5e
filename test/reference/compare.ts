// The fast allocator and the reference side by side under the same operations, for property tests.
import fc from 'fast-check'
import { expect } from 'vitest'
import { check } from '../../src/mm/check.ts'
import {
  __GFP_MEMALLOC,
  __GFP_NOMEMALLOC,
  __GFP_RECLAIMABLE,
  GFP_ATOMIC,
  GFP_DMA32,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
} from '../../src/mm/gfp.ts'
import { type Sys, ZONE_BOOSTED_WATERMARK, zone_name } from '../../src/mm/mmzone.ts'
import { __alloc_pages, __free_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { drain_local_pages } from '../../src/mm/page_alloc/pcp.ts'
import { refresh_cpu_vm_stats, zone_page_state } from '../../src/mm/vmstat.ts'
import { NR_FREE_PAGES, NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vmstat_item.ts'
import { type MachineSpec, machine, small_6_1 } from '../mm/machine.ts'
import { blockTypes, lists, pcpLists } from '../notation.ts'
import type { ReferenceMachine } from './buddy_reference.ts'

export const MASKS: readonly number[] = [
  GFP_KERNEL,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL | __GFP_RECLAIMABLE,
  GFP_ATOMIC,
  GFP_NOWAIT,
  GFP_KERNEL | GFP_DMA32,
  GFP_ATOMIC | __GFP_NOMEMALLOC,
  GFP_HIGHUSER_MOVABLE | __GFP_MEMALLOC,
]

/** One operation of a script; `times` repeats it, `which` chooses among the live blocks. */
export type Op =
  | { do: 'alloc'; cpu: number; mask: number; order: number; times: number }
  | { do: 'free'; cpu: number; which: number; times: number }
  | { do: 'drain'; cpu: number }

const cpu = fc.nat(1)
/** More of what happens often: small orders. */
const order = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(3) }, fc.nat(6))
const times = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 80 }))

export const script: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('alloc' as const), cpu, mask: fc.nat(MASKS.length - 1), order, times }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('free' as const), cpu, which: fc.nat(1000), times }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), cpu }) },
  ),
  { minLength: 1, size: '+1' },
)

/** Two zones of 256 and 512 frames; 6.1 with pageblocks of 16. */
export const SPEC: MachineSpec = {
  kernel: small_6_1,
  cpus: [0, 0],
  batch: 7,
  high: 28,
  stat_threshold: 4,
  zones: [
    { name: 'DMA32', start: 0, end: 256, marks: [10, 15, 20], reserve: { Normal: 12, Movable: 12 } },
    { name: 'Normal', start: 256, end: 768, marks: [20, 30, 40] },
  ],
}

/** The same machine in the words of the reference. */
export const REFERENCE: ReferenceMachine = {
  zones: [
    { name: 'DMA32', type: 1, start: 0, end: 256, marks: [10, 15, 20], reserve: [0, 0, 12, 12], noFragment: false },
    { name: 'Normal', type: 2, start: 256, end: 768, marks: [20, 30, 40], reserve: [0, 0, 0, 0], noFragment: true },
  ],
  maxOrder: 6,
  blockOrder: 4,
  cpus: 2,
  batch: 7,
  high: 28,
  threshold: 4,
  boostFactor: 15000,
}

/** What plays a script: the fast machine, the reference, or a broken one. */
export interface Player {
  alloc(cpu: number, gfp: number, order: number): number
  free(cpu: number, pfn: number, order: number): void
  drain(cpu: number): void
  dump(): string
}

/** A fast machine as a player; after each call its laws are checked, unless that would take too long. */
export class FastPlayer implements Player {
  readonly sys: Sys

  private readonly lawful: boolean

  constructor(spec: MachineSpec = SPEC, lawful = true) {
    this.sys = machine(spec)
    this.lawful = lawful
  }

  private on<T>(cpu: number, act: () => T): T {
    this.sys.machine.this_cpu[0] = cpu
    const result = act()
    if (this.lawful) expect(check(this.sys)).toEqual([])
    return result
  }

  alloc(cpu: number, gfp: number, order: number): number {
    return this.on(cpu, () => __alloc_pages(this.sys, gfp, order, 0))
  }

  free(cpu: number, pfn: number, order: number): void {
    this.on(cpu, () => __free_pages(this.sys, pfn, order))
  }

  drain(cpu: number): void {
    this.on(cpu, () => drain_local_pages(this.sys))
  }

  /** Free pages of each zone, once every list is drained and every CPU has folded its counters. */
  freePages(): number[] {
    for (let cpu = 0; cpu < this.sys.nr_cpus; cpu++) {
      this.drain(cpu)
      refresh_cpu_vm_stats(this.sys, cpu)
    }
    return [...this.sys.zone.spanned_pages.keys()].map(zone => zone_page_state(this.sys, zone, NR_FREE_PAGES))
  }

  dump(): string {
    const { sys } = this
    const zones = [...sys.zone.spanned_pages.keys()].filter(zone => sys.zone.spanned_pages[zone]! > 0)
    return zones.map(zone => dumpZone(sys, zone)).join('\n')
  }
}

function dumpZone(sys: Sys, zone: number): string {
  const at = (pcp: number): number => pcp * NR_VM_ZONE_STAT_ITEMS + NR_FREE_PAGES
  const cpus = Array.from({ length: sys.nr_cpus }, (_, cpu) => {
    const pcp = zone * sys.nr_cpus + cpu
    const pending = sys.zone_stat_diff.vm_stat_diff[at(pcp)]
    return `factor ${sys.pcp.free_factor[pcp]} pending ${pending} lists ${pcpLists(sys, cpu, zone)}`
  })
  const wake = (sys.zone.flags[zone]! & ZONE_BOOSTED_WATERMARK) !== 0
  const counted = sys.zone_stat.vm_stat[at(zone)]
  const { watermark_boost: boost, nr_reserved_highatomic: reserved } = sys.zone
  const head = `${zone_name(sys, zone)} counted ${counted} boost ${boost[zone]} wake ${wake} reserved ${reserved[zone]}`
  return [head, blockTypes(sys, zone), lists(sys, zone), ...cpus].join('\n  ')
}

/** Plays a script on two players; their answers and, after every step, all that they hold must be the same. */
export function playBoth(ops: readonly Op[], fast: Player, other: Player): void {
  const live: { pfn: number; order: number }[] = []
  for (const op of ops) {
    for (let time = 0; time < ('times' in op ? op.times : 1); time++) step(op, time, live, fast, other)
    expect(fast.dump()).toBe(other.dump())
  }
}

/** Plays a script on one player and then frees everything that is left. */
export function playOne(ops: readonly Op[], player: Player, onAlloc: (pfn: number) => void = () => {}): void {
  const live: { pfn: number; order: number }[] = []
  const heard: Player = {
    dump: () => '',
    alloc: (cpu, gfp, order) => {
      const pfn = player.alloc(cpu, gfp, order)
      onAlloc(pfn)
      return pfn
    },
    free: (cpu, pfn, order) => player.free(cpu, pfn, order),
    drain: cpu => player.drain(cpu),
  }
  for (const op of ops)
    for (let time = 0; time < ('times' in op ? op.times : 1); time++) step(op, time, live, heard, null)
  for (const { pfn, order } of live) player.free(0, pfn, order)
}

function step(op: Op, time: number, live: { pfn: number; order: number }[], fast: Player, other: Player | null): void {
  const players = other ? [fast, other] : [fast]
  if (op.do === 'alloc') {
    const pfn = fast.alloc(op.cpu, MASKS[op.mask]!, op.order)
    if (other) expect(other.alloc(op.cpu, MASKS[op.mask]!, op.order)).toBe(pfn)
    if (pfn >= 0) live.push({ pfn, order: op.order })
  } else if (op.do === 'drain') for (const player of players) player.drain(op.cpu)
  else if (live.length > 0) {
    // A stride through the live blocks leaves holes, as life does.
    const [block] = live.splice((op.which + time * 7) % live.length, 1)
    for (const player of players) player.free(op.cpu, block!.pfn, block!.order)
  }
}
