// Story: SLAB on two nodes. An object that is freed on another node than its own waits in an alien array, and goes home in batches.
import { page_to_nid } from '../mm/slab_account.ts'
import { alien_array, cpu_cache_of, shared_array } from '../mm/slab_array_cache.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: 'slab_nomerge' })
  const cache = stage.do({ op: 'kmem_cache_create', name: 'story', size: 512 }).cache!
  const gfp = machine.gfp('GFP_KERNEL')
  const alloc = (cpu: number, nid?: number): number =>
    stage.do({ op: 'kmem_cache_alloc', cache, gfp, cpu, ...(nid === undefined ? {} : { nid }) }).object!
  const free = (object: number, cpu: number): unknown => stage.do({ op: 'kmem_cache_free', cache, object, cpu })
  const nodeOf = (object: number): number => page_to_nid(sys, Math.floor(object / sys.page_bytes))
  const { avail, limit } = sys.slab_array
  const alien = alien_array(sys, cache, 1, 0)
  const home = shared_array(sys, cache, 0)
  const most = limit[alien]!

  const near = [alloc(0), alloc(1)]
  yield {
    say: `Two nodes with a CPU each. Every node has slabs of its own, and a request is served from the node that it runs on: CPU 0 got memory of node ${nodeOf(near[0]!)}, CPU 1 of node ${nodeOf(near[1]!)}.`,
    expect: { 'each has its own': near.every((object, cpu) => nodeOf(object) === cpu) },
  }

  const objects = Array.from({ length: most + 2 }, () => alloc(0))
  const [mine, theirs] = [avail[cpu_cache_of(sys, cache, 1)]!, avail[home]!]
  for (const object of objects.slice(0, most)) free(object, 1)
  yield {
    say: `CPU 0 allocates ${objects.length} objects and hands them to CPU 1, which frees ${most} of them. They must not lie in CPU 1's own array: it would hand out memory of another node. They wait in node 1's alien array for node 0, which holds ${avail[alien]} now, its limit being ${most}.`,
    expect: {
      'they wait in the alien array': avail[alien] === most,
      'none is in the own array': avail[cpu_cache_of(sys, cache, 1)] === mine,
      'node 0 has heard nothing yet': avail[home] === theirs,
    },
  }

  free(objects[most]!, 1)
  yield {
    say: `The next one finds the alien array full: all ${most} go home under one lock of node 0, into the array that its CPUs share, where ${avail[home]} lie now; the new one is alone in the alien array.`,
    expect: {
      'the alien array begins again': avail[alien] === 1,
      'they are at home': avail[home] === theirs + most,
    },
  }

  const before = sys.slab_node.total_slabs[cache * sys.nr_nodes]!
  const served = Array.from({ length: 2 * most }, () => alloc(0))
  yield {
    say: `CPU 0 is served with them: ${served.filter(object => objects.includes(object)).length} of its next ${served.length} requests get an object that CPU 1 has freed, and all are of node 0.`,
    expect: {
      'objects come round': served.some(object => objects.includes(object)),
      'all are near': served.every(object => nodeOf(object) === 0),
      'slabs are made only when they are needed': sys.slab_node.total_slabs[cache * sys.nr_nodes]! <= before + 2,
    },
  }

  const far = alloc(0, 1)
  free(far, 0)
  yield {
    say: `kmem_cache_alloc_node asks for memory of another node by name: CPU 0 got an object of node ${nodeOf(far)}. What it frees waits in node 0's alien array for node 1 (${avail[alien_array(sys, cache, 0, 1)]}).`,
    expect: {
      'it is of the node asked for': nodeOf(far) === 1,
      'and is an alien here': avail[alien_array(sys, cache, 0, 1)] === 1,
    },
  }

  stage.do({ op: 'tick', ticks: 10 * 250 })
  yield {
    say: `Few objects never fill an alien array. The reaper takes them home: on each visit it looks after one other node. After ten seconds ${avail[alien]! + avail[alien_array(sys, cache, 0, 1)]!} are left.`,
    expect: { 'none is left abroad': avail[alien] === 0 && avail[alien_array(sys, cache, 0, 1)] === 0 },
  }
}

export const slabAlienCaches: Scenario = {
  name: 'slab_alien_caches',
  title: 'SLAB on NUMA: objects that are freed far from home',
  story:
    'On a machine with several nodes a CPU should get memory that is near. But objects are freed anywhere: where a packet was received, where a process ended. SLAB gives each pair of nodes an array for such strangers, so that they go home in batches, and neither node loses its memory to the other.',
  terms: {
    node: 'memory with the CPUs that it is near to',
    'alien array': "objects of another node, freed here, that wait for the way home; 'alien cache' in the kernel",
  },
  through: ['cache_free_alien', '__drain_alien_cache', '____cache_alloc_node', 'reap_alien', 'cache_reap'],
  machine: {
    slab: 'slab',
    memory: [
      { start: 0, size: '64M', node: 0 },
      { start: '64M', size: '64M', node: 1 },
    ],
    cpus: [0, 1],
  },
  steps,
}
