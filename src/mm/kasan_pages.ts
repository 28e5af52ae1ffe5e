// Generic KASAN for frames: the page allocator's hooks. They know nothing of objects, so that the page allocator can
// call them. Law: a free frame's shadow is KASAN_PAGE_FREE throughout; a hook of a kernel without KASAN does nothing.
import { direct_address, KASAN_PAGE_FREE, kasan_enabled, kasan_poison, kasan_unpoison } from './kasan_shadow.ts'
import type { Sys } from './mmzone.ts'

/** Frames were allocated. @kernel mm/kasan/common.c:__kasan_unpoison_pages */
export function kasan_alloc_pages(sys: Sys, pfn: number, order: number): void {
  if (!kasan_enabled(sys)) return
  kasan_unpoison(sys, direct_address(sys, pfn * sys.page_bytes), sys.page_bytes * 2 ** order)
}

/** Frames were freed. @kernel mm/kasan/common.c:__kasan_poison_pages */
export function kasan_free_pages(sys: Sys, pfn: number, order: number): void {
  if (!kasan_enabled(sys)) return
  kasan_poison(sys, direct_address(sys, pfn * sys.page_bytes), sys.page_bytes * 2 ** order, KASAN_PAGE_FREE)
}
