// The fast path against the general way: two machines do the same, one of them with its fast path refusing everything.
// They must hand out the same frames, tell the same tracepoints, and end with the same bytes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/mm/kernel.ts'
import { type Sys, ZONE_BOOSTED_WATERMARK, ZONE_RECLAIM_ACTIVE } from '../../src/mm/mmzone.ts'
import { __free_pages, alloc_pages } from '../../src/mm/page_alloc/alloc_pages.ts'
import { fast_path } from '../../src/mm/page_alloc/fast_path.ts'
import { drain_all_pages } from '../../src/mm/page_alloc/pcp.ts'
import type { Probes } from '../../src/trace/probes.ts'
import { machine, plain_6_1, small_6_1, small_6_12, small_cma } from './machine.ts'

const NORMAL = 2

/** Two nodes with a CPU each, one where the kernel knows no nodes; the marks are reached once a third of a zone is taken. */
function twoNodes(kernel: Kernel): Sys {
  const marks = [20, 60, 180] as const
  const numa = kernel.config.NUMA
  return machine({
    kernel,
    zones: [
      { name: 'DMA32', start: 0, end: 256, marks, reserve: { Normal: 40 } },
      { name: 'Normal', start: 256, end: 512, marks },
      ...(numa ? [{ name: 'Normal', node: 1, start: 512, end: 768, marks } as const] : []),
    ],
    cpus: numa ? [0, 1] : [0],
    batch: 4,
    high: 12,
    stat_threshold: 5,
  })
}

const refuseAll = { alloc: (): number => -1, free: (): boolean => false }

/** Writes what a machine tells and returns. */
function listen(sys: Sys): unknown[] {
  const log: unknown[] = []
  const note =
    (name: string) =>
    (...numbers: number[]): void => {
      log.push([name, ...numbers])
    }
  const names = ['mm_page_alloc', 'mm_page_free', 'mm_page_alloc_zone_locked', 'mm_page_pcpu_drain'] as const
  sys.trace = Object.fromEntries(names.map(name => [name, note(name)])) as Probes
  sys.printk = line => log.push(line)
  return log
}

/** Masks: KERNEL, movable, reclaimable, atomic, __GFP_COMP, __GFP_NOFAIL, __GFP_THISNODE, __GFP_DMA32. */
const MASKS = [0xcc0, 0x100cca, 0xcd0, 0xa20, 0x40cc0, 0x8cc0, 0x200cc0, 0xcc4]

type Step = readonly [kind: number, choice: number, order: number]
const steps = fc.array(fc.tuple(fc.nat(19), fc.nat(1000), fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 4)), {
  size: 'large',
  maxLength: 600,
})

/** Does the steps; what was handed out and told. */
function play(sys: Sys, all: readonly Step[]): unknown[] {
  const log = listen(sys)
  const live: [pfn: number, order: number][] = []
  for (const [kind, choice, order] of all) {
    if (kind < 10) {
      const pfn = alloc_pages(sys, MASKS[choice % 8]! | 0x2000, order)
      log.push(pfn)
      if (pfn >= 0) live.push([pfn, order])
    } else if (kind < 16 && live.length > 0) {
      __free_pages(sys, ...live.splice(choice % live.length, 1)[0]!)
    } else if (kind === 16) sys.machine.this_cpu[0] = choice % sys.nr_cpus
    else if (kind === 17) sys.zone.flags[NORMAL]! ^= choice % 2 ? ZONE_BOOSTED_WATERMARK : ZONE_RECLAIM_ACTIVE
    else if (kind === 18 && live.length > 0) sys.page._refcount[live[0]![0]]! += 1
    else if (kind === 19 && choice < 200) drain_all_pages(sys)
    else __free_pages(sys, choice % 512, order)
  }
  return log
}

describe.each([small_6_1, small_6_12, small_cma, plain_6_1])('$name', kernel => {
  it('does through the fast path what the general way does', () => {
    fc.assert(
      fc.property(steps, all => {
        const [fast, general] = [twoNodes(kernel), twoNodes(kernel)]
        general.fast_path = refuseAll
        expect(play(fast, all)).toEqual(play(general, all))
        const bytes = [fast, general].map(sys => Buffer.from(sys.image.buffer as ArrayBuffer))
        expect(bytes[0]!.equals(bytes[1]!)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('goes the fast path in the common case and refuses, untouched, what is not', () => {
    const sys = twoNodes(kernel)
    const { alloc, free } = fast_path(sys)
    expect(alloc(0xcc0, 0, 0)).toBe(-1)
    const first = alloc_pages(sys, 0xcc0, 0)
    const second = alloc(0xcc0, 0, 0)
    expect(second).toBeGreaterThanOrEqual(0)
    expect([free(second, 0), free(second, 0), free(first, 1), free(first, 0)]).toEqual([true, false, false, true])
    sys.cpu.held[0] = 1
    expect(alloc(0xcc0, 0, 0)).toBe(-1)
  })
})
