// Story: SLAB. What is left over in a slab moves its first object, so that slabs do not meet in one set of the processor's cache.
import { slab_address, slab_pfn, virt_to_slab } from '../mm/slab_desc.ts'
import { frame } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

/** A processor's first cache: bytes of a line, and sets. */
const LINE = 64
const SETS = 64
const ALIGNED = 0x2000

const setsOf = (objects: readonly number[]): number => new Set(objects.map(at => Math.floor(at / LINE) % SETS)).size

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: 'slab_nomerge' })
  const create = (name: string, size: number): number =>
    stage.do({ op: 'kmem_cache_create', name, size, flags: ALIGNED }).cache!
  const gfp = machine.gfp('GFP_KERNEL')
  const cache = create('story', 890)
  const alloc = (from = cache): number => stage.do({ op: 'kmem_cache_alloc', cache: from, gfp }).object!
  const perSlab = sys.slab_cache.num[cache]!
  const colours = sys.slab_cache.colour[cache]!
  const step = sys.slab_cache.colour_off[cache]!
  const bytes = sys.page_bytes * 2 ** sys.slab_cache.gfporder[cache]!
  const left = bytes - perSlab * sys.kmem_cache.size[cache]!
  const slabOf = (object: number): number => virt_to_slab(sys, object)
  const firstOf = (object: number): number => sys.slab_desc.s_mem[slabOf(object)]!
  const offset = (first: number): number => first - slab_address(sys, slabOf(first))

  const first = firstOf(alloc())
  yield {
    say: `A slab of ${bytes} bytes holds ${perSlab} objects of ${sys.kmem_cache.size[cache]} bytes, and ${left} bytes are left over. They are enough to begin ${colours} times ${step} bytes further: the cache has ${colours} colours. Its first slab, at ${frame(slab_pfn(sys, slabOf(first)))}, begins at offset ${offset(first)}.`,
    expect: {
      'the colours fit into what is left': (colours - 1) * step < left,
      'an object begins at a line of the cache': first % LINE === 0,
    },
  }

  const firsts = [first]
  const fill = (slabs: number): void => {
    while (firsts.length < slabs) {
      const at = firstOf(alloc())
      if (!firsts.includes(at)) firsts.push(at)
    }
  }
  fill(colours)
  yield {
    say: `More slabs are filled, ${colours} in all. Each begins one colour further than the one before: at offsets ${firsts.map(offset).join(', ')}.`,
    expect: {
      'each slab has its own colour': new Set(firsts.map(offset)).size === colours,
      'one is a step from the next': firsts
        .slice(1)
        .every((at, i) => offset(at) === (offset(firsts[i]!) + step) % (colours * step)),
    },
  }

  fill(2 * colours)
  yield {
    say: `With ${2 * colours} slabs every colour was used twice: behind the last comes the first again.`,
    expect: { 'the colours come round': firsts.slice(colours).every((at, i) => offset(at) === offset(firsts[i]!)) },
  }

  const plain = firsts.map(at => at - offset(at))
  yield {
    say: `Who walks over the slabs and looks at the first object of each touches ${setsOf(firsts)} sets of the processor's cache (${SETS} sets of lines of ${LINE} bytes). If every slab began at its first byte, it would be ${setsOf(plain)}: a cache of 8 ways would keep 8 of these ${firsts.length} lines, and the rest of it would be empty.`,
    expect: {
      'coloured slabs spread': setsOf(firsts) === Math.min(colours, SETS),
      'slabs without colour meet in one set': setsOf(plain) === 1,
    },
  }

  const tight = create('tight', 2048)
  const whole = [...Array(2 * sys.slab_cache.num[tight]!)].map(() => firstOf(alloc(tight)))
  yield {
    say: `It costs nothing, since these bytes were left over anyway; and where none are, there is no colour: a cache of 2048 bytes has ${sys.slab_cache.colour[tight]} colours. "run slab_compare" counts the conflicts of a whole program, with colours and without.`,
    expect: {
      'no bytes, no colour': sys.slab_cache.colour[tight]! === 0,
      'its slabs begin at their first byte': whole.every(at => at % sys.page_bytes === 0),
    },
  }
}

export const slabColouring: Scenario = {
  name: 'slab_colouring',
  title: 'SLAB: colours, so that slabs do not meet in the processor’s cache',
  story:
    "Slabs begin at pages, and their objects have one size: so the first objects of all slabs fall into the same set of the processor's cache, the second ones into another, and most of the cache stays empty. SLAB begins each slab a line further than the one before, in bytes that are left over.",
  terms: {
    colour: 'how many lines further a slab begins than its page',
    'left over': 'bytes of a slab that are too few for one more object',
    set: 'lines of memory whose number has the same remainder share a few places of the cache',
  },
  through: ['cache_grow_begin', 'cache_grow_end', 'calculate_slab_order', 'kmem_cache_create'],
  machine: { memory: '64M', slab: 'slab' },
  steps,
}
