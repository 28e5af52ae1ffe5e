// Story: a memory pool. The allocator is asked first, always; the reserve serves when it fails, and frees refill it first.
import { freePages, zoneRow } from './look.ts'
import type { Scenario, Stage, Step } from './scenario.ts'

const MIN_NR = 4
const SIZE = 4000

function* steps(stage: Stage): Generator<Step> {
  const { machine } = stage
  const { sys } = machine
  stage.do({ op: 'mm_core_init', cmdline: '' })
  const [noio, atomic] = [machine.gfp('GFP_NOIO'), machine.gfp('GFP_NOWAIT')]
  const pool = stage.do({ op: 'mempool_create_kmalloc_pool', min_nr: MIN_NR, size: SIZE }).pool!
  const alloc = (gfp: number): { element?: number; waits?: boolean } => stage.do({ op: 'mempool_alloc', pool, gfp })
  const free = (element: number): unknown => stage.do({ op: 'mempool_free', pool, element })
  const reserve = (): number => sys.mempool.curr_nr[pool]!
  const zone = zoneRow(sys, 'DMA32')

  const first = alloc(noio).element!
  yield {
    say: `A pool is made with ${MIN_NR} elements of ${SIZE} bytes in reserve: they are allocated at once, since later may be too late. While there is memory, the pool is only a detour to kmalloc: a request got an element, and the reserve still has ${reserve()}.`,
    expect: { 'it was served': first > 0, 'the reserve was not touched': reserve() === MIN_NR },
  }

  stage.allocMany(0, 'GFP_ATOMIC|__GFP_MEMALLOC|__GFP_NOWARN')
  const quiet = machine.gfp('GFP_NOWAIT|__GFP_NOWARN')
  const kmalloc = (): number => stage.do({ op: 'kmalloc', size: SIZE, gfp: quiet }).object!
  while (kmalloc() > 0);
  const direct = kmalloc()
  yield {
    say: `Memory is used up, by others and by kmalloc: ${freePages(sys, zone)} pages are free in DMA32, none for who must not take reserves, and kmalloc returns NULL. This is the moment at which dirty pages must be written to get memory back; and to write them, a block device needs a request, a structure, a buffer.`,
    expect: { 'kmalloc fails': direct === 0 },
  }

  const taken: number[] = []
  while (reserve() > 0) taken.push(alloc(noio).element!)
  yield {
    say: `The pool asks kmalloc, in vain, quietly (__GFP_NORETRY, __GFP_NOWARN) and without the reserves of others (__GFP_NOMEMALLOC); then it gives from its own: ${taken.length} requests are served.`,
    expect: {
      'the reserve served': taken.length === MIN_NR && taken.every(element => element > 0),
      'nothing was printed': machine.latestLog.length === 0,
    },
  }

  const never = alloc(atomic)
  const waits = alloc(noio)
  yield {
    say: `Now the reserve is empty. Who must not wait gets NULL. Who may wait (GFP_NOIO) sleeps until an element comes back: mempool_alloc with such a mask never fails. It has waited ${sys.mempool.waits[pool]} time.`,
    expect: { 'no element': never.element === 0, 'the other would sleep': waits.waits === true },
  }

  free(taken.pop()!)
  const kept = reserve()
  const again = alloc(noio)
  yield {
    say: `A request is done and its element comes back: not to kmalloc, where others would take it, but into the reserve (${kept}). So whoever sleeps is served, and work goes on, one request after the other, however short memory is. That is the promise of a pool, and all it needs is that every element comes back in time.`,
    expect: {
      'the reserve was filled first': kept === 1,
      'the one who waits is served': again.waits === undefined && again.element! > 0,
    },
  }

  for (const element of [...taken, again.element!, first]) free(element)
  const full = reserve()
  stage.do({ op: 'mempool_destroy', pool })
  yield {
    say: `All come back: the reserve is full at ${full}, and what is beyond that goes to kfree.`,
    expect: { 'it is full again': full === MIN_NR, 'the pool is gone': sys.mempool.used[pool] === 0 },
  }
}

export const mempoolReserve: Scenario = {
  name: 'mempool_reserve',
  title: 'mempool: a reserve for requests that must not fail',
  story:
    'To free memory the kernel must write dirty pages; to write them it needs memory. A memory pool breaks the circle: some elements are put aside while there is memory, and serve when the allocator fails. It is not faster, and not for large things; it makes sure that work which frees memory can go on.',
  terms: {
    min_nr: 'elements that a pool keeps in reserve',
    GFP_NOIO: 'may wait, but must not start I/O: who asks does I/O himself',
    'forward progress': 'work goes on, be it slowly, as long as elements come back',
  },
  through: ['mempool_create', 'mempool_alloc', 'mempool_free', 'remove_element', 'add_element', 'mempool_destroy'],
  machine: { memory: '64M' },
  steps,
}
