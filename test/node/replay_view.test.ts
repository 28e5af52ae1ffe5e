// From a replay's report to what is shown: times from the begin, sums, names, causes in words.
import { expect, it } from 'vitest'
import { replayView } from '../../src/node/replay_view.ts'
import type { FollowedZone, PredictReport, ReplayReport } from '../../src/sim/replay/report.ts'

const end = {
  node: 0,
  zone: 'DMA32',
  freeRecorded: 100,
  free: 104,
  listedRecorded: 9,
  listed: 5,
  blocksRecorded: [4, 48],
  blocks: [4, 50],
  typesRecorded: [
    [0, 2],
    [4, 46],
  ],
  types: [
    [0, 3],
    [4, 47],
  ],
  pageblocksRecorded: [1, 7],
  pageblocks: [1, 7],
}

const followed: FollowedZone = {
  ...end,
  unseenMoves: 4,
  isolatedUnseen: 0,
  isolatedElsewhere: 0,
  unexplained: 0,
  causes: { bulkAllocated: 8 },
}

function twin(settings: Record<string, string>, free: number): PredictReport {
  const counts = {
    allocations: 10,
    sameFrame: 7,
    recycled: 1,
    sameFrameRecycled: 1,
    sameZone: 10,
    sameMigratetype: 9,
    failed: 0,
    refused: 2,
  }
  const own = { freedUnknown: 0, silent: 0, isolated: 0, fallbacks: 3, drained: 40 }
  return { settings, zones: [{ ...end, free, freeError: 0, blocksError: 0, worstOrder: null }], ...counts, ...own }
}

const REPORT: ReplayReport = {
  events: 50,
  replayed: 30,
  diagnostics: { count: 0, first: [] },
  follow: { zones: [followed], framesCompared: 0, framesWrong: 0 },
  predict: twin({}, 101),
  twins: [twin({}, 101), twin({ 'vm.min_free_kbytes': '9', 'vm.x': '1' }, 90)],
  settings: [{ 'vm.min_free_kbytes': '9', 'vm.x': '1' }],
  machine: {
    kernel: '6.1 x86_64',
    release: '6.1.0-50-amd64',
    cpus: 2,
    frames: 512,
    pageSize: 4096,
    migratetypes: ['Unmovable', 'Movable'],
    source: 'counts',
    assumed: [{ node: 0, zone: 'DMA32', blocksMissing: [], wrongType: 0, pcpPages: 5, pcpChosen: 3 }],
    boot: false,
  },
  span: { from: 10, to: 12, seconds: 2 },
  series: {
    time: [10, 12],
    zones: [
      {
        node: 0,
        zone: 'DMA32',
        watermarks: { min: 20, low: 25, high: 30 },
        free: [110, 104],
        listed: [3, 5],
        blocks: [
          [10, 4],
          [50, 50],
        ],
        unusable: [
          [0, 0],
          [0, 0],
        ],
        fragmentation: [
          [-1, 0.5],
          [-1, -1],
        ],
        pageblocks: [
          [1, 2],
          [7, 6],
        ],
        predictedFree: [
          [110, 101],
          [110, 90],
        ],
      },
    ],
  },
  allocators: {
    callSites: [{ name: 'f+0x1', allocations: 2, amount: 192, live: null }],
    gfp: [{ name: 'GFP_KERNEL', allocations: 5, amount: 6, live: -1 }],
    tasks: [{ name: 'tar-1', allocations: 5, amount: 6, live: 2 }],
  },
  orders: [8, 2],
  lifetimes: [1],
  failures: { count: 1, first: [{ time: 11, line: 7, cpu: 0, comm: 'tar-1', order: 1, gfp: 'GFP_NOWAIT' }] },
  nearFailures: [{ node: 0, zone: 'DMA32', time: 11.5, line: 9, comm: 'gcc-2', free: 33, margin: -4 }],
  fallbacks: {
    count: 1,
    first: [
      {
        time: 11.25,
        line: 8,
        pfn: 64,
        order: 0,
        fallbackOrder: 1,
        migratetype: 'Unmovable',
        fallbackMigratetype: 'Movable',
        changedPageblock: true,
      },
    ],
  },
  drained: { pages: 41, unprompted: 6 },
  settingsChangedAt: null,
}

it('a report becomes a view', () => {
  const view = replayView(REPORT, 'trace.txt')
  expect(view).toMatchObject({
    trace: 'trace.txt',
    machine: '1 node, 2 CPUs, 2\u00a0MiB',
    kernel: '6.1.0-50-amd64',
    replayed: 30,
    zones: [
      {
        zone: 'DMA32',
        recorded: 100,
        followed: 104,
        predicted: 101,
        types: { recorded: [4, 96], followed: [6, 98], predicted: [6, 98] },
        listed: { recorded: [9], followed: [5], predicted: [5] },
      },
    ],
    prediction: { allocations: 10, sameFrame: 7, refused: 2 },
    times: [0, 2],
    courses: [
      {
        min: 20,
        low: 25,
        high: 30,
        free: [110, 104],
        fragmentation: [
          [null, 0.5],
          [null, null],
        ],
      },
    ],
    margins: [{ zone: 'DMA32', time: 1.5, process: 'gcc-2', free: 33, min: 20, high: 30, left: -4 }],
    mixture: [
      { type: 'Unmovable', values: [1, 2] },
      { type: 'Movable', values: [7, 6] },
    ],
    taken: 12,
    callSites: [{ name: 'f+0x1', allocations: 2, bytes: 192 }],
    processes: [{ name: 'tar-1', allocations: 5, pages: 6, kept: 2 }],
    failures: { count: 1, first: [{ time: 1, line: 7, process: 'tar-1', order: 1, gfp: 'GFP_NOWAIT' }] },
    fallbacks: { count: 1, first: [{ time: 1.25, from: 'Movable', to: 'Unmovable', wholeBlock: true }] },
    extfrag: { recorded: 1, predicted: 3 },
    drains: { recorded: 41, predicted: 40 },
    runs: [
      { name: 'as recorded', courses: [{ free: [110, 101] }] },
      { name: 'vm.min_free_kbytes=9, vm.x=1', zones: [{ zone: 'DMA32', free: 90 }], courses: [{ free: [110, 90] }] },
    ],
  })
  const series = { ...REPORT.series, zones: REPORT.series.zones.map(zone => ({ ...zone, free: [110, 30] })) }
  expect(replayView({ ...REPORT, series }, '-').margins).toMatchObject([{ time: 2, process: null, free: 30, left: -7 }])
  expect(replayView({ ...REPORT, nearFailures: [] }, '-').margins).toMatchObject([{ time: 2, free: 104, left: null }])
  expect(view.start).toContain('the counts of the captured files alone')
  expect(view.start).toContain('3 pages were chosen')
  expect(view.causes.map(({ pages, reason }) => `${pages} ${reason.slice(0, 30)}`)).toEqual([
    '8 taken from a per-CPU list with',
    '4 of the final difference: went ',
  ])
})

it('without a prediction and without a release', () => {
  const view = replayView(
    { ...REPORT, predict: null, twins: [], machine: { ...REPORT.machine, release: null, boot: true } },
    '-',
  )
  expect(view).toMatchObject({
    prediction: null,
    kernel: '6.1 x86_64',
    runs: [],
    zones: [{ predicted: null }],
    watermarksHeld: false,
  })
  expect([view.extfrag.predicted, view.machine]).toEqual([null, '1 node, 2 CPUs, 2\u00a0MiB'])
  expect(view.start).toMatch(/profile 6\.1 x86_64\. The trace is of a boot/)
})
