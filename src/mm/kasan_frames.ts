// Frames of functions on the stack as the compiler lays them out for KASAN: a red zone with a description of the frame,
// then the variables with red zones between and behind them.
// Law: a frame begins with a magic number, its description and its function; these are bytes of the stack.
import { type Address, address_add } from '../base/address.ts'
import {
  direct_paddr,
  KASAN_ALLOCA_LEFT,
  KASAN_ALLOCA_RIGHT,
  KASAN_STACK_LEFT,
  KASAN_STACK_MID,
  KASAN_STACK_RIGHT,
  kasan_enabled,
  kasan_poison,
  kasan_unpoison,
  round_up_granule,
  shadow_of,
} from './kasan_shadow.ts'
import { stack_depot_fetch, stack_depot_save } from './kasan_stack.ts'
import { KASAN_GRANULE_SIZE } from './kasan_tables.ts'
import { caller_text, symbol_name } from './kernel_text.ts'
import type { Sys } from './mmzone.ts'
import { read_u32, write_u32 } from './physmem.ts'

/** @kernel mm/kasan/kasan.h:KASAN_CURRENT_STACK_FRAME_MAGIC */
const MAGIC = 0x41b58ab3
/** Bytes of the first red zone, and what every red zone ends at a multiple of. */
const REDZONE = 32
/** Bytes of a stack of a kernel with KASAN. @kernel arch/x86/include/asm/page_64_types.h:THREAD_SIZE */
const THREAD_SIZE = 0x8000

/** A variable of a frame. */
export interface FrameVariable {
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/** A variable where it lies, in bytes from the frame's start. */
export interface FrameObject extends FrameVariable {
  readonly offset: number
}

export interface KasanFrame {
  readonly address: Address
  /** The function, as %pB prints it. */
  readonly name: string
  readonly objects: readonly FrameObject[]
}

/** Bytes of a variable with the red zone behind it: the larger it is the more. */
function with_redzone(size: number): number {
  const zone = size <= 4 ? 16 : size <= 16 ? 32 : size <= 128 ? 32 + size : size <= 512 ? 64 + size : 128 + size
  return Math.max(Math.ceil(zone / REDZONE) * REDZONE, REDZONE)
}

/** Enters a function whose frame begins at an address; bytes of the frame. The address is a multiple of 8. @ours */
export function kasan_enter_frame(
  sys: Sys,
  address: Address,
  name: string,
  variables: readonly FrameVariable[],
): number {
  let at = REDZONE
  if (kasan_enabled(sys)) kasan_poison(sys, address, REDZONE, KASAN_STACK_LEFT)
  const words: (string | number)[] = [variables.length]
  for (const [index, variable] of variables.entries()) {
    const bytes = with_redzone(variable.size)
    const used = round_up_granule(variable.size)
    const code = index === variables.length - 1 ? KASAN_STACK_RIGHT : KASAN_STACK_MID
    kasan_unpoison(sys, address_add(address, at), variable.size)
    kasan_poison(sys, address_add(address, at + used), bytes - used, code)
    words.push(at, variable.size, variable.name.length, variable.name)
    at += bytes
  }
  if (kasan_enabled(sys)) describe(sys, address, name, words.join(' '))
  return at
}

function describe(sys: Sys, address: Address, name: string, description: string): void {
  const paddr = direct_paddr(sys, address)
  if (paddr < 0) throw new RangeError('a frame that KASAN guards lies in the direct map')
  write_u32(sys, paddr, MAGIC)
  write_u32(sys, paddr + 8, stack_depot_save(sys, [description]))
  write_u32(sys, paddr + 16, caller_text(name))
}

/** A function takes `size` bytes of its stack at an address, a multiple of 32: red zones lie before and behind them, up
 * to the next multiple. @kernel mm/kasan/generic.c:__asan_alloca_poison */
export function kasan_alloca(sys: Sys, address: Address, size: number): void {
  if (!kasan_enabled(sys)) return
  const used = round_up_granule(size)
  const behind = Math.ceil(size / REDZONE) * REDZONE - used + REDZONE
  kasan_poison(sys, address_add(address, -REDZONE), REDZONE, KASAN_ALLOCA_LEFT)
  kasan_unpoison(sys, address, size)
  kasan_poison(sys, address_add(address, used), behind, KASAN_ALLOCA_RIGHT)
}

/** Leaves a function: its frame may be used by the next. @ours */
export function kasan_leave_frame(sys: Sys, address: Address, bytes: number): void {
  kasan_unpoison(sys, address, bytes)
}

/** The frame that an address lies in; null where there is none. @kernel mm/kasan/report_generic.c:get_address_stack_frame_info */
export function frame_at(sys: Sys, address: Address): KasanFrame | null {
  const shadow = shadow_of(sys, address)
  if (direct_paddr(sys, address) < 0 || shadow === 0) return null
  const rest = address.lo % KASAN_GRANULE_SIZE
  const most = (address.lo % THREAD_SIZE) - rest
  const code = (back: number): number => shadow_of(sys, address_add(address, -rest - back))
  let back = 0
  while (back <= most && code(back) !== KASAN_STACK_LEFT) back += KASAN_GRANULE_SIZE
  while (back <= most && code(back) === KASAN_STACK_LEFT) back += KASAN_GRANULE_SIZE
  const frame = address_add(address, -rest - back + KASAN_GRANULE_SIZE)
  const paddr = direct_paddr(sys, frame)
  if (paddr < 0 || read_u32(sys, paddr) !== MAGIC) return null
  const objects = parse(stack_depot_fetch(sys, read_u32(sys, paddr + 8))[0] ?? '')
  return { address: frame, name: symbol_name(read_u32(sys, paddr + 16)), objects }
}

/** The variables that a description names: count, then offset, size, length of the name and name of each.
 * @kernel mm/kasan/report_generic.c:print_decoded_frame_descr */
function parse(description: string): FrameObject[] {
  const objects: FrameObject[] = []
  const words = description.split(' ').slice(1)
  for (let at = 0; at + 3 < words.length; at += 4)
    objects.push({ offset: Number(words[at]), size: Number(words[at + 1]), name: words[at + 3]! })
  return objects
}
