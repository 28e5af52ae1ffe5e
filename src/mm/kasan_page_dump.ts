// A frame as the kernel's dump_page shows it: reference counts, owner, flags in words, and the eight words of its
// struct page. @differs the words that hold list pointers and addresses of structures are zeros: the model keeps these
// as indexes.
import { type Address, address_add, address_of, format_address } from '../base/address.ts'
import { direct_address } from './kasan_shadow.ts'
import { PAGE_USED, PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { slab_address, slab_freelist } from './slub_slab.ts'

const NODES_SHIFT = 10
const FLAG_BITS = 23
/** Flags in the order in which the kernel names them. @kernel include/trace/events/mmflags.h:__def_pageflag_names */
const NAMES = [
  'locked',
  'waiters',
  'error',
  'referenced',
  'uptodate',
  'dirty',
  'lru',
  'active',
  'workingset',
  'slab',
  'owner_priv_1',
  'arch_1',
  'reserved',
  'private',
  'private_2',
  'writeback',
  'head',
  'mappedtodisk',
  'reclaim',
  'swapbacked',
  'unevictable',
  'mlocked',
  'hwpoison',
] as const

/** Where a frame's struct page lies. @kernel include/asm-generic/memory_model.h:pfn_to_page */
export function page_struct(sys: Sys, pfn: number): Address {
  const { pgtable_levels, sizeof_page } = sys.kernel
  return address_add(address_of(pgtable_levels === 5 ? 0xffd4000000000000 : 0xffffea0000000000), pfn * sizeof_page)
}

/** The two halves of page->flags: bits, and where the frame is; and both in words. */
function flags_of(sys: Sys, pfn: number): { value: Address; words: string } {
  const { config } = sys.kernel
  const zone = page_zone(sys, pfn)
  const [node, type] = [sys.zone_to_nid[Math.max(zone, 0)]!, zone < 0 ? 0 : sys.zone_idx[zone]!]
  const zone_shift = 32 - (config.NUMA ? NODES_SHIFT : 0) - (config.ZONE_DEVICE ? 3 : 2)
  const hi = (type * 2 ** zone_shift + (config.NUMA ? node * 2 ** (32 - NODES_SHIFT) : 0)) >>> 0
  // The model marks slabs on partial lists with the flag that newer kernels use; 6.1 has none.
  const hidden = (sys.page.flags[pfn]! & PG.slab) !== 0 ? PG.workingset : 0
  const lo = (sys.page.flags[pfn]! & ~hidden & (2 ** FLAG_BITS - 1)) >>> 0
  const words = NAMES.filter(name => (lo & PG[name]) !== 0).map(String)
  if (config.NUMA) words.push(`node=${node}`)
  return { value: { hi, lo }, words: [...words, `zone=${type}`].join('|') }
}

const hex = ({ hi, lo }: Address): string => (hi === 0 ? lo.toString(16) : hi.toString(16) + low(lo))
const low = (lo: number): string => (lo >>> 0).toString(16).padStart(8, '0')

/** What lies in the word that is the free list of a slab, and the index of all other pages. */
function index_word(sys: Sys, pfn: number): Address {
  if ((sys.page.flags[pfn]! & PG.slab) === 0) return { hi: 0, lo: sys.page.index[pfn]! >>> 0 }
  const object = sys.kernel.slab === 'SLUB' ? slab_freelist(sys, pfn) : slab_address(sys, pfn)
  return object > 0 ? direct_address(sys, object) : { hi: 0, lo: 0 }
}

/** Prints a frame. @kernel mm/debug.c:dump_page */
export function dump_page(sys: Sys, pfn: number, reason: string): void {
  const { _refcount, _mapcount, flags, state } = sys.page
  const page = format_address(page_struct(sys, pfn))
  const index = index_word(sys, pfn)
  const counts = `refcount:${_refcount[pfn]} mapcount:${_mapcount[pfn]}`
  const zero = format_address({ hi: 0, lo: 0 })
  sys.printk?.(`page:${page} ${counts} mapping:${zero} index:0x${hex(index)} pfn:0x${pfn.toString(16)}`)
  if ((flags[pfn]! & PG.head) !== 0) {
    const order = (state[pfn]! & ~PAGE_USED) - 1
    sys.printk?.(`head:${page} order:${order} compound_mapcount:0 compound_pincount:0`)
  }
  const { value, words } = flags_of(sys, pfn)
  sys.printk?.(`flags: 0x${hex(value)}(${words})`)
  sys.printk?.(`raw: ${[value, ...[0, 0, 0].map(address_of)].map(word => format_address(word)).join(' ')}`)
  const slab = (flags[pfn]! & PG.slab) !== 0
  const counters = { hi: 0, lo: slab ? sys.page.private[pfn]! >>> 0 : 0 }
  const users = { hi: _refcount[pfn]! >>> 0, lo: (_mapcount[pfn]! - 1) >>> 0 }
  const rest = [index, counters, users, { hi: 0, lo: sys.page.memcg[pfn]! }]
  sys.printk?.(`raw: ${rest.map(word => format_address(word)).join(' ')}`)
  sys.printk?.(`page dumped because: ${reason}`)
}
