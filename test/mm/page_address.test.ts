// The half of the low-level API that speaks in addresses.
import { describe, expect, it } from 'vitest'
import { address_add, NULL_ADDRESS } from '../../src/base/address.ts'
import { kernel_by_name } from '../../src/kernels/index.ts'
import { GFP_HIGHUSER, GFP_KERNEL } from '../../src/mm/gfp.ts'
import { page_zone, zone_name } from '../../src/mm/mmzone.ts'
import {
  __get_free_page,
  __get_free_pages,
  free_page,
  free_pages,
  get_zeroed_page,
  page_address,
  virt_to_page,
} from '../../src/mm/page_address.ts'
import { Machine } from '../../src/sim/machine.ts'

describe.each([
  ['6.1-x86_64', '0xffff888000001000'],
  ['6.1-x86_64-la57', '0xff11000000001000'],
  ['6.1-i386', '0xc0001000'],
  ['6.1-i386-2g', '0x80001000'],
])('%s', (kernel, second) => {
  const machine = Machine.boot({ memory: '2G', kernel })
  const { sys } = machine

  it('has frame 1 at its PAGE_OFFSET + 4096', () => {
    expect(kernel_by_name(kernel).name).toBe(kernel)
    expect(`0x${machine.formatAddress(page_address(sys, 1))}`).toBe(second)
  })

  it('finds every frame of the direct map again, from any byte of it', () => {
    for (let pfn = 0; pfn < sys.nr_frames; pfn += 4097) {
      const address = page_address(sys, pfn)
      if (address.lo === 0 && address.hi === 0) continue
      expect([virt_to_page(sys, address), virt_to_page(sys, address_add(address, 4095))]).toEqual([pfn, pfn])
    }
  })

  it('gives frames with an address, and takes them back', () => {
    const before = machine.proc('buddyinfo')
    const pages = [
      __get_free_pages(sys, GFP_HIGHUSER, 3),
      __get_free_page(sys, GFP_KERNEL),
      get_zeroed_page(sys, GFP_KERNEL),
    ]
    expect(pages.every(address => zone_name(sys, page_zone(sys, virt_to_page(sys, address))) !== 'HighMem')).toBe(true)
    free_pages(sys, pages[0]!, 3)
    free_page(sys, pages[1]!)
    free_page(sys, pages[2]!)
    machine.apply({ op: 'drain_all_pages' })
    expect(machine.proc('buddyinfo')).toBe(before)
    expect(machine.check()).toEqual([])
  })

  it('has no page for what is no address of the direct map, frees nothing there, and says so', () => {
    for (const address of [{ hi: 0, lo: 4096 }, { hi: 0xffffffff, lo: 0xfffff000 }, NULL_ADDRESS])
      expect(virt_to_page(sys, address)).toBe(-1)
    free_page(sys, NULL_ADDRESS)
    expect(machine.log).toEqual([])
    free_page(sys, { hi: 0, lo: 4096 })
    expect(machine.log[0]?.line).toContain('Bad page state')
    expect(machine.check()).toEqual([])
  })
})

it('high memory has no address', () => {
  const { sys } = Machine.boot({ memory: '2G', kernel: '6.1-i386' })
  const high = sys.zone.zone_start_pfn[sys.kernel.zones.indexOf('HighMem')]!
  expect(page_address(sys, high)).toEqual(NULL_ADDRESS)
  expect(page_address(sys, high - 1)).not.toEqual(NULL_ADDRESS)
})
