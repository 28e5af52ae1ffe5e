// /sys/kernel/debug/kmemleak: what is read from it and written to it; the thread that scans by itself; laws of the tables.
import { parse_address } from '../base/address.ts'
import { rb_fault, rb_nodes } from '../image/rbtree.ts'
import { msecs_to_jiffies } from './jiffies.ts'
import { paint_it } from './kmemleak.ts'
import { kmemleak_address, kmemleak_key } from './kmemleak_key.ts'
import { kmemleak_disable, kmemleak_do_cleanup, lookup_object } from './kmemleak_object.ts'
import { kmemleak_scan, unreferenced_object } from './kmemleak_scan.ts'
import { KMEMLEAK_GREY, kmemleak_forest, kmemleak_objects, OBJECT_REPORTED } from './kmemleak_tables.ts'
import { dump_object_info, print_unreferenced } from './kmemleak_text.ts'
import type { Sys } from './mmzone.ts'

/** Errors of the kernel, as it returns them. */
const EPERM = 1
const ENOENT = 2
const EINVAL = 22

/** The file's text: every leak that was reported and is one still. @kernel mm/kmemleak.c:kmemleak_seq_show */
export function kmemleak_text(sys: Sys): string {
  const { flags } = sys.kmemleak_object
  const leaks = kmemleak_objects(sys).filter(
    row => (flags[row]! & OBJECT_REPORTED) !== 0 && unreferenced_object(sys, row),
  )
  return leaks.flatMap(row => print_unreferenced(sys, row).map(line => `${line}\n`)).join('')
}

/** A word is written to the file: 0, or a negated errno. A kernel without kmemleak has no such file.
 * @kernel mm/kmemleak.c:kmemleak_write */
export function kmemleak_write(sys: Sys, text: string): number {
  if (!sys.debug_kmemleak) return -ENOENT
  const word = text.trim()
  const { enabled, stack_scan, thread } = sys.kmemleak_state
  if (word === 'clear') return clear(sys)
  if (enabled[0] === 0) return -EPERM
  if (word === 'off') kmemleak_disable(sys)
  else if (word === 'stack=on') stack_scan[0] = 1
  else if (word === 'stack=off') stack_scan[0] = 0
  else if (word === 'scan=on') start_thread(sys)
  else if (word === 'scan=off') thread[0] = 0
  else if (word === 'scan') kmemleak_scan(sys)
  else if (word.startsWith('scan=')) return set_scan_wait(sys, word.slice('scan='.length))
  else if (word.startsWith('dump=')) return dump(sys, word.slice('dump='.length))
  else return -EINVAL
  return 0
}

/** Leaks that were reported are none from now on. @kernel mm/kmemleak.c:kmemleak_clear */
function clear(sys: Sys): number {
  const { enabled, found_leaks } = sys.kmemleak_state
  const { flags } = sys.kmemleak_object
  if (enabled[0] === 0) kmemleak_do_cleanup(sys)
  else
    for (const row of kmemleak_objects(sys))
      if ((flags[row]! & OBJECT_REPORTED) !== 0 && unreferenced_object(sys, row)) paint_it(sys, row, KMEMLEAK_GREY)
  found_leaks[0] = 0
  return 0
}

function start_thread(sys: Sys): void {
  const { thread, scan_wait, next_scan } = sys.kmemleak_state
  if (thread[0] === 1) return
  thread[0] = 1
  next_scan[0] = sys.machine.jiffies[0]! + scan_wait[0]!
}

/** Seconds between two scans; 0 = no more of them. */
function set_scan_wait(sys: Sys, text: string): number {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) return -EINVAL
  const { scan_wait, thread } = sys.kmemleak_state
  thread[0] = 0
  scan_wait[0] = msecs_to_jiffies(Number(text) * 1000)
  if (scan_wait[0] > 0) start_thread(sys)
  return 0
}

/** @kernel mm/kmemleak.c:dump_str_object_info */
function dump(sys: Sys, text: string): number {
  const address = parse_address(text)
  if (address === null) return -EINVAL
  const key = kmemleak_key(sys, address)
  const row = lookup_object(sys, key, false)
  if (row === 0) sys.printk?.(`kmemleak: Unknown object at 0x${kmemleak_address(sys, key)}`)
  else dump_object_info(sys, row)
  return row === 0 ? -EINVAL : 0
}

/** Time has passed: the thread scans if it is due. @kernel mm/kmemleak.c:kmemleak_scan_thread */
export function kmemleak_scan_thread(sys: Sys): void {
  if (!sys.debug_kmemleak) return
  const { enabled, thread, next_scan, scan_wait } = sys.kmemleak_state
  const now = sys.machine.jiffies[0]!
  if (enabled[0] === 0 || thread[0] === 0 || now < next_scan[0]!) return
  kmemleak_scan(sys)
  next_scan[0] = now + scan_wait[0]!
}

/** Broken laws of kmemleak's tables. @ours */
export function kmemleak_check(sys: Sys): string[] {
  if (!sys.debug_kmemleak || sys.kmemleak_object.link[2 * (sys.kmemleak_object.start.length - 1)] === 0) return []
  const broken: string[] = []
  const fault = rb_fault(kmemleak_forest(sys), 0)
  if (fault !== null) broken.push(`kmemleak: tree of blocks: ${fault}`)
  const listed = kmemleak_objects(sys)
  const inTree = new Set(rb_nodes(kmemleak_forest(sys), 0))
  if (inTree.size !== listed.length) broken.push(`kmemleak: ${inTree.size} blocks in the tree, ${listed.length} listed`)
  for (const row of listed) if (!inTree.has(row)) broken.push(`kmemleak: block ${row} is not in the tree`)
  return [...broken, ...listed.flatMap(row => areas_check(sys, row)), ...unused_check(sys, listed.length)]
}

/** Parts lie in their block. */
function areas_check(sys: Sys, row: number): string[] {
  const { start, end, areas } = sys.kmemleak_object
  const area = sys.kmemleak_area
  const broken: string[] = []
  for (let at = areas[row]!; at !== 0; at = area.next[at]!)
    if (area.start[at]! < start[row]! || area.start[at]! + area.size[at]! > end[row]!)
      broken.push(`kmemleak: part ${at} lies outside of block ${row}`)
  return broken
}

/** Every row that was ever used is a block or waits. */
function unused_check(sys: Sys, blocks: number): string[] {
  const { unused, used } = sys.kmemleak_state
  let waiting = 0
  for (let row = unused[0]!; row !== 0 && waiting <= used[0]!; row = sys.kmemleak_object.rb[3 * row]!) waiting++
  return waiting + blocks === used[0] ? [] : [`kmemleak: ${used[0]} rows used, ${blocks} blocks and ${waiting} waiting`]
}
