// kmemleak's blocks: look-up, coming and going, colours. @differs a kernel takes the records of blocks from a cache of its
// own; here they are rows, and with the last row kmemleak ends as it does there when no memory is left.
import { INIT_LIST_HEAD, list_add_tail, list_del } from '../image/list.ts'
import { type RbSide, rb_erase, rb_insert, rb_left, rb_right } from '../image/rbtree.ts'
import { kasan_comm, stack_depot_save } from './kasan_stack.ts'
import { TASK_COMM_LEN } from './kasan_tables.ts'
import { put_text } from './kernel_stack_tables.ts'
import { dump_stack } from './kernel_taint.ts'
import { symbol_name } from './kernel_text.ts'
import { kmemleak_address } from './kmemleak_key.ts'
import {
  KMEMLEAK_BLACK,
  kmemleak_forest,
  kmemleak_list,
  kmemleak_objects,
  OBJECT_ALLOCATED,
} from './kmemleak_tables.ts'
import { dump_object_info } from './kmemleak_text.ts'
import type { Sys } from './mmzone.ts'

/** Empty tables, and noting begins. @ours */
export function kmemleak_tables_init(sys: Sys): void {
  INIT_LIST_HEAD(sys.kmemleak_object.link, kmemleak_list(sys))
  sys.kmemleak_state.enabled[0] = 1
}

/** The block that a key lies in; 0 = none. With `alias` false a key inside of a block is no good and reported.
 * @kernel mm/kmemleak.c:lookup_object */
export function lookup_object(sys: Sys, key: number, alias: boolean): number {
  const { rb, start, end } = sys.kmemleak_object
  let row = sys.kmemleak_state.roots[0]!
  while (row !== 0) {
    if (key < start[row]!) row = rb_left(rb, row)
    else if (key >= end[row]!) row = rb_right(rb, row)
    else break
  }
  if (row === 0 || alias || start[row] === key) return row
  kmemleak_warn(sys, `Found object by alias at 0x${kmemleak_address(sys, key)}`)
  dump_object_info(sys, row)
  return 0
}

/** A line of kmemleak, and who ran. @kernel mm/kmemleak.c:kmemleak_warn */
export function kmemleak_warn(sys: Sys, text: string): void {
  sys.printk?.(`kmemleak: ${text}`)
  dump_stack(sys)
}

/** Ends noting for good. @kernel mm/kmemleak.c:kmemleak_disable */
export function kmemleak_disable(sys: Sys): void {
  const { enabled, found_leaks, thread } = sys.kmemleak_state
  if (enabled[0] === 0) return
  enabled[0] = 0
  thread[0] = 0
  sys.printk?.('kmemleak: Kernel memory leak detector disabled')
  if (found_leaks[0] === 0) {
    kmemleak_do_cleanup(sys)
    return
  }
  const how = 'Reclaim the memory with "echo clear > /sys/kernel/debug/kmemleak".'
  sys.printk?.(`kmemleak: Kmemleak disabled without freeing internal data. ${how}`)
}

/** Forgets all blocks. @kernel mm/kmemleak.c:__kmemleak_do_cleanup */
export function kmemleak_do_cleanup(sys: Sys): void {
  for (const row of kmemleak_objects(sys)) delete_object(sys, row)
}

/** A fresh row; 0 = there is none, and kmemleak has ended. */
function take_object(sys: Sys): number {
  const { unused, used } = sys.kmemleak_state
  const { rb } = sys.kmemleak_object
  const row = unused[0]!
  if (row !== 0) {
    unused[0] = rb[3 * row]!
    return row
  }
  if (used[0]! + 1 >= kmemleak_list(sys)) {
    kmemleak_warn(sys, 'Cannot allocate a kmemleak_object structure')
    kmemleak_disable(sys)
    return 0
  }
  used[0]! += 1
  return used[0]!
}

function put_object(sys: Sys, row: number): void {
  const { kmemleak_object: object, kmemleak_state: state } = sys
  const rows = object.start.length
  for (const column of Object.values(object)) {
    const width = column.length / rows
    column.fill(0, row * width, (row + 1) * width)
  }
  object.rb[3 * row] = state.unused[0]!
  state.unused[0] = row
}

