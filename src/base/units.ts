// Units as types at the door, plain integers inside. A brand exists for the compiler alone and costs nothing.

declare const unit: unique symbol
type Branded<Name extends string> = number & { readonly [unit]?: Name }

/** Page frame number, an index of frames: physical address >> PAGE_SHIFT. */
export type Pfn = Branded<'Pfn'>
/** Block size as a power of two, in pages: a block of order n has 2^n pages. */
export type Order = Branded<'Order'>
/** Physical address in bytes, an exact double (below 2^53). */
export type Paddr = Branded<'Paddr'>
/** Virtual address in bytes; addresses above 2^53 are kept as two 32-bit halves instead (see address.ts). */
export type Vaddr = Branded<'Vaddr'>
/** GFP mask, a bit set of at most 28 bits. */
export type Gfp = Branded<'Gfp'>

/** "No frame, no block": what an allocation returns when it fails. */
export const NIL = -1

/** Bytes of a kibibyte, mebibyte, gibibyte. */
export const KiB: number = 1024
export const MiB: number = 1024 * KiB
export const GiB: number = 1024 * MiB
