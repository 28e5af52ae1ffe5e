// Tables of generic KASAN: the shadow, a byte for every eight of the kernel's address space, and what it remembers.
// The shadow of the direct map is one long column; that of all else (vmalloc, the kernel's image) consists of pages that
// are made when an address of theirs is first poisoned and found through their number.
// Law: a kernel without KASAN has no rows here, and every hook returns at once.
import { f64, i32, u8, u32 } from '../image/table.ts'
import type { Kernel } from './kernel.ts'

/** log2 of the bytes that a byte of shadow stands for. @kernel include/linux/kasan.h:KASAN_SHADOW_SCALE_SHIFT */
export const KASAN_SHADOW_SCALE_SHIFT = 3
/** @kernel mm/kasan/kasan.h:KASAN_GRANULE_SIZE */
export const KASAN_GRANULE_SIZE = 8
/** Bytes of a page of shadow outside the direct map. */
export const KASAN_SHADOW_PAGE = 4096
/** Bytes of a task's name with the NUL that ends it. */
export const TASK_COMM_LEN = 16

/** Batches of the quarantine that all CPUs share. @kernel mm/kasan/quarantine.c:QUARANTINE_BATCHES */
export const QUARANTINE_BATCHES = 1024

/** One row. */
export const KASAN_STATE = {
  pid: u32('process that runs'),
  comm: u8('its name, ASCII, ends in NUL', TASK_COMM_LEN),
  stack: u32('handle of the stack of calls that led here; 0 = only the caller is known'),
  pages: i32('pages of shadow outside the direct map that are in use'),
  stacks: i32('records of the stack depot that are in use'),
  text: i32('bytes of its text that are in use'),
  reports: i32('mistakes since boot'),
  single_shot: u8('1 = only the first of them is reported'),
  globals: i32('variables that are registered'),
  head: i32('first batch of the quarantine that is not given back yet'),
  tail: i32('batch that is being filled'),
  size: f64('bytes that lie in batches'),
  max_size: f64('bytes that may lie in batches'),
  batch_size: f64('bytes after which a batch is full'),
} as const

/** One row a byte. */
export const KASAN_SHADOW = {
  bytes: u8('0 = all eight bytes may be used, 1 … 7 = the first so many, else why none may be used'),
} as const

/** Open addressing by number; two rows a page. */
export const KASAN_PAGE = {
  key: f64('address / 32 KiB, unsigned, + 1; 0 = unused'),
  slot: i32('which page of shadow behind that of the direct map it is'),
} as const

/** One row a stack of calls. Handle = row + 1. */
export const KASAN_STACK = {
  hash: u32('of its text'),
  start: i32('first byte of its text in kasan_text'),
  length: i32('bytes'),
} as const

/** One row a byte: lines of stacks of calls, parted by newlines. */
export const KASAN_TEXT = {
  bytes: u8('ASCII'),
} as const

/** One row a variable of the kernel's image that was registered. */
export const KASAN_GLOBAL = {
  hi: u32('address, high word'),
  lo: u32('address, low word'),
  size: i32('bytes'),
  size_with_redzone: i32('bytes with the red zone behind it'),
  name: u32('a name of kernel_text.ts'),
} as const

/** One row a CPU, then one row a batch: queues of freed objects, chained through the objects themselves. */
export const KASAN_QLIST = {
  head: f64('physical address of the first free record; 0 = empty'),
  tail: f64('physical address of the last'),
  bytes: f64('bytes of the objects, with their red zones'),
} as const

/** The tables by name, for TABLES. @ours */
export const KASAN_TABLES = {
  kasan_state: KASAN_STATE,
  kasan_page: KASAN_PAGE,
  kasan_stack: KASAN_STACK,
  kasan_text: KASAN_TEXT,
  kasan_global: KASAN_GLOBAL,
  kasan_qlist: KASAN_QLIST,
  kasan_shadow: KASAN_SHADOW,
} as const

/** Pages of shadow outside the direct map where the shape does not say: these, or twice what all memory in vmalloc needs. */
export const NR_KASAN_SHADOW_PAGES = 512
const FRAMES_PER_PAGE = 4
const STACKS = 4096
const GLOBALS = 256
const TEXT_BYTES = 1 << 20

/** Rows of the tables. @ours */
export function kasan_rows(
  kernel: Kernel,
  frames: number,
  cpus: number,
  pages: number = Math.max(NR_KASAN_SHADOW_PAGES, Math.ceil(frames / FRAMES_PER_PAGE)),
): { [Name in keyof typeof KASAN_TABLES]: number } {
  const on = Number(kernel.config.KASAN)
  // Who runs, and the depot of stacks, are kmemleak's, too.
  const depot = Number(kernel.config.KASAN || kernel.config.DEBUG_KMEMLEAK)
  return {
    kasan_state: depot,
    kasan_page: on * 2 * pages,
    kasan_stack: depot * STACKS,
    kasan_text: depot * TEXT_BYTES,
    kasan_global: on * GLOBALS,
    kasan_qlist: on * (cpus + QUARANTINE_BATCHES),
    kasan_shadow: on * (frames * 2 ** (kernel.PAGE_SHIFT - KASAN_SHADOW_SCALE_SHIFT) + pages * KASAN_SHADOW_PAGE),
  }
}
