// A machine booted from a description: the kernel's own memory is reserved, all other memory is free.
// @differs what a kernel reserves depends on its build and its drivers; here it is the parts that matter by size: the
// first MiB, the image, the direct map's page tables, the memory maps, per-CPU areas, the hash tables, a crash kernel.
// No ramdisk and no init sections are freed afterwards, and nothing that drivers or init allocate is there.

import { rounddown_pow_of_two } from '../base/bits.ts'
import { seed_random } from '../base/rng.ts'
import { GiB, KiB, MiB } from '../base/units.ts'
import { kasan_init } from '../mm/kasan.ts'
import { KASAN_SHADOW_SCALE_SHIFT } from '../mm/kasan_tables.ts'
import type { Kernel } from '../mm/kernel.ts'
import { memblock_alloc, memblock_phys_mem_size, memblock_reserve } from '../mm/memblock.ts'
import { memblock_free_all } from '../mm/memblock_free.ts'
import type { MemcgShape } from '../mm/memcg_tables.ts'
import type { Sys } from '../mm/mmzone.ts'
import type { ReclaimShape } from '../mm/reclaim_tables.ts'
import { sysctl_names, sysctl_write } from '../mm/sysctl.ts'
import type { VmShape } from '../mm/vm_tables.ts'
import { type Capacity, type MachineLayout, setup_zones } from '../mm/zone_setup.ts'
import type { ZsmallocShape } from '../mm/zsmalloc_tables.ts'
import { zswap_init } from '../mm/zswap.ts'
import { compute_at_boot } from './boot_sequence.ts'
import { type CommandLine, parseCommandLine } from './command_line.ts'
import { kernelOfDescription, type MachineDescription, mapOfDescription } from './machine_description.ts'
import { type MappedMachine, mapMachine } from './machine_map.ts'

export interface DescriptionBootOptions {
  /** Instead of the kernel that the description names. */
  readonly kernel?: Kernel
  /** vm.* to write after the boot, by name. */
  readonly sysctls?: Readonly<Record<string, string | number>>
  /** Seed of the machine's chance; default 1. */
  readonly seed?: number
  /** The image in a SharedArrayBuffer (default) or not. */
  readonly shared?: boolean
  /** Frames that can have bytes at a time (default 16384); every frame needs no more than one. */
  readonly framesWithBytes?: number
  /** Room for processes, swap and control groups; default: none. */
  readonly processes?: VmShape & ReclaimShape & MemcgShape & ZsmallocShape
  /** Room for other things, as in the shape; default: as there. */
  readonly capacity?: Capacity
}

const capacityOf = ({ framesWithBytes, processes, capacity }: DescriptionBootOptions): Capacity => ({
  ...capacity,
  ...processes,
  ...(framesWithBytes === undefined ? {} : { nr_physmem_slots: framesWithBytes }),
})

/** A booted machine. Throws a RangeError with one sentence for a description that no machine could be. */
export function boot_from_description(description: MachineDescription, options: DescriptionBootOptions = {}): Sys {
  const kernel = options.kernel ?? kernelOfDescription(description)
  const command = parseCommandLine(description.commandLine ?? '')
  const mapped = mapMachine(kernel, mapOfDescription(description), command)
  reserveKernel(kernel, mapped, command)
  const sys = setup_zones(mapped.layout, options.shared ?? true, capacityOf(options))
  sys.machine.seed[0] = seed_random(options.seed ?? 1)
  memblock_free_all(sys, mapped.memblock)
  const { managed_pages } = sys.zone
  compute_at_boot(sys, { managed: Float64Array.from(managed_pages), late: new Float64Array(sys.nr_zones), ...command })
  kasan_init(sys, description.commandLine ?? '')
  zswap_init(sys)
  for (const [name, value] of Object.entries(options.sysctls ?? {})) write(sys, name, String(value))
  return sys
}

