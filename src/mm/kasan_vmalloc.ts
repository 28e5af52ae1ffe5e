// Generic KASAN for the vmalloc space: what lies in an area may be used for as many bytes as were asked for, all else is
// KASAN_VMALLOC_INVALID. Its pages of shadow are made with the first area that needs them, and stay.
// Law: an area whose shadow has no room is not made, as an area without memory for its shadow.
import {
  KASAN_VMALLOC_INVALID,
  kasan_enabled,
  kasan_make_shadow,
  kasan_mem_to_shadow,
  kasan_poison,
  kasan_shadow_room,
  kasan_unpoison,
  page_start,
} from './kasan_shadow.ts'
import { KASAN_GRANULE_SIZE, KASAN_SHADOW_PAGE } from './kasan_tables.ts'
import type { Sys } from './mmzone.ts'

/** Bytes that a page of shadow stands for. */
const SHADOWED = KASAN_SHADOW_PAGE * KASAN_GRANULE_SIZE

/** Makes the shadow of an area that comes to be; false = there is no room for it.
 * @kernel mm/kasan/shadow.c:kasan_populate_vmalloc
 * @differs its frames are not taken from the machine's memory */
export function kasan_populate_vmalloc(sys: Sys, page: number, pages: number): boolean {
  if (!kasan_enabled(sys)) return true
  const chunk = SHADOWED / sys.page_bytes
  const first = page - (page % chunk)
  const missing: number[] = []
  for (let at = first; at < page + pages; at += chunk)
    if (kasan_mem_to_shadow(sys, page_start(sys, at)) < 0) missing.push(at)
  if (missing.length > kasan_shadow_room(sys)) return false
  for (const at of missing) {
    kasan_make_shadow(sys, page_start(sys, at))
    kasan_poison_vmalloc(sys, at, chunk)
  }
  return true
}

/** The first `size` bytes of an area may be used from now on. @kernel mm/kasan/shadow.c:__kasan_unpoison_vmalloc */
export function kasan_unpoison_vmalloc(sys: Sys, page: number, size: number): void {
  if (kasan_enabled(sys)) kasan_unpoison(sys, page_start(sys, page), size)
}

/** Nothing of an area may be used any more. @kernel mm/kasan/shadow.c:__kasan_poison_vmalloc */
export function kasan_poison_vmalloc(sys: Sys, page: number, pages: number): void {
  if (kasan_enabled(sys)) kasan_poison(sys, page_start(sys, page), pages * sys.page_bytes, KASAN_VMALLOC_INVALID)
}
