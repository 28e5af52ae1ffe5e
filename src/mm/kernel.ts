// What a kernel is to the kernel room: data first, and a function only where two kernels really differ.
// Records are made in src/kernels; nothing in here ever compares versions.
import type { GfpTable } from './gfp.ts'
import type { Sys } from './mmzone.ts'
import type { Pgtable } from './pgtable_types.ts'
import type { ReclaimRules } from './reclaim_rules.ts'
import type { NodeStatItem, NumaStatItem, VmEventItem, ZoneStatItem } from './vmstat_item.ts'

/** Kind of zone, in the kernel's order of addresses. Names as /proc prints them. */
export type ZoneName = 'DMA' | 'DMA32' | 'Normal' | 'HighMem' | 'Movable' | 'Device'

/** The allocator of objects below a page. */
export type SlabAllocator = 'SLUB' | 'SLAB' | 'SLOB'

export type MemoryModel = 'FLATMEM' | 'SPARSEMEM' | 'DISCONTIGMEM'

/** Compile-time switches that change decisions of the page allocator. */
export interface KernelConfig {
  readonly SMP: boolean
  readonly NUMA: boolean
  readonly CMA: boolean
  readonly TRANSPARENT_HUGEPAGE: boolean
  readonly HUGETLB_PAGE: boolean
  readonly HIGHMEM: boolean
  readonly ZONE_DMA: boolean
  readonly ZONE_DMA32: boolean
  readonly ZONE_DEVICE: boolean
  readonly COMPACTION: boolean
  /** Pageblocks can be isolated: a migrate type more. */
  readonly MEMORY_ISOLATION: boolean
  /** Most of struct page is filled in, and memory freed, by a kernel thread per node after SMP bring-up. */
  readonly DEFERRED_STRUCT_PAGE_INIT: boolean
  /** `numa=fake=` is understood. */
  readonly NUMA_EMU: boolean
  /** Nodes are told by the code that all architectures share, which lets them begin where memory does (6.12). */
  readonly NUMA_MEMBLKS: boolean
  readonly SWAP: boolean
  readonly ZSMALLOC: boolean
  readonly ZSWAP: boolean
  readonly KSM: boolean
  readonly MEMORY_BALLOON: boolean
  readonly NUMA_BALANCING: boolean
  /** SLUB can check its objects: `slub_debug=` is understood, and who allocated and freed can be kept. */
  readonly SLUB_DEBUG: boolean
  /** SLUB keeps partial slabs per CPU. */
  readonly SLUB_CPU_PARTIAL: boolean
  /** SLAB always poisons, red-zones and tracks what it can. */
  readonly DEBUG_SLAB: boolean
  /** Generic KASAN: every slab object has room for its records behind it. */
  readonly KASAN: boolean
  /** kmemleak: what is allocated is noted, and looked for by whoever scans. */
  readonly DEBUG_KMEMLEAK: boolean
  /** Free pointers in objects are mixed with a number of the cache and their own address. */
  readonly SLAB_FREELIST_HARDENED: boolean
  /** Objects of a new slab are free in a random order. */
  readonly SLAB_FREELIST_RANDOM: boolean
  /** With red zones and user tracking, kmalloc's begin right behind the bytes that were asked for (since 6.2). */
  readonly SLUB_KMALLOC_REDZONE: boolean
  /** kmalloc has caches of their own for memory that is charged to a control group. */
  readonly MEMCG_KMEM: boolean
  /** i386: kernel stacks of one page, and stacks of their own for interrupts and softirqs (until 2.6.37). */
  readonly '4KSTACKS': boolean
  /** Kernel stacks lie in the vmalloc area, with a guard page. */
  readonly VMAP_STACK: boolean
  /** thread_info is a part of task_struct and not at the bottom of the kernel stack. */
  readonly THREAD_INFO_IN_TASK: boolean
  /** The scheduler looks whether the word at the end of the stack is still there. */
  readonly SCHED_STACK_END_CHECK: boolean
  /** i386: an interrupt reports a stack that has little room left. */
  readonly DEBUG_STACKOVERFLOW: boolean
  /** Entries of page tables say whether a page was written since somebody last asked. */
  readonly MEM_SOFT_DIRTY: boolean
  /** i386: page tables of processes may lie in high memory. */
  readonly HIGHPTE: boolean
}

