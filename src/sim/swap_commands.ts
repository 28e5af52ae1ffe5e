// Commands of swap: areas begun and ended, and bytes written into a process's pages, so that there is something to swap.
// Law: as in commands.ts. What the host holds is no part of a command: a header is given as plain data, a byte store by
// its number.
import { switch_to } from '../mm/fork.ts'
import { get_current } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { frame_bytes_for_write, release_frame_bytes } from '../mm/physmem.ts'
import { SWAP_NAME_LEN } from '../mm/reclaim_tables.ts'
import { MIN_SWAP_PAGES, type SwapHeader } from '../mm/swap_header.ts'
import { swap_name, swapoff, swapon } from '../mm/swapfile.ts'
import { pagemap_entry } from '../mm/task_mmu.ts'
import { ZSWAP_PARAMETERS, zswap_parameter } from '../mm/zswap.ts'
import { CONTENTS, type Content, fillPage } from './page_content.ts'
import { taskOf, touchPage } from './process_commands.ts'
import { swapAreas } from './swap_files.ts'

export type SwapCommand =
  | {
      readonly op: 'swapon'
      readonly path: string
      /** What its first page says. */
      readonly header: SwapHeader
      /** Pages that its file has. */
      readonly pages: number
      readonly prio?: number
      /** Number of the byte store with its pages; 0 or nothing = they lie in the machine's image. */
      readonly store?: number
      readonly rotational?: boolean
    }
  | { readonly op: 'swapoff'; readonly path: string }
  /** A zram device of so many pages, used as a swap area. */
  | { readonly op: 'zram'; readonly pages: number; readonly prio?: number }
  /** Writes a parameter of zswap. */
  | { readonly op: 'zswap'; readonly name: (typeof ZSWAP_PARAMETERS)[number]; readonly value: string }
  | {
      readonly op: 'fill'
      readonly page: number
      readonly pages: number
      readonly content: Content
      readonly seed?: number
      readonly pid?: number
    }

export type SwapCommandName = SwapCommand['op']

export interface SwapResult {
  readonly error?: number
  readonly signal?: number
  readonly minor?: number
  readonly major?: number
}

type Handlers = {
  readonly [Name in SwapCommandName]: (sys: Sys, command: SwapCommand & { op: Name }) => SwapResult
}

export const SWAP_HANDLERS: Handlers = {
  swapon: (sys, command) => ({ error: Math.min(swapon(sys, command), 0) }),
  swapoff: (sys, { path }) => ({ error: swapoff(sys, path) }),
  zram: (sys, { pages, prio }) => ({ error: Math.min(zram(sys, pages, prio), 0) }),
  zswap: (sys, { name, value }) => ({ error: zswap_parameter(sys, name, value) }),
  fill: (sys, { pid, page, pages, content, seed = 1 }) => fill(sys, taskOf(sys, pid), page, pages, content, seed),
}

/** Fields that a command must have. */
export const SWAP_REQUIRED: { readonly [Name in SwapCommandName]: readonly string[] } = {
  swapon: ['path', 'header', 'pages'],
  swapoff: ['path'],
  zram: ['pages'],
  zswap: ['name', 'value'],
  fill: ['page', 'pages', 'content'],
}

/** Largest priority of an area. @kernel include/linux/swap.h:SWAP_FLAG_PRIO_MASK */
const MOST_PRIO = 0x7fff

/** Looks at a command's own fields. @throws RangeError with what is wrong */
export function checkSwapCommand(sys: Sys, command: { readonly op: string }): void {
  if (!Object.hasOwn(SWAP_HANDLERS, command.op)) return
  if (sys.swap_info.flags.length === 0)
    throw new RangeError('this machine has no room for swap: boot it with processes')
  const known = command as SwapCommand
  if (known.op === 'zram' || known.op === 'zswap') checkCompressed(sys, known)
  else if (known.op === 'fill') checkFill(sys, known)
  else checkPath(known.path)
  if (known.op === 'swapon') checkSwapon(sys, known)
}

/** Slots of an area at most. */
const MOST_PAGES = 2 ** 26

