import { expect, test } from 'vitest'
import { memory_model_table, page_to_pfn, pfn_to_page, pfn_valid } from '../../src/mm/memory_model.ts'
import { boot_from_description } from '../../src/sim/boot.ts'
import type { MachineDescription } from '../../src/sim/machine_description.ts'

const NODES: MachineDescription['memory'] = [
  { start: 0, size: '64M', node: 0 },
  { start: '512M', size: '64M', node: 1 },
]

function model(kernel: string, memory = NODES) {
  const sys = boot_from_description({ kernel, memory, cpus: kernel.startsWith('2.6') ? [0, 1] : 1 }, { shared: false })
  const page = 2 ** (20 - sys.kernel.PAGE_SHIFT)
  const table = memory_model_table(sys, [
    { start_pfn: page, end_pfn: 64 * page, node: 0 },
    { start_pfn: 512 * page, end_pfn: 576 * page, node: 1 },
  ])
  return { table, page }
}

test('one formula: every frame of memory has a struct page, and that one gives the frame back', () => {
  for (const kernel of ['6.1-i386', '6.1-x86_64', '2.6-i386-discontigmem', '2.6-alpha']) {
    const { table, page } = model(kernel)
    for (const pfn of [page, 63 * page + 5, 512 * page, 575 * page])
      expect(page_to_pfn(table, pfn_to_page(table, pfn)), `${kernel} frame ${pfn}`).toBe(pfn)
    expect(page_to_pfn(table, table.pages)).toBe(-1)
  }
})

test('FLATMEM is one map over holes, SPARSEMEM and DISCONTIGMEM leave them out', () => {
  const flat = model('6.1-i386')
  expect(flat.table.start.length).toBe(1)
  expect(flat.table.pages).toBe(576 * flat.page)
  expect(pfn_valid(flat.table, 256 * flat.page)).toBe(true)
  const sparse = model('6.1-x86_64')
  expect(sparse.table.shift).toBe(15)
  expect(pfn_valid(sparse.table, 256 * sparse.page)).toBe(false)
  expect(sparse.table.pages).toBe(192 * sparse.page)
  const discontig = model('2.6-alpha')
  expect(pfn_valid(discontig.table, 100 * discontig.page)).toBe(true)
  expect(discontig.table.start.length).toBe(2)
})
