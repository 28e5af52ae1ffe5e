// What SLUB says about caches and objects that are damaged or used wrongly: the kernel's own lines, through sys.printk.
// Every error is counted, in the machine (as the kernel's unit tests count) and in its cache.
import { type Address, address_add, address_of, format_address } from '../base/address.ts'
import { clamp } from '../base/bits.ts'
import { __GFP_NOWARN } from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import { kasan_metadata_size } from './kasan_meta.ts'
import { add_taint, dump_stack, print_tainted, TAINT_BAD_PAGE, warn } from './kernel_taint.ts'
import { symbol_name } from './kernel_text.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import { PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { read_u8 } from './physmem.ts'
import { size_order } from './slab_common.ts'
import { SLAB_RED_ZONE, SLAB_STORE_USER } from './slab_flags.ts'
import { get_track, metadata_end, size_from_object, TRACK_ALLOC, TRACK_FREE } from './slub_debug.ts'
import { node_free_objects } from './slub_info.ts'
import { freepointer_address, object_address } from './slub_pointer.ts'
import { slab_address, slab_freelist, slab_inuse, slab_objects, virt_to_slab } from './slub_slab.ts'

const RULE = '============================================================================='
const LINE = '-----------------------------------------------------------------------------'
/** Bits of page flags that name the node, and the last CPU, where the kernel keeps them. */
const NODES_SHIFT = 10
const LAST_CPUPID_BITS = 21
const PG_slab = 0x200
const PG_head = 0x10000

/** An address as %p prints it: with its digits, not hashed. @ours */
export function pointer(sys: Sys, address: Address): string {
  return format_address(address, sys.kernel.BITS_PER_LONG)
}

/** The virtual address of an object, as `0x%p`. @ours */
export function object_pointer(sys: Sys, object: number): string {
  return `0x${pointer(sys, object_address(sys, object))}`
}

/** Counts an error that a check found. @ours */
export function count_error(sys: Sys, cache: number): void {
  sys.slab_state.slab_errors[0]! += 1
  sys.slub_cache.errors[cache]! += 1
}

/** The head of a report. @kernel mm/slub.c:slab_bug */
export function slab_bug(sys: Sys, cache: number, message: string): void {
  count_error(sys, cache)
  sys.printk?.(RULE)
  for (const line of `BUG ${kmem_cache_name(sys, cache)} (${print_tainted(sys)}): ${message}`.split('\n'))
    sys.printk?.(line)
  sys.printk?.(LINE)
  sys.printk?.('')
}

/** What was done about it. @kernel mm/slub.c:slab_fix */
export function slab_fix(sys: Sys, cache: number, message: string): void {
  count_error(sys, cache)
  sys.printk?.(`FIX ${kmem_cache_name(sys, cache)}: ${message}`)
}

/** An error of a slab. @kernel mm/slub.c:slab_err */
export function slab_err(sys: Sys, cache: number, slab: number, message: string): void {
  slab_bug(sys, cache, message)
  print_slab_info(sys, slab)
  dump_stack(sys)
  add_taint(sys, TAINT_BAD_PAGE)
}

/** An error of an object. @kernel mm/slub.c:object_err */
export function object_err(sys: Sys, cache: number, slab: number, object: number, reason: string): void {
  slab_bug(sys, cache, reason)
  print_trailer(sys, cache, slab, object)
  add_taint(sys, TAINT_BAD_PAGE)
}

/** @kernel mm/slub.c:print_slab_info */
function print_slab_info(sys: Sys, slab: number): void {
  const [objects, used] = [slab_objects(sys, slab), slab_inuse(sys, slab)]
  const fp = pointer(sys, object_address(sys, Math.max(slab_freelist(sys, slab), 0)))
  const flags = page_flags(sys, slab)
  sys.printk?.(`Slab 0x${slab_pointer(sys, slab)} objects=${objects} used=${used} fp=0x${fp} flags=${flags}`)
}

