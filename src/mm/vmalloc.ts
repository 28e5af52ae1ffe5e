// vmalloc: frames from anywhere, one by one, that lie behind each other in the kernel's address space. Addresses are page
// numbers (vaddr >>> PAGE_SHIFT), 0 = NULL; sizes are bytes.
// Law: an area that vmalloc gave holds frames for all its pages but the guard page, and each has its entry in the
// kernel's page tables. A failure leaves nothing behind but the address space, which waits for a purge.
import { address_of, format_address } from '../base/address.ts'
import { __GFP_DMA, __GFP_DMA32, __GFP_HIGHMEM, __GFP_NOWARN, __GFP_ZERO, GFP_KERNEL } from './gfp.ts'
import { format_gfp } from './gfp_names.ts'
import { kasan_unpoison_vmalloc } from './kasan_vmalloc.ts'
import { warn } from './kernel_taint.ts'
import { kmemleak_vfree, kmemleak_vmalloc } from './kmemleak.ts'
import { might_sleep } from './might_sleep.ts'
import { PAGE_USED } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { __free_page, alloc_page, alloc_pages } from './page_alloc/alloc_pages.ts'
import { totalram_pages } from './page_alloc/setup.ts'
import { massage_pgprot, vmap_huge, vmap_pages_range } from './pgtable_map.ts'
import type { Pgprot } from './pgtable_types.ts'
import { release_frame_bytes } from './physmem.ts'
import {
  __get_vm_area_node,
  find_vm_area,
  free_vm_area,
  get_vm_area,
  put_vm_struct,
  remove_vm_area,
  vm_area_pages,
} from './vm_struct.ts'
import {
  VM_ALLOC,
  VM_ALLOW_HUGE_VMAP,
  VM_DEFER_KMEMLEAK,
  VM_FLUSH_RESET_PERMS,
  VM_IOREMAP,
  VM_MAP,
  VM_NO_GUARD,
  VM_UNINITIALIZED,
  VM_USERMAP,
} from './vmalloc_types.ts'
import { vmap_init_free_space } from './vmap_area.ts'
import { vm_unmap_aliases, vmap_block_queues_init } from './vmap_block.ts'
import { cond_resched_drain } from './vmap_lazy.ts'

/** Where the vmalloc area lies, in pages: `end` is its last page where that is used in part, else the first behind. */
export interface VmallocRange {
  readonly start: number
  readonly end: number
}

/** The address space without areas. @kernel mm/vmalloc.c:vmalloc_init */
export function vmalloc_init(sys: Sys, { start, end }: VmallocRange, allow_huge: boolean = true): void {
  sys.vmalloc.start[0] = start
  sys.vmalloc.end[0] = end
  sys.vmalloc.huge[0] = Number(allow_huge && sys.kernel.pgtable.HUGE_VMALLOC)
  vmap_init_free_space(sys)
  vmap_block_queues_init(sys)
}

/** What a request says besides its size. */
export interface VmallocRequest {
  /** Bytes; a power of two. */
  readonly align?: number
  readonly gfp?: number
  readonly flags?: number
  readonly prot?: Pgprot
  /** Pages that it must lie between; default: the vmalloc area. */
  readonly range?: VmallocRange
  readonly caller?: string
}

/** @kernel mm/vmalloc.c:vmalloc */
export function vmalloc(sys: Sys, size: number, caller = 'vmalloc'): number {
  return __vmalloc_node_range(sys, size, { caller })
}

/** @kernel mm/vmalloc.c:vzalloc */
export function vzalloc(sys: Sys, size: number, caller = 'vzalloc'): number {
  return __vmalloc_node_range(sys, size, { gfp: GFP_KERNEL | __GFP_ZERO, caller })
}

/** Memory for a user mapping. @kernel mm/vmalloc.c:vmalloc_user */
export function vmalloc_user(sys: Sys, size: number, caller = 'vmalloc_user'): number {
  return __vmalloc_node_range(sys, size, { gfp: GFP_KERNEL | __GFP_ZERO, flags: VM_USERMAP, caller })
}

