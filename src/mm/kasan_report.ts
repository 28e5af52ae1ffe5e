// KASAN's reports: what kind of mistake it was, who made it, who allocated and freed the memory, what it belongs to, and
// the shadow around it; the kernel's own lines, through sys.printk.
// @differs without registers; the trace of calls has the lines that the caller gave with kasan_set_stack, if any.
import { type Address, address_add, address_distance, format_address } from '../base/address.ts'
import { describe_address } from './kasan_describe.ts'
import {
  addr_has_metadata,
  KASAN_ALLOCA_LEFT,
  KASAN_ALLOCA_RIGHT,
  KASAN_GLOBAL_REDZONE,
  KASAN_PAGE_FREE,
  KASAN_PAGE_REDZONE,
  KASAN_SLAB_FREE,
  KASAN_SLAB_FREETRACK,
  KASAN_SLAB_REDZONE,
  KASAN_STACK_LEFT,
  KASAN_STACK_MID,
  KASAN_STACK_PARTIAL,
  KASAN_STACK_RIGHT,
  KASAN_VMALLOC_INVALID,
  kasan_enabled,
  kasan_find_first_bad_addr,
  memory_is_poisoned,
  shadow_of,
} from './kasan_shadow.ts'
import { kasan_comm, stack_depot_fetch } from './kasan_stack.ts'
import { KASAN_GRANULE_SIZE } from './kasan_tables.ts'
import { add_taint, print_tainted, TAINT_BAD_PAGE } from './kernel_taint.ts'
import { symbol_name } from './kernel_text.ts'
import type { Sys } from './mmzone.ts'

const RULE = '=================================================================='
const META_BYTES_PER_ROW = 16
const META_MEM_BYTES_PER_ROW: number = META_BYTES_PER_ROW * KASAN_GRANULE_SIZE
const META_ROWS_AROUND_ADDR = 2

/** Kinds of mistakes by the shadow of the first bad byte. */
const BUG_TYPES: Readonly<Record<number, string>> = {
  [KASAN_PAGE_REDZONE]: 'slab-out-of-bounds',
  [KASAN_SLAB_REDZONE]: 'slab-out-of-bounds',
  [KASAN_GLOBAL_REDZONE]: 'global-out-of-bounds',
  [KASAN_STACK_LEFT]: 'stack-out-of-bounds',
  [KASAN_STACK_MID]: 'stack-out-of-bounds',
  [KASAN_STACK_RIGHT]: 'stack-out-of-bounds',
  [KASAN_STACK_PARTIAL]: 'stack-out-of-bounds',
  [KASAN_PAGE_FREE]: 'use-after-free',
  [KASAN_SLAB_FREE]: 'use-after-free',
  [KASAN_SLAB_FREETRACK]: 'use-after-free',
  [KASAN_ALLOCA_LEFT]: 'alloca-out-of-bounds',
  [KASAN_ALLOCA_RIGHT]: 'alloca-out-of-bounds',
  [KASAN_VMALLOC_INVALID]: 'vmalloc-out-of-bounds',
}

/** An access as the instrumented code makes it. */
export interface KasanAccess {
  readonly address: Address
  /** Bytes; a negative number is a huge one, as a kernel's sizes have no sign. */
  readonly size: number
  readonly write: boolean
  /** Which code does it, as %pS prints it. */
  readonly ip: string
}

/** @kernel mm/kasan/report_generic.c:get_shadow_bug_type */
function get_shadow_bug_type(sys: Sys, bad: Address): string {
  const shadow = shadow_of(sys, bad)
  const partial = shadow > 0 && shadow < KASAN_GRANULE_SIZE
  const value = partial ? shadow_of(sys, address_add(bad, KASAN_GRANULE_SIZE)) : shadow
  return BUG_TYPES[value] ?? (value < KASAN_GRANULE_SIZE ? 'out-of-bounds' : 'unknown-crash')
}

/** An address that no kernel memory has. @kernel mm/kasan/report_generic.c:get_wild_bug_type */
function get_wild_bug_type(sys: Sys, { hi, lo }: Address): string {
  if (hi === 0 && lo < 2 ** sys.kernel.PAGE_SHIFT) return 'null-ptr-deref'
  const user = hi < (sys.kernel.pgtable_levels === 5 ? 0x1000000 : 0x8000)
  return user ? 'user-memory-access' : 'wild-memory-access'
}

/** Looks at an access before it is done; true = it may be done, else it was reported.
 * @kernel mm/kasan/generic.c:kasan_check_range */
export function kasan_check_range(sys: Sys, address: Address, size: number, write: boolean, ip?: string): boolean {
  if (!kasan_enabled(sys) || size === 0) return true
  const sound = size > 0 && addr_has_metadata(sys, address) && !memory_is_poisoned(sys, address, size)
  if (!sound) kasan_report(sys, { address, size, write, ip: ip ?? kasan_caller(sys) })
  return sound
}