/** Where a frame's struct page lies. @kernel include/asm-generic/memory_model.h:pfn_to_page
 * @differs where the kernel has no virtual memory map it is taken to begin with the direct map */
function slab_pointer(sys: Sys, slab: number): string {
  const { arch, pgtable_levels, PAGE_OFFSET, sizeof_page } = sys.kernel
  const map = arch !== 'x86_64' ? PAGE_OFFSET : pgtable_levels === 5 ? 0xffd4000000000000 : 0xffffea0000000000
  return pointer(sys, address_add(address_of(map), slab * sizeof_page))
}

/** @kernel lib/vsprintf.c:format_page_flags */
function page_flags(sys: Sys, pfn: number): string {
  const { BITS_PER_LONG: bits, config } = sys.kernel
  const zone_width = config.ZONE_DEVICE ? 3 : 2
  const node_shift = bits - (config.NUMA ? NODES_SHIFT : 0)
  const zone = page_zone(sys, pfn)
  const [node, type] = [sys.zone_to_nid[zone]!, sys.zone_idx[zone]!]
  const cpupid = config.NUMA_BALANCING ? 2 ** LAST_CPUPID_BITS - 1 : 0
  const head = (sys.page.flags[pfn]! & PG.head) !== 0
  let value = BigInt(PG_slab | (head ? PG_head : 0)) | (BigInt(type) << BigInt(node_shift - zone_width))
  if (config.NUMA) value |= BigInt(node) << BigInt(node_shift)
  if (cpupid !== 0) value |= BigInt(cpupid) << BigInt(node_shift - zone_width - LAST_CPUPID_BITS)
  const names = ['slab', ...(head ? ['head'] : []), ...(config.NUMA ? [`node=${node}`] : []), `zone=${type}`]
  if (cpupid !== 0) names.push(`lastcpupid=0x${cpupid.toString(16)}`)
  return `0x${value.toString(16)}(${names.join('|')})`
}

/** Everything about an object: who had it, its bytes and what lies around it. @kernel mm/slub.c:print_trailer */
export function print_trailer(sys: Sys, cache: number, slab: number, object: number): void {
  const { object_size, flags } = sys.kmem_cache
  const { red_left_pad, inuse } = sys.slub_cache
  const size = object_size[cache]!
  const start = slab_address(sys, slab)
  const red = (flags[cache]! & SLAB_RED_ZONE) !== 0
  print_tracking(sys, cache, object)
  print_slab_info(sys, slab)
  const fp = pointer(sys, freepointer_address(sys, cache, object))
  sys.printk?.(`Object ${object_pointer(sys, object)} @offset=${object - start} fp=0x${fp}`)
  sys.printk?.('')
  if (red) print_section(sys, 'Redzone  ', object - red_left_pad[cache]!, red_left_pad[cache]!)
  else if (object > start + 16) print_section(sys, 'Bytes b4 ', object - 16, 16)
  print_section(sys, 'Object   ', object, Math.min(size, 2 ** sys.kernel.PAGE_SHIFT))
  if (red) print_section(sys, 'Redzone  ', object + size, inuse[cache]! - size)
  const end = metadata_end(sys, cache) + kasan_metadata_size(sys, cache)
  if (end !== size_from_object(sys, cache))
    print_section(sys, 'Padding  ', object + end, size_from_object(sys, cache) - end)
  dump_stack(sys)
}

/** Bytes in hexadecimal and as characters, 16 a line. @kernel mm/slub.c:print_section */
export function print_section(sys: Sys, text: string, paddr: number, length: number): void {
  for (let at = 0; at < length; at += 16) {
    const bytes = Array.from({ length: Math.min(16, length - at) }, (_, i) => read_u8(sys, paddr + at + i))
    const hex = bytes.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const ascii = bytes.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    sys.printk?.(`${text}${pointer(sys, object_address(sys, paddr + at))}: ${hex.padEnd(49)}${ascii}`)
  }
}

