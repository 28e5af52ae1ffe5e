// Which entries map which parts of memory: by the processor, by the memory's borders, by the order of mapping.
import { describe, expect, it } from 'vitest'
import { areas_32 } from '../../../src/arch/x86/address_space.ts'
import { fixed_addresses } from '../../../src/arch/x86/fixmap.ts'
import { direct_map_ranges, init_mem_mapping, type MemoryRange } from '../../../src/arch/x86/init_mem_mapping.ts'
import { kernels } from '../../../src/kernels/index.ts'
import type { Sys } from '../../../src/mm/mmzone.ts'
import { translate, walk } from '../../../src/mm/pgtable.ts'
import { pgtable_init, swapper_pg_dir } from '../../../src/mm/pgtable_map.ts'
import { boot_from_description } from '../../../src/sim/boot.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30

function machine(kernel: string, features: Parameters<typeof pgtable_init>[1] = {}): Sys {
  const sys = boot_from_description({ kernel, memory: '64M' }, { shared: false })
  pgtable_init(sys, features)
  return sys
}

/** A PC's memory up to `end`. */
const pc = (end: number): MemoryRange[] => [
  { start: 4096, end: 0x9f000 },
  { start: MiB, end },
]

/** `0-1M 4K` and so on, ascending. */
function parts(sys: Sys, memory: readonly MemoryRange[], end: number): string {
  const size = (bytes: number): string => (bytes % MiB === 0 ? `${bytes / MiB}M` : `${bytes / 1024}K`)
  return direct_map_ranges(sys, memory, end)
    .sort((a, b) => a.start - b.start)
    .map(({ start, end, shift }) => `${size(start)}-${size(end)}:${size(2 ** shift)}`)
    .join(' ')
}

describe('the direct map', () => {
  it('begins and ends with pages, and is huge between', () => {
    const sys = machine('6.1-x86_64')
    expect(parts(sys, pc(64 * MiB - 128 * 1024), 64 * MiB - 128 * 1024)).toBe(
      '0M-1M:4K 1M-2M:4K 2M-60M:2M 60M-62M:2M 62M-65408K:4K',
    )
  })

  it('takes entries of 1 GiB where all of it is memory', () => {
    const sys = machine('6.1-x86_64', { gbpages: true })
    const memory = [...pc(3 * GiB - 128 * 1024), { start: 4 * GiB, end: 6 * GiB }]
    init_mem_mapping(sys, memory, 6 * GiB)
    const offset = sys.kernel.PAGE_OFFSET / 4096
    const sizes = [0, 1, 2, 3, 4, 5, 6].map(gib => {
      const leaf = walk(sys, swapper_pg_dir(sys), offset + gib * 262144 + 4096).at(-1)!
      return leaf.leaf ? leaf.shift : 0
    })
    expect(sizes).toEqual([21, 30, 21, 0, 30, 30, 0])
  })

  it('of 32 bits has no huge entry over the first bytes', () => {
    expect(parts(machine('6.1-i386'), pc(64 * MiB), 64 * MiB)).toMatch(/^0M-1M:4K 1M-4M:4K 4M-/)
    expect(parts(machine('6.1-i386-pae'), pc(64 * MiB), 64 * MiB)).toMatch(/^0M-1M:4K 1M-2M:4K 2M-/)
    expect(parts(machine('6.1-i386', { pse: false }), pc(64 * MiB), 64 * MiB)).not.toMatch(/:4M/)
  })

  it.each(['6.1-x86_64', '6.1-x86_64-la57', '6.1-i386', '6.1-i386-pae', '6.1-i386-2g'])(
    '%s finds every frame',
    name => {
      const sys = machine(name)
      const end = 60 * MiB + 4096
      init_mem_mapping(sys, pc(end), end)
      const offset = sys.kernel.PAGE_OFFSET / 4096
      for (let pfn = 256; pfn < end / 4096; pfn += 13)
        expect(translate(sys, swapper_pg_dir(sys), offset + pfn)).toBe(pfn)
      expect(translate(sys, swapper_pg_dir(sys), offset + end / 4096)).toBe(-1)
      expect(walk(sys, swapper_pg_dir(sys), offset + 4096).at(-1)!.leaf).toBe(true)
    },
  )
})

describe('areas of 32-bit kernels', () => {
  it('follow from the number of CPUs that the kernel was built for', () => {
    const debian = { NR_CPUS: 32, X86_LOCAL_APIC: true, io_apics: 64, PCI_MMCONFIG: true }
    for (const name of ['6.1-i386', '6.1-i386-pae', '6.1-i386-2g']) {
      const kernel = kernels[name]!
      expect(areas_32(kernel, debian).VMALLOC_END * 4096, name).toBe(kernel.VMALLOC_END)
    }
  })

  it('kmap_local has 16 slots a CPU among the fixed mappings', () => {
    const options = { NR_CPUS: 2, X86_LOCAL_APIC: true, io_apics: 64, PCI_MMCONFIG: false }
    const { FIX_KMAP_BEGIN, FIX_KMAP_END } = fixed_addresses(kernels['6.1-i386']!, options)
    expect([FIX_KMAP_BEGIN, FIX_KMAP_END]).toEqual([68, 99])
  })
})
