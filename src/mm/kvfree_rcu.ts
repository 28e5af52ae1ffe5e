// Memory that is freed when nobody can be reading it any more: after a grace period. Who has room for a struct rcu_head in
// the memory waits in a queue through these; who has none sleeps until it is over.
// Law: the queue is a chain of addresses in the memory itself; a grace period ends when time passes (a tick), or when
// somebody waits for it.
import { type Address, address_add, format_address } from '../base/address.ts'
import { kasan_noted_object, NOTE_OFFSET } from './kasan_rcu.ts'
import { kasan_free_after_rcu } from './kasan_slab.ts'
import { kfree } from './kmalloc.ts'
import { kmemleak_key, kmemleak_key_address } from './kmemleak_key.ts'
import { might_sleep } from './might_sleep.ts'
import type { Sys } from './mmzone.ts'
import { virt_to_page } from './page_address.ts'
import { vmalloc_to_pfn } from './pgtable_map.ts'
import { read_u32, write_u32 } from './physmem.ts'
import { vfree } from './vmalloc.ts'

/** Offsets in an object below this are told from functions. @kernel include/linux/rcupdate.h:__is_kvfree_rcu_offset */
const LARGEST_OFFSET = 4096

/** Frees memory of kmalloc or of vmalloc. @kernel mm/util.c:kvfree */
export function kvfree(sys: Sys, address: Address): void {
  const pfn = virt_to_page(sys, address)
  if (pfn >= 0) kfree(sys, pfn * sys.page_bytes + (address.lo % sys.page_bytes))
  else vfree(sys, page_of(sys, address))
}

const page_of = (sys: Sys, { hi, lo }: Address): number =>
  hi * 2 ** (32 - sys.page_shift) + Math.floor(lo / sys.page_bytes)

/** Physical address of a word of memory; -1 = nothing is mapped there. */
function paddr(sys: Sys, address: Address): number {
  const direct = virt_to_page(sys, address)
  const pfn = direct >= 0 ? direct : vmalloc_to_pfn(sys, page_of(sys, address))
  return pfn < 0 ? -1 : pfn * sys.page_bytes + (address.lo % sys.page_bytes)
}

const fault = (sys: Sys, address: Address): void =>
  sys.printk?.(`BUG: unable to handle page fault for address: ${format_address(address, sys.kernel.BITS_PER_LONG)}`)

/** Frees memory after a grace period; its rcu_head lies `offset` bytes behind its start. NULL is nothing to free.
 * @kernel kernel/rcu/tree.c:kvfree_call_rcu */
export function kvfree_rcu(sys: Sys, address: Address, offset: number): void {
  if (!(offset >= 0 && offset < LARGEST_OFFSET))
    throw new RangeError(`kvfree_rcu: no rcu_head lies at offset ${offset}`)
  if (address.hi === 0 && address.lo === 0) return
  const { head, waiting } = sys.rcu_state
  const first = paddr(sys, address_add(address, offset))
  if (first < 0) {
    fault(sys, address_add(address, offset))
    return
  }
  const next = kmemleak_key_address(sys, head[0]!)
  const wide = sys.kernel.BITS_PER_LONG === 64
  write_u32(sys, first, waiting[0] === 0 ? 0 : next.lo)
  if (wide) write_u32(sys, first + 4, waiting[0] === 0 ? 0 : next.hi)
  write_u32(sys, first + (wide ? 8 : 4), offset)
  head[0] = kmemleak_key(sys, address_add(address, offset))
  waiting[0]! += 1
}

/** The same without an rcu_head: the caller sleeps until the grace period is over. @kernel kernel/rcu/tree.c:synchronize_rcu */
export function kvfree_rcu_mightsleep(sys: Sys, address: Address): void {
  might_sleep(sys, 'kernel/rcu/tree.c')
  rcu_barrier(sys)
  kvfree(sys, address)
}

/** Frees an object that was readable until now, and the note that says which it is. */
function free_noted(sys: Sys, note: number): void {
  const object = kasan_noted_object(sys, note)
  kfree(sys, note)
  kasan_free_after_rcu(sys, object)
}

/** A grace period is over: what waited is freed. @kernel kernel/rcu/tree.c:kfree_rcu_work */
export function rcu_barrier(sys: Sys): void {
  const { head, waiting } = sys.rcu_state
  const wide = sys.kernel.BITS_PER_LONG === 64
  while (waiting[0]! > 0) {
    const at = kmemleak_key_address(sys, head[0]!)
    const first = paddr(sys, at)
    // Somebody wrote over the chain: what comes behind is lost.
    if (first < 0) {
      fault(sys, at)
      head[0] = waiting[0] = 0
      return
    }
    const next = { lo: read_u32(sys, first), hi: wide ? read_u32(sys, first + 4) : 0 }
    const offset = read_u32(sys, first + (wide ? 8 : 4))
    waiting[0]! -= 1
    head[0] = waiting[0] === 0 ? 0 : kmemleak_key(sys, next)
    if (offset === NOTE_OFFSET && sys.kernel.kasan.frees_after_rcu) free_noted(sys, first)
    else kvfree(sys, address_add(at, -offset))
  }
}
