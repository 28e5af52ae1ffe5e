// Kernels with DEBUG_SLAB: free objects are filled with a pattern, red zones lie before and behind each object, and
// both are looked at when objects come and go. Reports are in the kernel's words; addresses are virtual.
// An object here begins with its left red zone: its user sees it `obj_offset` later. Law: a free object has red zones
// RED_INACTIVE and bytes POISON_FREE up to POISON_END; one with its user has RED_ACTIVE.
import { address_add, address_of, format_address } from '../base/address.ts'
import { add_taint, dump_stack, print_tainted, TAINT_BAD_PAGE } from './kernel_taint.ts'
import { symbol_name } from './kernel_text.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import type { Sys } from './mmzone.ts'
import { memset, read_u8, read_u32, write_u8, write_u32 } from './physmem.ts'
import type { KmemCache } from './slab_allocator.ts'
import { index_to_obj, OBJFREELIST_SLAB, obj_to_index, type Slab, virt_to_slab } from './slab_desc.ts'
import { SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER } from './slab_flags.ts'

/** Bytes of free and of new objects. @kernel include/linux/poison.h */
export const POISON_FREE = 0x6b
export const POISON_INUSE = 0x5a
export const POISON_END = 0xa5
/** Red zones as two words, high and low. @kernel include/linux/poison.h */
export const RED_INACTIVE: readonly [number, number] = [0x09f91102, 0x9d74e35b]
export const RED_ACTIVE: readonly [number, number] = [0xd84156c5, 0x635688c0]

const REDZONE_ALIGN = 8
/** Bytes of a line of a dump, and lines of a report about one object. */
const [LINE, MOST_LINES] = [16, 6]

/** A kernel address as it prints it. @ours */
export function virtual(sys: Sys, address: number): string {
  return format_address(address_add(address_of(sys.kernel.PAGE_OFFSET), address), sys.kernel.BITS_PER_LONG)
}

const has = (sys: Sys, cache: KmemCache, flag: number): boolean => (sys.kmem_cache.flags[cache]! & flag) !== 0

/** @kernel mm/slab.c:__slab_error */
export function slab_error(sys: Sys, cache: KmemCache, where: string, message: string): void {
  sys.slab_state.slab_errors[0]! += 1
  sys.printk?.(`slab error in ${where}(): cache \`${kmem_cache_name(sys, cache)}': ${message}`)
  dump_stack(sys)
  add_taint(sys, TAINT_BAD_PAGE)
}

/** @kernel mm/slab.c:dbg_redzone1 */
const redzone1 = (sys: Sys, cache: KmemCache, object: number): number =>
  object + sys.slab_cache.obj_offset[cache]! - REDZONE_ALIGN

/** @kernel mm/slab.c:dbg_redzone2 */
function redzone2(sys: Sys, cache: KmemCache, object: number): number {
  const user = has(sys, cache, SLAB_STORE_USER) ? REDZONE_ALIGN : 0
  return object + sys.kmem_cache.size[cache]! - REDZONE_ALIGN - user
}

/** @kernel mm/slab.c:dbg_userword */
const userword = (sys: Sys, cache: KmemCache, object: number): number =>
  object + sys.kmem_cache.size[cache]! - sys.kernel.BITS_PER_LONG / 8

function set_redzones(sys: Sys, cache: KmemCache, object: number, [hi, lo]: readonly [number, number]): void {
  for (const at of [redzone1(sys, cache, object), redzone2(sys, cache, object)]) {
    write_u32(sys, at, lo)
    write_u32(sys, at + 4, hi)
  }
}

const is_red = (sys: Sys, at: number, [hi, lo]: readonly [number, number]): boolean =>
  read_u32(sys, at) === lo && read_u32(sys, at + 4) === hi

/** A red zone as the kernel prints it: hexadecimal without leading zeros. */
const red_text = (sys: Sys, at: number): string =>
  `0x${format_address({ hi: read_u32(sys, at + 4), lo: read_u32(sys, at) }).replace(/^0+(?=.)/, '')}`

function print_redzones(sys: Sys, cache: KmemCache, object: number): void {
  const [first, second] = [redzone1(sys, cache, object), redzone2(sys, cache, object)]
  sys.printk?.(`${virtual(sys, object)}: redzone 1:${red_text(sys, first)}, redzone 2:${red_text(sys, second)}`)
}

