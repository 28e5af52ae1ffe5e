// Small integer arithmetic that the kernel room shares. All of it is exact for unsigned 32-bit values.

/** Number of the highest set bit, 31 … 0; -1 for zero. */
export function ilog2(value: number): number {
  return 31 - Math.clz32(value)
}

/** Number of the lowest set bit; -1 for zero. */
export function first_bit(mask: number): number {
  return 31 - Math.clz32(mask & -mask)
}

/** `value` rounded down to a multiple of `2^shift`; exact beyond 2^31, too. */
export function align_down(value: number, shift: number): number {
  const unit = 2 ** shift
  return Math.floor(value / unit) * unit
}

/** `value` rounded up to a multiple of `2^shift`. */
export function align_up(value: number, shift: number): number {
  const unit = 2 ** shift
  return Math.ceil(value / unit) * unit
}

/** Largest power of two that is not above `value` (≥ 1). */
export function rounddown_pow_of_two(value: number): number {
  const power = 2 ** Math.floor(Math.log2(value))
  // log2 rounds up just below a large power.
  return power > value ? power / 2 : power
}

/** log2 of the block of pages that `pages` (≥ 1) fit into. @kernel include/asm-generic/getorder.h:get_order */
export function get_order(pages: number): number {
  return pages <= 1 ? 0 : 32 - Math.clz32(pages - 1)
}

/** Integer square root: the largest r with r² ≤ value. @kernel lib/math/int_sqrt.c:int_sqrt */
export function int_sqrt(value: number): number {
  let root = Math.floor(Math.sqrt(value))
  while (root * root > value) root--
  while ((root + 1) * (root + 1) <= value) root++
  return root
}

/** `value` held between `low` and `high`; `high` wins where they cross. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}
