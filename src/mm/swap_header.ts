// The first page of a swap area, as mkswap writes it and swapon reads it: 1024 bytes for a boot loader, then version, last
// page, number of bad pages, UUID, label, from byte 1536 on the bad pages, and in the last ten bytes of the page a
// signature. Law: what is written is read back equal; a page of a machine with the other byte order is read, too.
import type { Sys } from './mmzone.ts'

/** What a swap area's first page says. @kernel include/linux/swap.h:union swap_header */
export interface SwapHeader {
  readonly version: number
  /** Number of its last slot. */
  readonly last_page: number
  readonly badpages: readonly number[]
  /** Number of bad pages that it tells of; default: as many as it lists. */
  readonly nr_badpages?: number
  /** The last ten bytes of the page; default: SWAPSPACE2. */
  readonly signature?: string
}

/** What mkswap can be told besides the size. */
export interface SwapHeaderOptions {
  readonly badpages?: readonly number[]
  /** At most 15 bytes. */
  readonly label?: string
  /** Sixteen bytes. */
  readonly uuid?: Uint8Array
}

const EINVAL = 22
export const SWAP_SIGNATURE = 'SWAPSPACE2'
/** @kernel include/linux/swap.h:MAX_SWAP_BADPAGES */
export const MAX_SWAP_BADPAGES = 637
/** Pages that an area has at least. @ours */
export const MIN_SWAP_PAGES = 10
const VERSION = 1024
const LAST_PAGE = 1028
const NR_BADPAGES = 1032
const UUID = 1036
const LABEL = 1052
const BADPAGES = 1536

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** What a page says, whatever it says; numbers in the byte order in which its version is 1. @ours */
export function parse_swap_header(page: Uint8Array, page_bytes: number): Required<SwapHeader> {
  const words = new DataView(page.buffer, page.byteOffset, page.byteLength)
  const little = words.getUint32(VERSION, false) !== 1
  const nr_badpages = words.getUint32(NR_BADPAGES, little)
  const most = Math.min(nr_badpages, MAX_SWAP_BADPAGES, Math.floor((page_bytes - 10 - BADPAGES) / 4))
  return {
    signature: text(page.subarray(page_bytes - SWAP_SIGNATURE.length, page_bytes)),
    version: words.getUint32(VERSION, little),
    last_page: words.getUint32(LAST_PAGE, little),
    nr_badpages,
    badpages: Array.from({ length: most }, (_, i) => words.getUint32(BADPAGES + 4 * i, little)),
  }
}

/** 0, or a negated errno after the kernel's message. @kernel mm/swapfile.c:read_swap_header */
export function check_swap_header(sys: Sys, header: SwapHeader): number {
  const { version, badpages, nr_badpages = badpages.length, signature = SWAP_SIGNATURE } = header
  if (signature !== SWAP_SIGNATURE) {
    sys.printk?.('Unable to find swap-space signature')
    return -EINVAL
  }
  if (version !== 1) {
    sys.printk?.(`Unable to handle swap header version ${version}`)
    return -EINVAL
  }
  return nr_badpages > MAX_SWAP_BADPAGES ? -EINVAL : 0
}

/** The first page of an area of so many slots. @throws RangeError for what an area cannot have. @ours */
export function write_swap_header(page_bytes: number, pages: number, options: SwapHeaderOptions = {}): Uint8Array {
  const { badpages = [], label = '', uuid } = options
  check_options(pages, badpages, label)
  const page = new Uint8Array(page_bytes)
  const words = new DataView(page.buffer)
  words.setUint32(VERSION, 1, true)
  words.setUint32(LAST_PAGE, pages - 1, true)
  words.setUint32(NR_BADPAGES, badpages.length, true)
  badpages.forEach((bad, i) => {
    words.setUint32(BADPAGES + 4 * i, bad, true)
  })
  if (uuid) page.set(uuid.subarray(0, 16), UUID)
  for (let i = 0; i < label.length; i++) page[LABEL + i] = label.charCodeAt(i)
  for (let i = 0; i < SWAP_SIGNATURE.length; i++)
    page[page_bytes - SWAP_SIGNATURE.length + i] = SWAP_SIGNATURE.charCodeAt(i)
  return page
}

function check_options(pages: number, badpages: readonly number[], label: string): void {
  if (!Number.isInteger(pages) || pages < MIN_SWAP_PAGES || pages > 2 ** 32)
    throw new RangeError(`a swap area has ${MIN_SWAP_PAGES} to 2^32 pages, not ${pages}`)
  if (badpages.length > MAX_SWAP_BADPAGES)
    throw new RangeError(`a swap area tells of ${MAX_SWAP_BADPAGES} bad pages at most, not ${badpages.length}`)
  const wrong = badpages.find(bad => !Number.isInteger(bad) || bad < 1 || bad >= pages)
  if (wrong !== undefined) throw new RangeError(`bad page ${wrong}: the area has pages 1 to ${pages - 1}`)
  if (label.length > 15 || /[^\x20-\x7e]/.test(label))
    throw new RangeError(`label "${label}": at most 15 printable characters`)
}