/** Who allocated and freed an object last. @kernel mm/slub.c:print_tracking */
export function print_tracking(sys: Sys, cache: number, object: number): void {
  if ((sys.kmem_cache.flags[cache]! & SLAB_STORE_USER) === 0) return
  print_track(sys, cache, object, 'Allocated', TRACK_ALLOC)
  print_track(sys, cache, object, 'Freed', TRACK_FREE)
}

function print_track(sys: Sys, cache: number, object: number, what: string, kind: number): void {
  const { addr, cpu, pid, when } = get_track(sys, cache, object, kind)
  if (addr === 0) return
  const age = sys.machine.jiffies[0]! - when
  sys.printk?.(`${what} in ${symbol_name(addr)} age=${age} cpu=${cpu} pid=${pid}`)
}

/** An object of a cache without checks was given back wrongly: twice, or it is none. The kernel, which has no checks
 * either, would go on with a damaged list. @ours */
export function report_wrong_free(sys: Sys, cache: number, object: number, reason: string | null): void {
  const slab = virt_to_slab(sys, object)
  if (reason === null || slab < 0) {
    if (slab >= 0) slab_err(sys, cache, slab, `Invalid object pointer ${object_pointer(sys, object)}`)
    else slab_bug(sys, cache, `Invalid object pointer ${object_pointer(sys, Math.max(object, 0))}`)
  } else object_err(sys, cache, slab, object, reason)
  slab_fix(sys, cache, `Object at ${object_pointer(sys, Math.max(object, 0))} not freed`)
}

/** The cache that an object really belongs to, -1 = none; a caller who thinks otherwise is told.
 * @kernel mm/slab.h:cache_from_obj @differs looks in all kernels, not only in hardened ones and at checked caches */
export function cache_from_obj(sys: Sys, cache: number, slab: number, object: number): number {
  if (slab < 0) {
    warn(sys, 'virt_to_cache', 'virt_to_cache: Object is not a Slab page!')
    return -1
  }
  const owner = sys.page.mapping[slab]! - 1
  if (owner !== cache) {
    const [given, true_name] = [kmem_cache_name(sys, cache), kmem_cache_name(sys, owner)]
    warn(sys, 'cache_from_obj', `cache_from_obj: Wrong slab cache. ${given} but object is from ${true_name}`)
    print_tracking(sys, owner, object)
  }
  return owner
}

/** A slab could not be made. @kernel mm/slub.c:slab_out_of_memory */
export function slab_out_of_memory(sys: Sys, cache: number, gfp: number, node: number): void {
  if ((gfp & __GFP_NOWARN) !== 0 || sys.printk === null) return
  const { object_size, size } = sys.kmem_cache
  const { oo, min } = sys.slub_cache
  const name = kmem_cache_name(sys, cache)
  const mask = `${gfp === 0 ? '0' : `0x${gfp.toString(16)}`}(${format_gfp(sys.kernel.gfp, gfp)})`
  sys.printk(`SLUB: Unable to allocate memory on node ${node}, gfp=${mask}`)
  const orders = `default order: ${oo[cache]! >>> 16}, min order: ${min[cache]! >>> 16}`
  sys.printk(`  cache: ${name}, object size: ${object_size[cache]}, buffer size: ${size[cache]}, ${orders}`)
  if (min[cache]! >>> 16 > clamp(size_order(sys.kernel, object_size[cache]!), 0, 31))
    sys.printk(`  ${name} debugging increased min order, use slub_debug=O to disable.`)
  for (let nid = 0; nid < sys.nr_nodes; nid++) {
    const row = cache * sys.nr_nodes + nid
    const { nr_slabs, total_objects } = sys.slub_node
    const free = node_free_objects(sys, row)
    sys.printk(`  node ${nid}: slabs: ${nr_slabs[row]}, objs: ${total_objects[row]}, free: ${free}`)
  }
}
