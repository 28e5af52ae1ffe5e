// Story: SLUB. A CPU's own slab, the partial slabs behind it, and the order in which requests look for an object.
import { partial_slabs } from '../mm/slub_cpu.ts'
import { frame } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const SIZE = 320

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: 'slab_nomerge' })
  const cache = stage.do({ op: 'kmem_cache_create', name: 'story', size: SIZE }).cache!
  const gfp = machine.gfp('GFP_KERNEL')
  const row = cache * sys.nr_cpus
  const alloc = (): number => stage.do({ op: 'kmem_cache_alloc', cache, gfp }).object!
  const free = (object: number): unknown => stage.do({ op: 'kmem_cache_free', cache, object })
  const slab = (): number => sys.slub_cpu.slab[row]! - 1
  const partial = (): number =>
    sys.slub_cpu.partial[row] === 0 ? 0 : partial_slabs(sys, sys.slub_cpu.partial[row]! - 1)
  const perSlab = sys.slub_cache.oo[cache]! & 0xffff
  const keeps = sys.slub_cache.cpu_partial_slabs[cache]!

  const first = alloc()
  const active = slab()
  free(first)
  yield {
    say: `The first object of a cache makes a slab, at ${frame(active)}, with ${perSlab} objects of ${SIZE} bytes. It belongs to the CPU, which takes and gives objects of it without a lock.`,
    expect: {
      'the last one freed is the next one given': alloc() === first,
      'there is no partial slab': partial() === 0,
    },
  }

  const slabs: number[][] = [[first]]
  while (slabs[0]!.length < perSlab) slabs[0]!.push(alloc())
  while (slabs.length < keeps + 2) slabs.push(Array.from({ length: perSlab }, alloc))
  yield {
    say: `${slabs.length} slabs are filled. Full ones are on no list: nobody needs to find them. The CPU's slab is now at ${frame(slab())}.`,
    expect: {
      'another slab is the active one': slab() !== active,
      'no list holds the full ones': partial() === 0 && sys.slub_cpu.freelist[row] === 0,
    },
  }

  const back = slabs[0]!.at(-1)!
  free(back)
  const one = partial()
  const next = alloc()
  yield {
    say: `One object of the first slab comes back. The slab goes to the CPU's own partial list, which holds ${one}; the next request finds the CPU's slab full and takes this one, with no lock of the node.`,
    expect: {
      'it was listed': one === 1,
      'the object was given again': next === back,
      'its slab is active': slab() === active && partial() === 0,
    },
  }

  for (const objects of slabs.slice(1, 1 + keeps)) free(objects[0]!)
  const full = partial()
  free(slabs[keeps + 1]![0]!)
  yield {
    say: `An object of each of ${keeps + 1} other slabs comes back. The CPU keeps ${full} slabs, as many as it may (cpu_partial_slabs ${keeps}); with one more, all of them go to the node under one lock, and the list begins again with ${partial()}.`,
    expect: { 'it kept what it may': full === keeps, 'then it began again': partial() === 1 },
  }

  alloc()
  const refilled = alloc()
  yield {
    say: `Two requests: the first takes the CPU's partial slab; for the second the CPU goes to the node, and pulls ${partial()} more slabs while it holds the lock.`,
    expect: {
      'it was served from a slab that exists': slabs.some(objects => objects.includes(refilled)),
      'more were pulled': partial() > 0,
    },
  }
}

export const slubCpuPartial: Scenario = {
  name: 'slub_cpu_partial',
  title: 'SLUB: the slab of a CPU, and the partial slabs behind it',
  story:
    'SLUB has no queues of objects. A CPU has one slab and takes objects from it; what is freed elsewhere makes full slabs partial, and the CPU that freed keeps them. So nearly all requests and frees need no lock of the node, and the node is asked for several slabs at once.',
  terms: {
    slab: 'some pages, cut into objects of one size',
    partial: 'a slab with objects in use and free ones',
    cpu_partial_slabs: 'partial slabs that a CPU may keep',
  },
  through: ['___slab_alloc', '__slab_free', 'put_cpu_partial', '__unfreeze_partials', 'get_partial_node'],
  machine: { memory: '64M' },
  steps,
}