/** What the kernel has in /proc, in the order in which it prints it. */
export interface KernelProc {
  readonly zone_stat: readonly ZoneStatItem[]
  readonly numa_stat: readonly NumaStatItem[]
  readonly node_stat: readonly NodeStatItem[]
  readonly vm_events: readonly VmEventItem[]
  /** vmstat has nr_memmap_pages and nr_memmap_boot_pages behind the dirty thresholds (6.12). */
  readonly vmstat_memmap: boolean
  /** kmemleak prints the check of a leak's bytes (6.12). */
  readonly kmemleak_crc: boolean
  /** kpageflags shows a tail with the flags of its folio, and takes each anonymous page for one of KSM, too (6.12). */
  readonly kpageflags_of_folio: boolean
  /** zoneinfo prints the promo watermark and the bounds of the per-CPU high mark (6.12). */
  readonly zoneinfo_promo: boolean
}

/** The rules of the per-CPU page lists, which 6.1 and 6.12 have differently. `pcp` is a row of `sys.pcp`. */
export interface PcpRules {
  /** A block is about to be taken from a list. */
  on_alloc(sys: Sys, pcp: number): void
  /** Blocks to take from the buddy lists when a list is empty. */
  nr_pcp_alloc(sys: Sys, pcp: number, zone: number, order: number): number
  /** Pages to give back after a free, 0 = none. Called after the block was put on its list. */
  nr_pcp_free(sys: Sys, pcp: number, zone: number, order: number): number
  /** Pages were given back. */
  after_free?(sys: Sys, zone: number): void
}

/** Rules of the page allocator in which kernels really differ. */
export interface PageAllocRules {
  readonly pcp: PcpRules
  /** Whether the allocator notes when a zone falls below its high watermark, to shrink per-CPU lists (6.12). */
  readonly watches_high_mark: boolean
  /** Whether a block is always on the list of its pageblock's type (6.12). */
  readonly freelist_hygiene: boolean
  /** Whether the pages that alloc_pages_exact() has too many go straight to the buddy lists (from 6.3 on). */
  readonly trims_to_buddy: boolean
  /** Whether compaction tells of blocks that its fast search took (mm_compaction_fast_isolate_freepages, from 6.4 on). */
  readonly traces_fast_isolate: boolean
  /** Makes blocks of other migrate types available: a pfn, or -1. */
  rmqueue_fallback(sys: Sys, zone: number, order: number, start_mt: number, alloc_flags: number): number
  /** Pages that HIGHATOMIC pageblocks of a zone may have. */
  max_highatomic(sys: Sys, zone: number): number
}

/** What KASAN does in one kernel and not in another. */
export interface KasanRules {
  /** ksize() makes all bytes of an object usable (until 6.1); later it only tells how many there are. */
  readonly ksize_unpoisons: boolean
  /** What a memory pool hands out may be used as far as it asked for, and pages are looked at when they come back (6.8). */
  readonly exact_mempools: boolean
  /** Objects that readers may see after their free are watched from the end of a grace period on (6.12, SLUB_RCU_DEBUG). */
  readonly frees_after_rcu: boolean
  /** A report says `slab-use-after-free`, and whether the region is allocated or freed, and how much of it (6.4). */
  readonly tells_state: boolean
}

/** Where kernels print the same report differently. */
export interface ReportText {
  /** `shmem_thp: 0kB` and its kin have a blank (until 6.1). */
  readonly blank_before_thp: boolean
  /** The table of processes tells anonymous, file and shared memory apart (6.12). */
  readonly rss_columns: boolean
  /** `UID:` stands in the line of a call trace (6.12). */
  readonly uid_in_stack: boolean
  /** The tracepoint of a victim tells its name, its memory and its wish, too. */
  readonly mark_victim_tells: boolean
  /** Items of memory.stat. */
  readonly memcg_stats: readonly string[]
  /** The report of a control group prints them as one message, which may be cut. */
  readonly memcg_stats_in_one_message: boolean
  /** Damaged pages are counted (CONFIG_MEMORY_FAILURE). */
  readonly hwpoisoned: boolean
}

/** Kernel stacks of a kernel; positions and sizes in bytes. */
export interface KernelStacks {
  /** log2 of the pages of a task's stack. */
  readonly THREAD_SIZE_ORDER: number
  /** The same of a CPU's interrupt stack; -1 = interrupts run on the stack of whom they interrupt. */
  readonly IRQ_STACK_ORDER: number
  readonly irq_stack_vmapped: boolean
  /** Softirqs have a stack beside that of interrupts; else they use the same. */
  readonly softirq_stack: boolean
  /** Softirqs at the end of an interrupt run before its stack is left. */
  readonly irq_exit_on_irq_stack: boolean
  /** End of an interrupt stack that keeps the stack pointer of whom was interrupted. */
  readonly saves_sp_at: 'top' | 'bottom'
  /** thread_info at the lowest addresses of a stack, 0 = it is elsewhere, and its pointer to the task. */
  readonly sizeof_thread_info: number
  readonly thread_info_task: number
  /** Registers of user space at the top of a task's stack. */
  readonly user_regs: number
  /** Registers that an interrupt of the kernel saves, where in them the address to return to is, and how the stack is
   * aligned before. */
  readonly irq_regs: number
  readonly irq_regs_ip: number
  readonly irq_align: number
  readonly TOP_OF_KERNEL_STACK_PADDING: number
  /** Which end of a frame keeps the return address. */
  readonly return_address: 'top' | 'bottom'
  /** First address of the kernel's code, an exact double; null = it lies in the direct map. */
  readonly kernel_text: number | null
  /** Headline of the report when a guard page was hit; null where stacks have none. */
  readonly guard_page_oops: string | null
  /** Report of a fault at an address, all its digits, where nothing is, which a function read, or which the processor
   * went to (null); `overran`: the task's stack has lost the word at its end. */
  bad_access(address: string, reader: string | null, overran: boolean): readonly string[]
}