/** Frames below 4 GiB. @kernel mm/vmalloc.c:vmalloc_32 */
export function vmalloc_32(sys: Sys, size: number, caller = 'vmalloc_32'): number {
  const gfp = sys.kernel.config.ZONE_DMA32 ? GFP_KERNEL | __GFP_DMA32 : GFP_KERNEL
  return __vmalloc_node_range(sys, size, { gfp, caller })
}

/** Huge entries where the size allows. @kernel mm/vmalloc.c:vmalloc_huge */
export function vmalloc_huge(sys: Sys, size: number, gfp: number = GFP_KERNEL, caller = 'vmalloc_huge'): number {
  return __vmalloc_node_range(sys, size, { gfp, flags: VM_ALLOW_HUGE_VMAP, caller })
}

/**
 * The request in full: an area, then frames, then their mapping; big ones first try huge pages where they may.
 * @kernel mm/vmalloc.c:__vmalloc_node_range
 * @differs __GFP_NOFAIL does not try again for ever
 */
export function __vmalloc_node_range(sys: Sys, size: number, request: VmallocRequest = {}): number {
  const { align = 1, gfp = GFP_KERNEL, flags = 0 } = request
  if (!(size > 0)) return 0
  const { PAGE_SHIFT, huge_order } = sys.kernel
  if (Math.floor(size / 2 ** PAGE_SHIFT) > totalram_pages(sys)) {
    warn_vmalloc(sys, gfp, `size ${size}, exceeds total pages`)
    return 0
  }
  const huge_shift = PAGE_SHIFT + huge_order
  const huge = sys.vmalloc.huge[0] === 1 && (flags & VM_ALLOW_HUGE_VMAP) !== 0 && size >= 2 ** huge_shift
  if (huge) {
    const page = vmalloc_try(sys, size, Math.max(align, 2 ** huge_shift), huge_shift, request)
    if (page !== 0) return page
  }
  return vmalloc_try(sys, size, align, PAGE_SHIFT, request)
}

/** One attempt with entries of 2^shift bytes. */
function vmalloc_try(sys: Sys, size: number, align: number, shift: number, request: VmallocRequest): number {
  const { gfp = GFP_KERNEL, flags = 0, caller = 'vmalloc' } = request
  const { start, end } = request.range ?? { start: sys.vmalloc.start[0]!, end: sys.vmalloc.end[0]! }
  const vm_flags = VM_ALLOC | VM_UNINITIALIZED | flags
  const vm = __get_vm_area_node(sys, size, align, shift, vm_flags, start, end, gfp, caller)
  if (vm === 0) {
    warn_vmalloc(sys, gfp, `size ${size}, vm_struct allocation failed`)
    return 0
  }
  if (!__vmalloc_area_node(sys, vm, shift, request)) return 0
  sys.vm_struct.flags[vm]! &= ~VM_UNINITIALIZED
  kasan_unpoison_vmalloc(sys, sys.vm_struct.addr[vm]!, size)
  if (sys.debug_kmemleak && (flags & VM_DEFER_KMEMLEAK) === 0)
    kmemleak_vmalloc(sys, sys.vm_struct.addr[vm]!, Math.ceil(size / sys.page_bytes) * sys.page_bytes)
  return sys.vm_struct.addr[vm]!
}

/** Pages of an area that can be used: without the guard page. @kernel include/linux/vmalloc.h:get_vm_area_size */
export function vm_area_size(sys: Sys, vm: number): number {
  return sys.vm_struct.size[vm]! - ((sys.vm_struct.flags[vm]! & VM_NO_GUARD) !== 0 ? 0 : 1)
}

/** Bits that say where frames come from, which the array of them does not inherit. */
const PLACEMENT: number = __GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM

/** Frames and their mapping for an area; on failure the area is gone. @kernel mm/vmalloc.c:__vmalloc_area_node
 * @differs pages[] arrays that fit into a page are not taken from the slabs */
