// The scan of kmemleak: it reads the true bytes of kernel memory for what could be pointers to blocks.
// Law: it begins with what is grey by itself (no pointer to it is needed) and with stacks; a block that enough pointers
// were found to turns grey and is read, too; who is white at the end, old enough, and has not changed since the scan
// before, is a leak.
// @differs struct pages, vm_structs, task_structs and pools are rows of tables, not bytes: the pointers that they hold in
// a kernel (an area's address, a task's stack, a pool's elements) are counted from the rows; no struct page of the model
// points to a block.
import { msecs_to_jiffies } from './jiffies.ts'
import { stack_size } from './kernel_stack_bytes.ts'
import { STACK_TASK } from './kernel_stack_tables.ts'
import { for_each_piece, kmemleak_page_key } from './kmemleak_key.ts'
import { color_gray, color_white, lookup_object } from './kmemleak_object.ts'
import {
  kmemleak_objects,
  OBJECT_ALLOCATED,
  OBJECT_FULL_SCAN,
  OBJECT_NO_SCAN,
  OBJECT_REPORTED,
} from './kmemleak_tables.ts'
import { object_checksum, print_unreferenced } from './kmemleak_text.ts'
import type { Sys } from './mmzone.ts'

/** Milliseconds that a block must be old to be a leak. @kernel mm/kmemleak.c:MSECS_MIN_AGE */
const MSECS_MIN_AGE = 5000

/** One scan; how many leaks are new. @kernel mm/kmemleak.c:kmemleak_scan */
export function kmemleak_scan(sys: Sys): number {
  const { kmemleak_state: state, kmemleak_object: object } = sys
  state.last_scan[0] = sys.machine.jiffies[0]!
  const all = kmemleak_objects(sys)
  const gray: number[] = []
  for (const row of all) {
    object.count[row] = 0
    if (color_gray(sys, row)) gray.push(row)
  }
  scan_tables(sys, gray)
  if (state.stack_scan[0] === 1) scan_stacks(sys, gray)
  scan_gray_list(sys, gray)
  // Who changed since the last scan may have been moved while it ran: no leak until the next.
  for (const row of all)
    if (color_white(sys, row) && update_checksum(sys, row)) {
      object.count[row] = object.min_count[row]!
      gray.push(row)
    }
  scan_gray_list(sys, gray)
  return report_new(sys, all)
}

/** Marks leaks that were not reported yet, and says how many they are. */
function report_new(sys: Sys, all: readonly number[]): number {
  const { flags } = sys.kmemleak_object
  const { found_leaks, verbose } = sys.kmemleak_state
  let leaks = 0
  for (const row of all) {
    if (!unreferenced_object(sys, row) || (flags[row]! & OBJECT_REPORTED) !== 0) continue
    flags[row]! |= OBJECT_REPORTED
    leaks++
    if (verbose[0] === 1) for (const line of print_unreferenced(sys, row)) sys.printk?.(`kmemleak: ${line}`)
  }
  if (leaks === 0) return 0
  found_leaks[0] = 1
  sys.printk?.(`kmemleak: ${leaks} new suspected memory leaks (see /sys/kernel/debug/kmemleak)`)
  return leaks
}

/** Whether the latest scan found a block to be a leak. @kernel mm/kmemleak.c:unreferenced_object */
export function unreferenced_object(sys: Sys, row: number): boolean {
  const { flags, jiffies } = sys.kmemleak_object
  const old = jiffies[row]! + msecs_to_jiffies(MSECS_MIN_AGE) <= sys.kmemleak_state.last_scan[0]!
  return color_white(sys, row) && (flags[row]! & OBJECT_ALLOCATED) !== 0 && old
}

/** Whether a block's bytes changed since it was asked last. @kernel mm/kmemleak.c:update_checksum */
function update_checksum(sys: Sys, row: number): boolean {
  const { checksum } = sys.kmemleak_object
  const before = checksum[row]!
  checksum[row] = object_checksum(sys, row)
  return checksum[row] !== before
}

