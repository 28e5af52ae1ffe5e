// struct page as columns: 39 bytes a frame. 0 is the state of a frame that nobody touched since boot.
import { i32, u8, u16, u32 } from '../image/table.ts'

/** Rows: frames 0 … max_pfn - 1, rounded up to whole blocks of the highest order. @kernel include/linux/mm_types.h:struct page */
export const PAGE = {
  state: u8('what the frame is the head of: PAGE_FREE | order + 1, PAGE_PCP | …, PAGE_USED | …; 0 = not a head'),
  flags: u32('bits PG_*'),
  _refcount: i32('users; 0 = free or not a head'),
  _mapcount: i32('page table entries that map it; 0 = none (the kernel stores -1)'),
  private: i32('what the owner keeps here'),
  index: i32('offset in the mapping; on a per-CPU list the migrate type it was freed with; of a tail page its head'),
  mapping: i32('owner: a row of the address spaces; 0 = none'),
  data: i32('slot of physmem with its bytes + 1; 0 = it reads as zeros'),
  memcg: u16('memory control group that is charged; 0 = none'),
} as const

/** link: two indexes a row (image/list.ts). Rows: all frames, then the list heads. */
export const LINK = {
  link: i32('next and prev; of frames on a list, and of list heads', 2),
} as const

/** page.state: a free block's head. The plain value order + 1 makes "free and of order n" one compare. */
export const PAGE_FREE = 0
/** page.state: head of a block on a per-CPU list. */
export const PAGE_PCP = 0x40
/** page.state: head of an allocated block. */
export const PAGE_USED = 0x80
/** page.state: the bits that hold order + 1. */
export const PAGE_STATE_ORDER = 0x1f

/** Bits of page.flags. Numbers are ours; names are the kernel's. @kernel include/linux/page-flags.h:enum pageflags */
export const PG = {
  locked: 1 << 0,
  referenced: 1 << 1,
  uptodate: 1 << 2,
  dirty: 1 << 3,
  lru: 1 << 4,
  active: 1 << 5,
  workingset: 1 << 6,
  waiters: 1 << 7,
  error: 1 << 8,
  slab: 1 << 9,
  owner_priv_1: 1 << 10,
  arch_1: 1 << 11,
  reserved: 1 << 12,
  private: 1 << 13,
  private_2: 1 << 14,
  writeback: 1 << 15,
  head: 1 << 16,
  mappedtodisk: 1 << 17,
  reclaim: 1 << 18,
  swapbacked: 1 << 19,
  unevictable: 1 << 20,
  mlocked: 1 << 21,
  hwpoison: 1 << 22,
  tail: 1 << 23,
  movable: 1 << 24,
  table: 1 << 25,
} as const

/** Second meanings of bits. @kernel include/linux/page-flags.h */
export const PG_swapcache: number = PG.owner_priv_1
export const PG_anon_exclusive: number = PG.mappedtodisk
export const PG_readahead: number = PG.reclaim
/** Of the first tail of a huge page: some of its pages are mapped by entries of their own, too. */
export const PG_double_map: number = PG.workingset