function write(sys: Sys, name: string, value: string): void {
  if (sysctl_write(sys, name, value) === 0) return
  const known = sysctl_names(sys)
  if (!known.includes(name)) throw new RangeError(`vm.${name}: this machine has ${known.join(', ')}`)
  throw new RangeError(`vm.${name}: the kernel refuses ${JSON.stringify(value)} (EINVAL)`)
}

/** Bytes of a kernel with its data, as Debian builds it, and where it lies. */
const IMAGE: Readonly<Record<Kernel['arch'], { start: number; bytes: number }>> = {
  x86_64: { start: 16 * MiB, bytes: 52 * MiB },
  i386: { start: 16 * MiB, bytes: 20 * MiB },
  alpha: { start: 3 * MiB, bytes: 8 * MiB },
}

function reserveKernel(kernel: Kernel, { memblock, layout, maxLowPfn }: MappedMachine, command: CommandLine): void {
  const page = 2 ** kernel.PAGE_SHIFT
  const low = maxLowPfn * page
  const total = memblock_phys_mem_size(memblock)
  const { start, bytes } = IMAGE[kernel.arch]
  memblock_reserve(memblock, 0, MiB)
  memblock_reserve(memblock, start, start + Math.min(bytes, total / 4))
  const take = (size: number, shift: number, node: number): void => {
    if (size > 0 && memblock_alloc(memblock, Math.ceil(size / page) * page, shift, low, node) < 0)
      throw new RangeError(`${total} bytes of memory are too little for this kernel: ${size} more do not fit`)
  }
  if (command.crashkernel > 0) take(command.crashkernel, 24, -1)
  take(directMapTables(kernel, Math.min(low, total)), kernel.PAGE_SHIFT, -1)
  for (let node = 0; node < layout.nr_nodes; node++) take(memoryMap(kernel, layout, node), 21, node)
  for (const node of layout.cpu_node) take(512 * KiB, kernel.PAGE_SHIFT, node)
  // The shadow of all memory.
  if (kernel.config.KASAN) take(total / 2 ** KASAN_SHADOW_SCALE_SHIFT, kernel.PAGE_SHIFT, -1)
  take(hashTables(kernel, Math.min(low, total)), kernel.PAGE_SHIFT, -1)
}

/** One entry of the lowest level for each huge page. */
function directMapTables(kernel: Kernel, bytes: number): number {
  const huge = 2 ** (kernel.PAGE_SHIFT + kernel.huge_order)
  return (bytes / huge) * (kernel.BITS_PER_LONG / 8)
}

/** struct page for every frame: of whole sections with SPARSEMEM, of the node's span without. */
function memoryMap(kernel: Kernel, { ranges }: MachineLayout, node: number): number {
  const own = ranges.filter(range => range.node === node)
  if (own.length === 0) return 0
  if (kernel.memory_model !== 'SPARSEMEM') return (own.at(-1)!.end_pfn - own[0]!.start_pfn) * kernel.sizeof_page
  const section = 2 ** (kernel.SECTION_SIZE_BITS - kernel.PAGE_SHIFT)
  let sections = 0
  let next = 0
  for (const { start_pfn, end_pfn } of own) {
    const [first, last] = [Math.max(next, Math.floor(start_pfn / section)), Math.ceil(end_pfn / section)]
    sections += Math.max(0, last - first)
    next = Math.max(next, last)
  }
  return sections * section * kernel.sizeof_page
}

/** Directory entries and inodes: a bucket each for every two and four pages, fewer on large machines.
 * @kernel mm/mm_init.c:alloc_large_system_hash */
function hashTables(kernel: Kernel, bytes: number): number {
  let scale = 1
  for (let size = 64 * GiB; size < bytes; size *= 4) scale++
  const buckets = rounddown_pow_of_two(Math.max(1, bytes / 2 ** (kernel.PAGE_SHIFT + scale)))
  return (buckets + buckets / 2) * (kernel.BITS_PER_LONG / 8)
}
