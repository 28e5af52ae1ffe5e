// Story: SLAB. A CPU's array of objects: filled and emptied in batches, through the array that CPUs share, and by the reaper.
import { cpu_cache_of, shared_array } from '../mm/slab_array_cache.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: 'slab_nomerge' })
  const cache = stage.do({ op: 'kmem_cache_create', name: 'story', size: 256 }).cache!
  const gfp = machine.gfp('GFP_KERNEL')
  const alloc = (cpu = 0): number => stage.do({ op: 'kmem_cache_alloc', cache, gfp, cpu }).object!
  const free = (object: number, cpu = 0): unknown => stage.do({ op: 'kmem_cache_free', cache, object, cpu })
  const { avail, limit, batchcount } = sys.slab_array
  const own = cpu_cache_of(sys, cache, 0)
  const shared = shared_array(sys, cache, 0)
  const locks = (): number => sys.slab_node.list_lock[cache * sys.nr_nodes]!
  const perSlab = sys.slab_cache.num[cache]!
  const [most, batch] = [limit[own]!, batchcount[own]!]

  const first = alloc()
  const filled = avail[own]!
  yield {
    say: `Each CPU has an array of up to ${most} objects of the cache (limit) and moves ${batch} at a time (batchcount). The first request finds it empty: a slab of ${perSlab} objects is made, and ${filled + 1} of them move into the array at once, of which one is handed out. An array that nobody used for a while takes no more than 16.`,
    expect: { 'one is handed out, the others wait': filled > 0 && filled < 16 },
  }

  const locked = locks()
  const objects = [first]
  while (avail[own]! > 0) objects.push(alloc())
  free(objects.at(-1)!)
  const again = alloc()
  yield {
    say: `The next ${objects.length - 1} requests are served from the array, and no lock of the node is taken. It is a stack: what was freed last, and is warm in the processor's cache, is given next.`,
    expect: {
      'no lock was taken': locks() === locked,
      'the last one freed came back': again === objects.at(-1),
      'the array is empty': avail[own] === 0,
    },
  }

  objects.push(alloc())
  const refilled = avail[own]! + 1
  yield {
    say: `The next request fills it again: ${refilled} objects, as many as the node's slab of ${perSlab} still had, or ${batch}, under one lock.`,
    expect: { 'it was one batch': refilled <= batch, 'the lock was taken': locks() > locked },
  }

  while (objects.length < most + batch) objects.push(alloc())
  while (avail[own]! < most) free(objects.pop()!)
  const before = avail[own]!
  const oldest = sys.slab_entry.entry[sys.slab_array.entries[own]!]!
  free(objects.pop()!)
  yield {
    say: `Now objects come back until the array holds its ${before}. One more does not fit: a batch of the ${batch} oldest leaves at once for the array that all CPUs of the node share (limit ${limit[shared]}). ${avail[own]} remain here, ${avail[shared]} lie there.`,
    expect: {
      'the batch moved': avail[own] === most - batch + 1,
      'it lies in the shared array': avail[shared] === batch,
      'the oldest went first': sys.slab_entry.entry[sys.slab_array.entries[shared]!] === oldest,
    },
  }

  const made = sys.slab_node.total_slabs[cache * sys.nr_nodes]!
  const taken = alloc(1)
  yield {
    say: `CPU 1 has nothing yet. It takes a batch of the shared array, and gets an object that CPU 0 gave back a moment ago, without a look at any slab. That is what the array is for: one CPU allocates what another frees.`,
    expect: {
      'the shared array gave': avail[shared]! < batch,
      'no slab was made': sys.slab_node.total_slabs[cache * sys.nr_nodes] === made,
      'it is one of the batch': taken > 0,
    },
  }

  const idle = avail[own]!
  stage.do({ op: 'tick', ticks: 6 * 250 })
  const reaped = avail[own]!
  stage.do({ op: 'kmem_cache_shrink', cache })
  yield {
    say: `Nobody asks any more. Every two seconds the reaper comes to each CPU and takes a fifth of the limit from arrays that were not used since: of ${idle} objects ${reaped} are left after 6 s. kmem_cache_shrink takes all at once, and gives slabs without objects in use back: ${sys.slab_node.total_slabs[cache * sys.nr_nodes]} of ${made} slabs are left.`,
    expect: {
      'the reaper took some': reaped < idle,
      'shrink emptied the arrays': avail[own] === 0 && avail[shared] === 0,
      'slabs with objects in use stay': sys.slab_node.total_slabs[cache * sys.nr_nodes]! > 0,
    },
  }
}

export const slabArrayCache: Scenario = {
  name: 'slab_array_cache',
  title: 'SLAB: arrays of objects, filled and flushed in batches',
  story:
    'SLAB keeps free objects in arrays: one for each CPU, one that the CPUs of a node share. Nearly every request takes the last entry of the own array, and nearly every free puts one there. Only when it runs empty or full does a batch move, under the lock of the node. The price are objects that lie in arrays and are of no use to others, until the reaper comes.',
  terms: {
    limit: 'objects that an array holds at most',
    batchcount: 'objects that move at once',
    reaper: 'cache_reap: comes by now and then and gives back what nobody uses',
  },
  through: ['cache_alloc_refill', 'cache_flusharray', 'transfer_objects', 'cache_reap', 'drain_array'],
  machine: { memory: '64M', cpus: 2, slab: 'slab' },
  steps,
}
