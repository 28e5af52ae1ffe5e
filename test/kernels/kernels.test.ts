import { describe, expect, test } from 'vitest'
import { kernel_by_name, kernel_for_release, kernels, with_config } from '../../src/kernels/index.ts'

const x86_64 = kernel_by_name('6.1-x86_64')
const i386 = kernel_by_name('6.1-i386')

describe('profiles', () => {
  test('each has its zones, page size and pageblocks', () => {
    const table = Object.values(kernels).map(
      ({ name, zones, PAGE_SHIFT, pageblock_order, memory_model, pgtable_levels }) =>
        `${name}: ${zones.join(' ')}; 2^${PAGE_SHIFT}, blocks 2^${pageblock_order}, ${memory_model}, ${pgtable_levels} levels`,
    )
    expect(table).toEqual([
      '6.1-x86_64: DMA DMA32 Normal Movable Device; 2^12, blocks 2^9, SPARSEMEM, 4 levels',
      '6.1-x86_64-la57: DMA DMA32 Normal Movable Device; 2^12, blocks 2^9, SPARSEMEM, 5 levels',
      '6.12-x86_64: DMA DMA32 Normal Movable Device; 2^12, blocks 2^9, SPARSEMEM, 4 levels',
      '6.1-i386: DMA Normal HighMem Movable; 2^12, blocks 2^10, FLATMEM, 2 levels',
      '6.1-i386-2g: DMA Normal HighMem Movable; 2^12, blocks 2^10, FLATMEM, 2 levels',
      '6.1-i386-pae: DMA Normal HighMem Movable; 2^12, blocks 2^9, FLATMEM, 3 levels',
      '2.6-i386-discontigmem: DMA Normal HighMem Movable; 2^12, blocks 2^10, DISCONTIGMEM, 2 levels',
      '2.6-alpha: DMA Normal Movable; 2^13, blocks 2^10, DISCONTIGMEM, 3 levels',
    ])
  })

  test('a release finds the profile of its own or the newest older release', () => {
    const found = (release: string, arch: string) => kernel_for_release(release, arch)?.name ?? null
    expect(found('6.1.0-50-amd64', 'x86_64')).toBe('6.1-x86_64')
    expect(found('6.12.117+deb12-amd64', 'x86_64')).toBe('6.12-x86_64')
    expect(found('6.8.0', 'x86_64')).toBe('6.1-x86_64')
    expect(found('6.1.0-50-686-pae', 'i686')).toBe('6.1-i386-pae')
    expect(found('6.1.0-50-686', 'i686')).toBe('6.1-i386')
    expect(found('6.1.192', 'i386-pae')).toBe('6.1-i386-pae')
    expect(found('5.10.0', 'x86_64')).toBeNull()
    expect(found('6.1.0', 'sparc')).toBeNull()
    expect(found('nonsense', 'x86_64')).toBeNull()
  })

  test('an unknown name is refused with those that exist', () => {
    expect(() => kernel_by_name('7.0')).toThrow('no kernel profile "7.0"; there are 6.1-x86_64, ')
  })
})

describe('switches', () => {
  test('what follows from them is derived', () => {
    const bare = with_config(x86_64, { HUGETLB_PAGE: false, ZONE_DEVICE: false, MEMORY_ISOLATION: false })
    expect(bare.pageblock_order).toBe(10)
    expect(bare.zones).toEqual(['DMA', 'DMA32', 'Normal', 'Movable'])
    expect(bare.migratetypes).toEqual(['Unmovable', 'Movable', 'Reclaimable', 'HighAtomic'])
    expect(bare.proc.vm_events).not.toContain('htlb_buddy_alloc_success')
    expect(with_config(x86_64, { CMA: true }).migratetypes[4]).toBe('CMA')
  })

  test.each([
    ['HIGHMEM belongs to 32-bit', () => with_config(x86_64, { HIGHMEM: true })],
    ['ZONE_DMA32 belongs to x86_64', () => with_config(i386, { ZONE_DMA32: true })],
    ['NUMA needs SMP', () => with_config(x86_64, { SMP: false })],
    ['CMA needs MEMORY_ISOLATION', () => with_config(x86_64, { CMA: true, MEMORY_ISOLATION: false })],
    ['DISCONTIGMEM ended with Linux 5.13', () => with_config(i386, {}, { memory_model: 'DISCONTIGMEM' })],
    ['x86_64 has 4 or 5 levels', () => with_config(x86_64, {}, { pgtable_levels: 3 })],
    ['i386 has no pages of 8192 bytes', () => with_config(i386, {}, { PAGE_SHIFT: 13 })],
  ])('%s…: refused', (sentence, define) => {
    expect(define).toThrow(RangeError)
    expect(define).toThrow(sentence)
  })

  test('counterfactual kernels may be anything', () => {
    const never = with_config(x86_64, { SMP: false }, { counterfactual: true })
    expect(never).toMatchObject({ counterfactual: true, config: { SMP: false, NUMA: true } })
  })
})
