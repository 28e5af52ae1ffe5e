// Commands of the allocators above the page allocator: caches and kmalloc, mappings, memory pools, segments.
// Law: they need what mm_core_init makes; before it they throw a RangeError.
import type { Sys } from '../mm/mmzone.ts'
import { MAPPING_HANDLERS, MAPPING_REQUIRED, type MappingCommand, type MappingResult } from './mapping_commands.ts'
import {
  knowPools,
  MEMPOOL_HANDLERS,
  MEMPOOL_REQUIRED,
  type MempoolCommand,
  type MempoolResult,
} from './mempool_commands.ts'
import { hasAllocators } from './mm_core_init.ts'
import {
  checkSegmentCommand,
  SEGMENT_HANDLERS,
  SEGMENT_REQUIRED,
  type SegmentCommand,
  type SegmentResult,
} from './segment_commands.ts'
import { SLAB_HANDLERS, SLAB_REQUIRED, type SlabCommand, type SlabResult } from './slab_commands.ts'

export type AllocatorCommand = SlabCommand | MappingCommand | MempoolCommand | SegmentCommand

export type AllocatorCommandName = AllocatorCommand['op']

export interface AllocatorResult extends SlabResult, MappingResult, MempoolResult, SegmentResult {}

type Handlers = {
  readonly [Name in AllocatorCommandName]: (sys: Sys, command: AllocatorCommand & { op: Name }) => AllocatorResult
}

export const ALLOCATOR_HANDLERS: Handlers = {
  ...SLAB_HANDLERS,
  ...MAPPING_HANDLERS,
  ...MEMPOOL_HANDLERS,
  ...SEGMENT_HANDLERS,
}

/** Fields that a command must have. */
export const ALLOCATOR_REQUIRED: { readonly [Name in AllocatorCommandName]: readonly string[] } = {
  ...SLAB_REQUIRED,
  ...MAPPING_REQUIRED,
  ...MEMPOOL_REQUIRED,
  ...SEGMENT_REQUIRED,
}

/** Objects or frames of one command at most; bytes of one memset. */
const MOST = 2 ** 16
const MOST_BYTES = 2 ** 20
/** The largest whole number that a field may have, unless it is one of a few. */
const LIMITS: Readonly<Record<string, number>> = { count: MOST, min_nr: MOST, bytes: MOST_BYTES, value: 255 }
const NUMBERS = ['cache', 'object', 'size', 'align', 'flags', 'count', 'page', 'pool', 'min_nr', 'bytes', 'value']

/** @throws RangeError where there are no allocators yet, or what a command names cannot be */
export function checkAllocatorCommand(sys: Sys, command: { readonly op: string }): void {
  if (!Object.hasOwn(ALLOCATOR_HANDLERS, command.op)) return
  if (!hasAllocators(sys)) throw new RangeError(`${command.op} needs mm_core_init before it`)
  const fields = command as Readonly<Record<string, unknown>>
  for (const name of NUMBERS) if (fields[name] !== undefined) whole(name, fields[name], 0, limitOf(command.op, name))
  if (fields.element !== undefined) whole('element', fields.element, -1, Number.MAX_SAFE_INTEGER)
  if (fields.cache !== undefined && (fields.cache as number) >= sys.kmem_cache.used.length)
    throw new RangeError(`there is no cache ${fields.cache}: this machine has room for ${sys.kmem_cache.used.length}`)
  if (fields.pfn !== undefined) frame(sys, fields.pfn)
  for (const name of ['pfns', 'objects']) if (fields[name] !== undefined) list(sys, name, fields[name])
  if (command.op === 'memset') inMemory(sys, fields.object as number, fields.bytes as number)
  if (Object.hasOwn(MEMPOOL_HANDLERS, command.op)) pool(sys, fields)
  if (Object.hasOwn(SEGMENT_HANDLERS, command.op)) checkSegmentCommand(sys, command as SegmentCommand)
}

function limitOf(op: string, name: string): number {
  if (op === 'kcalloc' && name === 'count') return Number.MAX_SAFE_INTEGER
  return LIMITS[name] ?? Number.MAX_SAFE_INTEGER
}

function whole(name: string, value: unknown, low: number, high: number): void {
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high)
    throw new RangeError(`${name} ${String(value)} is not a whole number from ${low} to ${high}`)
}

function frame(sys: Sys, pfn: unknown): void {
  whole('frame', pfn, 0, sys.nr_frames - 1)
}

function list(sys: Sys, name: string, values: unknown): void {
  if (!Array.isArray(values) || values.length === 0 || values.length > MOST)
    throw new RangeError(`${name} must be a list of 1 to ${MOST} numbers`)
  for (const value of values)
    if (name === 'pfns') frame(sys, value)
    else whole('object', value, 0, Number.MAX_SAFE_INTEGER)
}

function inMemory(sys: Sys, object: number, bytes: number): void {
  const end = sys.machine.max_pfn[0]! * sys.page_bytes
  if (object + bytes > end) throw new RangeError(`memset: ${bytes} bytes at ${object}: memory ends at ${end}`)
}

function pool(sys: Sys, { op, pool: row }: Readonly<Record<string, unknown>>): void {
  knowPools()
  if (row !== undefined && sys.mempool.used[row as number] !== 1)
    throw new RangeError(`${String(op)}: there is no memory pool ${String(row)}`)
}
