// swapon and swapoff. An area begins with a page that says how large it is and which of its slots are bad; it is used
// until everything that lies there was brought back. Laws: areas have rows of swap_map of their own; nr_swap_pages counts
// the free slots of all areas that may be written; a refused swapon changes nothing.
import type { Sys } from './mmzone.ts'
import { check_swap_header, type SwapHeader } from './swap_header.ts'
import {
  drain_slots_cache,
  SWAP_MAP_BAD,
  SWP_BLKDEV,
  SWP_SOLIDSTATE,
  SWP_USED,
  SWP_WRITEOK,
  SWP_ZRAM,
} from './swapfile_slots.ts'
import { try_to_unuse } from './swapfile_unuse.ts'

/** An area to use. */
export interface SwapArea {
  readonly path: string
  readonly header: SwapHeader
  /** Pages that its file or device has now. */
  readonly pages: number
  /** -1 = below all others. */
  readonly prio?: number
  /** A disk that turns; else pages near each other are no faster than others. */
  readonly rotational?: boolean
  /** Number of its byte store + 1; 0 = its bytes lie in the image. */
  readonly store?: number
  /** A file of a file system; else a device, which may have bad pages and whose file may have holes. */
  readonly regular?: boolean
  /** A zram device: no file, its pages are memory of the machine, compressed. */
  readonly zram?: boolean
}

/** The kernel's answers. */
export const EINVAL = 22
export const EBUSY = 16
export const ENOMEM = 12

/** Begins to use an area: its number, or a negated errno. @kernel mm/swapfile.c:sys_swapon */
export function swapon(sys: Sys, area: SwapArea): number {
  const { swap_info, swap_state } = sys
  if (swap_info.flags.length === 0)
    throw new RangeError('this machine has no room for swap: boot it with nr_swap_slots')
  for (let other = 0; other < swap_info.flags.length; other++)
    if (swap_info.flags[other] !== 0 && swap_name(sys, other) === area.path) return -EBUSY
  const type = swap_info.flags.indexOf(0)
  if (type === -1) return -1
  const size = check_swap_header(sys, area.header) || slots_of(sys, area)
  if (size < 0) return size
  const rows = swap_state.used[0]!
  const base = free_rows(sys, size)
  if (base === -1)
    throw new RangeError(
      `no room for ${size} slots: boot the machine with more nr_swap_slots than ${sys.swap_map.count.length}`,
    )
  const good = set_up_map(sys, base, size, area.header)
  if (good <= 0) {
    sys.swap_map.count.fill(0, base, base + size)
    if (good === 0) sys.printk?.('Empty swap-file')
    return -EINVAL
  }
  if (base + size > rows) {
    // Snapshots hold rows in fours: a state that was undone may have left something behind these.
    for (const column of Object.values(sys.swap_map)) column.fill(0, base + size, (base + size + 3) & ~3)
    swap_state.used[0] = base + size
  }
  enable(sys, type, area, base, size, good)
  return type
}

/** Slots that an area has, from its header and its file. */
function slots_of(sys: Sys, area: SwapArea): number {
  const { header, pages } = area
  if (header.last_page === 0) {
    sys.printk?.('Empty swap-file')
    return -EINVAL
  }
  const most = 0x3ffffff
  if (header.last_page + 1 > most) {
    const kb = sys.page_bytes / 1024
    sys.printk?.(`Truncating oversized swap area, only using ${most * kb}k out of ${header.last_page * kb}k`)
  }
  const slots = Math.min(header.last_page + 1, most)
  if (slots > pages) {
    sys.printk?.('Swap area shorter than signature indicates')
    return -EINVAL
  }
  if ((area.header.nr_badpages ?? area.header.badpages.length) > 0 && area.regular) return -EINVAL
  return slots
}

/** Rows of swap_map that no area has; -1 = there are not so many together. */
function free_rows(sys: Sys, size: number): number {
  const { flags, base, max } = sys.swap_info
  const areas = Array.from(flags.keys())
    .filter(area => flags[area] !== 0)
    .sort((a, b) => base[a]! - base[b]!)
  let first = 0
  for (const area of areas) {
    if (base[area]! - first >= size) return first
    first = base[area]! + max[area]!
  }
  return sys.swap_map.count.length - first >= size ? first : -1
}

