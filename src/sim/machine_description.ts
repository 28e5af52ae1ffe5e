// A machine in words: memory map, nodes, CPUs, kernel, command line. What a machine file (JSON) holds.
// Law: a description is taken whole or refused with one sentence that names what is wrong and where.
import type { E820Entry, E820Type } from '../arch/x86/e820.ts'
import type { NumaMemblk } from '../arch/x86/numa.ts'
import { GiB, KiB, MiB } from '../base/units.ts'
import { kernel_by_name, with_slab } from '../kernels/index.ts'
import type { Kernel, KernelConfig, SlabAllocator } from '../mm/kernel.ts'
import { memparse } from './command_line.ts'
import type { MachineMap } from './machine_map.ts'

/** A part of the address space; sizes are bytes or texts like `512M` or `0x9fc00`. */
export interface MemoryDescription {
  readonly start: number | string
  readonly size: number | string
  /** Default `usable`. */
  readonly type?: E820Type
  /** The node it belongs to; where any range has one, usable ones without belong to node 0. */
  readonly node?: number
}

export interface MachineDescription {
  /** A profile's name; default `6.1-x86_64`. */
  readonly kernel?: string
  /** Allocator of objects; default: the profile's. */
  readonly slab?: 'slub' | 'slab' | 'slob'
  /** Switches of the kernel that differ from the profile's. */
  readonly config?: Partial<KernelConfig>
  /** All memory of a PC with the usual holes (`'4G'`), or the memory map. */
  readonly memory: number | string | readonly MemoryDescription[]
  /** How many CPUs, or the node of each; default 1. */
  readonly cpus?: number | readonly number[]
  /** Distances between nodes, a row per node; default 10 and 20. */
  readonly distances?: readonly (readonly number[])[]
  /** The kernel's command line. */
  readonly commandLine?: string
}

const FIELDS = ['kernel', 'slab', 'config', 'memory', 'cpus', 'distances', 'commandLine']
const RANGE_FIELDS = ['start', 'size', 'type', 'node']
/** Frames are 32-bit indexes, and a frame needs two links. */
const MAX_ADDRESS = 4096 * GiB
const MAX_CPUS = 1024
const MAX_NODES = 64
const SLABS: Readonly<Record<string, SlabAllocator>> = { slub: 'SLUB', slab: 'SLAB', slob: 'SLOB' }

const refuse = (sentence: string): never => {
  throw new RangeError(`machine description: ${sentence}`)
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What JSON.parse gave, as a description. Throws a RangeError with one sentence. */
export function parseMachineDescription(value: unknown): MachineDescription {
  if (!isObject(value)) return refuse('it must be an object')
  const unknown = Object.keys(value).find(name => !FIELDS.includes(name))
  if (unknown !== undefined) refuse(`unknown field "${unknown}"; there are ${FIELDS.join(', ')}`)
  const description = value as MachineDescription
  const { memory, commandLine, kernel, config, cpus, distances } = description
  if (memory === undefined) refuse('"memory" is missing')
  if (!['string', 'number'].includes(typeof memory) && !Array.isArray(memory)) refuse('"memory" is no size and no list')
  if (commandLine !== undefined && typeof commandLine !== 'string') refuse('"commandLine" must be a text')
  if (kernel !== undefined && typeof kernel !== 'string') refuse('"kernel" must be the name of a profile')
  if (config !== undefined && !isObject(config)) refuse('"config" must be an object of switches')
  if (cpus !== undefined && typeof cpus !== 'number' && !Array.isArray(cpus))
    refuse('"cpus" must be a number, or a list with the node of each')
  if (distances !== undefined && !(Array.isArray(distances) && distances.every(row => Array.isArray(row))))
    refuse('"distances" must be a list of rows')
  return description
}

/** The kernel of a description. */
export function kernelOfDescription({ kernel = '6.1-x86_64', slab, config = {} }: MachineDescription): Kernel {
  const profile = kernel_by_name(kernel)
  if (slab !== undefined && !(typeof slab === 'string' && Object.hasOwn(SLABS, slab)))
    refuse(`"slab" is ${JSON.stringify(slab)}; there are ${Object.keys(SLABS).join(', ')}`)
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(profile.config, name)) refuse(`"config" has no switch ${name}`)
    if (typeof value !== 'boolean') refuse(`switch ${name} must be true or false`)
  }
  return with_slab(profile, slab === undefined ? profile.slab : SLABS[slab]!, config)
}

function bytes(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  const parsed = typeof value === 'string' ? memparse(value) : null
  if (parsed && parsed.rest === '' && Number.isSafeInteger(parsed.bytes)) return parsed.bytes
  return refuse(`${where} is ${JSON.stringify(value)}, which is no size in bytes`)
}

const hex = (address: number): string => `0x${address.toString(16)}`
const named = ({ start, end, at }: Range): string => `memory[${at}] (${hex(start)}-${hex(end - 1)})`

interface Range {
  readonly start: number
  readonly end: number
  readonly type: E820Type
  readonly node: number | undefined
  readonly at: number
}

const TYPES: readonly string[] = ['usable', 'reserved', 'acpi', 'nvs', 'unusable', 'pmem']

