// Frames for pages of processes: by the area's policy where there are policies, with content of zeros or of another page.
import { GFP_KERNEL } from './gfp.ts'
import { mem_cgroup_from_current, mem_cgroup_from_mm } from './memcg_tree.ts'
import { mem_cgroup_charge } from './memcontrol.ts'
import type { Sys } from './mmzone.ts'
import { __free_pages, alloc_pages } from './page_alloc/alloc_pages.ts'
import { frame_bytes, frame_bytes_for_write, release_frame_bytes } from './physmem.ts'

/** A block for an area's page; -1 = no memory. @kernel mm/mempolicy.c:vma_alloc_folio */
export function vma_alloc_folio(sys: Sys, gfp: number, order: number, vma: number, page: number): number {
  const { policy } = sys.seams
  return policy === undefined ? alloc_pages(sys, gfp, order) : policy.vma_alloc_folio(sys, gfp, order, vma, page)
}

/** The same, charged to the control group of the area's process. @kernel mm/memory.c:alloc_anon_folio */
export function alloc_anon_folio(sys: Sys, gfp: number, order: number, vma: number, page: number): number {
  const pfn = vma_alloc_folio(sys, gfp, order, vma, page)
  if (pfn < 0 || sys.memcg.used.length === 0) return pfn
  const charge_gfp = order === 0 ? GFP_KERNEL : gfp
  return charge_or_free(sys, pfn, order, mem_cgroup_from_mm(sys, sys.vma.mm[vma]!), charge_gfp)
}

/** Charges a page that nobody has yet; -1 = it was freed again. @ours */
export function charge_or_free(sys: Sys, pfn: number, order: number, memcg: number, gfp: number): number {
  if (mem_cgroup_charge(sys, pfn, order, memcg, gfp)) return pfn
  __free_pages(sys, pfn, order)
  return -1
}

/** A page for a file's cache, charged to the running task's group; -1 = no memory. @kernel mm/filemap.c:filemap_alloc_folio */
export function filemap_alloc_folio(sys: Sys, gfp: number): number {
  const pfn = alloc_pages(sys, gfp, 0)
  if (pfn < 0 || sys.memcg.used.length === 0) return pfn
  return charge_or_free(sys, pfn, 0, mem_cgroup_from_current(sys), gfp)
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
