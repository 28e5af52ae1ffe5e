// A page of high memory has no address of its own. kmap gives it one for as long as it takes, out of a small pool;
// kmap_atomic gives one that is the CPU's alone, and until it is given back nothing may sleep.
import type { ModuleKernel } from 'mmtwin'

/** The machine that `mmtwin run` boots unless told otherwise. */
export const machine = { kernel: '6.1-i386', memory: '1536M' }

export function init(k: ModuleKernel): number {
  const page = k.alloc_page(k.GFP_HIGHUSER)
  if (page === null) return -k.ENOMEM
  k.pr_info(`${page} ${k.PageHighMem(page) ? 'is' : 'is not'} of high memory; page_address: ${k.page_address(page)}`)

  const address = k.kmap(page)
  if (address === null) return -k.ENOMEM
  k.writel(0xcafe, address)
  k.pr_info(`kmap shows it at ${address}; page_address: ${k.page_address(page)}`)
  k.kunmap(page)

  const atomic = k.kmap_atomic(page)
  if (atomic === null) return -k.ENOMEM
  k.pr_info(`kmap_atomic shows it at ${atomic}: it still holds 0x${k.readl(atomic).toString(16)}`)
  k.pr_info(`may sleep now: ${k.in_atomic() ? 'no' : 'yes'}`)
  k.kunmap_atomic(atomic)

  k.__free_page(page)
  return 0
}
