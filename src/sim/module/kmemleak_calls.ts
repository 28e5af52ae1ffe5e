// What a module tells kmemleak. On a kernel without it the calls do nothing, as the kernel's do.
import type { Gfp } from '../../base/units.ts'
import {
  kmemleak_alloc,
  kmemleak_free,
  kmemleak_free_part,
  kmemleak_ignore,
  kmemleak_no_scan,
  kmemleak_not_leak,
  kmemleak_scan_area,
  kmemleak_update_trace,
} from '../../mm/kmemleak.ts'
import { kmemleak_key } from '../../mm/kmemleak_key.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

export interface KmemleakCalls {
  /** A block of the module's own making: of a page, of a larger block. @kernel mm/kmemleak.c:kmemleak_alloc */
  kmemleak_alloc(object: Pointer | null, size: number, min_count: number, gfp: Gfp): void
  /** @kernel mm/kmemleak.c:kmemleak_free */
  kmemleak_free(object: Pointer | null): void
  /** @kernel mm/kmemleak.c:kmemleak_free_part */
  kmemleak_free_part(address: Pointer | null, size: number): void
  /** Not a leak whoever points to it. @kernel mm/kmemleak.c:kmemleak_not_leak */
  kmemleak_not_leak(object: Pointer | null): void
  /** Not a leak, and it holds no pointers. @kernel mm/kmemleak.c:kmemleak_ignore */
  kmemleak_ignore(object: Pointer | null): void
  /** Only this part of its block holds pointers. @kernel mm/kmemleak.c:kmemleak_scan_area */
  kmemleak_scan_area(address: Pointer | null, size: number, gfp: Gfp): void
  /** It holds no pointers. @kernel mm/kmemleak.c:kmemleak_no_scan */
  kmemleak_no_scan(object: Pointer | null): void
  /** It changes hands. @kernel mm/kmemleak.c:kmemleak_update_trace */
  kmemleak_update_trace(object: Pointer | null): void
}

export function kmemleakCalls({ sys }: ModuleContext): KmemleakCalls {
  const key = (pointer: Pointer | null): number => (pointer === null ? 0 : kmemleak_key(sys, pointer.address))
  return {
    kmemleak_alloc: (object, size, min_count, _gfp) =>
      kmemleak_alloc(sys, key(object), size, min_count, 'kmemleak_alloc'),
    kmemleak_free: object => kmemleak_free(sys, key(object)),
    kmemleak_free_part: (address, size) => kmemleak_free_part(sys, key(address), size),
    kmemleak_not_leak: object => kmemleak_not_leak(sys, key(object)),
    kmemleak_ignore: object => kmemleak_ignore(sys, key(object)),
    kmemleak_scan_area: (address, size, _gfp) => kmemleak_scan_area(sys, key(address), size),
    kmemleak_no_scan: object => kmemleak_no_scan(sys, key(object)),
    kmemleak_update_trace: object => kmemleak_update_trace(sys, key(object)),
  }
}