function __vmalloc_area_node(sys: Sys, vm: number, shift: number, request: VmallocRequest): boolean {
  const { gfp = GFP_KERNEL, prot = sys.kernel.pgtable.PAGE_KERNEL, caller = 'vmalloc' } = request
  const { PAGE_SHIFT, BITS_PER_LONG } = sys.kernel
  const { vm_struct, vmalloc: space } = sys
  const pages = vm_area_size(sys, vm)
  const array_size = pages * (BITS_PER_LONG / 8)
  if (array_size > 2 ** PAGE_SHIFT) {
    const array = __vmalloc_node_range(sys, array_size, { gfp: (gfp & ~PLACEMENT) | __GFP_ZERO, caller })
    if (array === 0) {
      warn_vmalloc(sys, gfp, `size ${pages * 2 ** PAGE_SHIFT}, failed to allocated page array size ${array_size}`)
      free_vm_area(sys, vm)
      return false
    }
    vm_struct.pages[vm] = find_vm_area(sys, array)
  }
  const order = shift - PAGE_SHIFT
  vm_struct.page_order[vm] = order
  const zone_bits = (gfp & (__GFP_DMA | __GFP_DMA32)) === 0 ? __GFP_HIGHMEM : 0
  vm_struct.nr_pages[vm] = vm_area_alloc_pages(sys, vm, gfp | zone_bits | __GFP_NOWARN, order, pages)
  space.nr_vmalloc_pages[0] = space.nr_vmalloc_pages[0]! + vm_struct.nr_pages[vm]!
  if (vm_struct.nr_pages[vm] !== pages) {
    if (order === 0) {
      const had = vm_struct.nr_pages[vm]! * 2 ** PAGE_SHIFT
      warn_vmalloc(sys, gfp, `size ${had}, page order ${order}, failed to allocate pages`)
    }
    vfree(sys, vm_struct.addr[vm]!)
    return false
  }
  if (map_area(sys, vm, order, prot)) return true
  warn_vmalloc(sys, gfp, `size ${pages * 2 ** PAGE_SHIFT}, failed to map pages`)
  vfree(sys, vm_struct.addr[vm]!)
  return false
}

/** Maps the frames of an area, huge ones by huge entries. @kernel mm/vmalloc.c:vmap_pages_range_noflush */
function map_area(sys: Sys, vm: number, order: number, prot: Pgprot): boolean {
  const page = sys.vm_struct.addr[vm]!
  const pfns = vm_area_pages(sys, vm)
  if (order === 0) return vmap_pages_range(sys, page, pfns, prot)
  const depth = sys.kernel.pgtable.levels.length - 2
  for (let i = 0; i < pfns.length; i += 2 ** order) if (!vmap_huge(sys, page + i, pfns[i]!, depth, prot)) return false
  return true
}

/** Takes frames, block by block, and chains them; how many it got. @kernel mm/vmalloc.c:vm_area_alloc_pages
 * @differs order 0 frames come one by one, not through the bulk allocator, which would take the same ones */
function vm_area_alloc_pages(sys: Sys, vm: number, gfp: number, order: number, pages: number): number {
  const { first_page } = sys.vm_struct
  const { link } = sys.link
  let last = -1
  let got = 0
  while (got < pages) {
    const pfn = order === 0 ? alloc_page(sys, gfp) : alloc_pages(sys, gfp, order)
    if (pfn < 0) break
    if (order !== 0) split_page(sys, pfn, order)
    for (let frame = pfn; frame < pfn + 2 ** order; frame++) {
      if ((gfp & __GFP_ZERO) !== 0) release_frame_bytes(sys, frame)
      if (last < 0) first_page[vm] = frame + 1
      else link[2 * last] = frame + 1
      last = frame
    }
    got += 2 ** order
    cond_resched_drain(sys)
  }
  if (last >= 0) link[2 * last] = 0
  return got
}

/** Makes the frames of a block independent ones. @kernel mm/page_alloc.c:split_page */
export function split_page(sys: Sys, pfn: number, order: number): void {
  const { state, _refcount } = sys.page
  for (let frame = pfn; frame < pfn + 2 ** order; frame++) {
    state[frame] = PAGE_USED | 1
    _refcount[frame] = 1
  }
}

/** Gives an area back: first its addresses, then its frames, then the array of its frames. NULL is nothing to free.
 * @kernel mm/vmalloc.c:vfree */
