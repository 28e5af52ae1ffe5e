// Options of the boot command line that caches depend on: slab_nomerge, slab_max_order, slub_min_order, slub_max_order,
// slub_min_objects, slub_debug. Law: what cannot be read is as if it were not there, as the kernel has it.
import { clamp } from '../base/bits.ts'
import { MiB } from '../base/units.ts'
import type { Kernel } from './kernel.ts'
import { PAGE_ALLOC_COSTLY_ORDER } from './mmzone.ts'
import type { SlabSetup } from './slab_common.ts'
import {
  SLAB_CONSISTENCY_CHECKS,
  SLAB_NO_USER_FLAGS,
  SLAB_NOLEAKTRACE,
  SLAB_POISON,
  SLAB_RED_ZONE,
  SLAB_STORE_USER,
  SLAB_TRACE,
} from './slab_flags.ts'

/** Flags for caches whose names match. */
export interface SlubDebugBlock {
  readonly flags: number
  /** Names, or beginnings of names that end in `*`; empty = all caches. */
  readonly caches: readonly string[]
}

export interface SlabOptions {
  readonly slab_nomerge: boolean
  /** SLAB: order from which on waste is accepted. */
  readonly slab_max_order: number
  readonly slub_min_order: number
  readonly slub_max_order: number
  /** 0 = by the number of CPUs. */
  readonly slub_min_objects: number
  readonly slub_debug: readonly SlubDebugBlock[]
  /** slub_debug has the letter O: no debugging where it would make slabs larger. */
  readonly disable_higher_order_debug: boolean
}

/** Flags of slub_debug by their letters. */
const DEBUG_LETTERS: Readonly<Record<string, number>> = {
  f: SLAB_CONSISTENCY_CHECKS,
  z: SLAB_RED_ZONE,
  p: SLAB_POISON,
  u: SLAB_STORE_USER,
  t: SLAB_TRACE,
}
const DEBUG_DEFAULT_FLAGS = SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER

/** Machines with less memory have SLAB's slabs in single pages where it can be. */
const SLAB_LOW_MEMORY = 32 * MiB

/** What a command line says of caches on a machine with so much memory. @ours */
export function slab_options(kernel: Kernel, cmdline: string, totalram_pages: number): SlabOptions {
  const words = cmdline.split(/\s+/)
  const number = (name: string, most: number): number | null => {
    const value = words.findLast(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
    return value !== undefined && /^\d+$/.test(value) ? clamp(Number(value), 0, most) : null
  }
  const top = kernel.NR_PAGE_ORDERS - 1
  const large = totalram_pages > SLAB_LOW_MEMORY / 2 ** kernel.PAGE_SHIFT
  const merging = words.findLast(word => /^sl[au]b_(no)?merge$/.test(word)) ?? 'slab_merge'
  return {
    slab_nomerge: merging.endsWith('nomerge'),
    slab_max_order: number('slab_max_order', top) ?? Number(large),
    slub_min_order: number('slub_min_order', top) ?? 0,
    slub_max_order: number('slub_max_order', top) ?? PAGE_ALLOC_COSTLY_ORDER,
    slub_min_objects: number('slub_min_objects', 0x7fffffff) ?? 0,
    ...slub_debug_option(kernel, words),
  }
}

/** @kernel mm/slub.c:setup_slub_debug */
function slub_debug_option(
  kernel: Kernel,
  words: readonly string[],
): Pick<SlabOptions, 'slub_debug' | 'disable_higher_order_debug'> {
  const word = words.findLast(each => /^slub_debug(=|$)/.test(each))
  if (word === undefined || !kernel.config.SLUB_DEBUG) return { slub_debug: [], disable_higher_order_debug: false }
  const blocks = word.slice('slub_debug='.length).split(';')
  const letters = blocks.map(block => block.split(',')[0]!.toLowerCase())
  return {
    slub_debug: blocks.map((block, at) => ({ flags: debug_flags(letters[at]!), caches: block.split(',').slice(1) })),
    disable_higher_order_debug: letters.some(each => each.includes('o')),
  }
}

function debug_flags(letters: string): number {
  return letters === ''
    ? DEBUG_DEFAULT_FLAGS
    : Array.from(letters).reduce((sum, at) => sum | (DEBUG_LETTERS[at] ?? 0), 0)
}

const matches = (pattern: string, name: string): boolean =>
  pattern.includes('*') ? name.startsWith(pattern.slice(0, pattern.indexOf('*'))) : name === pattern

/** Flags of a cache with those that `slub_debug` adds. @kernel mm/slub.c:kmem_cache_flags */
export function kmem_cache_flags(setup: SlabSetup, flags: number, name: string): number {
  if (setup.kernel.slab !== 'SLUB' || (flags & SLAB_NO_USER_FLAGS) !== 0) return flags
  const kept = (flags & SLAB_NOLEAKTRACE) !== 0 ? ~SLAB_STORE_USER : -1
  const named = setup.slub_debug.find(({ caches }) => caches.some(pattern => matches(pattern, name)))
  const block = named ?? setup.slub_debug.findLast(({ caches }) => caches.length === 0)
  return (flags | ((block?.flags ?? 0) & kept)) >>> 0
}
