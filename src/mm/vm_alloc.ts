// Frames for pages of processes: by the area's policy where there are policies, with content of zeros or of another page.
import type { Sys } from './mmzone.ts'
import { alloc_pages } from './page_alloc/alloc_pages.ts'
import { frame_bytes, frame_bytes_for_write, release_frame_bytes } from './physmem.ts'

/** A block for an area's page; -1 = no memory. @kernel mm/mempolicy.c:vma_alloc_folio */
export function vma_alloc_folio(sys: Sys, gfp: number, order: number, vma: number, page: number): number {
  const { policy } = sys.seams
  return policy === undefined ? alloc_pages(sys, gfp, order) : policy.vma_alloc_folio(sys, gfp, order, vma, page)
}

/** Makes a page read as zeros. @kernel include/linux/highmem.h:clear_highpage */
export function clear_highpage(sys: Sys, pfn: number): void {
  if (sys.page.data[pfn] !== 0) release_frame_bytes(sys, pfn)
}

/** Gives a page another's content. @kernel include/linux/highmem.h:copy_user_highpage */
export function copy_user_highpage(sys: Sys, to: number, from: number): void {
  const at = frame_bytes(sys, from)
  if (at < 0) {
    clear_highpage(sys, to)
    return
  }
  const base = frame_bytes_for_write(sys, to)
  sys.physmem.bytes.copyWithin(base, at, at + sys.page_bytes)
}