/** Notes who allocated or freed the object. */
function store_user(sys: Sys, cache: KmemCache, object: number, caller: number): void {
  if (!has(sys, cache, SLAB_STORE_USER)) return
  const at = userword(sys, cache, object)
  write_u32(sys, at, caller)
  if (sys.kernel.BITS_PER_LONG === 64) write_u32(sys, at + 4, 0)
}

/** Fills an object's bytes. @kernel mm/slab.c:poison_obj */
export function poison_obj(sys: Sys, cache: KmemCache, object: number, value: number): void {
  const size = sys.kmem_cache.object_size[cache]!
  const start = object + sys.slab_cache.obj_offset[cache]!
  memset(sys, start, value, size)
  write_u8(sys, start + size - 1, POISON_END)
}

/** Makes the objects of a new slab look free. `construct` is the cache's constructor, or null.
 * @kernel mm/slab.c:cache_init_objs_debug */
export function cache_init_objs_debug(
  sys: Sys,
  cache: KmemCache,
  slab: Slab,
  construct: ((object: number) => void) | null,
): void {
  for (let index = 0; index < sys.slab_cache.num[cache]!; index++) {
    const object = index_to_obj(sys, cache, slab, index)
    store_user(sys, cache, object, 0)
    if (has(sys, cache, SLAB_RED_ZONE)) set_redzones(sys, cache, object, RED_INACTIVE)
    if (construct && !has(sys, cache, SLAB_POISON)) construct(object + sys.slab_cache.obj_offset[cache]!)
    if (has(sys, cache, SLAB_RED_ZONE)) {
      const where = 'cache_init_objs_debug'
      if (!is_red(sys, redzone2(sys, cache, object), RED_INACTIVE))
        slab_error(sys, cache, where, 'constructor overwrote the end of an object')
      if (!is_red(sys, redzone1(sys, cache, object), RED_INACTIVE))
        slab_error(sys, cache, where, 'constructor overwrote the start of an object')
    }
    if (has(sys, cache, SLAB_POISON)) poison_obj(sys, cache, object, POISON_FREE)
  }
}

/** Looks at an object that goes to its user. @kernel mm/slab.c:cache_alloc_debugcheck_after */
export function cache_alloc_debugcheck_after(
  sys: Sys,
  cache: KmemCache,
  object: number,
  construct: ((object: number) => void) | null,
): void {
  if (has(sys, cache, SLAB_POISON)) {
    check_poison_obj(sys, cache, object)
    poison_obj(sys, cache, object, POISON_INUSE)
  }
  store_user(sys, cache, object, sys.slab_state.caller[0]!)
  if (has(sys, cache, SLAB_RED_ZONE)) {
    const zones = [redzone1(sys, cache, object), redzone2(sys, cache, object)]
    if (!zones.every(at => is_red(sys, at, RED_INACTIVE))) {
      const message = 'double free, or memory outside object was overwritten'
      slab_error(sys, cache, 'cache_alloc_debugcheck_after', message)
      print_redzones(sys, cache, object)
    }
    set_redzones(sys, cache, object, RED_ACTIVE)
  }
  if (construct && has(sys, cache, SLAB_POISON)) construct(object + sys.slab_cache.obj_offset[cache]!)
}

/** Looks at an object that comes back. @kernel mm/slab.c:cache_free_debugcheck */
export function cache_free_debugcheck(sys: Sys, cache: KmemCache, object: number): void {
  if (has(sys, cache, SLAB_RED_ZONE)) {
    verify_redzone_free(sys, cache, object)
    set_redzones(sys, cache, object, RED_INACTIVE)
  }
  store_user(sys, cache, object, sys.slab_state.caller[0]!)
  if (has(sys, cache, SLAB_POISON)) poison_obj(sys, cache, object, POISON_FREE)
}

/** Looks at the red zones of an object that comes back; whether they are sound. @kernel mm/slab.c:verify_redzone_free */
export function verify_redzone_free(sys: Sys, cache: KmemCache, object: number): boolean {
  const zones = [redzone1(sys, cache, object), redzone2(sys, cache, object)]
  if (zones.every(at => is_red(sys, at, RED_ACTIVE))) return true
  const twice = zones.every(at => is_red(sys, at, RED_INACTIVE))
  const message = twice ? 'double free detected' : 'memory outside object was overwritten'
  slab_error(sys, cache, 'verify_redzone_free', message)
  print_redzones(sys, cache, object)
  return false
}

