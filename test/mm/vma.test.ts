// The areas of an address space are looked up by page.
import { expect, it } from 'vitest'
import { find_vma } from '../../src/mm/vma.ts'
import { boot_from_description } from '../../src/sim/boot.ts'

it('an address space that is not there has no areas', () => {
  const sys = boot_from_description({ memory: '64M' }, { shared: false, processes: { nr_tasks: 2 } })
  expect(find_vma(sys, 1000, 5)).toBe(0)
})
