// Pages that lie in any order, seen at addresses that follow one another: vmap for long, vm_map_ram for a short time. Both are
// views: what is written through one is read through the other, and in the direct map.
import type { ModuleKernel } from 'mmtwin'

export function init(k: ModuleKernel): number {
  const pages = [0, 1, 2].map(() => k.alloc_page(k.GFP_KERNEL)!)
  pages.reverse()
  const middle = pages[1]!
  k.pr_info(`pages ${pages.map(page => k.page_to_pfn(page)).join(', ')}`)

  const long = k.vmap(pages)!
  const short = k.vm_map_ram(pages)!
  k.memset(long, 0, 3 * k.PAGE_SIZE)
  k.writel(0x2a, long.plus(k.PAGE_SIZE))
  const seen = [k.readl(short.plus(k.PAGE_SIZE)), k.readl(k.page_address(middle)!)]
  k.pr_info(`written through vmap, read through vm_map_ram and the direct map: ${seen.join(', ')}`)
  k.pr_info(`vmalloc_to_page knows the page: ${k.vmalloc_to_page(long.plus(k.PAGE_SIZE)) === middle ? 'yes' : 'no'}`)

  k.vm_unmap_ram(short, pages.length)
  k.vunmap(long)
  k.vm_unmap_aliases()
  for (const page of pages) k.__free_page(page)
  return 0
}