/** Notes a block; its row, 0 = it is not noted. @kernel mm/kmemleak.c:create_object */
export function create_object(sys: Sys, key: number, size: number, min_count: number, where: string): number {
  const row = take_object(sys)
  if (row === 0) return 0
  const { start, end, flags, min_count: least, count, jiffies, pid, comm, trace, link } = sys.kmemleak_object
  start[row] = key
  end[row] = key + size
  const place = place_of(sys, row)
  if (place === null) {
    put_object(sys, row)
    return 0
  }
  flags[row] = OBJECT_ALLOCATED
  least[row] = min_count
  // Nobody calls a new block a leak before a scan has counted.
  count[row] = 0
  jiffies[row] = sys.machine.jiffies[0]!
  pid[row] = sys.kasan_state.pid[0]!
  put_text(comm, row, TASK_COMM_LEN, kasan_comm(sys))
  trace[row] = save_stack(sys, where)
  rb_insert(kmemleak_forest(sys), 0, row, place.parent, place.side)
  list_add_tail(link, row, kmemleak_list(sys))
  return row
}

/** The handle of the stack that led here: as somebody said, else the function and its caller.
 * @kernel mm/kmemleak.c:set_track_prepare */
export function save_stack(sys: Sys, where: string): number {
  const stack = sys.kasan_state.stack[0]!
  if (stack !== 0) return stack
  const caller = sys.slab_state.caller[0]!
  return stack_depot_save(sys, caller === 0 ? [where] : [where, symbol_name(caller)])
}

/** Where a block hangs in the tree; null = another is there, which is the end of kmemleak. */
function place_of(sys: Sys, row: number): { readonly parent: number; readonly side: RbSide } | null {
  const { rb, start, end } = sys.kmemleak_object
  let parent = sys.kmemleak_state.roots[0]!
  if (parent === 0) return { parent: 0, side: 0 }
  for (;;) {
    const below = end[row]! <= start[parent]!
    if (!below && start[row]! < end[parent]!) break
    const next = below ? rb_left(rb, parent) : rb_right(rb, parent)
    if (next === 0) return { parent, side: below ? 0 : 1 }
    parent = next
  }
  const where = kmemleak_address(sys, start[row]!)
  kmemleak_warn(sys, `Cannot insert 0x${where} into the object search tree (overlaps existing)`)
  kmemleak_disable(sys)
  dump_object_info(sys, parent)
  return null
}

/** Forgets a block. @kernel mm/kmemleak.c:__delete_object */
export function delete_object(sys: Sys, row: number): void {
  put_areas(sys, row)
  rb_erase(kmemleak_forest(sys), 0, row)
  list_del(sys.kmemleak_object.link, row)
  put_object(sys, row)
}

/** Forgets the parts of a block that alone are looked at. */
function put_areas(sys: Sys, row: number): void {
  const { start, size, next } = sys.kmemleak_area
  const { unused_area } = sys.kmemleak_state
  for (let area = sys.kmemleak_object.areas[row]!; area !== 0; ) {
    const following = next[area]!
    start[area] = size[area] = 0
    next[area] = unused_area[0]!
    unused_area[0] = area
    area = following
  }
}

/** A part of a block; false = there is no row left for it. @kernel mm/kmemleak.c:add_scan_area */
export function add_area(sys: Sys, row: number, key: number, size: number): boolean {
  const { unused_area, used_areas } = sys.kmemleak_state
  const area = sys.kmemleak_area
  let at = unused_area[0]!
  if (at !== 0) unused_area[0] = area.next[at]!
  else if (used_areas[0]! + 1 < area.next.length) at = used_areas[0]! += 1
  else return false
  area.start[at] = key
  area.size[at] = size
  area.next[at] = sys.kmemleak_object.areas[row]!
  sys.kmemleak_object.areas[row] = at
  return true
}

/** White: fewer pointers to it were found than there must be. @kernel mm/kmemleak.c:color_white */
export function color_white(sys: Sys, row: number): boolean {
  const { count, min_count } = sys.kmemleak_object
  return min_count[row] !== KMEMLEAK_BLACK && count[row]! < min_count[row]!
}

/** Grey: enough pointers were found, or none are needed. @kernel mm/kmemleak.c:color_gray */
export function color_gray(sys: Sys, row: number): boolean {
  const { count, min_count } = sys.kmemleak_object
  return min_count[row] !== KMEMLEAK_BLACK && count[row]! >= min_count[row]!
}