function checkCompressed(sys: Sys, command: SwapCommand & { op: 'zram' | 'zswap' }): void {
  if (sys.zswap_state.enabled.length === 0)
    throw new RangeError('this machine has no room for compressed memory: boot it with nr_zspages')
  const { config } = sys.kernel
  if (command.op === 'zram') {
    if (!config.ZSMALLOC) throw new RangeError('this kernel has no zsmalloc, which zram needs')
    whole('pages', command.pages, MIN_SWAP_PAGES, MOST_PAGES)
    whole('prio', command.prio ?? 0, 0, MOST_PRIO)
    return
  }
  if (!config.ZSWAP) throw new RangeError('this kernel has no zswap')
  if (!ZSWAP_PARAMETERS.includes(command.name))
    throw new RangeError(`zswap has no parameter "${command.name}": there are ${ZSWAP_PARAMETERS.join(', ')}`)
  if (typeof command.value !== 'string') throw new RangeError('value is not a text')
}

/** The first number without a device makes one. @throws RangeError where there is no room */
function zram(sys: Sys, pages: number, prio: number | undefined): number {
  const taken = new Set(swapAreas(sys).map(area => swap_name(sys, area)))
  let number = 0
  while (taken.has(`/dev/zram${number}`)) number++
  return swapon(sys, {
    path: `/dev/zram${number}`,
    header: { version: 1, last_page: pages - 1, badpages: [] },
    pages,
    rotational: false,
    zram: true,
    ...(prio === undefined ? {} : { prio }),
  })
}

function checkPath(path: string): void {
  if (typeof path !== 'string' || path === '' || path.length >= SWAP_NAME_LEN || /[^\x20-\x7e]/.test(path))
    throw new RangeError(`"${path}": the name of a swap area has 1 to ${SWAP_NAME_LEN - 1} printable characters`)
}

function whole(name: string, value: unknown, low: number, high: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`${name} ${String(value)} is not a whole number from ${low} to ${high}`)
}

function checkSwapon(sys: Sys, { header, pages, prio = 0, store = 0 }: SwapCommand & { op: 'swapon' }): void {
  whole('version', header.version, 0, 2 ** 32 - 1)
  whole('last_page', header.last_page, 0, 2 ** 32 - 1)
  for (const bad of header.badpages) whole('bad page', bad, 0, 2 ** 32 - 1)
  whole('pages', pages, 0, Number.MAX_SAFE_INTEGER)
  whole('prio', prio, 0, MOST_PRIO)
  whole('store', store, 0, sys.swap_stores.length)
}

function checkFill(sys: Sys, { pid, page, pages, content, seed = 1 }: SwapCommand & { op: 'fill' }): void {
  taskOf(sys, pid)
  whole('page', page, 0, 2 ** 52)
  whole('pages', pages, 0, 2 ** 40)
  whole('seed', seed, 0, 2 ** 32 - 1)
  if (!CONTENTS.includes(content))
    throw new RangeError(`content "${String(content)}" is not one of ${CONTENTS.join(', ')}`)
}

/** A process writes whole pages. Stops at a signal. */
function fill(sys: Sys, task: number, page: number, pages: number, content: Content, seed: number): SwapResult {
  const { min_flt, maj_flt } = sys.task
  const before = get_current(sys)
  const [minor, major] = [min_flt[task]!, maj_flt[task]!]
  switch_to(sys, task)
  let signal = 0
  for (let at = page; at < page + pages && signal === 0; at++) {
    signal = touchPage(sys, task, at, 1)
    if (signal === 0) write(sys, pagemap_entry(sys, sys.task.mm[task]!, at).pfn, content, seed + (at - page))
  }
  switch_to(sys, before)
  return { signal, minor: min_flt[task]! - minor, major: maj_flt[task]! - major }
}

function write(sys: Sys, pfn: number, content: Content, seed: number): void {
  if (content === 'zeros') {
    release_frame_bytes(sys, pfn)
    return
  }
  const at = frame_bytes_for_write(sys, pfn)
  fillPage(sys.physmem.bytes.subarray(at, at + sys.page_bytes), content, seed)
}
