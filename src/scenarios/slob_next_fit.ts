// Story: SLOB. Objects of all sizes and caches in the same pages; a search begins where the last one found something.
import { frame } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const SIZE = 200
const LARGER = 250

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: '' })
  const create = (name: string, size: number): number => stage.do({ op: 'kmem_cache_create', name, size }).cache!
  const [small, other] = [create('story', SIZE), create('other', LARGER)]
  const gfp = machine.gfp('GFP_KERNEL')
  const alloc = (cache = small): number => stage.do({ op: 'kmem_cache_alloc', cache, gfp }).object!
  const free = (object: number, cache = small): unknown => stage.do({ op: 'kmem_cache_free', cache, object })
  const page = (object: number): number => Math.floor(object / sys.page_bytes)
  const free_units = sys.page.private

  const [one, two] = [alloc(), alloc(other)]
  const direct = stage.do({ op: 'kmalloc', size: 100, gfp }).object!
  yield {
    say: `Two caches, and kmalloc. SLOB has no slabs: objects of ${SIZE} bytes, of ${LARGER}, and 100 bytes of kmalloc lie one behind the other in ${frame(page(one))}. kmalloc puts the size in front of its memory, since kfree is told nothing else; a cache knows its size.`,
    expect: {
      'they share a page': page(two) === page(one) && page(direct) === page(one),
      'the second begins where the first ends': two === one + SIZE,
      'kmalloc has a few bytes before it': direct > two + LARGER,
    },
  }

  const large = stage.do({ op: 'kmalloc', size: 700, gfp }).object!
  yield {
    say: `700 bytes go to another page, ${frame(page(large))}. There are three lists of pages with room: for objects below 256 bytes, below 1024, and larger ones, so that small objects do not fill the pages where large ones would fit.`,
    expect: { 'another page': page(large) !== page(one) },
  }

  const pagesOf: number[][] = []
  for (let at = alloc(); pagesOf.length < 4; at = alloc()) {
    const last = pagesOf.at(-1)
    if (last !== undefined && page(last[0]!) === page(at)) last.push(at)
    else pagesOf.push([at])
  }
  const [, first, second, third] = pagesOf
  const holes = [...first!.filter((_, i) => i % 3 === 0), ...second!.filter((_, i) => i % 3 === 0)]
  for (const object of holes) free(object)
  yield {
    say: `Pages are filled. Then every third object of two of them is freed: ${frame(page(first![0]!))} and ${frame(page(second![0]!))} have ${holes.length} holes of ${SIZE} bytes, none of them next to another.`,
    expect: {
      'both have room': free_units[page(first![0]!)]! > 0 && free_units[page(second![0]!)]! > 0,
      'the page behind them is used, too': page(third![0]!) !== page(second![0]!),
    },
  }

  const fitting = alloc(other)
  yield {
    say: `A request of ${LARGER} bytes passes both pages: together they have room for many, but no hole is large enough. It is served in ${frame(page(fitting))}.`,
    expect: { 'not in a page of holes': ![page(first![0]!), page(second![0]!)].includes(page(fitting)) },
  }

  const next = alloc()
  yield {
    say: `And ${SIZE} bytes, which would fit into any hole, come from ${frame(page(next))}, the same page: the list was turned so that it begins where something was found last (next fit). A search does not pass again and again over the pages at the front that are nearly full.`,
    expect: {
      'the same page again': page(next) === page(fitting),
      'no hole was filled': !holes.includes(next),
    },
  }

  const before = sys.page.flags[page(first![0]!)]!
  for (const object of first!) if (!holes.includes(object)) free(object)
  yield {
    say: `When the last object of ${frame(page(first![0]!))} is freed, neighbours have become one hole as large as the page, and the page goes back at once. Nothing is kept ready: SLOB is for machines that count kilobytes.`,
    expect: {
      'it was a page of objects': before !== sys.page.flags[page(first![0]!)],
      'it is no more': free_units[page(first![0]!)] === 0,
    },
  }
}

export const slobNextFit: Scenario = {
  name: 'slob_next_fit',
  title: 'SLOB: all sizes in one page, and next fit',
  story:
    'SLOB was the allocator of the smallest machines (until 6.3): a few kilobytes of code, no slabs, no lists per CPU. A page holds objects of any size and any cache, its free parts are a list in themselves, and a request takes the first hole that is large enough. That wastes nearly nothing, takes time, and fragments.',
  terms: {
    unit: 'two bytes, of which a page has 2048: sizes and holes are counted in them',
    'first fit': 'within a page, the first hole that is large enough',
    'next fit': 'among pages, the search begins where the last one ended',
  },
  through: ['slob_alloc', 'slob_page_alloc', 'list_rotate_to_front', 'slob_free', '__do_kmalloc_node'],
  machine: { memory: '64M', slab: 'slob' },
  steps,
}
