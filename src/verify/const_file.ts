// Files of constants (custom, part K, `const*.jsonl`): the kernel that wrote one, and what it is given to start from.
import { areas_32 } from '../arch/x86/address_space.ts'
import type { FixmapOptions } from '../arch/x86/fixmap.ts'
import { FIXADDR_TOP, fixed_addresses } from '../arch/x86/fixmap.ts'
import { pgtable_64_la57 } from '../arch/x86/pgtable_64.ts'
import { with_config } from '../kernels/index.ts'
import type { Kernel } from '../mm/kernel.ts'
import { SLAB_KASAN } from '../mm/slab_flags.ts'
import { kernelOfMeta, type Meta, metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type VerifyFile } from './types.ts'

const CONST_FILE = /(^|\/)const[^/]*\.jsonl(\.gz)?$/

/** The files of constants among all files. */
export function constFiles(files: readonly VerifyFile[]): VerifyFile[] {
  return files.filter(({ path }) => CONST_FILE.test(path))
}

/** One line behind the first: a constant, or a part of a descriptor table. */
export type ConstRow = Readonly<Record<string, unknown>>

/** A file that was read. */
export interface ConstFile {
  readonly meta: Meta
  readonly kernel: Kernel
  readonly options: FixmapOptions
  readonly lines: readonly JsonLine[]
  /** Values as recorded, by name. */
  readonly values: ReadonlyMap<string, string>
}

/** A file of constants; null where it does not begin as one. */
export function readConstFile(file: VerifyFile, files: readonly VerifyFile[]): ConstFile | null {
  const [first, ...lines] = jsonLines(file.text())
  const meta = metaOf(first)
  if (meta === null) return null
  const values = new Map(
    lines.flatMap(({ row }) => {
      const { c, v } = (row ?? {}) as ConstRow
      return typeof c === 'string' && typeof v === 'string' ? [[c, v] as const] : []
    }),
  )
  const base = kernelOfConstants(meta, values, hasKasan(file, files))
  const options = fixmapOptions(base, values)
  const VMALLOC_END = base.arch === 'i386' ? areas_32(base, options).VMALLOC_END * 4096 : 0
  return { meta, kernel: with_config(base, {}, { name: base.name, VMALLOC_END }), options, lines, values }
}

/** Whether the caches that lie beside a file are those of a kernel with KASAN. */
function hasKasan(file: VerifyFile, files: readonly VerifyFile[]): boolean {
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1)
  const caches = files.find(
    ({ path }) => path.startsWith(folder) && /^caches[^/]*\.jsonl$/.test(path.slice(folder.length)),
  )
  if (!caches) return false
  for (const { row } of jsonLines(caches.text()))
    if ((Number((row as ConstRow | null)?.flags ?? 0) & SLAB_KASAN) !== 0) return true
  return false
}

/** Split, levels and width of entries are of the build or the processor: given. */
function kernelOfConstants(meta: Meta, values: ReadonlyMap<string, string>, KASAN: boolean): Kernel {
  const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
  const { name } = kernel
  if (kernel.arch !== 'i386') {
    const five = Number.parseInt(values.get('VMALLOC_START')?.slice(2, -3) ?? '', 16) === pgtable_64_la57.vmalloc?.start
    const PAGE_OFFSET = five ? 0xff11000000000000 : 0xffff888000000000
    return with_config(kernel, { KASAN }, { name, PAGE_OFFSET, pgtable_levels: five ? 5 : 4 })
  }
  const pae = values.get('sizeof(pte_t)') === '0x8'
  const PAGE_OFFSET = Number(values.get('PAGE_OFFSET'))
  return with_config(kernel, {}, { name, PAGE_OFFSET, pgtable_levels: pae ? 3 : 2, huge_order: pae ? 9 : 10 })
}

/** 64-bit kernels have both interrupt controllers; of the 32-bit ones, which are for one processor, some have PCI's memory
 * window, which the size of the fixed mappings tells. */
function fixmapOptions(kernel: Kernel, values: ReadonlyMap<string, string>): FixmapOptions {
  const wide = kernel.BITS_PER_LONG === 64
  const options = { NR_CPUS: 1, X86_LOCAL_APIC: wide, io_apics: wide ? 128 : 0, PCI_MMCONFIG: false }
  const { __end_of_permanent_fixed_addresses: end } = fixed_addresses(kernel, options)
  const start = FIXADDR_TOP(kernel) - Number.parseInt(values.get('FIXADDR_START')?.slice(2, -3) ?? '', 16)
  return { ...options, PCI_MMCONFIG: start === end + 1 }
}
