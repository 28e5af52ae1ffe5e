// Memory pools: a reserve of elements for requests that must not fail while memory is short. The underlying allocator
// is asked first, always; the reserve serves only when it fails, and frees refill the reserve first.
// Law: 0 ≤ curr_nr ≤ min_nr; the elements are a stack. A pool is its row in `sys.mempool`; a function cannot lie in the
// image, so the pool keeps a number for it, as a kernel keeps the address of its text: the hash of its name.
// @differs pool->lock and the queue of waiters are not modelled, since nobody else runs between two steps.
import { BUG_ON } from '../base/bug.ts'
import { type Gfp, NIL } from '../base/units.ts'
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_IO,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_ZERO,
  GFP_KERNEL,
} from './gfp.ts'
import type { MempoolKasan } from './kasan_mempool.ts'
import { kasan_enabled } from './kasan_shadow.ts'
import { kmemleak_update_trace } from './kmemleak.ts'
import { might_sleep } from './might_sleep.ts'
import type { Sys } from './mmzone.ts'

/** A pool: a row of `sys.mempool`. */
export type Mempool = number

/** What `mempool_alloc` returns when the caller would have to wait and nobody lets it. */
export const MEMPOOL_WOULD_WAIT = -2

/** Errors of the kernel, as it returns them. */
export const ENOMEM = 12

/** Seconds after which an allocation that waits tries again even if nothing came back. */
export const MEMPOOL_WAIT_SECONDS = 5

/** The underlying allocator of pools. `pool_data` is what `mempool_create` was given. */
export interface MempoolFunctions {
  /** Names it in the image: one name, one allocator. */
  readonly name: string
  /** What `alloc` returns when it fails: 0 for addresses, -1 for frames. */
  readonly nil: number
  alloc(sys: Sys, gfp: Gfp, pool_data: number): number
  free(sys: Sys, element: number, pool_data: number): void
  /** What KASAN makes of its elements; without, it does not look at them. */
  readonly kasan?: MempoolKasan
}

/** Lets others run for at most `seconds`, until an element comes back: true = try again, false = give up. */
export type MempoolWait = (sys: Sys, pool: Mempool, seconds: number) => boolean

const text = new Map<number, MempoolFunctions>()

/** A name as a number other than 0 (FNV-1a). */
function text_address(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return hash >>> 0 || 1
}

/** The number under which images know functions; functions of a name that is known replace the former.
 * A RangeError where two names have one number. @ours a kernel has their address */
export function mempool_text(functions: MempoolFunctions): number {
  const number = text_address(functions.name)
  const known = text.get(number)
  if (known && known.name !== functions.name)
    throw new RangeError(`mempool functions ${functions.name} and ${known.name} have one hash; rename one of them`)
  text.set(number, functions)
  return number
}

function functions_of(sys: Sys, pool: Mempool): MempoolFunctions {
  const functions = text.get(sys.mempool.text[pool]!)
  BUG_ON(functions === undefined, 'mempool: functions that nobody defined here', pool)
  return functions!
}

function existing(sys: Sys, pool: Mempool): void {
  if (sys.mempool.used[pool] !== 1) throw new RangeError(`there is no memory pool ${pool}`)
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`${name} is ${value}, not a whole number from ${least} on`)
}

/** A pool with `min_nr` elements in reserve; NIL where the underlying allocator could not fill it (nothing is left
 * behind). A RangeError when the machine has no room for more pools. @kernel mm/mempool.c:mempool_create */
export function mempool_create(sys: Sys, min_nr: number, functions: MempoolFunctions, pool_data: number): Mempool {
  whole('min_nr', min_nr, 0)
  const { used } = sys.mempool
  const pool = used.indexOf(0)
  if (pool < 0) throw new RangeError(`all ${used.length} memory pools are in use; raise the shape's nr_mempools`)
  const elements = room_for(sys, min_nr)
  sys.mempool.min_nr[pool] = min_nr
  sys.mempool.curr_nr[pool] = 0
  sys.mempool.text[pool] = mempool_text(functions)
  sys.mempool.pool_data[pool] = pool_data
  sys.mempool.waits[pool] = 0
  used[pool] = 1
  move_elements(sys, pool, elements, min_nr)
  if (fill(sys, pool)) return pool
  mempool_destroy(sys, pool)
  return NIL
}

