// Tables of kmemleak: every block that somebody allocated, in the order of addresses (a tree) and of time (a list), and
// the parts of blocks that alone are looked at. Addresses are keys: bytes above PAGE_OFFSET, exact doubles; of the direct
// map that is the physical address. Row 0 of each table is nobody, so that zeros are "none".
// Laws: blocks do not overlap; a block is in the tree and on the list, an unused row in the chain of unused rows.
import type { RbForest } from '../image/rbtree.ts'
import { f64, i32, u8, u32 } from '../image/table.ts'
import { TASK_COMM_LEN } from './kasan_tables.ts'
import type { Kernel } from './kernel.ts'
import type { Sys } from './mmzone.ts'

/** One row. */
export const KMEMLEAK_STATE = {
  enabled: u8('1 = blocks are noted'),
  found_leaks: u8('1 = leaks were reported since boot or since "clear"'),
  stack_scan: u8('1 = stacks of tasks are looked at'),
  verbose: u8('1 = leaks are printed in full'),
  thread: u8('1 = the thread that scans by itself is there'),
  scan_wait: f64('ticks between two scans of the thread'),
  next_scan: f64('jiffies of its next scan'),
  last_scan: f64('jiffies at which the latest scan began'),
  roots: i32('root of the tree'),
  unused: i32('first row of a chain of kmemleak_object rows that were used before; 0 = none'),
  used: i32('rows of kmemleak_object that were ever used'),
  unused_area: i32('as unused, for kmemleak_area'),
  used_areas: i32('rows of kmemleak_area that were ever used'),
} as const

/** One row a block, then the head of the list of all. @kernel mm/kmemleak.c:struct kmemleak_object */
export const KMEMLEAK_OBJECT = {
  start: f64('key of its first byte'),
  end: f64('key behind its last byte'),
  max: f64('bytes of the largest block of the subtree'),
  rb: i32('left, right, parent; 0 = none; of an unused row the next one of its chain', 3),
  red: u8('1 = red node'),
  link: i32('list_head: next and prev; the head is the last row', 2),
  flags: u8('bits OBJECT_*'),
  min_count: i32('pointers to it that must be found; 0 = it is never a leak, -1 = nor is it looked at'),
  count: i32('pointers to it that were found in the latest scan'),
  checksum: u32('of its bytes in the latest scan that looked at it'),
  jiffies: f64('when it was allocated, ticks since boot'),
  pid: i32('process that allocated it'),
  comm: u8('its name, ASCII, ends with 0', TASK_COMM_LEN),
  trace: i32('handle of the stack of calls that allocated it; 0 = not known'),
  areas: i32('first row of kmemleak_area; 0 = all of it is looked at'),
} as const

/** One row a part of a block that holds pointers. @kernel mm/kmemleak.c:struct kmemleak_scan_area */
export const KMEMLEAK_AREA = {
  start: f64('key of its first byte'),
  size: f64('bytes'),
  next: i32('next part of the block; of an unused row the next one of its chain'),
} as const

/** The tables by name, for TABLES. @ours */
export const KMEMLEAK_TABLES = {
  kmemleak_state: KMEMLEAK_STATE,
  kmemleak_object: KMEMLEAK_OBJECT,
  kmemleak_area: KMEMLEAK_AREA,
} as const

/** Bits of kmemleak_object.flags. @kernel mm/kmemleak.c:OBJECT_ALLOCATED */
export const OBJECT_ALLOCATED = 1
export const OBJECT_REPORTED = 2
export const OBJECT_NO_SCAN = 4
export const OBJECT_FULL_SCAN = 8

/** min_count of blocks that are no leaks, and of those that are not looked at either. @kernel mm/kmemleak.c:KMEMLEAK_GREY */
export const KMEMLEAK_GREY = 0
export const KMEMLEAK_BLACK = -1

/** Blocks where the shape does not say. */
export const NR_KMEMLEAK_OBJECTS = 32768
const NR_AREAS = 1024

/** Rows of the tables: none on a kernel without kmemleak. @ours */
export function kmemleak_rows(
  kernel: Kernel,
  objects: number = NR_KMEMLEAK_OBJECTS,
): { [Name in keyof typeof KMEMLEAK_TABLES]: number } {
  const on = Number(kernel.config.DEBUG_KMEMLEAK)
  return { kmemleak_state: on, kmemleak_object: on * (objects + 2), kmemleak_area: on * (NR_AREAS + 1) }
}

/** The tree of blocks. @ours */
export function kmemleak_forest(sys: Sys): RbForest {
  const { rb, red, start, end, max } = sys.kmemleak_object
  return { rb, red, start, end, max, roots: sys.kmemleak_state.roots }
}

/** Row of the head of the list of blocks. @ours */
export function kmemleak_list(sys: Sys): number {
  return sys.kmemleak_object.start.length - 1
}

/** Blocks in the order of their allocation. @ours */
export function kmemleak_objects(sys: Sys): number[] {
  const { link } = sys.kmemleak_object
  const rows: number[] = []
  if (link.length === 0) return rows
  const head = kmemleak_list(sys)
  for (let row = link[2 * head]!; row !== head; row = link[2 * row]!) rows.push(row)
  return rows
}