/** Looks at the objects of a slab that goes; all of them are free. @kernel mm/slab.c:slab_destroy_debugcheck */
export function slab_destroy_debugcheck(sys: Sys, cache: KmemCache, slab: Slab): void {
  const where = 'slab_destroy_debugcheck'
  const poisoned = has(sys, cache, SLAB_POISON)
  const list = sys.slab_desc.freelist[slab]! - sys.slab_cache.obj_offset[cache]!
  if (OBJFREELIST_SLAB(sys, cache) && poisoned) poison_obj(sys, cache, list, POISON_FREE)
  for (let index = 0; index < sys.slab_cache.num[cache]!; index++) {
    const object = index_to_obj(sys, cache, slab, index)
    if (poisoned) check_poison_obj(sys, cache, object)
    if (!has(sys, cache, SLAB_RED_ZONE)) continue
    if (!is_red(sys, redzone1(sys, cache, object), RED_INACTIVE))
      slab_error(sys, cache, where, 'start of a freed object was overwritten')
    if (!is_red(sys, redzone2(sys, cache, object), RED_INACTIVE))
      slab_error(sys, cache, where, 'end of a freed object was overwritten')
  }
}

/** Reports what was written into a free object. @kernel mm/slab.c:check_poison_obj */
function check_poison_obj(sys: Sys, cache: KmemCache, object: number): void {
  const size = sys.kmem_cache.object_size[cache]!
  const start = object + sys.slab_cache.obj_offset[cache]!
  let lines = 0
  for (let at = 0; at < size && lines < MOST_LINES; at++) {
    if (read_u8(sys, start + at) === (at === size - 1 ? POISON_END : POISON_FREE)) continue
    if (lines === 0) {
      sys.slab_state.slab_errors[0]! += 1
      sys.printk?.(
        `Slab corruption (${print_tainted(sys)}): ${kmem_cache_name(sys, cache)} start=${virtual(sys, start)}, len=${size}`,
      )
      print_objinfo(sys, cache, object, 0)
    }
    at -= at % LINE
    dump_line(sys, start, at, Math.min(LINE, size - at))
    at += LINE - 1
    lines++
  }
  if (lines > 0) print_neighbours(sys, cache, object)
}

function print_neighbours(sys: Sys, cache: KmemCache, object: number): void {
  const slab = virt_to_slab(sys, object)
  const index = obj_to_index(sys, cache, slab, object)
  const size = sys.kmem_cache.object_size[cache]!
  for (const [name, at] of [
    ['Prev', index - 1],
    ['Next', index + 1],
  ] as const) {
    if (at < 0 || at >= sys.slab_cache.num[cache]!) continue
    const other = index_to_obj(sys, cache, slab, at)
    sys.printk?.(`${name} obj: start=${virtual(sys, other + sys.slab_cache.obj_offset[cache]!)}, len=${size}`)
    print_objinfo(sys, cache, other, 2)
  }
}

/** @kernel mm/slab.c:print_objinfo */
function print_objinfo(sys: Sys, cache: KmemCache, object: number, lines: number): void {
  if (has(sys, cache, SLAB_RED_ZONE)) {
    const zones = [redzone1(sys, cache, object), redzone2(sys, cache, object)]
    sys.printk?.(`Redzone: ${zones.map(at => red_text(sys, at)).join('/')}`)
  }
  if (has(sys, cache, SLAB_STORE_USER))
    sys.printk?.(`Last user: (${symbol_name(read_u32(sys, userword(sys, cache, object)))})`)
  const size = sys.kmem_cache.object_size[cache]!
  const start = object + sys.slab_cache.obj_offset[cache]!
  for (let at = 0, left = lines; at < size && left > 0; at += LINE, left--)
    dump_line(sys, start, at, Math.min(LINE, size - at))
}

/** @kernel mm/slab.c:dump_line */
function dump_line(sys: Sys, start: number, offset: number, count: number): void {
  const bytes = Array.from({ length: count }, (_, at) => read_u8(sys, start + offset + at))
  const hex = bytes.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
  const text = bytes.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
  sys.printk?.(`${offset.toString(16).padStart(3, '0')}: ${hex.padEnd(3 * LINE)} ${text}`)
  const bad = bytes.filter(byte => byte !== POISON_FREE)
  const error = bad[0]! ^ POISON_FREE
  if (bad.length !== 1 || (error & (error - 1)) !== 0) return
  sys.printk?.('Single bit error detected. Probably bad RAM.')
  const x86 = sys.kernel.arch !== 'alpha'
  sys.printk?.(x86 ? 'Run memtest86+ or a similar memory test tool.' : 'Run a memory test tool.')
}
