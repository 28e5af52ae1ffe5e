// How a module reaches memory: KASAN is asked about the whole access first, as the compiler has it done; then the bytes
// are found through the direct map or the page tables.
// Law: a load or a store that KASAN reports is done all the same; a copy or a fill is not.
import { memset, read_u8, write_u8 } from '../../mm/physmem.ts'
import type { ModuleContext } from './context.ts'
import type { Pointer } from './pointer.ts'

/** `bytes` (up to 4) from an address as a number, little endian. */
export function load(ctx: ModuleContext, address: Pointer, bytes: number): number {
  ctx.allowed(address, bytes, 'read')
  let value = 0
  for (let at = bytes - 1; at >= 0; at--) value = value * 256 + read_u8(ctx.sys, translated(ctx, address, at, 'read'))
  return value
}

/** The low `bytes` (up to 4) of a number to an address. */
export function store(ctx: ModuleContext, address: Pointer, bytes: number, value: number): void {
  ctx.allowed(address, bytes, 'write')
  for (let at = 0; at < bytes; at++)
    write_u8(ctx.sys, translated(ctx, address, at, 'write'), (value >>> (8 * at)) & 0xff)
}

function translated(ctx: ModuleContext, address: Pointer | null, at: number, access: 'read' | 'write'): number {
  return ctx.translate(at === 0 || address === null ? address : address.plus(at), access)
}

/** Fills bytes. @kernel mm/kasan/shadow.c:memset */
export function fill(ctx: ModuleContext, to: Pointer, value: number, bytes: number): void {
  if (!ctx.allowed(to, bytes, 'write')) return
  counted(bytes)
  for (let done = 0; done < bytes; ) {
    const paddr = translated(ctx, to, done, 'write')
    const part = Math.min(bytes - done, room(ctx, paddr))
    memset(ctx.sys, paddr, value & 0xff, part)
    done += part
  }
}

/** Copies bytes upwards. @kernel mm/kasan/shadow.c:memcpy */
export function copy(ctx: ModuleContext, to: Pointer, from: Pointer, bytes: number): void {
  if (!ctx.allowed(from, bytes, 'read') || !ctx.allowed(to, bytes, 'write')) return
  counted(bytes)
  const { sys } = ctx
  for (let done = 0; done < bytes; ) {
    const [source, target] = [translated(ctx, from, done, 'read'), translated(ctx, to, done, 'write')]
    const part = Math.min(bytes - done, room(ctx, source), room(ctx, target))
    for (let at = 0; at < part; at++) write_u8(sys, target + at, read_u8(sys, source + at))
    done += part
  }
}

/** Copies bytes that may overlap. @kernel mm/kasan/shadow.c:memmove */
export function move(ctx: ModuleContext, to: Pointer, from: Pointer, bytes: number): void {
  if (!ctx.allowed(from, bytes, 'read') || !ctx.allowed(to, bytes, 'write')) return
  counted(bytes)
  const { sys } = ctx
  const kept = Uint8Array.from({ length: bytes }, (_, at) => read_u8(sys, translated(ctx, from, at, 'read')))
  for (const [at, byte] of kept.entries()) write_u8(sys, translated(ctx, to, at, 'write'), byte)
}

/** A kernel without KASAN takes a negative number of bytes for a huge one, and is lost. */
function counted(bytes: number): void {
  if (bytes < 0) throw new RangeError(`${bytes} bytes: not a number of bytes`)
}

/** Bytes from an address to the end of its page. */
function room({ sys }: ModuleContext, paddr: number): number {
  return sys.page_bytes - (paddr % sys.page_bytes)
}
