// Tables of memory pools: a row a pool, and the elements that pools keep. Law: a pool's elements are a run of rows of
// MEMPOOL_ELEMENT, of which the first `curr_nr` hold one; runs of different pools do not overlap.
import { f64, i32, u8, u32 } from '../image/table.ts'

/** One row a pool. @kernel include/linux/mempool.h:struct mempool_s */
export const MEMPOOL = {
  used: u8('1 = the pool exists'),
  min_nr: i32('elements that the pool keeps ready'),
  curr_nr: i32('elements that it has now'),
  elements: i32('first row of its elements'),
  nr_elements: i32('rows of its elements'),
  text: u32('which functions allocate and free its elements, see mempool.ts'),
  pool_data: f64('what these functions are called with: a cache, a size, an order'),
  waits: f64('times an allocation had to wait'),
} as const

/** Elements of all pools. */
export const MEMPOOL_ELEMENT = {
  element: f64('what alloc_fn returned, an exact integer; 0 = none'),
} as const

/** Pools and elements that a machine has room for, unless its shape says otherwise. */
export const NR_MEMPOOLS = 32
export const NR_MEMPOOL_ELEMENTS = 1024
