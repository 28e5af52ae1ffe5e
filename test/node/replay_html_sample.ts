// A replay's report for tests: small, complete, made without chance, with names as bad as a trace may hold.
import type { ReplayView, ZoneCourse } from '../../src/node/replay_html/view.ts'

const INSTANTS = 200

/** Markup, controls and quotes, as a task may call itself. */
export const EVIL = `</script><img src=x onerror="alert('1')">\u001b[31m`

function course(zone: string, pages: number, min: number): ZoneCourse {
  const at = (of: (share: number, i: number) => number): number[] =>
    Array.from({ length: INSTANTS }, (_, i) => Math.round(of(i / (INSTANTS - 1), i)))
  const blocks = Array.from({ length: 11 }, (_, order) =>
    at((t, i) => ((pages / 2 ** (order + 3)) * (1.2 - t) * (8 + ((i * (order + 3)) % 5))) / 10),
  )
  return {
    node: 0,
    zone,
    free: at((_, i) => blocks.reduce((sum, row, order) => sum + row[i]! * 2 ** order, 0)),
    min,
    low: Math.floor(min * 1.25),
    high: Math.floor(min * 1.5),
    blocks,
    fragmentation: blocks.map((_, order) => at(t => t * 1000).map(v => (order < 8 || v < 400 ? null : v / 1000))),
  }
}

const DMA = [0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 3]

/** `changes` replace what it has. */
export function replayView(changes: Partial<ReplayView> = {}): ReplayView {
  const courses = [course('DMA', 3840, 177), course('DMA32', 242028, 11086)]
  const times = Array.from({ length: INSTANTS }, (_, i) => (i * 13.5) / (INSTANTS - 1))
  const share = (from: number, by: number): number[] => times.map((_, i) => Math.round(from + (by * i) / INSTANTS))
  return {
    trace: 'trace.txt.gz',
    machine: '1 node, 2 CPUs, 960 MiB managed',
    kernel: '6.1.0-50-amd64',
    pageSize: 4096,
    migratetypes: ['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic'],
    events: 67910,
    replayed: 67025,
    start: 'The state at the start comes from a map of all frames.',
    seconds: 13.54,
    diagnostics: {
      count: 2,
      first: [
        { line: 17, message: 'no such event: “mm_page_fre”' },
        { line: 90, message: EVIL },
      ],
    },
    zones: [
      {
        node: 0,
        zone: 'DMA',
        recorded: 3808,
        followed: 3808,
        predicted: 3808,
        unexplained: 0,
        blocks: { recorded: DMA, followed: DMA, predicted: DMA },
        types: { recorded: [608, 3200, 0, 0], followed: [608, 3200, 0, 0], predicted: null },
        listed: { recorded: [0], followed: [0], predicted: [0] },
      },
      {
        node: 0,
        zone: 'DMA32',
        recorded: 187355,
        followed: 187363,
        predicted: 187401,
        unexplained: 0,
        blocks: {
          recorded: [1, 1, 2, 2, 2, 3, 1, 0, 1, 1, 182],
          followed: [1, 5, 2, 2, 2, 3, 1, 0, 1, 1, 182],
          predicted: null,
        },
        types: { recorded: [800, 186555, 0, 0], followed: [808, 186555, 0, 0], predicted: [846, 186555, 0, 0] },
        listed: { recorded: [312], followed: [304], predicted: [266] },
      },
    ],
    framesCompared: 262005,
    framesWrong: 3,
    prediction: {
      allocations: 29727,
      sameFrame: 29650,
      recycled: 8000,
      sameFrameRecycled: 7990,
      sameZone: 29727,
      sameMigratetype: 29727,
      failed: 0,
      refused: 0,
    },
    causes: [
      { node: 0, zone: 'DMA32', pages: 8, reason: 'taken from a per-CPU list without an event, and freed later' },
    ],
    times,
    courses,
    watermarksHeld: true,
    margins: courses.map(({ node, zone, free, min, low, high }) => {
      const least = free.indexOf(Math.min(...free))
      return {
        node,
        zone,
        time: times[least]!,
        process: EVIL,
        free: free[least]!,
        min,
        low,
        high,
        left: free[least]! - min - 500,
      }
    }),
    mixture: [
      { type: 'Unmovable', values: share(59, 6) },
      { type: 'Movable', values: share(445, -8) },
      { type: 'Reclaimable', values: share(8, 2) },
      { type: 'HighAtomic', values: share(0, 0) },
    ],
    taken: 32000,
    callSites: [],
    gfps: [
      { name: 'GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO', allocations: 6387, pages: 6387, kept: 120 },
      {
        name: 'GFP_NOFS|__GFP_HIGHMEM|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_HARDWALL|__GFP_MOVABLE',
        allocations: 6000,
        pages: 6100,
        kept: 6000,
      },
    ],
    processes: [
      { name: 'tar-132', allocations: 12000, pages: 14000, kept: 9000 },
      { name: EVIL, allocations: 9, pages: 300, kept: 1 },
    ],
    orders: [29193, 115, 233, 182, 0, 0, 0, 0, 0, 4, 0],
    lifetimes: [0, 3, 40, 700, 0, 12],
    failures: { count: 1, first: [{ time: 3.25, line: 4711, process: EVIL, order: 4, gfp: 'GFP_KERNEL' }] },
    fallbacks: {
      count: 4,
      first: [
        {
          time: 0.5,
          line: 3169,
          pfn: 0xc400,
          order: 0,
          fallbackOrder: 10,
          from: 'Movable',
          to: 'Unmovable',
          wholeBlock: true,
        },
      ],
    },
    extfrag: { recorded: 4, predicted: 4 },
    drains: { recorded: null, predicted: 120 },
    drainsUnprompted: 7,
    runs: [],
    ...changes,
  }
}

/** Zones of a recording without a final snapshot and without a prediction. */
export const UNKNOWN: ReplayView['zones'] = replayView().zones.map(({ blocks, types, listed, ...zone }) => ({
  ...zone,
  recorded: null,
  predicted: null,
  blocks: { ...blocks, recorded: null, predicted: null },
  types: { ...types, recorded: null, predicted: null },
  listed: { ...listed, recorded: null, predicted: null },
}))