function rangeOf(memory: MemoryDescription, at: number): Range {
  if (!isObject(memory)) return refuse(`memory[${at}] must be an object with start and size`)
  const unknown = Object.keys(memory).find(name => !RANGE_FIELDS.includes(name))
  if (unknown !== undefined)
    refuse(`memory[${at}] has an unknown field "${unknown}"; there are ${RANGE_FIELDS.join(', ')}`)
  for (const name of ['start', 'size'] as const)
    if (memory[name] === undefined) refuse(`memory[${at}].${name} is missing`)
  const start = bytes(memory.start, `memory[${at}].start`)
  const end = start + bytes(memory.size, `memory[${at}].size`)
  const { type = 'usable', node } = memory
  const range = { start, end, type, node, at }
  if (start === end) refuse(`memory[${at}] at ${hex(start)} is empty`)
  if (!TYPES.includes(type)) refuse(`memory[${at}].type is ${JSON.stringify(type)}; there are ${TYPES.join(', ')}`)
  if (type === 'usable' && end > MAX_ADDRESS) refuse(`${named(range)} ends above ${hex(MAX_ADDRESS)}, 4 TiB`)
  if (node !== undefined && (!Number.isInteger(node) || node < 0 || node >= MAX_NODES))
    refuse(`memory[${at}].node is ${JSON.stringify(node)}, not 0 … ${MAX_NODES - 1}`)
  return range
}

function checkOverlap(ranges: readonly Range[]): void {
  const sorted = [...ranges].sort((a, b) => a.start - b.start)
  for (let i = 1; i < sorted.length; i++)
    if (sorted[i]!.start < sorted[i - 1]!.end) refuse(`${named(sorted[i - 1]!)} overlaps ${named(sorted[i]!)}`)
}

/** The map of a PC with this much memory: holes below 1 MiB and between 3 and 4 GiB. */
function pcMap(size: number): E820Entry[] {
  if (size < 4 * MiB) refuse(`"memory" is ${size} bytes; a machine needs 4 MiB`)
  if (size > MAX_ADDRESS - GiB) refuse(`"memory" is ${size} bytes, more than fits below ${hex(MAX_ADDRESS)}`)
  const low = Math.min(size, 3 * GiB)
  const entries: E820Entry[] = [
    { start: 0, end: 639 * KiB, type: 'usable' },
    { start: 639 * KiB, end: 640 * KiB, type: 'reserved' },
    { start: 960 * KiB, end: MiB, type: 'reserved' },
    { start: MiB, end: low, type: 'usable' },
  ]
  if (size > low) entries.push({ start: 4 * GiB, end: 4 * GiB + size - low, type: 'usable' })
  return entries
}

/** Memory, nodes and CPUs of a description. Throws a RangeError with one sentence. */
export function mapOfDescription(description: MachineDescription): MachineMap {
  const { memory } = description
  const list = Array.isArray(memory) ? (memory as readonly MemoryDescription[]).map(rangeOf) : null
  if (list) checkOverlap(list)
  if (list && !list.some(({ type }) => type === 'usable')) refuse('"memory" has no usable range')
  const firmware = list ?? pcMap(bytes(memory, '"memory"'))
  const nodes: NumaMemblk[] = (list?.some(({ node }) => node !== undefined) ? list : [])
    .filter(({ type }) => type === 'usable')
    .map(({ start, end, node }) => ({ start, end, node: node ?? 0 }))
  const cpus = cpusOf(description)
  const nrNodes = 1 + Math.max(0, ...nodes.map(({ node }) => node), ...cpus, (description.distances?.length ?? 1) - 1)
  if (nodes.length === 0 && nrNodes > 1) refuse(`${nrNodes} nodes are named, but no range of memory belongs to one`)
  return { firmware, nodes, nrNodes, distance: distancesOf(description, nrNodes), cpus }
}

function cpusOf({ cpus = 1 }: MachineDescription): number[] {
  const count = typeof cpus === 'number' ? cpus : cpus.length
  if (!Number.isInteger(count) || count < 1 || count > MAX_CPUS)
    refuse(`"cpus" gives ${count} CPUs, not 1 … ${MAX_CPUS}`)
  const nodes = typeof cpus === 'number' ? new Array<number>(count).fill(0) : [...cpus]
  const wrong = nodes.find(node => !Number.isInteger(node) || node < 0 || node >= MAX_NODES)
  if (wrong !== undefined) refuse(`"cpus" names node ${JSON.stringify(wrong)}, not 0 … ${MAX_NODES - 1}`)
  return nodes
}

function distancesOf({ distances }: MachineDescription, nrNodes: number): number[] | null {
  if (distances === undefined) return null
  if (distances.length !== nrNodes || distances.some(row => row.length !== nrNodes))
    refuse(`"distances" must be ${nrNodes} rows of ${nrNodes} numbers, one for each node`)
  distances.forEach((row, from) => {
    for (const [to, distance] of row.entries()) {
      const right = from === to ? distance === 10 : Number.isInteger(distance) && distance >= 10 && distance <= 255
      if (!right) refuse(`the distance from node ${from} to node ${to} is ${distance}; own is 10, others 10 … 255`)
    }
  })
  return distances.flat()
}
