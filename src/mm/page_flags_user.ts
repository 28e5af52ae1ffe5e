// What user space may ask about frames: /proc/kpagecount and /proc/kpageflags. Bits and meaning are the kernel's own.

import { PageHuge } from './hugetlb.ts'
import { PAGE_PCP, PAGE_USED, PG, PG_swapcache } from './mm_types.ts'
import type { Sys } from './mmzone.ts'
import { compound_head, PageAnon, PageCompound } from './page_ref.ts'
import { folio_mapped, page_mapcount } from './rmap.ts'
import { huge_zero_pfn, is_zero_pfn } from './zero_page.ts'

/** Bits of /proc/kpageflags. @kernel include/uapi/linux/kernel-page-flags.h */
export const KPF = {
  LOCKED: 0,
  ERROR: 1,
  REFERENCED: 2,
  UPTODATE: 3,
  DIRTY: 4,
  LRU: 5,
  ACTIVE: 6,
  SLAB: 7,
  WRITEBACK: 8,
  RECLAIM: 9,
  BUDDY: 10,
  MMAP: 11,
  ANON: 12,
  SWAPCACHE: 13,
  SWAPBACKED: 14,
  COMPOUND_HEAD: 15,
  COMPOUND_TAIL: 16,
  HUGE: 17,
  UNEVICTABLE: 18,
  HWPOISON: 19,
  NOPAGE: 20,
  KSM: 21,
  THP: 22,
  ZERO_PAGE: 24,
  PGTABLE: 26,
  RESERVED: 32,
  MLOCKED: 33,
  MAPPEDTODISK: 34,
  PRIVATE: 35,
  PRIVATE_2: 36,
  OWNER_PRIVATE: 37,
} as const

const SAME: readonly (readonly [number, number])[] = [
  [PG.locked, KPF.LOCKED],
  [PG.error, KPF.ERROR],
  [PG.referenced, KPF.REFERENCED],
  [PG.uptodate, KPF.UPTODATE],
  [PG.dirty, KPF.DIRTY],
  [PG.lru, KPF.LRU],
  [PG.active, KPF.ACTIVE],
  [PG.slab, KPF.SLAB],
  [PG.writeback, KPF.WRITEBACK],
  [PG.reclaim, KPF.RECLAIM],
  [PG.swapbacked, KPF.SWAPBACKED],
  [PG.unevictable, KPF.UNEVICTABLE],
  [PG.hwpoison, KPF.HWPOISON],
  [PG.reserved, KPF.RESERVED],
  [PG.mlocked, KPF.MLOCKED],
  [PG.mappedtodisk, KPF.MAPPEDTODISK],
  [PG.private, KPF.PRIVATE],
  [PG.owner_priv_1, KPF.OWNER_PRIVATE],
  [PG.table, KPF.PGTABLE],
]

/** Entries that map a frame. @kernel fs/proc/page.c:kpagecount_read */
export function kpagecount(sys: Sys, pfn: number): number {
  return pfn >= sys.nr_frames || (sys.page.flags[pfn]! & PG.slab) !== 0 ? 0 : page_mapcount(sys, pfn)
}

/** A frame's flags as user space sees them, an exact number below 2^53. @kernel fs/proc/page.c:stable_page_flags */
export function stable_page_flags(sys: Sys, pfn: number): number {
  const flags = sys.page.flags[pfn]!
  const head = compound_head(sys, pfn)
  const { kpageflags_of_folio } = sys.kernel.proc
  let bits = 0
  const own = (flags & PG.tail) !== 0 ? flags_of_tail(flags, kpageflags_of_folio ? sys.page.flags[head]! : 0) : flags
  for (const [ours, theirs] of SAME) if ((own & ours) !== 0) bits += 2 ** theirs
  const set = (bit: number): void => {
    bits += 2 ** bit
  }
  const used = (sys.page.state[head]! & PAGE_USED) !== 0 && (sys.page.state[head]! & PAGE_PCP) === 0
  if (used && (flags & PG.slab) === 0 && is_mapped(sys, pfn)) set(KPF.MMAP)
  if (PageAnon(sys, pfn)) {
    set(KPF.ANON)
    // 6.12 looks for any of the two bits by which a mapping tells KSM's pages, and anonymous memory has one of them.
    if (kpageflags_of_folio) set(KPF.KSM)
  }
  if (PageCompound(sys, pfn)) {
    set(head === pfn ? KPF.COMPOUND_HEAD : KPF.COMPOUND_TAIL)
    if (PageHuge(sys, head)) set(KPF.HUGE)
    else if ((sys.page.flags[head]! & PG.lru) !== 0 || PageAnon(sys, head)) set(KPF.THP)
    else if (head === huge_zero_pfn(sys)) {
      set(KPF.ZERO_PAGE)
      set(KPF.THP)
    }
  } else if (is_zero_pfn(sys, pfn)) set(KPF.ZERO_PAGE)
  if ((flags & (PG_swapcache | PG.swapbacked)) === (PG_swapcache | PG.swapbacked)) set(KPF.SWAPCACHE)
  if (is_free(sys, pfn)) set(KPF.BUDDY)
  return bits
}

const OF_PAGE = PG.mappedtodisk | PG.locked | PG.hwpoison
const OF_FOLIO =
  PG.uptodate | PG.lru | PG.active | PG.referenced | PG.dirty | PG.swapbacked | PG.unevictable | PG.mlocked

/** What a tail shows: flags that the twin keeps there for its own ends are no flags of the page. */
const flags_of_tail = (flags: number, folio: number): number => (flags & OF_PAGE) | (folio & OF_FOLIO)

/** Whether an entry maps a page, by itself or as a part. @kernel include/linux/mm.h:page_mapped */
function is_mapped(sys: Sys, pfn: number): boolean {
  return PageCompound(sys, pfn)
    ? page_mapcount(sys, pfn) > 0 || (pfn === compound_head(sys, pfn) && folio_mapped(sys, pfn))
    : sys.page._mapcount[pfn]! > 0
}

/** Whether a frame lies in a free block. @kernel mm/page_alloc.c:is_free_buddy_page */
function is_free(sys: Sys, pfn: number): boolean {
  for (let order = 0; order < sys.NR_PAGE_ORDERS; order++) {
    const state = sys.page.state[pfn & -(1 << order)]!
    if (state !== 0 && state <= sys.NR_PAGE_ORDERS && state - 1 >= order) return true
  }
  return false
}
