// Linux 6.1 for 32-bit x86 as Debian builds it (686 and 686-pae): FLATMEM and high memory. The direct map ends where
// the 128 MiB for vmalloc, kmap and fixed mappings begin: 896 MiB with the 3:1 split, 1920 MiB with 2:2.
import { MiB } from '../base/units.ts'
import type { Kernel } from '../mm/kernel.ts'
import { define_kernel, type KernelRecord } from './define_kernel.ts'
import { DEBIAN_AMD64, RECORD_X86_64_6_1 } from './x86_64_6_1.ts'

/** Record of `6.1-i386`: huge pages of 4 MiB, 3:1 split. */
export const RECORD_I386_6_1: KernelRecord = {
  ...RECORD_X86_64_6_1,
  name: '6.1-i386',
  arch: 'i386',
  memory_model: 'FLATMEM',
  SECTION_SIZE_BITS: 26,
  sizeof_page: 40,
  huge_order: 10,
  PAGE_OFFSET: 0xc0000000,
  pgtable_levels: 2,
  VMALLOC_RESERVE: 128 * MiB,
  VMALLOC_END: 0xfebfe000,
  config: {
    ...DEBIAN_AMD64,
    NUMA: false,
    NUMA_EMU: false,
    NUMA_MEMBLKS: false,
    NUMA_BALANCING: false,
    HIGHMEM: true,
    ZONE_DMA32: false,
    ZONE_DEVICE: false,
    DEFERRED_STRUCT_PAGE_INIT: false,
    VMAP_STACK: false,
    MEM_SOFT_DIRTY: false,
    HIGHPTE: true,
  },
}

/** Linux 6.1, i386, 3:1 split. */
export const i386_6_1: Kernel = define_kernel(RECORD_I386_6_1)

/** Linux 6.1, i386, 2:2 split. */
export const i386_6_1_2g: Kernel = define_kernel({ ...RECORD_I386_6_1, name: '6.1-i386-2g', PAGE_OFFSET: 0x80000000 })

/** Linux 6.1, i386 with physical address extension: three levels, huge pages of 2 MiB, up to 64 GiB. */
export const i386_6_1_pae: Kernel = define_kernel({
  ...RECORD_I386_6_1,
  name: '6.1-i386-pae',
  SECTION_SIZE_BITS: 29,
  huge_order: 9,
  pgtable_levels: 3,
  VMALLOC_END: 0xfeffe000,
})
