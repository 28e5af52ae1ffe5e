// Story: two nodes. A program on the one fills it and goes on, unnoticed, on the other.
import { freePages, marksOf, numaStat, pages, whyZones, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const ORDER = 8
const GFP = 'GFP_HIGHUSER_MOVABLE|__GFP_NOWARN'
/** Lines of /sys/devices/system/node/node0/numastat. */
const ITEMS = ['hit', 'miss', 'foreign', 'local', 'other'] as const

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  const [near, far] = [zoneRow(sys, 'DMA32', 0), zoneRow(sys, 'DMA32', 1)]
  const border = sys.zone.zone_start_pfn[far]!
  const stat = (node: number): string => ITEMS.map(item => `${item} ${numaStat(sys, node, `numa_${item}`)}`).join(', ')
  yield {
    say: `Node 0 has ${pages(sys, freePages(sys, near))} free in DMA32, node 1 ${pages(sys, freePages(sys, far))}; from one to the other is a distance of ${sys.distance.distance[1]}, where ${sys.distance.distance[0]} means home. CPU 0 belongs to node ${sys.cpu.node[0]}, CPU 1 to node ${sys.cpu.node[1]}.`,
    expect: { 'node 1 is farther': sys.distance.distance[1]! > sys.distance.distance[0]! },
  }

  const local: number[] = []
  let spilled = stage.alloc(ORDER, GFP, { cpu: 0 })
  for (; spilled >= 0 && spilled < border; spilled = stage.alloc(ORDER, GFP, { cpu: 0 })) local.push(spilled)
  yield {
    say: `A program on CPU 0 takes blocks of order ${ORDER}. ${local.length} come from its own node. The next one does not: node 0 is at its low mark (${freePages(sys, near)} free, low ${marksOf(sys, near).low}), and the zonelist goes on with node 1. Nothing failed; the memory is just slower.`,
    expect: {
      'the next block is remote': spilled >= border,
      'node 0 still has pages': freePages(sys, near) > marksOf(sys, near).min,
    },
  }

  const remote = stage.allocMany(ORDER, GFP, 100, { cpu: 0 })
  yield {
    say: `After ${remote.length} more, the counters tell it to who reads numastat. Node 0: ${stat(0)}. Node 1: ${stat(1)}. A miss on node 1 is a foreign on node 0: the same request, seen from where it went and from where it wanted to go.`,
    expect: {
      'misses are foreigns': numaStat(sys, 1, 'numa_miss') === numaStat(sys, 0, 'numa_foreign'),
      'all of them came from elsewhere': numaStat(sys, 1, 'numa_other') === remote.length + 1,
    },
  }

  const strict = `${GFP}|__GFP_THISNODE`
  const bound = stage.allocMany(ORDER, strict, Number.POSITIVE_INFINITY, { cpu: 0, nid: 0 })
  yield {
    say: `Who must have local memory says so: with __GFP_THISNODE, ${bound.length} more blocks come from node 0, below its low mark and down to min; then the request fails, while node 1 has ${pages(sys, freePages(sys, far))} free.\n  ${whyZones(sys, machine.gfp(strict), ORDER)[0]}`,
    expect: {
      'all of them are local': bound.every(pfn => pfn < border),
      'it fails with memory free elsewhere': freePages(sys, far) > freePages(sys, near),
    },
  }

  const before = numaStat(sys, 1, 'numa_local')
  const own = stage.alloc(ORDER, GFP, { cpu: 1 })
  yield {
    say: `A program on CPU 1 is at home on node 1 and finds its memory shared with a stranger: ${pages(sys, (remote.length + 1) * 2 ** ORDER)} of it are gone. Its own request is a hit: ${stat(1)}.`,
    expect: { 'it is served locally': own >= border && numaStat(sys, 1, 'numa_local') === before + 1 },
  }
}

export const numaSpill: Scenario = {
  name: 'numa_spill',
  title: 'NUMA: memory spills over to the next node',
  story:
    'On a machine of several nodes each CPU has memory of its own and memory that is farther away. The allocator prefers the near one, but rather gives remote memory than none: at the low mark of the last local zone it quietly goes to the next node of the zonelist. Programs do not fail, they get slower, and only counters tell.',
  terms: {
    node: 'CPUs with the memory that is near to them',
    distance: 'cost of access between nodes, 10 = local',
    'numa_miss / numa_foreign': 'a page from a node that was not preferred, counted on both',
    __GFP_THISNODE: 'this node or nothing',
  },
  through: [
    'alloc_pages_node',
    'get_page_from_freelist',
    'gfp_zonelist',
    'zone_statistics',
    'build_zonelists',
    'node_distance',
  ],
  machine: {
    memory: [
      { start: 0, size: '1G', node: 0 },
      { start: '1G', size: '1G', node: 1 },
    ],
    cpus: [0, 1],
  },
  steps,
}
