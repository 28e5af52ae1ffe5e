// References to pages, and the head of a compound page. Law: a page with a reference is in use; with the last one it goes
// off its LRU list and back to the allocator.
import { deferred_split_del } from './deferred_split.ts'
import { mem_cgroup_uncharge } from './memcg_charge.ts'
import { PAGE_STATE_ORDER, PG } from './mm_types.ts'
import { page_zone, type Sys } from './mmzone.ts'
import { __free_pages } from './page_alloc/alloc_pages.ts'
import { NODE_STAT_ITEMS } from './vmstat_item.ts'

const TAIL: number = PG.tail
const LRU: number = PG.lru
const ITEMS: number = NODE_STAT_ITEMS.length

/** First frame of the block that a page belongs to. @kernel include/linux/page-flags.h:compound_head */
export function compound_head(sys: Sys, pfn: number): number {
  return (sys.page.flags[pfn]! & TAIL) !== 0 ? sys.page.index[pfn]! : pfn
}

/** log2 of the pages of a block. @kernel include/linux/mm.h:compound_order */
export function compound_order(sys: Sys, head: number): number {
  return (sys.page.state[head]! & PAGE_STATE_ORDER) - 1
}

/** Whether a page is one of a huge one. @kernel include/linux/page-flags.h:PageCompound */
export function PageCompound(sys: Sys, pfn: number): boolean {
  return (sys.page.flags[pfn]! & (PG.head | PG.tail)) !== 0
}

/** Whether a page is anonymous: its owner is an anon_vma. @kernel include/linux/page-flags.h:PageAnon */
export function PageAnon(sys: Sys, pfn: number): boolean {
  return sys.page.mapping[compound_head(sys, pfn)]! < 0
}

/** @kernel include/linux/mm.h:get_page */
export function get_page(sys: Sys, pfn: number): void {
  const head = compound_head(sys, pfn)
  sys.page._refcount[head] = sys.page._refcount[head]! + 1
}

/** Drops a reference; with the last one the page goes. @kernel include/linux/mm.h:put_page */
export function put_page(sys: Sys, pfn: number): void {
  const { flags, _refcount } = sys.page
  const head = compound_head(sys, pfn)
  if (_refcount[head] === 1 && (flags[head]! & (LRU | PG.unevictable | PG.mlocked)) !== 0)
    sys.seams.lru?.page_cache_release(sys, head)
  if ((flags[head]! & PG.head) !== 0 && _refcount[head] === 1 && compound_order(sys, head) > 1)
    deferred_split_del(sys, head)
  if (sys.page_memcg.id.length !== 0 && _refcount[head] === 1) mem_cgroup_uncharge(sys, head, compound_order(sys, head))
  __free_pages(sys, head, compound_order(sys, head))
}

/** Node of a page. @kernel include/linux/mm.h:page_to_nid */
export function page_to_nid(sys: Sys, pfn: number): number {
  return sys.zone_to_nid[page_zone(sys, pfn)]!
}

/** Adds to a counter of a page's node. @kernel mm/vmstat.c:mod_node_page_state @differs one counter for all CPUs */
export function mod_node_page_state(sys: Sys, pfn: number, item: number, delta: number): void {
  const at = sys.zone_to_nid[page_zone(sys, pfn)]! * ITEMS + item
  sys.node_stat.vm_stat[at] = sys.node_stat.vm_stat[at]! + delta
}