export interface Kernel extends PageAllocRules {
  /** Name of the profile, `6.1-x86_64`. */
  readonly name: string
  /** Longest matching release prefix, `6.1`. */
  readonly release: string
  readonly arch: 'x86_64' | 'i386' | 'alpha'
  readonly BITS_PER_LONG: 32 | 64
  /** log2 of the page size in bytes. */
  readonly PAGE_SHIFT: number
  /** Orders 0 … NR_PAGE_ORDERS - 1 exist. */
  readonly NR_PAGE_ORDERS: number
  /** A pageblock, the unit of grouping by mobility, has 2^pageblock_order pages. */
  readonly pageblock_order: number
  /** Zone types by index; index order is the order of addresses. */
  readonly zones: readonly ZoneName[]
  /** Names of the migrate types as /proc/pagetypeinfo prints them; the index is the type. */
  readonly migratetypes: readonly string[]
  readonly memory_model: MemoryModel
  /** log2 of the bytes of a SPARSEMEM section; ignored by the other models. */
  readonly SECTION_SIZE_BITS: number
  /** sizeof(struct page) in bytes, as the real kernel pays it. */
  readonly sizeof_page: number
  /** The allocator of objects below a page. */
  readonly slab: SlabAllocator
  readonly config: KernelConfig
  /** GFP masks: zones, composed names, printing; made by `gfp_table` (gfp_names.ts). */
  readonly gfp: GfpTable
  /** Order of a huge page of the page middle directory; goes through the per-CPU lists. */
  readonly huge_order: number
  /** Per-CPU lists for huge pages: 2 where movable ones have their own, else 1. */
  readonly nr_pcp_thp: number
  /** Sets batch and high of the per-CPU lists of a zone from its size, watermarks and settings. */
  zone_set_pageset_high_and_batch(sys: Sys, zone: number): void
  /** Whether ZONE_MOVABLE takes a share of min_free_kbytes (6.1) or not (6.12). */
  readonly movable_shares_min_free: boolean
  /** What reports of failed allocations and kills look like. */
  readonly report_text: ReportText
  readonly kasan: KasanRules
  /** Tasks collect counts of resident pages and add them up every 64 faults (until 6.1). */
  readonly split_rss_counting: boolean
  /** An area that ends where the heap begins is called a part of it in maps. */
  readonly bss_is_heap: boolean
  /** First virtual address of the direct map, an exact double (x86_64: 5-level kernels have it lower). */
  readonly PAGE_OFFSET: number
  /** Levels of page tables, 2 … 5. */
  readonly pgtable_levels: number
  /** Formats of its page tables; follows from processor and levels. */
  readonly pgtable: Pgtable
  /** Bytes that 32-bit x86 keeps above the direct map for vmalloc, kmap and fixed mappings; 0 elsewhere. */
  readonly VMALLOC_RESERVE: number
  /** 32-bit x86: end of the vmalloc area; the direct map ends VMALLOC_RESERVE below it. It depends on the number of
   * CPUs that the kernel was built for (fixed mappings lie above). 0 elsewhere. */
  readonly VMALLOC_END: number
  /** Bytes at the bottom of memory that ZONE_DMA holds. */
  readonly DMA_LIMIT: number
  readonly stack: KernelStacks
  readonly reclaim: ReclaimRules
  readonly proc: KernelProc
  /** True for a record that no real kernel ever was. */
  readonly counterfactual: boolean
}

/** Index of a zone type; -1 where the kernel has none. @ours */
export function zone_type(kernel: Kernel, name: ZoneName): number {
  return kernel.zones.indexOf(name)
}

/** Index of the zone type that /proc prints as `name`; -1 where the kernel has none. @ours */
export function zone_named(kernel: Kernel, name: string): number {
  return (kernel.zones as readonly string[]).indexOf(name)
}
