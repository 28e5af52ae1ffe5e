// GFP masks as words: what %pGg and the tracepoints print, and what a reader of such text makes of it.
// Law of printing: names are tried in the table's order, the composed ones first; a name is printed when all its bits
// are left, and takes them; what no name took follows as one hexadecimal number.
// Law of reading: words are worth more than the number beside them, because bits moved between kernels and words did
// not; words of older kernels are known under what they became.
import type { Gfp } from '../base/units.ts'
import type { GfpFeatures, GfpTable } from './gfp.ts'
import * as gfp from './gfp.ts'
import type { ZoneName } from './kernel.ts'

type Names = GfpTable['names']

const COMPOSED: Names = [
  ['GFP_TRANSHUGE', gfp.GFP_TRANSHUGE],
  ['GFP_TRANSHUGE_LIGHT', gfp.GFP_TRANSHUGE_LIGHT],
  ['GFP_HIGHUSER_MOVABLE', gfp.GFP_HIGHUSER_MOVABLE],
  ['GFP_HIGHUSER', gfp.GFP_HIGHUSER],
  ['GFP_USER', gfp.GFP_USER],
  ['GFP_KERNEL_ACCOUNT', gfp.GFP_KERNEL_ACCOUNT],
  ['GFP_KERNEL', gfp.GFP_KERNEL],
  ['GFP_NOFS', gfp.GFP_NOFS],
]

const PLAIN_FIRST: Names = [
  ['GFP_DMA', gfp.__GFP_DMA],
  ['__GFP_HIGHMEM', gfp.__GFP_HIGHMEM],
  ['GFP_DMA32', gfp.__GFP_DMA32],
  ['__GFP_HIGH', gfp.__GFP_HIGH],
]

const PLAIN: Names = [
  ['__GFP_IO', gfp.__GFP_IO],
  ['__GFP_FS', gfp.__GFP_FS],
  ['__GFP_NOWARN', gfp.__GFP_NOWARN],
  ['__GFP_RETRY_MAYFAIL', gfp.__GFP_RETRY_MAYFAIL],
  ['__GFP_NOFAIL', gfp.__GFP_NOFAIL],
  ['__GFP_NORETRY', gfp.__GFP_NORETRY],
  ['__GFP_COMP', gfp.__GFP_COMP],
  ['__GFP_ZERO', gfp.__GFP_ZERO],
  ['__GFP_NOMEMALLOC', gfp.__GFP_NOMEMALLOC],
  ['__GFP_MEMALLOC', gfp.__GFP_MEMALLOC],
  ['__GFP_HARDWALL', gfp.__GFP_HARDWALL],
  ['__GFP_THISNODE', gfp.__GFP_THISNODE],
  ['__GFP_RECLAIMABLE', gfp.__GFP_RECLAIMABLE],
  ['__GFP_MOVABLE', gfp.__GFP_MOVABLE],
  ['__GFP_ACCOUNT', gfp.__GFP_ACCOUNT],
  ['__GFP_WRITE', gfp.__GFP_WRITE],
  ['__GFP_RECLAIM', gfp.__GFP_RECLAIM],
  ['__GFP_DIRECT_RECLAIM', gfp.__GFP_DIRECT_RECLAIM],
  ['__GFP_KSWAPD_RECLAIM', gfp.__GFP_KSWAPD_RECLAIM],
  ['__GFP_ZEROTAGS', gfp.__GFP_ZEROTAGS],
]

/** Words that no table prints (any more): the bits they set today, and the bits they take away. */
const OTHER_WORDS: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  // Other spellings.
  __GFP_DMA: [gfp.__GFP_DMA, 0],
  __GFP_DMA32: [gfp.__GFP_DMA32, 0],
  // Up to 4.3: __GFP_WAIT was "may sleep and wakes kswapd".
  __GFP_WAIT: [gfp.__GFP_RECLAIM, 0],
  __GFP_NO_KSWAPD: [0, gfp.__GFP_KSWAPD_RECLAIM],
  GFP_IOFS: [gfp.__GFP_IO | gfp.__GFP_FS, 0],
  // Up to 4.12 and 4.13.
  __GFP_REPEAT: [gfp.__GFP_RETRY_MAYFAIL, 0],
  GFP_TEMPORARY: [gfp.GFP_KERNEL | gfp.__GFP_RECLAIMABLE, 0],
  // A bit up to 6.2, then a matter of __GFP_HIGH and not sleeping.
  __GFP_ATOMIC: [0, 0],
  // Hints that went without a successor, and bits that the modelled kernels are built without.
  __GFP_COLD: [0, 0],
  __GFP_NOTRACK: [0, 0],
  __GFP_OTHER_NODE: [0, 0],
  __GFP_NOACCOUNT: [0, 0],
  __GFP_SKIP_ZERO: [0, 0],
  __GFP_SKIP_KASAN: [0, 0],
  __GFP_SKIP_KASAN_POISON: [0, 0],
  __GFP_SKIP_KASAN_UNPOISON: [0, 0],
  __GFP_NOLOCKDEP: [0, 0],
  __GFP_NO_OBJ_EXT: [0, 0],
}

