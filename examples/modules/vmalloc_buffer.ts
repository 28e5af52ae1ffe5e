// A buffer that is contiguous for whoever uses it, but not in memory: vmalloc takes frames one by one and gives them
// addresses that follow one another. kmalloc of the same size needs frames that lie together.
import type { ModuleKernel, Pointer } from 'mmtwin'

const PAGES = 16

let buffer: Pointer | null = null

export function init(k: ModuleKernel): number {
  buffer = k.vzalloc(PAGES * k.PAGE_SIZE)
  if (buffer === null) return -k.ENOMEM
  const frames = Array.from({ length: PAGES }, (_, i) => k.vmalloc_to_page(buffer!.plus(i * k.PAGE_SIZE))!.pfn)
  k.pr_info(`${PAGES} pages at ${buffer}, the first frame is pfn 0x${frames[0]!.toString(16)}`)
  const jumps = frames.filter((pfn, i) => i > 0 && pfn !== frames[i - 1]! + 1).length
  k.pr_info(`frames that do not follow the one before: ${jumps}`)

  // A write over the border of two pages, read back through the direct map of each.
  const border = buffer.plus(k.PAGE_SIZE - 2)
  k.writel(0x44332211, border)
  const [low, high] = [k.vmalloc_to_page(border)!, k.vmalloc_to_page(border.plus(2))!]
  const [left, right] = [k.page_address(low), k.page_address(high)]
  if (left !== null && right !== null)
    k.pr_info(
      `0x${k.readb(left.plus(k.PAGE_SIZE - 1)).toString(16)} ends one frame, 0x${k.readb(right).toString(16)} begins the other`,
    )
  return 0
}

export function exit(k: ModuleKernel): void {
  k.vfree(buffer)
}