/** A pointer to a block was found; with enough of them it turns grey. @kernel mm/kmemleak.c:update_refs */
function update_refs(sys: Sys, row: number, gray: number[]): void {
  if (!color_white(sys, row)) return
  sys.kmemleak_object.count[row]! += 1
  if (color_gray(sys, row)) gray.push(row)
}

function refer(sys: Sys, key: number, gray: number[]): void {
  const row = lookup_object(sys, key, true)
  if (row !== 0) update_refs(sys, row, gray)
}

/** Pointers that the model keeps in rows: of areas to themselves and to the array of their frames, of tasks to stacks,
 * of pools to what they keep. */
function scan_tables(sys: Sys, gray: number[]): void {
  const { addr, pages } = sys.vm_struct
  for (let vm = 1; vm <= sys.vmalloc.used_vms[0]!; vm++) {
    if (addr[vm] === 0) continue
    refer(sys, kmemleak_page_key(sys, addr[vm]!), gray)
    if (pages[vm] !== 0) refer(sys, kmemleak_page_key(sys, addr[pages[vm]!]!), gray)
  }
  const { kind, page, vmapped } = sys.kernel_stack
  for (let stack = 1; stack <= sys.stack_state.used_stacks[0]!; stack++)
    if (kind[stack] !== 0 && vmapped[stack] === 1) refer(sys, kmemleak_page_key(sys, page[stack]!), gray)
  const { used, elements, curr_nr } = sys.mempool
  for (let pool = 0; pool < used.length; pool++)
    for (let at = 0; at < used[pool]! * curr_nr[pool]!; at++)
      refer(sys, sys.mempool_element.element[elements[pool]! + at]!, gray)
}

function scan_stacks(sys: Sys, gray: number[]): void {
  const { kind, page } = sys.kernel_stack
  for (let stack = 1; stack <= sys.stack_state.used_stacks[0]!; stack++)
    if (kind[stack] === STACK_TASK)
      scan_block(sys, kmemleak_page_key(sys, page[stack]!), stack_size(sys, stack), 0, gray)
}

/** Reads all that is grey, which makes more grey; the list is empty afterwards. @kernel mm/kmemleak.c:scan_gray_list */
function scan_gray_list(sys: Sys, gray: number[]): void {
  for (let at = 0; at < gray.length; at++) scan_object(sys, gray[at]!, gray)
  gray.length = 0
}

/** @kernel mm/kmemleak.c:scan_object */
function scan_object(sys: Sys, row: number, gray: number[]): void {
  const { start, end, flags, areas } = sys.kmemleak_object
  if ((flags[row]! & OBJECT_NO_SCAN) !== 0) return
  if (areas[row] === 0 || (flags[row]! & OBJECT_FULL_SCAN) !== 0) {
    scan_block(sys, start[row]!, end[row]! - start[row]!, row, gray)
    return
  }
  const area = sys.kmemleak_area
  for (let at = areas[row]!; at !== 0; at = area.next[at]!) scan_block(sys, area.start[at]!, area.size[at]!, row, gray)
}

/** Looks at every word of a range that could be a pointer. What `scanned` holds of itself does not count.
 * @kernel mm/kmemleak.c:scan_block */
function scan_block(sys: Sys, key: number, size: number, scanned: number, gray: number[]): void {
  const { physmem_words: words, page_offset_hi: hi, page_offset_lo: lo } = sys
  const step = sys.kernel.BITS_PER_LONG / 32
  const first = Math.ceil(key / (4 * step)) * (4 * step)
  for_each_piece(sys, first, key + size - first, (at, bytes) => {
    if (at < 0) return
    const last = (at + bytes) >>> 2
    for (let word = at >>> 2; word + step <= last; word += step) {
      const high = step === 2 ? words[word + 1]! : 0
      if (high < hi || (high === hi && words[word]! < lo)) continue
      const row = lookup_object(sys, pointer_key((high - hi) * 2 ** 32, words[word]! - lo), true)
      if (row !== 0 && row !== scanned) update_refs(sys, row, gray)
    }
  })
}

/** As kmemleak_key, of halves. */
const pointer_key = (high: number, low: number): number => high + (high < 2 ** 53 ? low : low & ~7)
