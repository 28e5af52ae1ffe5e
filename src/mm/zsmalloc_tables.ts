// Tables of compressed memory: zspages of zsmalloc, zram's devices and zswap. A machine that does not ask for them
// (nr_zspages) has no row here.
import { f64, i32, u8, u16 } from '../image/table.ts'
import { NR_SWAP_AREAS } from './reclaim_tables.ts'

/** Frames of a zspage at most. @kernel mm/zsmalloc.c:ZS_MAX_PAGES_PER_ZSPAGE */
export const ZS_MAX_PAGES = 8
/** Size classes. @kernel mm/zsmalloc.c:ZS_SIZE_CLASSES */
export const ZS_SIZE_CLASSES = 255

/** One row a zspage: frames that hold objects of one class. Row 0 is nobody. @kernel mm/zsmalloc.c:struct zspage */
export const ZSPAGE = {
  class: u16('size class + 1; 0 = unused'),
  inuse: u16('objects in it'),
  pfn: i32('its frames + 1', ZS_MAX_PAGES),
  next: i32('next of its class with room for more; of an unused row the next of the chain'),
  prev: i32('the one before'),
} as const

/** One row a pool and class; pools are one for each zram device, then zswap's. */
export const ZS_CLASS = {
  partial: i32('first zspage with room'),
} as const

/** One row a pool. @kernel mm/zsmalloc.c:struct zs_pool */
export const ZS_POOL = {
  pages: f64('frames that it has'),
  max_pages: f64('most that it had'),
  objects: f64('pages that are stored compressed, or as they are'),
  bytes: f64('their compressed sizes'),
  same: f64('pages stored that repeat one word: they need no memory'),
  huge: f64('stored as they are, since they do not compress'),
  huge_since: f64('the same since the beginning'),
} as const

/** One row. @kernel mm/zswap.c */
export const ZSWAP_STATE = {
  unused: i32('first of the chain of unused zspages'),
  used: i32('zspages that were ever used'),
  enabled: u8('1 = pages are stored'),
  max_pool_percent: u8('per cent of memory that the pool may have'),
  accept_threshold_percent: u8('per cent of that below which a full pool stores again'),
  reached_full: u8('1 = the pool was full, and has not come below the threshold since'),
  shrinking: u8('1 = the oldest pages are being written back'),
  head: i32('row of swap_map of the page that was stored last + 1'),
  tail: i32('of the page that was stored first + 1'),
  pool_limit_hit: f64('times that the pool was full'),
  reject_reclaim_fail: f64('pages not written back'),
  reject_alloc_fail: f64('pages for which there was no memory'),
  reject_compress_poor: f64('pages that do not compress'),
  written_back_pages: f64('pages written to their area'),
} as const

/** The tables by name, for TABLES. @ours */
export const ZSMALLOC_TABLES = {
  zspage: ZSPAGE,
  zs_class: ZS_CLASS,
  zs_pool: ZS_POOL,
  zswap_state: ZSWAP_STATE,
} as const

/** Room for compressed memory. */
export interface ZsmallocShape {
  /** Zspages of zram and zswap together; 0 (the default) = the machine has neither. */
  readonly nr_zspages?: number
}

/** Pool of zswap; those before are zram's, by the number of the swap area. @ours */
export const ZSWAP_POOL: number = NR_SWAP_AREAS

/** Rows of the tables. @ours */
export function zsmalloc_rows(shape: ZsmallocShape): Readonly<Record<keyof typeof ZSMALLOC_TABLES, number>> {
  const rows = shape.nr_zspages ?? 0
  const on = rows > 0 ? 1 : 0
  return {
    zspage: on * (rows + 1),
    zs_class: on * (ZSWAP_POOL + 1) * ZS_SIZE_CLASSES,
    zs_pool: on * (ZSWAP_POOL + 1),
    zswap_state: on,
  }
}
