// Bloom filters of page tables in which many entries are young: only those are walked by the next aging. Two filters in
// turn; the one of the next generation is filled while the current one is used.
import type { Sys } from './mmzone.ts'

/** Bits of a filter. @kernel mm/vmscan.c:BLOOM_FILTER_SHIFT */
const SHIFT = 15
const WORDS: number = 2 ** SHIFT / 32

/** Two bits of a table; a table is known by the place of its bytes. @kernel mm/vmscan.c:get_item_key */
function key(item: number, which: number): number {
  let hash = Math.imul(item + 1, 0x61c88647) >>> 0
  hash ^= hash >>> 15
  return which === 0 ? hash & (2 ** SHIFT - 1) : (hash >>> (32 - SHIFT)) & (2 ** SHIFT - 1)
}

const word = (node: number, seq: number, bit: number): number => node * 2 * WORDS + (seq % 2) * WORDS + (bit >>> 5)

/** @kernel mm/vmscan.c:reset_bloom_filter */
export function reset_bloom_filter(sys: Sys, node: number, seq: number): void {
  const first = word(node, seq, 0)
  sys.lru_gen.filter.fill(0, first, first + WORDS)
}

/** @kernel mm/vmscan.c:update_bloom_filter */
export function update_bloom_filter(sys: Sys, node: number, seq: number, item: number): void {
  const { filter } = sys.lru_gen
  for (let which = 0; which < 2; which++) {
    const bit = key(item, which)
    const at = word(node, seq, bit)
    filter[at] = (filter[at]! | (1 << (bit & 31))) >>> 0
  }
}

/** Whether a table may be in the filter. @kernel mm/vmscan.c:test_bloom_filter */
export function test_bloom_filter(sys: Sys, node: number, seq: number, item: number): boolean {
  const { filter } = sys.lru_gen
  for (let which = 0; which < 2; which++) {
    const bit = key(item, which)
    if (((filter[word(node, seq, bit)]! >>> (bit & 31)) & 1) === 0) return false
  }
  return true
}
