// GFP masks of all times in the bits of today. Words that a kernel printed say what it meant; where only a number
// stands (kernels before 4.6, some lines of later ones), its bits mean what they meant in that kernel's time.

import { x86_64_6_1 } from '../../kernels/x86_64_6_1.ts'
import * as gfp from '../../mm/gfp.ts'
import { format_gfp, parse_gfp } from '../../mm/gfp_names.ts'
import type { ReportFacts } from './facts.ts'

/** What a request may do. */
export interface Mask {
  /** The number as printed. */
  readonly printed: string
  /** In the bits of 6.1. */
  readonly bits: number
  readonly names: readonly string[]
  readonly mayReclaim: boolean
  /** The words are not those of any kernel, or the number's time is unknown. */
  readonly doubt: string | null
  readonly line: number
}

/** Bits by name, `[bit, what it is today]`. Up to 4.3 one bit meant "may sleep and wakes kswapd". */
type Era = readonly (readonly [bit: number, today: number])[]

const COMMON: Era = [
  [0x1, gfp.__GFP_DMA],
  [0x2, gfp.__GFP_HIGHMEM],
  [0x4, gfp.__GFP_DMA32],
  [0x20, gfp.__GFP_HIGH],
  [0x40, gfp.__GFP_IO],
  [0x80, gfp.__GFP_FS],
  [0x200, gfp.__GFP_NOWARN],
  [0x400, gfp.__GFP_RETRY_MAYFAIL],
  [0x800, gfp.__GFP_NOFAIL],
  [0x1000, gfp.__GFP_NORETRY],
  [0x4000, gfp.__GFP_COMP],
  [0x8000, gfp.__GFP_ZERO],
  [0x10000, gfp.__GFP_NOMEMALLOC],
  [0x20000, gfp.__GFP_HARDWALL],
  [0x40000, gfp.__GFP_THISNODE],
]

/** 2.6: mobility high up (2.6.23 to 2.6.30). */
const OLD: Era = [...COMMON, [0x10, gfp.__GFP_RECLAIM], [0x80000, gfp.__GFP_RECLAIMABLE], [0x100000, gfp.__GFP_MOVABLE]]
/** 2.6.31 to 4.3. */
const MIDDLE: Era = [
  ...COMMON,
  [0x8, gfp.__GFP_MOVABLE],
  [0x10, gfp.__GFP_RECLAIM],
  [0x2000, gfp.__GFP_MEMALLOC],
  [0x80000, gfp.__GFP_RECLAIMABLE],
  [0x1000000, gfp.__GFP_WRITE],
]
/** 4.4 to 4.10: sleeping and waking kswapd became two bits. */
const SPLIT: Era = [
  ...COMMON,
  [0x8, gfp.__GFP_MOVABLE],
  [0x10, gfp.__GFP_RECLAIMABLE],
  [0x2000, gfp.__GFP_MEMALLOC],
  [0x80000, gfp.__GFP_ATOMIC],
  [0x100000, gfp.__GFP_ACCOUNT],
  [0x400000, gfp.__GFP_DIRECT_RECLAIM],
  [0x1000000, gfp.__GFP_WRITE],
  [0x2000000, gfp.__GFP_KSWAPD_RECLAIM],
]
/** 4.11 to 5.0: kswapd's bit moved down twice. */
const MOVING: Era = [
  ...SPLIT.filter(([bit]) => bit < 0x1000000),
  [0x200000, gfp.__GFP_KSWAPD_RECLAIM],
  [0x800000, gfp.__GFP_WRITE],
  [0x1000000, gfp.__GFP_KSWAPD_RECLAIM],
]

/** `6.1.0-50` → 6001; null = no version. Of 2.6 the third number counts: 2.6.24 → 2.624. */
export function versionOf(release: string | undefined): number | null {
  const [, major, minor, patch] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release ?? '') ?? []
  if (major === undefined) return null
  if (major === '2') return 2 + Number(minor) / 10 + Number(patch ?? 0) / 1000
  return Number(major) * 1000 + Number(minor)
}

/** The table of a number's time; null = today's bits. */
function eraOf(number: number, version: number | null): Era | null {
  if (version !== null) {
    if (version < 2.631) return OLD
    if (version < 4004) return MIDDLE
    if (version < 4011) return SPLIT
    return version < 5001 ? MOVING : null
  }
  if ((number & 0x2000000) !== 0) return SPLIT
  if ((number & 0x400000) !== 0 && (number & 0x1200000) !== 0 && (number & 0xc00) === 0) return MOVING
  const old = (number & 0xd0) === 0xd0 || (number & 0x10) !== 0 || number === 0x20
  if (!old || (number & 0xc00) === 0xc00) return null
  return (number & 0x100000) !== 0 ? OLD : MIDDLE
}

function translated(number: number, era: Era): number {
  let bits = 0
  for (const [bit, today] of era) if ((number & bit) !== 0) bits |= today
  return bits
}

/** What the mask of a report allows; null where none is printed. */
export function maskOf({ gfp: said, kernel }: ReportFacts): Mask | null {
  if (said === null) return null
  const { number, words } = said.value
  const printed = /^0x/i.test(number) ? number.toLowerCase() : `0x${Number(number).toString(16)}`
  const table = x86_64_6_1.gfp
  if (words !== '' && words !== 'none') return fromWords(words, printed, said.line)
  const value = Number(number)
  const version = versionOf(kernel?.value)
  const era = eraOf(value, version)
  const bits = era ? translated(value, era) : value & table.GFP_BITS_MASK
  const names = bits === 0 ? [] : format_gfp(table, bits & ~gfp.__GFP_ATOMIC).split('|')
  return { printed, bits, names, mayReclaim: (bits & gfp.__GFP_DIRECT_RECLAIM) !== 0, doubt: null, line: said.line }
}

function fromWords(words: string, printed: string, line: number): Mask {
  const { value, unknown } = parse_gfp(x86_64_6_1.gfp, words)
  const doubt = unknown.length > 0 ? `the mask has words that are not known: ${unknown.join(', ')}` : null
  return {
    printed,
    bits: value,
    names: words.split('|'),
    mayReclaim: (value & gfp.__GFP_DIRECT_RECLAIM) !== 0,
    doubt,
    line,
  }
}

/** A mask as a user writes it: words, or a number in today's bits. @throws RangeError for words that mean nothing */
export function maskOfText(text: string): Mask {
  const { value, unknown } = parse_gfp(x86_64_6_1.gfp, text)
  if (unknown.length > 0 || text.trim() === '') throw new RangeError(`gfp=${text}: no GFP flag "${unknown[0] ?? ''}"`)
  const names = format_gfp(x86_64_6_1.gfp, value).split('|')
  const mayReclaim = (value & gfp.__GFP_DIRECT_RECLAIM) !== 0
  return { printed: `0x${value.toString(16)}`, bits: value, names, mayReclaim, doubt: null, line: 0 }
}