/** Gives all elements back, and the pool. @kernel mm/mempool.c:mempool_destroy */
export function mempool_destroy(sys: Sys, pool: Mempool): void {
  existing(sys, pool)
  const { free } = functions_of(sys, pool)
  while (sys.mempool.curr_nr[pool]! > 0) free(sys, remove_element(sys, pool), sys.mempool.pool_data[pool]!)
  for (const column of Object.values(sys.mempool)) column[pool] = 0
}

/** Changes the reserve: a smaller one gives elements back at once, a larger one is filled as far as the underlying
 * allocator allows, and by frees later. 0 or -ENOMEM. A RangeError when the machine has no room for so many elements.
 * @kernel mm/mempool.c:mempool_resize */
export function mempool_resize(sys: Sys, pool: Mempool, new_min_nr: number): number {
  existing(sys, pool)
  whole('new_min_nr', new_min_nr, 1)
  might_sleep(sys, 'mm/mempool.c')
  const { min_nr, curr_nr, pool_data } = sys.mempool
  if (new_min_nr > min_nr[pool]!) {
    const elements = room_for(sys, new_min_nr)
    move_elements(sys, pool, elements, new_min_nr)
    min_nr[pool] = new_min_nr
    fill(sys, pool)
    return 0
  }
  const { free } = functions_of(sys, pool)
  while (new_min_nr < curr_nr[pool]!) free(sys, remove_element(sys, pool), pool_data[pool]!)
  min_nr[pool] = new_min_nr
  return 0
}

/**
 * An element: from the underlying allocator, first without waiting, then from the reserve, then again as hard as the
 * mask allows; then the caller waits for an element to come back. What the functions call nil where the mask forbids to
 * wait; MEMPOOL_WOULD_WAIT where it does not, but `wait` is missing or gives up.
 * @kernel mm/mempool.c:mempool_alloc
 */
export function mempool_alloc(sys: Sys, pool: Mempool, gfp: Gfp, wait: MempoolWait | null = null): number {
  existing(sys, pool)
  if ((gfp & __GFP_DIRECT_RECLAIM) !== 0) might_sleep(sys, 'include/linux/sched/mm.h')
  const hard = reserve_mask(sys, gfp)
  const soft = hard & ~(__GFP_DIRECT_RECLAIM | __GFP_IO)
  const element = try_alloc(sys, pool, soft)
  if (element !== functions_of(sys, pool).nil) return element
  return soft === hard ? element : mempool_alloc_again(sys, pool, gfp, wait)
}

/** An element of the reserve; what the functions call nil where it is empty. @kernel mm/mempool.c:mempool_alloc_preallocated
 */
export function mempool_alloc_preallocated(sys: Sys, pool: Mempool): number {
  existing(sys, pool)
  return sys.mempool.curr_nr[pool] === 0 ? functions_of(sys, pool).nil : remove_element(sys, pool)
}

/** What `mempool_alloc` goes on with after it returned MEMPOOL_WOULD_WAIT and time passed: no soft try any more.
 * @kernel mm/mempool.c:mempool_alloc */
export function mempool_alloc_again(sys: Sys, pool: Mempool, gfp: Gfp, wait: MempoolWait | null = null): number {
  existing(sys, pool)
  const hard = reserve_mask(sys, gfp)
  const { nil } = functions_of(sys, pool)
  for (;;) {
    const element = try_alloc(sys, pool, hard)
    if (element !== nil || (hard & __GFP_DIRECT_RECLAIM) === 0) return element
    sys.mempool.waits[pool]! += 1
    if (wait === null || !wait(sys, pool, MEMPOOL_WAIT_SECONDS)) return MEMPOOL_WOULD_WAIT
  }
}

/** The mask of a pool's request: it must not take other reserves, retry or warn, since the pool is the reserve. */
function reserve_mask(sys: Sys, gfp: Gfp): Gfp {
  if ((gfp & __GFP_ZERO) !== 0) sys.printk?.('WARNING: at mm/mempool.c mempool_alloc: __GFP_ZERO')
  return gfp | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN
}

/** One try: the underlying allocator, then the reserve. */
function try_alloc(sys: Sys, pool: Mempool, gfp: Gfp): number {
  const { nil, alloc } = functions_of(sys, pool)
  const element = alloc(sys, gfp, sys.mempool.pool_data[pool]!)
  if (element !== nil || sys.mempool.curr_nr[pool] === 0) return element
  const kept = remove_element(sys, pool)
  if (sys.debug_kmemleak) kmemleak_update_trace(sys, kept)
  return kept
}

/** Gives an element back: to the reserve while that is not full, else to the underlying allocator. Nil is accepted.
 * @kernel mm/mempool.c:mempool_free */