/** Marks the slots that hold no page; returns how many can, below 0 where the header names one that is not there.
 * @kernel mm/swapfile.c:setup_swap_map_and_extents */
function set_up_map(sys: Sys, base: number, size: number, { badpages, last_page }: SwapHeader): number {
  const { count } = sys.swap_map
  for (const column of Object.values(sys.swap_map)) column.fill(0, base, base + size)
  count[base] = SWAP_MAP_BAD
  let good = size - 1
  for (const bad of badpages) {
    if (bad === 0 || bad > last_page) return -EINVAL
    if (bad >= size || count[base + bad] !== 0) continue
    count[base + bad] = SWAP_MAP_BAD
    good--
  }
  return good
}

function enable(sys: Sys, type: number, area: SwapArea, base: number, size: number, good: number): void {
  const { swap_info: info, swap_state: state } = sys
  info.prio[type] = area.prio === undefined || area.prio < 0 ? lowest_prio(sys) : area.prio
  info.max[type] = size
  info.base[type] = base
  info.pages[type] = good
  info.inuse_pages[type] = 0
  info.lowest_bit[type] = 1
  info.highest_bit[type] = size - 1
  info.cluster_next[type] = 1
  info.cluster_nr[type] = 0
  info.store[type] = area.store ?? 0
  info.next[type] = 0
  info.errors[type] = 0
  const width = info.name.length / info.flags.length
  for (let i = 0; i < width; i++) info.name[width * type + i] = i < width - 1 ? area.path.charCodeAt(i) || 0 : 0
  const turns = area.rotational ?? true
  info.flags[type] =
    SWP_USED | SWP_WRITEOK | (turns ? 0 : SWP_SOLIDSTATE) | (area.regular ? 0 : SWP_BLKDEV) | (area.zram ? SWP_ZRAM : 0)
  if (turns) state.nr_rotate_swap[0]! += 1
  state.nr_swap_pages[0]! += good
  state.total_swap_pages[0]! += good
  const kb = (good * sys.page_bytes) / 1024
  sys.printk?.(
    `Adding ${kb}k swap on ${area.path}.  Priority:${info.prio[type]} extents:1 across:${kb}k ${turns ? '' : 'SS'}`,
  )
}

/** Areas without a priority come one below the other, from -2 on. @kernel mm/swapfile.c:least_priority */
function lowest_prio(sys: Sys): number {
  const { flags, prio } = sys.swap_info
  let least = -1
  for (let area = 0; area < flags.length; area++) if (flags[area] !== 0) least = Math.min(least, prio[area]!)
  return least - 1
}

/** Path of an area. @ours */
export function swap_name(sys: Sys, type: number): string {
  const width = sys.swap_info.name.length / sys.swap_info.flags.length
  const bytes = sys.swap_info.name.subarray(width * type, width * (type + 1))
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)))
}

/** Brings everything back and stops to use an area; 0, or a negated errno, and then it is used as before.
 * @kernel mm/swapfile.c:sys_swapoff */
export function swapoff(sys: Sys, path: string): number {
  const { swap_info: info, swap_state: state } = sys
  const type = info.flags.findIndex((flags, area) => (flags & SWP_WRITEOK) !== 0 && swap_name(sys, area) === path)
  if (type === -1) return -EINVAL
  drain_slots_cache(sys)
  const free = info.pages[type]! - info.inuse_pages[type]!
  state.nr_swap_pages[0]! -= free
  state.total_swap_pages[0]! -= info.pages[type]!
  info.flags[type] = info.flags[type]! & ~SWP_WRITEOK
  state.unuse[0] = 1
  const error = try_to_unuse(sys, type)
  state.unuse[0] = 0
  if (error !== 0) {
    info.flags[type] = info.flags[type]! | SWP_WRITEOK
    state.nr_swap_pages[0]! += info.pages[type]! - info.inuse_pages[type]!
    state.total_swap_pages[0]! += info.pages[type]!
    return error
  }
  if ((info.flags[type]! & SWP_SOLIDSTATE) === 0) state.nr_rotate_swap[0]! -= 1
  for (const column of Object.values(sys.swap_map)) column.fill(0, info.base[type]!, info.base[type]! + info.max[type]!)
  for (const column of Object.values(info)) {
    const width = column.length / info.flags.length
    column.fill(0, width * type, width * (type + 1))
  }
  return 0
}