/** The table of a kernel with these zones and features. @ours made once for each kernel record */
export function gfp_table(zones: readonly ZoneName[], features: GfpFeatures): GfpTable {
  const GFP_ATOMIC = features.ATOMIC_BIT ? gfp.GFP_ATOMIC : gfp.GFP_ATOMIC & ~gfp.__GFP_ATOMIC
  const GFP_NOWAIT = features.NOWAIT_NOWARN ? gfp.GFP_NOWAIT | gfp.__GFP_NOWARN : gfp.GFP_NOWAIT
  const names: Names = [
    ...COMPOSED,
    ['GFP_ATOMIC', GFP_ATOMIC],
    ['GFP_NOIO', gfp.GFP_NOIO],
    ['GFP_NOWAIT', GFP_NOWAIT],
    ...PLAIN_FIRST,
    ...(features.ATOMIC_BIT ? ([['__GFP_ATOMIC', gfp.__GFP_ATOMIC]] as const) : []),
    ...PLAIN,
  ]
  const GFP_BITS_MASK = 2 ** features.GFP_BITS_SHIFT - 1
  return { GFP_ATOMIC, GFP_NOWAIT, GFP_BITS_MASK, names, ...gfp.gfp_zone_table(zones) }
}

/** A mask as %pGg prints it; '' for 0, where tracepoints print `none`. @kernel lib/vsprintf.c:format_flags */
export function format_gfp(table: GfpTable, mask: Gfp): string {
  const words: string[] = []
  let left: number = mask
  for (const [name, bits] of table.names) {
    if ((left & bits) !== bits) continue
    words.push(name)
    left &= ~bits
    if (left === 0) break
  }
  if (left !== 0) words.push(`0x${(left >>> 0).toString(16)}`)
  return words.join('|')
}

/** What a printed mask means. */
export interface ParsedGfp {
  readonly value: Gfp
  /** The number that was printed beside the words, or alone; null = none. Of an older kernel its bits mean others. */
  readonly printed: number | null
  /** Words that no kernel is known to print; they add nothing to `value`. */
  readonly unknown: readonly string[]
}

/** Reads `GFP_KERNEL|__GFP_ZERO`, `0xcc0`, `0x400dc0(GFP_KERNEL_ACCOUNT|__GFP_ZERO)`, `none` and the empty text.
 * Never throws: what it does not know is in `unknown`. @ours the way back of %pGg */
export function parse_gfp(table: GfpTable, text: string): ParsedGfp {
  const [, number, inside] = /^\s*(0x[0-9a-f]+|\d+)?\s*\(([^)]*)\)?\s*$/i.exec(text) ?? [undefined, undefined, text]
  const words = inside!.split('|').map(word => word.trim())
  const named = words.filter(word => word !== '' && word !== 'none' && word !== '(none)')
  const first = number ?? (named.length === 1 ? named[0]! : '')
  const printed = numeric(first)
  if (number !== undefined && named.length === 0) return { value: printed ?? 0, printed, unknown: [] }
  return { ...value_of(table, named), printed }
}

function value_of(table: GfpTable, words: readonly string[]): { value: Gfp; unknown: string[] } {
  const unknown: string[] = []
  let set = 0
  let clear = 0
  for (const word of words) {
    const bits = word_bits(table, word)
    if (bits === null) unknown.push(word)
    else {
      set |= bits[0]
      clear |= bits[1]
    }
  }
  return { value: (set & ~clear) >>> 0, unknown }
}

/** Up to 4.5 single bits were printed without their underscores: GFP_COLD is __GFP_COLD. */
function word_bits(table: GfpTable, word: string): readonly [set: number, clear: number] | null {
  for (const name of [word, `__${word}`]) {
    const entry = table.names.find(([printed]) => printed === name)
    if (entry) return [entry[1], 0]
    if (Object.hasOwn(OTHER_WORDS, name)) return OTHER_WORDS[name]!
  }
  const value = numeric(word)
  return value === null ? null : [value, 0]
}

function numeric(word: string): number | null {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(word)) return null
  const value = Number(word)
  return value <= 0xffffffff ? value : null
}