export function mempool_free(sys: Sys, element: number, pool: Mempool): void {
  existing(sys, pool)
  const { nil, free } = functions_of(sys, pool)
  if (element === nil) return
  const { curr_nr, min_nr, pool_data } = sys.mempool
  if (curr_nr[pool]! < min_nr[pool]!) add_element(sys, pool, element)
  else free(sys, element, pool_data[pool]!)
}

/** Fills the reserve; false where the underlying allocator failed before it was full. */
function fill(sys: Sys, pool: Mempool): boolean {
  const { curr_nr, min_nr, pool_data } = sys.mempool
  const { nil, alloc } = functions_of(sys, pool)
  while (curr_nr[pool]! < min_nr[pool]!) {
    const element = alloc(sys, GFP_KERNEL, pool_data[pool]!)
    if (element === nil) return false
    add_element(sys, pool, element)
  }
  return true
}

/** @kernel mm/mempool.c:add_element @differs an element that KASAN reports is not added; 6.1 adds it twice */
function add_element(sys: Sys, pool: Mempool, element: number): void {
  const { curr_nr, min_nr, elements } = sys.mempool
  BUG_ON(curr_nr[pool]! >= min_nr[pool]!, 'mempool: more elements than the reserve has room for', pool)
  const { kasan } = functions_of(sys, pool)
  if (kasan && kasan_enabled(sys) && !kasan.poison(sys, element, sys.mempool.pool_data[pool]!)) return
  sys.mempool_element.element[elements[pool]! + curr_nr[pool]!] = element
  curr_nr[pool]! += 1
}

/** @kernel mm/mempool.c:remove_element */
function remove_element(sys: Sys, pool: Mempool): number {
  const { curr_nr, elements } = sys.mempool
  curr_nr[pool]! -= 1
  const row = elements[pool]! + curr_nr[pool]!
  const element = sys.mempool_element.element[row]!
  sys.mempool_element.element[row] = 0
  if (kasan_enabled(sys)) functions_of(sys, pool).kasan?.unpoison(sys, element, sys.mempool.pool_data[pool]!)
  return element
}

/** First row of a run of free rows; a RangeError where there is none. */
function room_for(sys: Sys, rows: number): number {
  const { used, elements, nr_elements } = sys.mempool
  const capacity = sys.mempool_element.element.length
  const taken = Array.from(used.keys(), pool => [elements[pool]!, elements[pool]! + nr_elements[pool]!] as const)
    .filter(([from, to]) => from < to)
    .sort(([a], [b]) => a - b)
  let row = 0
  for (const [from, to] of taken) {
    if (row + rows <= from) return row
    row = to
  }
  if (row + rows <= capacity) return row
  throw new RangeError(`no room for ${rows} elements of ${capacity}; raise the shape's nr_mempool_elements`)
}

/** Moves a pool's elements to a run of rows that is free. */
function move_elements(sys: Sys, pool: Mempool, to: number, rows: number): void {
  const { elements, nr_elements, curr_nr } = sys.mempool
  const { element } = sys.mempool_element
  const from = elements[pool]!
  element.copyWithin(to, from, from + curr_nr[pool]!)
  element.fill(0, from, from + nr_elements[pool]!)
  elements[pool] = to
  nr_elements[pool] = rows
}

/** What does not hold of the pools; empty = all laws hold. @ours */
export function mempool_check(sys: Sys): string[] {
  const wrong: string[] = []
  const { used, min_nr, curr_nr, elements, nr_elements } = sys.mempool
  const { element } = sys.mempool_element
  const owner = new Int32Array(element.length).fill(NIL)
  for (const pool of used.keys()) {
    if (used[pool] === 0) continue
    if (!(curr_nr[pool]! >= 0 && curr_nr[pool]! <= min_nr[pool]! && min_nr[pool]! <= nr_elements[pool]!))
      wrong.push(`mempool ${pool}: ${curr_nr[pool]} of ${min_nr[pool]} elements in ${nr_elements[pool]} rows`)
    for (let row = elements[pool]!; row < elements[pool]! + nr_elements[pool]!; row++) {
      if (owner[row] !== NIL) wrong.push(`mempool ${pool}: row ${row} is mempool ${owner[row]}'s, too`)
      owner[row] = pool
    }
  }
  for (const row of element.keys())
    if (owner[row] === NIL && element[row] !== 0)
      wrong.push(`mempool: element ${element[row]} in row ${row} of no pool`)
  return wrong
}
