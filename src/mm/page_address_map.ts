// Where kmap made frames of high memory visible: the pool of slots, and from a frame to its slot by a hash table of 128
// chains. Law: a slot is in a chain exactly while its count is not 0.
import { f64, i32 } from '../image/table.ts'
import type { Sys } from './mmzone.ts'

/** Scalars of kmap: one row. */
export const PKMAP_STATE = {
  base: f64('page of slot 0'),
  entries: i32('LAST_PKMAP: slots; 0 = no high memory'),
  last_pkmap_nr: i32('the slot that was handed out last'),
  fixaddr_top: f64('page of fixmap index 0'),
  fix_kmap_begin: i32('fixmap index of the first slot of kmap_local'),
} as const

/** One row a slot of kmap. @kernel mm/highmem.c:pkmap_count */
export const PKMAP = {
  count: i32('users + 1; 0 = unused, 1 = nobody uses it, but the entry is there and may be in the TLB'),
  page: i32('frame + 1'),
  next: i32('next slot + 1 of the chain'),
} as const

/** One row a chain. @kernel mm/highmem.c:page_address_htable */
export const PAGE_ADDRESS_HTABLE = {
  first: i32('first slot + 1'),
} as const

/** One row a CPU. @kernel include/linux/sched.h:struct kmap_ctrl @differs per CPU, not per task */
export const KMAP_CTRL = {
  idx: i32('slots of kmap_local in use'),
  page: i32('frame + 1 of each slot', 16),
} as const

export const PKMAP_TABLES = {
  pkmap_state: PKMAP_STATE,
  pkmap: PKMAP,
  page_address_htable: PAGE_ADDRESS_HTABLE,
  kmap_ctrl: KMAP_CTRL,
} as const

const PA_HASH_ORDER = 7

/** Rows of the tables. @ours */
export function pkmap_rows(highmem: boolean, nr_cpus: number): Readonly<Record<keyof typeof PKMAP_TABLES, number>> {
  return {
    pkmap_state: 1,
    pkmap: highmem ? 1024 : 1,
    page_address_htable: highmem ? 2 ** PA_HASH_ORDER : 1,
    kmap_ctrl: nr_cpus,
  }
}

/** Chain of a frame. @kernel mm/highmem.c:page_slot */
const page_slot = (pfn: number): number => (Math.imul(pfn, 0x61c88647) >>> 0) >>> (32 - PA_HASH_ORDER)

/** The slot that shows a frame of high memory; -1 = none. @kernel mm/highmem.c:page_address */
export function pkmap_of_page(sys: Sys, pfn: number): number {
  if (sys.pkmap_state.entries[0] === 0) return -1
  const { page, next } = sys.pkmap
  let at = sys.page_address_htable.first[page_slot(pfn)]!
  while (at !== 0 && page[at - 1] !== pfn + 1) at = next[at - 1]!
  return at - 1
}

/** Says that a slot shows a frame. @kernel mm/highmem.c:set_page_address */
export function set_page_address(sys: Sys, pfn: number, slot: number): void {
  const { first } = sys.page_address_htable
  const chain = page_slot(pfn)
  sys.pkmap.page[slot] = pfn + 1
  sys.pkmap.next[slot] = first[chain]!
  first[chain] = slot + 1
}

/** Says that a slot shows nothing. @kernel mm/highmem.c:set_page_address */
export function clear_page_address(sys: Sys, slot: number): void {
  const { first } = sys.page_address_htable
  const { page, next } = sys.pkmap
  const chain = page_slot(page[slot]! - 1)
  if (first[chain] === slot + 1) first[chain] = next[slot]!
  else {
    let at = first[chain]! - 1
    while (next[at] !== slot + 1) at = next[at]! - 1
    next[at] = next[slot]!
  }
  page[slot] = 0
  next[slot] = 0
}
