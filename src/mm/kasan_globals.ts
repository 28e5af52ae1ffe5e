// Variables of the kernel's image that KASAN guards: the compiler puts a red zone behind each and registers it at boot.
import { type Address, address_add, address_distance } from '../base/address.ts'
import { KASAN_GLOBAL_REDZONE, kasan_enabled, kasan_poison, kasan_unpoison, round_up_granule } from './kasan_shadow.ts'
import { caller_text, symbol_name } from './kernel_text.ts'
import type { Sys } from './mmzone.ts'

/** First address of the kernel's image. @kernel arch/x86/include/asm/page_64_types.h:__START_KERNEL_map */
const START_KERNEL_MAP: Address = { hi: 0xffffffff, lo: 0x80000000 }
const IMAGE_BYTES: number = 1 << 30

/** A variable. @kernel mm/kasan/kasan.h:struct kasan_global */
export interface KasanGlobal {
  readonly address: Address
  /** Bytes. */
  readonly size: number
  readonly size_with_redzone: number
  readonly name: string
}

/** The physical address of an address of the kernel's image, which is loaded where it was linked; -1 = it lies elsewhere.
 * @kernel arch/x86/mm/physaddr.c:__phys_addr */
export function kernel_image_paddr(address: Address): number {
  const paddr = address_distance(START_KERNEL_MAP, address)
  return paddr >= 0 && paddr < IMAGE_BYTES ? paddr : -1
}

/** Guards a variable. @kernel mm/kasan/generic.c:register_global */
export function kasan_register_global(sys: Sys, { address, size, size_with_redzone, name }: KasanGlobal): void {
  if (!kasan_enabled(sys)) return
  const aligned = round_up_granule(size)
  kasan_unpoison(sys, address, size)
  kasan_poison(sys, address_add(address, aligned), size_with_redzone - aligned, KASAN_GLOBAL_REDZONE)
  const table = sys.kasan_global
  const row = sys.kasan_state.globals[0]!
  if (row === table.hi.length) throw new RangeError(`all ${row} rows for variables are taken`)
  table.hi[row] = address.hi
  table.lo[row] = address.lo
  table.size[row] = size
  table.size_with_redzone[row] = size_with_redzone
  table.name[row] = caller_text(name)
  sys.kasan_state.globals[0]! += 1
}

/** An address as %pS prints it, where it lies in a variable or its red zone; null elsewhere. @ours */
export function kasan_global_of(sys: Sys, address: Address): string | null {
  const { hi, lo, size_with_redzone, name } = sys.kasan_global
  for (let row = 0; row < sys.kasan_state.globals[0]!; row++) {
    const offset = address_distance({ hi: hi[row]!, lo: lo[row]! }, address)
    if (offset >= 0 && offset < size_with_redzone[row]!)
      return `${symbol_name(name[row]!)}+0x${offset.toString(16)}/0x${size_with_redzone[row]!.toString(16)}`
  }
  return null
}
