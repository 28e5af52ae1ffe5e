// Flags of caches, with the values of 6.1: unsigned 32-bit integers. The two highest bits are each allocator's own.

export const SLAB_CONSISTENCY_CHECKS = 0x100
export const SLAB_RED_ZONE = 0x400
export const SLAB_POISON = 0x800
/** One of kmalloc's own. */
export const SLAB_KMALLOC = 0x1000
export const SLAB_HWCACHE_ALIGN = 0x2000
export const SLAB_CACHE_DMA = 0x4000
export const SLAB_CACHE_DMA32 = 0x8000
export const SLAB_STORE_USER = 0x10000
export const SLAB_RECLAIM_ACCOUNT = 0x20000
export const SLAB_PANIC = 0x40000
export const SLAB_TYPESAFE_BY_RCU = 0x80000
export const SLAB_MEM_SPREAD = 0x100000
export const SLAB_TRACE = 0x200000
export const SLAB_NOLEAKTRACE = 0x800000
export const SLAB_ACCOUNT = 0x4000000
export const SLAB_KASAN = 0x8000000
export const SLAB_NO_USER_FLAGS = 0x10000000

/** Flags of every allocator. */
export const SLAB_CORE_FLAGS: number =
  SLAB_HWCACHE_ALIGN | SLAB_CACHE_DMA | SLAB_CACHE_DMA32 | SLAB_PANIC | SLAB_TYPESAFE_BY_RCU | SLAB_KMALLOC
/** Flags that make SLUB look at objects when they come and go. @kernel mm/slab.h:SLAB_DEBUG_FLAGS */
export const SLAB_DEBUG_FLAGS: number =
  SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER | SLAB_TRACE | SLAB_CONSISTENCY_CHECKS

/** A cache with one of these is its user's alone. */
export const SLAB_NEVER_MERGE: number =
  SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER | SLAB_TRACE | SLAB_TYPESAFE_BY_RCU | SLAB_NOLEAKTRACE | SLAB_KASAN
/** Caches that differ in one of these have pages of different kinds. */
export const SLAB_MERGE_SAME: number = SLAB_RECLAIM_ACCOUNT | SLAB_CACHE_DMA | SLAB_CACHE_DMA32 | SLAB_ACCOUNT