export function vfree(sys: Sys, page: number): void {
  if (page === 0) return
  might_sleep(sys, 'mm/vmalloc.c')
  const vm = owned_area(sys, page, 'vfree()')
  if (vm === 0) return
  const { vm_struct, vmalloc: space } = sys
  if (sys.debug_kmemleak) kmemleak_vfree(sys, page)
  remove_vm_area(sys, page)
  if ((vm_struct.flags[vm]! & VM_FLUSH_RESET_PERMS) !== 0) vm_unmap_aliases(sys)
  for (const pfn of vm_area_pages(sys, vm)) __free_page(sys, pfn)
  cond_resched_drain(sys)
  space.nr_vmalloc_pages[0] = space.nr_vmalloc_pages[0]! - vm_struct.nr_pages[vm]!
  const array = vm_struct.pages[vm]!
  put_vm_struct(sys, vm)
  if (array !== 0) vfree(sys, vm_struct.addr[array]!)
}

/** The area that begins at a page; another page is reported as the kernel does. @differs an address inside an area is
 * refused, too: the kernel would free the area around it */
function owned_area(sys: Sys, page: number, who: string): number {
  const vm = find_vm_area(sys, page)
  if (vm !== 0 && sys.vm_struct.addr[vm] === page) return vm
  warn(sys, 'mm/vmalloc.c', `Trying to ${who} nonexistent vm area (${format_page(sys, page)})`)
  return 0
}

/** A page's address in all its digits. @ours */
export function format_page(sys: Sys, page: number): string {
  return format_address(address_of(page * 2 ** sys.kernel.PAGE_SHIFT), sys.kernel.BITS_PER_LONG)
}

/** Maps frames that the caller has; first page, 0 = no room. @kernel mm/vmalloc.c:vmap */
export function vmap(
  sys: Sys,
  pfns: ArrayLike<number>,
  flags: number = VM_MAP,
  prot: Pgprot = sys.kernel.pgtable.PAGE_KERNEL,
  caller = 'vmap',
): number {
  might_sleep(sys, 'mm/vmalloc.c')
  if (pfns.length > totalram_pages(sys)) return 0
  // Whoever lies behind needs the guard page, too.
  const vm = get_vm_area(sys, pfns.length * 2 ** sys.kernel.PAGE_SHIFT, flags & ~VM_NO_GUARD, caller)
  if (vm === 0) return 0
  const page = sys.vm_struct.addr[vm]!
  if (vmap_pages_range(sys, page, pfns, prot)) return page
  vunmap(sys, page)
  return 0
}

/** Undoes vmap; the frames stay the caller's. @kernel mm/vmalloc.c:vunmap */
export function vunmap(sys: Sys, page: number): void {
  if (page === 0) return
  if (owned_area(sys, page, 'vunmap()') === 0) return
  put_vm_struct(sys, remove_vm_area(sys, page))
}

/** Maps `size` bytes of I/O memory at a physical address, both any number; first page, 0 = no room. The offset in the
 * page is the caller's. @kernel arch/x86/mm/ioremap.c:ioremap */
export function ioremap(sys: Sys, phys: number, size: number, caller = 'ioremap'): number {
  const unit = 2 ** sys.kernel.PAGE_SHIFT
  const first = Math.floor(phys / unit)
  const pages = Math.ceil((phys + size) / unit) - first
  const vm = get_vm_area(sys, pages * unit, VM_IOREMAP, caller)
  if (vm === 0) return 0
  sys.vm_struct.phys_addr[vm] = first * unit
  const pfns = Float64Array.from({ length: pages }, (_, i) => first + i)
  const page = sys.vm_struct.addr[vm]!
  if (vmap_pages_range(sys, page, pfns, massage_pgprot(sys, sys.kernel.pgtable.PAGE_KERNEL_IO))) return page
  free_vm_area(sys, vm)
  return 0
}

/** Undoes ioremap. @kernel arch/x86/mm/ioremap.c:iounmap */
export function iounmap(sys: Sys, page: number): void {
  vunmap(sys, page)
}

/** A request that failed. @kernel mm/page_alloc.c:warn_alloc @differs without the memory information that follows */
function warn_vmalloc(sys: Sys, gfp: number, what: string): void {
  if ((gfp & __GFP_NOWARN) !== 0) return
  const mode = `0x${gfp.toString(16)}(${format_gfp(sys.kernel.gfp, gfp)})`
  sys.printk?.(`swapper/${sys.machine.this_cpu[0]}: vmalloc error: ${what}, mode:${mode}, nodemask=(null)`)
}
