// Short mappings of high memory: kmap_atomic and kmap_local_page have slots of their own on each CPU, so that an interrupt
// may use them, too. The last one mapped is the first one given back, and nobody may sleep while kmap_atomic is in use.
import type { MachineDescription, ModuleKernel } from 'mmtwin'

export const machine: MachineDescription = { kernel: '6.1-i386', memory: '1536M' }

export function init(k: ModuleKernel): number {
  const source = k.alloc_page(k.GFP_HIGHUSER)!
  const target = k.alloc_page(k.GFP_HIGHUSER)!
  const from = k.kmap_local_page(source)!
  k.writel(0x600d, from)

  // An interrupt comes in between; it copies the page and is gone before anybody notices.
  k.irq_enter()
  const inside = k.kmap_atomic(source)!
  const to = k.kmap_atomic(target)!
  k.memcpy(to, inside, k.PAGE_SIZE)
  k.pr_info(`in interrupt: ${k.in_interrupt() ? 'yes' : 'no'}; three mappings, two of them of one page`)
  k.kunmap_atomic(to)
  k.kunmap_atomic(inside)
  k.irq_exit()

  k.pr_info(`the first mapping still reads 0x${k.readl(from).toString(16)}`)
  k.kunmap_local(from)
  const check = k.kmap_local_page(target)!
  k.pr_info(`the copy reads 0x${k.readl(check).toString(16)}; high memory: ${k.PageHighMem(target) ? 'yes' : 'no'}`)
  k.kunmap_local(check)
  k.__free_page(source)
  k.__free_page(target)
  return 0
}
