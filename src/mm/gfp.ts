// GFP masks: what a caller allows the page allocator to do, as bits, and the decisions that follow from a mask: which zone
// at most, which migrate type, which watermarks and reserves (task_reserves.ts adds what the calling task may take).
// Law: a mask is a plain integer below 2^28; bits and ALLOC_* have the values of 6.1. What kernels compose differently
// (GFP_ATOMIC, GFP_NOWAIT, the printed names, the zone table) lies in the kernel's record: `sys.kernel.gfp`.
// Not modelled: real-time tasks.
import type { ZoneName } from './kernel.ts'
import { MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, populated_zone, type Sys } from './mmzone.ts'
import { task_reserve_flags } from './task_reserves.ts'

export const __GFP_DMA = 0x1
export const __GFP_HIGHMEM = 0x2
export const __GFP_DMA32 = 0x4
export const __GFP_MOVABLE = 0x8
export const __GFP_RECLAIMABLE = 0x10
export const __GFP_HIGH = 0x20
export const __GFP_IO = 0x40
export const __GFP_FS = 0x80
export const __GFP_ZERO = 0x100
/** A bit of its own up to 6.2; unused since, see `GfpTable.GFP_ATOMIC`. */
export const __GFP_ATOMIC = 0x200
export const __GFP_DIRECT_RECLAIM = 0x400
export const __GFP_KSWAPD_RECLAIM = 0x800
export const __GFP_RECLAIM = 0xc00
export const __GFP_WRITE = 0x1000
export const __GFP_NOWARN = 0x2000
export const __GFP_RETRY_MAYFAIL = 0x4000
export const __GFP_NOFAIL = 0x8000
export const __GFP_NORETRY = 0x10000
export const __GFP_MEMALLOC = 0x20000
export const __GFP_COMP = 0x40000
export const __GFP_NOMEMALLOC = 0x80000
export const __GFP_HARDWALL = 0x100000
export const __GFP_THISNODE = 0x200000
export const __GFP_ACCOUNT = 0x400000
export const __GFP_ZEROTAGS = 0x800000
/** No bit in kernels without hardware tags; so are the two that follow. */
export const __GFP_SKIP_ZERO = 0
export const __GFP_SKIP_KASAN_UNPOISON = 0
export const __GFP_SKIP_KASAN_POISON = 0
/** No bit in kernels without lock debugging. */
export const __GFP_NOLOCKDEP = 0

