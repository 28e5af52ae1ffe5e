// slub_debug: objects that are looked at when they come and go. Free objects and unused bytes are poisoned, red zones lie
// around each object, records behind it say who had it last; all of it are bytes of the slab, and what does not hold of
// them is reported and mended, as the kernel does.
// Law: a free object has red zones 0xbb and poison 0x6b … 0xa5, one in use red zones 0xcc; all else unused is 0x5a.

import { kasan_metadata_size } from './kasan_meta.ts'
import { add_taint, TAINT_BAD_PAGE } from './kernel_taint.ts'
import type { Sys } from './mmzone.ts'
import { memset, read_u8, read_u32, write_u8, write_u32 } from './physmem.ts'
import { SLAB_CONSISTENCY_CHECKS, SLAB_KMALLOC, SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from './slab_flags.ts'
import { __OBJECT_POISON } from './slub_geometry.ts'
import { get_freepointer, set_freepointer } from './slub_pointer.ts'
import {
  object_err,
  object_pointer,
  print_section,
  print_trailer,
  slab_bug,
  slab_err,
  slab_fix,
} from './slub_report.ts'
import {
  set_slab_counters,
  set_slab_freelist,
  set_slab_inuse,
  slab_address,
  slab_bytes,
  slab_freelist,
  slab_inuse,
  slab_objects,
  slab_order,
} from './slub_slab.ts'

export const SLUB_RED_INACTIVE = 0xbb
export const SLUB_RED_ACTIVE = 0xcc
export const POISON_INUSE = 0x5a
export const POISON_FREE = 0x6b
export const POISON_END = 0xa5

/** Records of an object. @kernel mm/slub.c:enum track_item */
export const TRACK_ALLOC = 0
export const TRACK_FREE = 1

const MAX_OBJS_PER_PAGE = 32767

const has = (sys: Sys, cache: number, flag: number): boolean => (sys.kmem_cache.flags[cache]! & flag) !== 0
const word_bytes = (sys: Sys): number => sys.kernel.BITS_PER_LONG / 8

/** Bytes from an object's start up to the records. @kernel mm/slub.c:get_info_end */
export function get_info_end(sys: Sys, cache: number): number {
  const { inuse } = sys.slub_cache
  return inuse[cache]! + (freeptr_outside_object(sys, cache) ? word_bytes(sys) : 0)
}

/** @kernel mm/slub.c:freeptr_outside_object */
function freeptr_outside_object(sys: Sys, cache: number): boolean {
  return sys.slub_cache.offset[cache]! >= sys.slub_cache.inuse[cache]!
}

/** Bytes of a record: address, stack, CPU, process, time. */
const track_bytes = (sys: Sys): number => (sys.kernel.BITS_PER_LONG === 64 ? 32 : 20)

/** Whether the bytes that kmalloc was asked for are kept. @kernel mm/slub.c:slub_debug_orig_size */
export function slub_debug_orig_size(sys: Sys, cache: number): boolean {
  return has(sys, cache, SLAB_STORE_USER) && has(sys, cache, SLAB_KMALLOC)
}

/** Bytes from an object's start to the end of its records. @ours */
export function metadata_end(sys: Sys, cache: number): number {
  const tracks = has(sys, cache, SLAB_STORE_USER) ? 2 * track_bytes(sys) : 0
  return get_info_end(sys, cache) + tracks + (slub_debug_orig_size(sys, cache) ? 4 : 0)
}

/** Bytes from an object's start to the next one's left red zone. @kernel mm/slub.c:size_from_object */
export function size_from_object(sys: Sys, cache: number): number {
  return sys.kmem_cache.size[cache]! - sys.slub_cache.red_left_pad[cache]!
}

/** A record of who had an object. */
export interface Track {
  /** The caller's number in kernel_text.ts; 0 = the record is empty. */
  readonly addr: number
  readonly cpu: number
  readonly pid: number
  /** Ticks since boot. */
  readonly when: number
}

function track_at(sys: Sys, cache: number, object: number, kind: number): number {
  return object + get_info_end(sys, cache) + kind * track_bytes(sys)
}

/** @kernel mm/slub.c:get_track */
export function get_track(sys: Sys, cache: number, object: number, kind: number): Track {
  const at = track_at(sys, cache, object, kind)
  const word = word_bytes(sys)
  const when = word === 8 ? read_u32(sys, at + 24) + read_u32(sys, at + 28) * 2 ** 32 : read_u32(sys, at + 16)
  return { addr: read_u32(sys, at), cpu: read_u32(sys, at + word + 4), pid: read_u32(sys, at + word + 8), when }
}

/** Notes who has an object now. @kernel mm/slub.c:set_track
 * @differs without stack; the caller's address is its number, with the high bits of kernel text */
export function set_track(sys: Sys, cache: number, object: number, kind: number): void {
  const at = track_at(sys, cache, object, kind)
  const word = word_bytes(sys)
  const jiffies = sys.machine.jiffies[0]!
  memset(sys, at, 0, track_bytes(sys))
  write_u32(sys, at, sys.slab_state.caller[0]! || 1)
  if (word === 8) write_u32(sys, at + 4, 0xffffffff)
  write_u32(sys, at + word + 4, sys.machine.this_cpu[0]!)
  write_u32(sys, at + (word === 8 ? 24 : 16), jiffies % 2 ** 32)
  if (word === 8) write_u32(sys, at + 28, Math.floor(jiffies / 2 ** 32))
}

const orig_size_at = (sys: Sys, cache: number, object: number): number => object + metadata_end(sys, cache) - 4

/** Bytes that kmalloc was asked for; those of the cache where nobody keeps them. @kernel mm/slub.c:get_orig_size */
export function get_orig_size(sys: Sys, cache: number, object: number): number {
  if (!slub_debug_orig_size(sys, cache)) return sys.kmem_cache.object_size[cache]!
  return read_u32(sys, orig_size_at(sys, cache, object))
}

/** @kernel mm/slub.c:set_orig_size */
export function set_orig_size(sys: Sys, cache: number, object: number, orig_size: number): void {
  if (slub_debug_orig_size(sys, cache)) write_u32(sys, orig_size_at(sys, cache, object), orig_size)
}

/** Bytes of an object that are its user's; behind them its red zone begins. */
function user_bytes(sys: Sys, cache: number, object: number, val: number): number {
  const exact = sys.kernel.config.SLUB_KMALLOC_REDZONE && val === SLUB_RED_ACTIVE
  return exact ? get_orig_size(sys, cache, object) : sys.kmem_cache.object_size[cache]!
}

/** Writes red zones and poison. @kernel mm/slub.c:init_object */
function init_object(sys: Sys, cache: number, object: number, val: number): void {
  const { red_left_pad, inuse } = sys.slub_cache
  const poison = user_bytes(sys, cache, object, val)
  const red = has(sys, cache, SLAB_RED_ZONE)
  if (red) memset(sys, object - red_left_pad[cache]!, val, red_left_pad[cache]!)
  if (has(sys, cache, __OBJECT_POISON)) {
    memset(sys, object, POISON_FREE, poison - 1)
    write_u8(sys, object + poison - 1, POISON_END)
  }
  if (red) memset(sys, object + poison, val, inuse[cache]! - poison)
}

/** An object of a new slab. @kernel mm/slub.c:setup_object_debug */
export function setup_object_debug(sys: Sys, cache: number, object: number): void {
  if (!has(sys, cache, SLAB_STORE_USER | SLAB_RED_ZONE | __OBJECT_POISON)) return
  init_object(sys, cache, object, SLUB_RED_INACTIVE)
  if (has(sys, cache, SLAB_STORE_USER)) memset(sys, track_at(sys, cache, object, TRACK_ALLOC), 0, 2 * track_bytes(sys))
  set_orig_size(sys, cache, object, 0)
}

/** Whether an address is where an object of a slab begins, or NULL. @kernel mm/slub.c:check_valid_pointer */
export function check_valid_pointer(sys: Sys, cache: number, slab: number, object: number): boolean {
  if (object === 0) return true
  const size = sys.kmem_cache.size[cache]!
  const offset = object - sys.slub_cache.red_left_pad[cache]! - slab_address(sys, slab)
  return offset >= 0 && offset < slab_objects(sys, slab) * size && offset % size === 0
}

/** First byte of a range that is not `value`; -1 = all are. @kernel lib/string.c:memchr_inv */
function memchr_inv(sys: Sys, start: number, value: number, bytes: number): number {
  for (let at = start; at < start + bytes; at++) if (read_u8(sys, at) !== value) return at
  return -1
}

function last_fault(sys: Sys, fault: number, end: number, value: number): number {
  let last = end
  while (last > fault && read_u8(sys, last - 1) === value) last--
  return last
}

/** @kernel mm/slub.c:restore_bytes */
function restore_bytes(sys: Sys, cache: number, what: string, value: number, from: number, to: number): void {
  const range = `${object_pointer(sys, from)}-${object_pointer(sys, to - 1)}`
  slab_fix(sys, cache, `Restoring ${what} ${range}=0x${value.toString(16)}`)
  memset(sys, from, value, to - from)
}

/** Whether a range has one value; else it is reported and mended. @kernel mm/slub.c:check_bytes_and_report */
function check_bytes_and_report(
  sys: Sys,
  cache: number,
  slab: number,
  object: number,
  what: string,
  start: number,
  value: number,
  bytes: number,
): boolean {
  const fault = memchr_inv(sys, start, value, bytes)
  if (fault < 0) return true
  const end = last_fault(sys, fault, start + bytes, value)
  slab_bug(sys, cache, `${what} overwritten`)
  const range = `${object_pointer(sys, fault)}-${object_pointer(sys, end - 1)}`
  const values = `First byte 0x${read_u8(sys, fault).toString(16)} instead of 0x${value.toString(16)}`
  sys.printk?.(`${range} @offset=${fault - slab_address(sys, slab)}. ${values}`)
  print_trailer(sys, cache, slab, object)
  add_taint(sys, TAINT_BAD_PAGE)
  restore_bytes(sys, cache, what, value, fault, end)
  return false
}

/** @kernel mm/slub.c:check_pad_bytes */
function check_pad_bytes(sys: Sys, cache: number, slab: number, object: number): void {
  const end = metadata_end(sys, cache) + kasan_metadata_size(sys, cache)
  const size = size_from_object(sys, cache)
  if (end !== size)
    check_bytes_and_report(sys, cache, slab, object, 'Object padding', object + end, POISON_INUSE, size - end)
}

/** The bytes behind a slab's last object. @kernel mm/slub.c:slab_pad_check */
function slab_pad_check(sys: Sys, cache: number, slab: number): void {
  if (!has(sys, cache, SLAB_POISON)) return
  const start = slab_address(sys, slab)
  const end = start + slab_bytes(sys, slab)
  const remainder = slab_bytes(sys, slab) % sys.kmem_cache.size[cache]!
  const pad = end - remainder
  const fault = memchr_inv(sys, pad, POISON_INUSE, remainder)
  if (fault < 0) return
  const last = last_fault(sys, fault, end, POISON_INUSE)
  const range = `${object_pointer(sys, fault)}-${object_pointer(sys, last - 1)}`
  slab_err(sys, cache, slab, `Padding overwritten. ${range} @offset=${fault - start}`)
  print_section(sys, 'Padding ', pad, remainder)
  restore_bytes(sys, cache, 'slab padding', POISON_INUSE, fault, last)
}

/** Whether the bytes of an object that is free (`val` SLUB_RED_INACTIVE) or in use (SLUB_RED_ACTIVE) are right.
 * @kernel mm/slub.c:check_object */
export function check_object(sys: Sys, cache: number, slab: number, object: number, val: number): boolean {
  const { red_left_pad, inuse } = sys.slub_cache
  const size = sys.kmem_cache.object_size[cache]!
  const left = red_left_pad[cache]!
  const right = inuse[cache]! - size
  const sound = (what: string, start: number, value: number, bytes: number): boolean =>
    check_bytes_and_report(sys, cache, slab, object, what, start, value, bytes)
  if (has(sys, cache, SLAB_RED_ZONE)) {
    if (!sound('Left Redzone', object - left, val, left)) return false
    if (!sound('Right Redzone', object + size, val, right)) return false
    const user = slub_debug_orig_size(sys, cache) ? user_bytes(sys, cache, object, val) : size
    if (user < size && !sound('kmalloc Redzone', object + user, val, size - user)) return false
  } else if (has(sys, cache, SLAB_POISON) && right > 0) sound('Alignment padding', object + size, POISON_INUSE, right)
  if (has(sys, cache, SLAB_POISON)) {
    const poisoned = val !== SLUB_RED_ACTIVE && has(sys, cache, __OBJECT_POISON)
    if (poisoned && !sound('Poison', object, POISON_FREE, size - 1)) return false
    if (poisoned && !sound('End Poison', object + size - 1, POISON_END, 1)) return false
    check_pad_bytes(sys, cache, slab, object)
  }
  // A free pointer inside of an object in use is its user's bytes.
  if (!freeptr_outside_object(sys, cache) && val === SLUB_RED_ACTIVE) return true
  if (check_valid_pointer(sys, cache, slab, get_freepointer(sys, cache, object))) return true
  object_err(sys, cache, slab, object, 'Freepointer corrupt')
  set_freepointer(sys, cache, object, 0)
  return false
}

const order_objects = (sys: Sys, cache: number, slab: number): number =>
  Math.floor(2 ** (sys.kernel.PAGE_SHIFT + slab_order(sys, slab)) / sys.kmem_cache.size[cache]!)

/** Whether a slab's counts can be right. @kernel mm/slub.c:check_slab */
export function check_slab(sys: Sys, cache: number, slab: number): boolean {
  const [objects, inuse, most] = [slab_objects(sys, slab), slab_inuse(sys, slab), order_objects(sys, cache, slab)]
  if (objects > most) {
    slab_err(sys, cache, slab, `objects ${objects} > max ${most}`)
    return false
  }
  if (inuse > objects) {
    slab_err(sys, cache, slab, `inuse ${inuse} > max ${objects}`)
    return false
  }
  slab_pad_check(sys, cache, slab)
  return true
}

/** Whether an object is on its slab's list of free ones; 0 = asks whether the list is sound. What is wrong with the list
 * is mended. @kernel mm/slub.c:on_freelist */
export function on_freelist(sys: Sys, cache: number, slab: number, search: number): boolean {
  const objects = slab_objects(sys, slab)
  let [nr, last] = [0, 0]
  for (let fp = slab_freelist(sys, slab); fp !== 0 && nr <= objects; nr++) {
    if (fp === search) return true
    if (!check_valid_pointer(sys, cache, slab, fp)) {
      if (last === 0) return clear_freelist(sys, cache, slab)
      object_err(sys, cache, slab, last, 'Freechain corrupt')
      set_freepointer(sys, cache, last, 0)
      break
    }
    last = fp
    fp = get_freepointer(sys, cache, fp)
  }
  const right = Math.min(order_objects(sys, cache, slab), MAX_OBJS_PER_PAGE)
  if (objects !== right) {
    slab_err(sys, cache, slab, `Wrong number of objects. Found ${objects} but should be ${right}`)
    set_slab_counters(sys, slab, slab_inuse(sys, slab), right, sys.page.private[slab]! < 0)
    slab_fix(sys, cache, 'Number of objects adjusted')
  }
  if (slab_inuse(sys, slab) !== right - nr) {
    const counts = `Counter is ${slab_inuse(sys, slab)} but counted were ${right - nr}`
    slab_err(sys, cache, slab, `Wrong object count. ${counts}`)
    set_slab_inuse(sys, slab, Math.max(right - nr, 0))
    slab_fix(sys, cache, 'Object count adjusted')
  }
  return search === 0
}

function clear_freelist(sys: Sys, cache: number, slab: number): boolean {
  slab_err(sys, cache, slab, 'Freepointer corrupt')
  set_slab_freelist(sys, slab, 0)
  set_slab_inuse(sys, slab, slab_objects(sys, slab))
  slab_fix(sys, cache, 'Freelist cleared')
  return false
}

/** @kernel mm/slub.c:alloc_consistency_checks */
function alloc_consistency_checks(sys: Sys, cache: number, slab: number, object: number): boolean {
  if (!check_slab(sys, cache, slab)) return false
  if (object <= 0 || !check_valid_pointer(sys, cache, slab, object)) {
    slab_err(sys, cache, slab, 'Freelist Pointer check fails')
    return false
  }
  return check_object(sys, cache, slab, object, SLUB_RED_INACTIVE)
}

/** Looks at an object that is about to be handed out; a damaged one spoils its slab, which is taken to be full.
 * @kernel mm/slub.c:alloc_debug_processing */
export function alloc_debug_processing(
  sys: Sys,
  cache: number,
  slab: number,
  object: number,
  orig_size: number,
): boolean {
  const checked = has(sys, cache, SLAB_CONSISTENCY_CHECKS)
    ? alloc_consistency_checks(sys, cache, slab, object)
    : check_valid_pointer(sys, cache, slab, object) && object > 0
  if (checked) {
    set_orig_size(sys, cache, object, orig_size)
    init_object(sys, cache, object, SLUB_RED_ACTIVE)
    return true
  }
  slab_fix(sys, cache, 'Marking all objects used')
  set_slab_inuse(sys, slab, slab_objects(sys, slab))
  set_slab_freelist(sys, slab, 0)
  return false
}

/** @kernel mm/slub.c:free_consistency_checks */
function free_consistency_checks(sys: Sys, cache: number, slab: number, object: number): boolean {
  if (!check_valid_pointer(sys, cache, slab, object)) {
    slab_err(sys, cache, slab, `Invalid object pointer ${object_pointer(sys, object)}`)
    return false
  }
  if (on_freelist(sys, cache, slab, object)) {
    object_err(sys, cache, slab, object, 'Object already free')
    return false
  }
  return check_object(sys, cache, slab, object, SLUB_RED_ACTIVE)
}

/** Looks at an object that is given back; false = it stays with its user. @kernel mm/slub.c:free_debug_processing */
export function free_debug_processing(sys: Sys, cache: number, slab: number, object: number): boolean {
  const sound = free_checks(sys, cache, slab, object)
  if (sound) init_object(sys, cache, object, SLUB_RED_INACTIVE)
  else slab_fix(sys, cache, `Object at ${object_pointer(sys, object)} not freed`)
  return sound
}

function free_checks(sys: Sys, cache: number, slab: number, object: number): boolean {
  const checks = has(sys, cache, SLAB_CONSISTENCY_CHECKS)
  if (checks && !check_slab(sys, cache, slab)) return false
  if (slab_inuse(sys, slab) < 1) {
    slab_err(sys, cache, slab, `Slab has ${slab_inuse(sys, slab)} allocated objects but 1 are to be freed\n`)
    return false
  }
  return !checks || free_consistency_checks(sys, cache, slab, object)
}

/** Looks at all objects of a slab that goes. @kernel mm/slub.c:__free_slab */
export function check_free_slab(sys: Sys, cache: number, slab: number): void {
  const start = slab_address(sys, slab) + sys.slub_cache.red_left_pad[cache]!
  slab_pad_check(sys, cache, slab)
  for (let index = 0; index < slab_objects(sys, slab); index++)
    check_object(sys, cache, slab, start + index * sys.kmem_cache.size[cache]!, SLUB_RED_INACTIVE)
}
