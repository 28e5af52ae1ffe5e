// What an address belongs to, as KASAN's reports say it: an object of a cache and who had it, a variable, a function's
// frame on the stack, an area of vmalloc, a physical page.
import { type Address, address_distance, format_address } from '../base/address.ts'
import { frame_at } from './kasan_frames.ts'
import { kasan_global_of, kernel_image_paddr } from './kasan_globals.ts'
import { type KasanTrack, kasan_aux_stacks, kasan_get_alloc_track, kasan_get_free_track } from './kasan_meta.ts'
import { dump_page } from './kasan_page_dump.ts'
import {
  direct_address,
  direct_paddr,
  is_vmalloc_addr,
  KASAN_SLAB_FREETRACK,
  page_of_address,
  page_start,
  shadow_of,
} from './kasan_shadow.ts'
import { kasan_comm, stack_depot_fetch } from './kasan_stack.ts'
import { KASAN_GRANULE_SIZE } from './kasan_tables.ts'
import { kmem_cache_name } from './kmem_cache_rows.ts'
import { PG } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { NO_CACHE } from './slab_allocator.ts'
import { slab_allocator } from './slab_allocators.ts'
import { find_vm_area, vm_caller, vmalloc_to_page } from './vm_struct.ts'

/** Everything that is known of an address. @kernel mm/kasan/report.c:print_address_description */
export function describe_address(sys: Sys, address: Address, type: string): void {
  const paddr = direct_paddr(sys, address)
  const cache = paddr < 0 ? NO_CACHE : slab_allocator(sys).cache_of(sys, paddr)
  if (cache !== NO_CACHE) describe_object(sys, cache, slab_allocator(sys).nearest_obj(sys, paddr), paddr, type)
  describe_variable(sys, address)
  describe_frame(sys, address)
  const pfn = is_vmalloc_addr(sys, address) ? describe_vmalloc(sys, address) : page_of(sys, address)
  if (pfn < 0) return
  sys.printk?.('The buggy address belongs to the physical page:')
  dump_page(sys, pfn, 'kasan: bad access detected')
  sys.printk?.('')
}

/** The frame of an address of the direct map or the kernel's image, of a compound page its head; -1 = none.
 * @kernel mm/kasan/report.c:addr_to_page */
function page_of(sys: Sys, address: Address): number {
  const direct = direct_paddr(sys, address)
  const paddr = direct >= 0 ? direct : kernel_image_paddr(address)
  const pfn = paddr < 0 ? -1 : Math.floor(paddr * sys.frames_per_byte)
  if (pfn < 0 || pfn >= sys.machine.max_pfn[0]!) return -1
  return (sys.page.flags[pfn]! & PG.tail) !== 0 ? sys.page.index[pfn]! : pfn
}

/** What a report says of the region, where it says anything. */
const REGION_STATE: Readonly<Record<string, string>> = {
  'slab-out-of-bounds': 'allocated ',
  'slab-use-after-free': 'freed ',
}

/** Bytes from an object's begin on that may be used. @kernel mm/kasan/report_generic.c:kasan_get_alloc_size */
function kasan_get_alloc_size(sys: Sys, object: number, whole: number): number {
  for (let size = 0; size < whole; size += KASAN_GRANULE_SIZE) {
    const shadow = shadow_of(sys, direct_address(sys, object + size))
    if (shadow !== 0) return shadow < KASAN_GRANULE_SIZE ? size + shadow : size
  }
  return whole
}

/** @kernel mm/kasan/report.c:describe_object */
function describe_object(sys: Sys, cache: number, object: number, paddr: number, type: string): void {
  describe_object_stacks(sys, cache, object)
  const whole = sys.kmem_cache.object_size[cache]!
  const tells = sys.kernel.kasan.tells_state
  const size = tells ? kasan_get_alloc_size(sys, object, whole) || whole : whole
  const state = tells ? (REGION_STATE[type] ?? '') : ''
  const start = format_address(direct_address(sys, object))
  const end = format_address(direct_address(sys, object + size))
  const [bytes, where] =
    paddr < object
      ? [object - paddr, 'to the left']
      : paddr >= object + size
        ? [paddr - (object + size), 'to the right']
        : [paddr - object, 'inside']
  sys.printk?.(`The buggy address belongs to the object at ${start}`)
  sys.printk?.(` which belongs to the cache ${kmem_cache_name(sys, cache)} of size ${whole}`)
  sys.printk?.(`The buggy address is located ${bytes} bytes ${where} of`)
  sys.printk?.(` ${state}${size}-byte region [${start}, ${end})`)
  sys.printk?.('')
}

/** @kernel mm/kasan/report.c:describe_object_stacks */
function describe_object_stacks(sys: Sys, cache: number, object: number): void {
  print_track(sys, kasan_get_alloc_track(sys, cache, object), 'Allocated')
  if (shadow_of(sys, direct_address(sys, object)) === KASAN_SLAB_FREETRACK)
    print_track(sys, kasan_get_free_track(sys, cache, object), 'Freed')
  const [last, before] = kasan_aux_stacks(sys, cache, object)
  print_stack(sys, 'Last potentially related work creation:', last)
  print_stack(sys, 'Second to last potentially related work creation:', before)
}

function print_track(sys: Sys, { pid, stack }: KasanTrack, what: string): void {
  print_stack(sys, `${what} by task ${pid}:`, stack)
}

/** @kernel mm/kasan/report.c:print_track */
function print_stack(sys: Sys, title: string, stack: number): void {
  if (stack === 0) return
  sys.printk?.(title)
  for (const frame of stack_depot_fetch(sys, stack)) sys.printk?.(` ${frame}`)
  sys.printk?.('')
}

function describe_variable(sys: Sys, address: Address): void {
  const symbol = kasan_global_of(sys, address)
  if (symbol === null) return
  sys.printk?.('The buggy address belongs to the variable:')
  sys.printk?.(` ${symbol}`)
  sys.printk?.('')
}

/** @kernel mm/kasan/report_generic.c:kasan_print_address_stack_frame */
function describe_frame(sys: Sys, address: Address): void {
  const frame = frame_at(sys, address)
  if (frame === null) return
  sys.printk?.(`The buggy address belongs to stack of task ${kasan_comm(sys)}/${sys.kasan_state.pid[0]}`)
  sys.printk?.(` and is located at offset ${address_distance(frame.address, address)} in frame:`)
  sys.printk?.(` ${frame.name}`)
  const count = frame.objects.length
  sys.printk?.('')
  sys.printk?.(`This frame has ${count} ${count === 1 ? 'object' : 'objects'}:`)
  for (const { offset, size, name } of frame.objects) sys.printk?.(` [${offset}, ${offset + size}) '${name}'`)
  sys.printk?.('')
}

/** Describes an area of vmalloc; the frame behind the address. @kernel mm/kasan/report.c:print_address_description */
function describe_vmalloc(sys: Sys, address: Address): number {
  const page = page_of_address(sys, address)
  const vm = find_vm_area(sys, page)
  if (vm === 0) return -1
  const { addr, nr_pages } = sys.vm_struct
  const start = format_address(page_start(sys, addr[vm]!))
  const what = `a ${nr_pages[vm]}-page vmalloc region starting at 0x${start}`
  sys.printk?.(`The buggy address belongs to ${what} allocated at ${vm_caller(sys, vm)}`)
  return vmalloc_to_page(sys, page)
}