export const GFP_ATOMIC: number = __GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM
export const GFP_KERNEL: number = __GFP_RECLAIM | __GFP_IO | __GFP_FS
export const GFP_KERNEL_ACCOUNT: number = GFP_KERNEL | __GFP_ACCOUNT
export const GFP_NOWAIT: number = __GFP_KSWAPD_RECLAIM
export const GFP_NOIO: number = __GFP_RECLAIM
export const GFP_NOFS: number = __GFP_RECLAIM | __GFP_IO
export const GFP_USER: number = GFP_KERNEL | __GFP_HARDWALL
export const GFP_DMA: number = __GFP_DMA
export const GFP_DMA32: number = __GFP_DMA32
export const GFP_HIGHUSER: number = GFP_USER | __GFP_HIGHMEM
export const GFP_HIGHUSER_MOVABLE: number = GFP_HIGHUSER | __GFP_MOVABLE
export const GFP_TRANSHUGE_LIGHT: number =
  (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM
export const GFP_TRANSHUGE: number = GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM

export const GFP_ZONEMASK: number = __GFP_DMA | __GFP_HIGHMEM | __GFP_DMA32 | __GFP_MOVABLE
export const GFP_MOVABLE_MASK: number = __GFP_RECLAIMABLE | __GFP_MOVABLE
const GFP_MOVABLE_SHIFT = 3

export const ALLOC_WMARK_MIN = 0
export const ALLOC_WMARK_LOW = 1
export const ALLOC_WMARK_HIGH = 2
export const ALLOC_WMARK_MASK = 3
/** Look at no watermark at all. */
export const ALLOC_NO_WATERMARKS = 4
/** An OOM victim: half of what is left of min. */
export const ALLOC_OOM = 8
/** The caller cannot sleep: a quarter of what is left of min. */
export const ALLOC_NON_BLOCK = 0x10
/** __GFP_HIGH: half of min. */
export const ALLOC_MIN_RESERVE = 0x20
export const ALLOC_CPUSET = 0x40
export const ALLOC_CMA = 0x80
/** Do not mix migrate types in a pageblock while another zone could serve. Never set in kernels without ZONE_DMA32. */
export const ALLOC_NOFRAGMENT = 0x100
/** May use and make MIGRATE_HIGHATOMIC pageblocks. */
export const ALLOC_HIGHATOMIC = 0x200
/** Wake kswapd: the same bit as __GFP_KSWAPD_RECLAIM. */
export const ALLOC_KSWAPD = 0x800

/** How a kernel's masks differ from another's. */
export interface GfpFeatures {
  /** __GFP_ATOMIC is a bit, and a part of GFP_ATOMIC. */
  readonly ATOMIC_BIT: boolean
  /** GFP_NOWAIT contains __GFP_NOWARN. */
  readonly NOWAIT_NOWARN: boolean
  /** Bits that a mask may have. */
  readonly GFP_BITS_SHIFT: number
}

/** What a kernel makes of masks; part of its record. */
export interface GfpTable {
  readonly GFP_ATOMIC: number
  readonly GFP_NOWAIT: number
  readonly GFP_BITS_MASK: number
  /** Names and their bits, in the order in which %pGg tries them. */
  readonly names: readonly (readonly [name: string, mask: number])[]
  /** Highest zone type for the four zone bits of a mask. */
  readonly zone: Uint8Array
  /** Bit n: the zone bits n contradict each other. */
  readonly GFP_ZONE_BAD: number
}

/** Zone types of the sixteen combinations of zone bits; combinations that contradict each other are zone 0, as in the
 * kernel's packed table. @kernel include/linux/gfp.h:GFP_ZONE_TABLE */
export function gfp_zone_table(zones: readonly ZoneName[]): Pick<GfpTable, 'zone' | 'GFP_ZONE_BAD'> {
  const normal = zones.indexOf('Normal')
  const or_normal = (name: ZoneName): number => (zones.includes(name) ? zones.indexOf(name) : normal)
  const good: readonly (readonly [number, number])[] = [
    [0, normal],
    [__GFP_DMA, or_normal('DMA')],
    [__GFP_HIGHMEM, or_normal('HighMem')],
    [__GFP_DMA32, or_normal('DMA32')],
    [__GFP_MOVABLE, normal],
    [__GFP_MOVABLE | __GFP_DMA, or_normal('DMA')],
    [__GFP_MOVABLE | __GFP_HIGHMEM, zones.indexOf('Movable')],
    [__GFP_MOVABLE | __GFP_DMA32, or_normal('DMA32')],
  ]
  const zone = new Uint8Array(GFP_ZONEMASK + 1)
  let bad = 0xffff
  for (const [bits, type] of good) {
    zone[bits] = type
    bad &= ~(1 << bits)
  }
  return { zone, GFP_ZONE_BAD: bad }
}

// The engine folds a file's own constants into its code; what is exported it reads at every use.
const ZONE_BITS: number = GFP_ZONEMASK
const MOBILITY: number = GFP_MOVABLE_MASK
const MOBILITY_SHIFT: number = GFP_MOVABLE_SHIFT
const UNMOVABLE: number = MIGRATE_UNMOVABLE
const KSWAPD_RECLAIM: number = __GFP_KSWAPD_RECLAIM
const NOFRAGMENT: number = ALLOC_NOFRAGMENT
const THISNODE: number = __GFP_THISNODE

/** Highest zone type that a request may use. @kernel include/linux/gfp.h:gfp_zone */
export function gfp_zone(sys: Sys, gfp: number): number {
  return sys.kernel.gfp.zone[gfp & ZONE_BITS]!
}

/** Migrate type of the pageblocks that a request should be served from; both mobility bits at once give type 3.
 * @kernel include/linux/gfp.h:gfp_migratetype */
export function gfp_migratetype(sys: Sys, gfp: number): number {
  if (sys.machine.page_group_by_mobility_disabled[0] !== 0) return UNMOVABLE
  return (gfp & MOBILITY) >> MOBILITY_SHIFT
}

/** Whether the caller may sleep. @kernel include/linux/gfp.h:gfpflags_allow_blocking */
export function gfpflags_allow_blocking(gfp: number): boolean {
  return (gfp & __GFP_DIRECT_RECLAIM) !== 0
}

/** 0 = the zonelist over all nodes, 1 = over this node alone. @kernel include/linux/gfp.h:gfp_zonelist */
export function gfp_zonelist(sys: Sys, gfp: number): number {
  return (gfp & THISNODE) !== 0 && sys.kernel.config.NUMA ? 1 : 0
}

/** `alloc_flags`, and ALLOC_CMA where the request is movable. @kernel mm/page_alloc.c:gfp_to_alloc_flags_cma */
export function gfp_to_alloc_flags_cma(sys: Sys, gfp: number, alloc_flags: number): number {
  return sys.kernel.config.CMA ? movable_alloc_flags(sys, gfp, alloc_flags) : alloc_flags
}

function movable_alloc_flags(sys: Sys, gfp: number, alloc_flags: number): number {
  return gfp_migratetype(sys, gfp) === MIGRATE_MOVABLE ? alloc_flags | ALLOC_CMA : alloc_flags
}

/** ALLOC_* of the slow path: the min watermark and the reserves that the mask opens.
 * @kernel mm/page_alloc.c:gfp_to_alloc_flags
 * @differs no task is real-time */
export function gfp_to_alloc_flags(sys: Sys, gfp: number, order: number): number {
  // __GFP_HIGH is the bit of ALLOC_MIN_RESERVE, __GFP_KSWAPD_RECLAIM that of ALLOC_KSWAPD.
  let flags = ALLOC_WMARK_MIN | ALLOC_CPUSET | (gfp & (__GFP_HIGH | __GFP_KSWAPD_RECLAIM))
  if ((gfp & __GFP_DIRECT_RECLAIM) === 0) {
    const high = (gfp & __GFP_HIGH) !== 0
    if ((gfp & __GFP_NOMEMALLOC) === 0) flags |= ALLOC_NON_BLOCK | (high && order > 0 ? ALLOC_HIGHATOMIC : 0)
    if (high) flags &= ~ALLOC_CPUSET
  }
  return gfp_to_alloc_flags_cma(sys, gfp, flags)
}

/** ALLOC_* that the fast path starts with, beside its watermark. `zone`: the preferred zone's row, -1 = none.
 * @kernel mm/page_alloc.c:alloc_flags_nofragment */
export function alloc_flags_nofragment(sys: Sys, zone: number, gfp: number): number {
  const flags = gfp & KSWAPD_RECLAIM
  const { kernel } = sys
  if (zone < 0 || !kernel.config.ZONE_DMA32) return flags
  if (sys.zone_idx[zone] !== sys.ZONE_NORMAL) return flags
  if (sys.machine.nr_online_nodes[0]! > 1 && !populated_zone(sys, zone - 1)) return flags
  return flags | NOFRAGMENT
}

/** ALLOC_* that let a request ignore watermarks, by its mask or by who asks; 0 = none.
 * @kernel mm/page_alloc.c:__gfp_pfmemalloc_flags */
export function __gfp_pfmemalloc_flags(sys: Sys, gfp: number): number {
  if ((gfp & __GFP_NOMEMALLOC) !== 0) return 0
  return (gfp & __GFP_MEMALLOC) !== 0 ? ALLOC_NO_WATERMARKS : task_reserve_flags(sys)
}
