// From an address to memory, table by table, as the processor walks: 2, 3, 4 or 5 levels, as the kernel has them. Huge
// entries end the walk early; an address that nothing is mapped at ends it at an empty entry.
import type { ModuleKernel } from 'mmtwin'

/** The machine that `mmtwin run` boots unless told otherwise. */
export const machine = { kernel: '6.1-x86_64-la57', memory: '64M' }

type Address = ModuleKernel['PAGE_OFFSET']

export function init(k: ModuleKernel): number {
  const hex = (value: number | null): string => (value === null ? 'nothing' : `0x${value.toString(16)}`)
  const show = (what: string, address: Address): void => {
    k.pr_info(`${what} ${address} is ${hex(k.slow_virt_to_phys(address))}`)
    for (const { level, index, entry, present, leaf, bytes } of k.walk(address)) {
      const end = leaf ? `maps ${bytes / 1024} KiB` : present ? 'points to a table' : 'is empty'
      k.pr_info(`  ${level}[${index}] = ${entry} ${end}`)
    }
  }
  k.pr_info(`${k.PGTABLE_LEVELS} levels; direct map ${k.PAGE_OFFSET} to ${k.high_memory}`)
  k.pr_info(`vmalloc ${k.VMALLOC_START} to ${k.VMALLOC_END}`)

  const page = k.get_zeroed_page(k.GFP_KERNEL)!
  show('a page of the direct map', page)
  k.pr_info(`__pa says ${hex(k.__pa(page))}`)
  const area = k.vmalloc(2 * k.PAGE_SIZE)!
  show('a page of vmalloc', area.plus(k.PAGE_SIZE))
  show('its guard page', area.plus(2 * k.PAGE_SIZE))
  k.vfree(area)
  k.free_page(page)
  return 0
}