/** The code that calls, where it says nothing better: the innermost function of the stack of calls. @ours */
export function kasan_caller(sys: Sys): string {
  const stack = sys.kasan_state.stack[0]!
  if (stack !== 0) return stack_depot_fetch(sys, stack)[0]!
  const caller = sys.slab_state.caller[0]!
  return caller === 0 ? '0x0' : symbol_name(caller)
}

/** Reports an access. @kernel mm/kasan/report.c:kasan_report */
export function kasan_report(sys: Sys, { address, size, write, ip }: KasanAccess): void {
  const known = addr_has_metadata(sys, address)
  const bad = size > 0 && known ? kasan_find_first_bad_addr(sys, address, size) : address
  const told = size < 0 ? 'out-of-bounds' : known ? get_shadow_bug_type(sys, bad) : get_wild_bug_type(sys, address)
  const type = told === 'use-after-free' && in_slab(sys, bad) ? SLAB_UAF : told
  const what = `${write ? 'Write' : 'Read'} of size ${unsigned(size)} at addr`
  print_report(sys, type, ip, what, address, bad)
}

const SLAB_UAF = 'slab-use-after-free'

/** Whether the kernel says of a freed byte that it is an object's, and it is. */
function in_slab(sys: Sys, bad: Address): boolean {
  if (!sys.kernel.kasan.tells_state) return false
  const shadow = shadow_of(sys, bad)
  return shadow === KASAN_SLAB_FREE || shadow === KASAN_SLAB_FREETRACK
}

/** A size without sign: a negative one is 2^64 more, of which the first four decimals do not change. */
function unsigned(size: number): string {
  return size >= 0 ? String(size) : `1844${String(6744073709551616 + size).padStart(16, '0')}`
}

/** Reports a free that must not be done. @kernel mm/kasan/report.c:kasan_report_invalid_free */
export function kasan_report_invalid_free(
  sys: Sys,
  address: Address,
  type: 'double-free' | 'invalid-free',
  ip: string,
): void {
  print_report(sys, type, ip, 'Free of addr', address, address)
}

/** @kernel mm/kasan/report.c:print_report */
function print_report(sys: Sys, type: string, ip: string, what: string, address: Address, bad: Address): void {
  const { pid, reports, single_shot } = sys.kasan_state
  const say = (line: string): void => sys.printk?.(line)
  reports[0]! += 1
  if (reports[0]! > 1 && single_shot[0] === 1) return
  say(RULE)
  say(`BUG: KASAN: ${type} in ${ip}`)
  say(`${what} ${format_address(address)} by task ${kasan_comm(sys)}/${pid[0]}`)
  say('')
  dump_stack_lvl(sys)
  if (addr_has_metadata(sys, address)) {
    say('')
    describe_address(sys, address, type)
    print_memory_metadata(sys, bad)
  }
  say(RULE)
  add_taint(sys, TAINT_BAD_PAGE)
}

/** Who ran where, and through which calls. @kernel lib/dump_stack.c:dump_stack_lvl */
function dump_stack_lvl(sys: Sys): void {
  const { pid, stack } = sys.kasan_state
  const cpu = sys.machine.this_cpu[0]!
  sys.printk?.(`CPU: ${cpu} PID: ${pid[0]} Comm: ${kasan_comm(sys)} ${print_tainted(sys)} ${sys.kernel.release} `)
  if (stack[0] === 0) return
  sys.printk?.('Call Trace:')
  sys.printk?.(' <TASK>')
  for (const frame of stack_depot_fetch(sys, stack[0]!)) sys.printk?.(` ${frame}`)
  sys.printk?.(' </TASK>')
}

/** The shadow around an address. @kernel mm/kasan/report.c:print_memory_metadata */
function print_memory_metadata(sys: Sys, address: Address): void {
  const { hi, lo } = address
  const guilty = { hi, lo: lo - (lo % META_MEM_BYTES_PER_ROW) }
  sys.printk?.('Memory state around the buggy address:')
  for (let at = -META_ROWS_AROUND_ADDR; at <= META_ROWS_AROUND_ADDR; at++) {
    const row = address_add(guilty, at * META_MEM_BYTES_PER_ROW)
    const bytes = Array.from({ length: META_BYTES_PER_ROW }, (_, byte) =>
      shadow_of(sys, address_add(row, byte * KASAN_GRANULE_SIZE))
        .toString(16)
        .padStart(2, '0'),
    )
    sys.printk?.(`${at === 0 ? '>' : ' '}${format_address(row)}: ${bytes.join(' ')}`)
    if (at === 0) sys.printk?.('^'.padStart(meta_pointer_offset(sys, address_distance(row, address))))
  }
}

/** Column of the mark, 1-based. @kernel mm/kasan/report.c:meta_pointer_offset */
function meta_pointer_offset(sys: Sys, offset: number): number {
  const label = 3 + (sys.kernel.BITS_PER_LONG / 8) * 2
  return label + Math.floor(offset / KASAN_GRANULE_SIZE) * 3 + 1
}
