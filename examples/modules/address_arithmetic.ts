// The direct map: a physical address plus PAGE_OFFSET, and back. High memory has no such address, vmalloc's addresses are
// none: __pa of them means nothing, and virt_to_page gives no page.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  const page = k.alloc_page(k.GFP_KERNEL)!
  const address = k.page_address(page)!
  const physical = k.__pa(address)
  k.pr_info(`pfn ${k.page_to_pfn(page)} is physical 0x${physical.toString(16)}, seen at ${address}`)
  k.pr_info(`__va(__pa(x)) is x: ${k.__va(physical).equals(address) ? 'yes' : 'no'}`)
  k.pr_info(
    `virt_to_page of its last byte: ${k.virt_to_page(address.plus(k.PAGE_SIZE - 1)) === page ? 'the page' : 'another'}`,
  )
  const area = k.vmalloc(k.PAGE_SIZE)!
  k.pr_info(`of vmalloc's ${area}: ${k.virt_to_page(area) === null ? 'no page' : 'a page'}`)
  k.vfree(area)
  k.__free_page(page)
  return 0
}
