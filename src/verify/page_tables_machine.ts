// A machine whose page tables are those of a recording: the direct map from its memory, everything else by the calls that
// the kernel makes, with the frames that it got.
import { areas_32, areas_64 } from '../arch/x86/address_space.ts'
import { FIXADDR_TOP, fixed_addresses } from '../arch/x86/fixmap.ts'
import { init_mem_mapping, type MemoryRange } from '../arch/x86/init_mem_mapping.ts'
import { set_memory_nx, set_memory_ro, set_memory_x, split_page_mapping } from '../arch/x86/set_memory.ts'
import { GiB, KiB, MiB } from '../base/units.ts'
import { with_config } from '../kernels/index.ts'
import { kmap, kmap_atomic, kmap_init, kunmap, kunmap_atomic } from '../mm/highmem.ts'
import type { Kernel } from '../mm/kernel.ts'
import type { Sys } from '../mm/mmzone.ts'
import { pgd_alloc } from '../mm/pgd.ts'
import { pte_mkspecial, pte_mkwrite_dirty, pte_mkyoung, vm_get_page_prot } from '../mm/pgprot.ts'
import { entry_alloc, entry_write } from '../mm/pgtable.ts'
import { massage_pgprot, pgtable_init, set_pte_vaddr, swapper_pg_dir, vmap_huge } from '../mm/pgtable_map.ts'
import type { Pgprot } from '../mm/pgtable_types.ts'
import { boot_from_description } from '../sim/boot.ts'
import { kernelOfMeta, type Meta, metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type VerifyFile } from './types.ts'
import type { Row } from './vmalloc_state.ts'

/** A recording that was read. */
export interface PtFile {
  readonly meta: Meta
  readonly constants: Row
  readonly lines: readonly JsonLine[]
  /** The lines of walks. */
  readonly walks: readonly (Row & { readonly line: number })[]
}

/** A recording of page tables; null where it does not begin as one. */
export function readPtFile(file: VerifyFile): PtFile | null {
  const [first, ...lines] = jsonLines(file.text())
  const meta = metaOf(first)
  const constants = lines.find(({ row }) => (row as Row | null)?.t === 'const')?.row as Row | undefined
  if (meta === null || !constants) return null
  const walks = lines.flatMap(({ line, row }) => {
    const fields = row as Row | null
    return typeof fields?.name === 'string' ? [{ ...fields, line }] : []
  })
  return { meta, constants, lines, walks }
}

/** Page number of an address of any length. */
export function ptAddress(text: unknown): number {
  const digits = String(text).replace(/^0x/, '').slice(0, -3)
  return digits === '' ? 0 : Number.parseInt(digits, 16)
}

/** The frame of a recorded leaf. */
function frameOf(entry: unknown): number {
  return Number((BigInt(String(entry ?? 0)) & 0xffffffffff000n) >> 12n)
}

/** A machine at the moments of the recording. */
export interface PtMachine {
  readonly sys: Sys
  /** The machine as it was at a line, and the top-level table that the line's address is looked up in. */
  at(line: number): { sys: Sys; pgd: number }
}

/** Levels and width as the constants say; everything else of the profile. */
function kernelOf({ meta, constants, walks }: PtFile): Kernel {
  const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
  const { name } = kernel
  if (kernel.arch !== 'i386') {
    const five = constants.PGDIR_SHIFT === 48
    return with_config(
      kernel,
      {},
      {
        name,
        pgtable_levels: five ? 5 : 4,
        PAGE_OFFSET: five ? 0xff11000000000000 : 0xffff888000000000,
      },
    )
  }
  const pae = constants.PTRS_PER_PTE === 512
  const first = walks.find(walk => walk.name === 'direct_map_first_page')
  const PAGE_OFFSET = first ? Number(first.va) : kernel.PAGE_OFFSET
  return with_config(kernel, {}, { name, pgtable_levels: pae ? 3 : 2, huge_order: pae ? 9 : 10, PAGE_OFFSET })
}

const PC_HOLE = 3 * GiB

/** The memory of a PC that ends at `end`: without the adapters' window, and below 4 GiB without the last gigabyte. */
function memoryOf(end: number): MemoryRange[] {
  const low = end > 4 * GiB ? PC_HOLE - 128 * KiB : end
  const ranges = [
    { start: 4 * KiB, end: 0x9f000 },
    { start: MiB, end: low },
  ]
  return end > 4 * GiB ? [...ranges, { start: 4 * GiB, end }] : ranges
}

/** Builds the tables. */
export function buildPageTables(file: PtFile): PtMachine {
  const kernel = kernelOf(file)
  const offset = kernel.PAGE_OFFSET / 4096
  const beyond = file.walks.find(walk => walk.name === 'direct_map_beyond')
  const max_low_pfn = beyond ? ptAddress(beyond.va) - offset : 1 << 16
  const highpage = file.lines.map(({ row }) => row as Row | null).find(row => row?.t === 'highpage')?.pfn as
    | number
    | undefined
  const sys = machine(kernel, max_low_pfn, highpage)
  const cr4 = Number(file.constants.cr4)
  const nx = BigInt(String(file.constants.supported_pte_mask)) >> 63n === 1n
  // Bits of CR4: huge entries, global entries. Whether there are huge entries of 1 GiB shows where one is.
  const gbpages = file.walks.some(walk => walk.leaf === '1G')
  pgtable_init(sys, { nx, pse: (cr4 & 0x10) !== 0 || kernel.BITS_PER_LONG === 64, pge: (cr4 & 0x80) !== 0, gbpages })
  // Tables of 32-bit kernels for the first bytes were made before there was an allocator.
  const early = kernel.BITS_PER_LONG === 32 ? 4 * MiB : 0
  init_mem_mapping(sys, memoryOf(max_low_pfn * 4096), max_low_pfn * 4096, early)
  const user = pgd_alloc(sys)
  const builder = new Builder(sys, user, file, max_low_pfn)
  builder.mapFixed()
  for (const walk of file.walks) builder.map(walk)
  const byLine = new Map(file.walks.map(walk => [walk.line, walk]))
  return {
    sys,
    at: line => {
      const walk = byLine.get(line)!
      builder.before(walk)
      return { sys, pgd: builder.isUser(walk) ? user : swapper_pg_dir(sys) }
    },
  }
}

function machine(kernel: Kernel, max_low_pfn: number, highpage: number | undefined): Sys {
  const last = Math.max(max_low_pfn, (highpage ?? 0) + 1)
  const highmem = kernel.config.HIGHMEM
    ? { VMALLOC_END: kernel.PAGE_OFFSET + kernel.VMALLOC_RESERVE + max_low_pfn * 4096 }
    : {}
  const boot = with_config(kernel, {}, { name: kernel.name, ...highmem })
  const memory = memoryOf(last * 4096).map(({ start, end }) => ({ start, size: end - start }))
  return boot_from_description({ memory }, { kernel: boot, shared: false })
}

/** How a user page was first touched, by the recorder's names. */
const TOUCHED: Readonly<Record<string, 'read' | 'written' | 'zero' | 'not'>> = {
  code: 'read',
  data: 'written',
  stack: 'written',
  anon_w: 'written',
  anon_w2: 'written',
  shared: 'written',
  exec: 'written',
  madvhuge: 'written',
  anon_rzero: 'zero',
  ro_zero: 'zero',
  anon_none: 'not',
  heap: 'not',
  user_null: 'not',
}

/** Sections of the kernel's image by the recorder's names: what their pages are protected with. */
const SECTION: Readonly<Record<string, 'text' | 'rodata' | 'data'>> = {
  direct_map_16M: 'text',
  kernel_text_start: 'text',
  kernel_function: 'text',
  kernel_rodata: 'rodata',
  kernel_rodata_own: 'rodata',
}

class Builder {
  private readonly sys: Sys
  private readonly user: number
  private readonly file: PtFile
  private readonly layout: Layout

  constructor(sys: Sys, user: number, file: PtFile, max_low_pfn: number) {
    this.sys = sys
    this.user = user
    this.file = file
    this.layout = layoutOf(sys.kernel, max_low_pfn)
  }

  isUser({ va }: Row): boolean {
    return ptAddress(va) < this.layout.user_end
  }

  /** Tables that are there before anything is mapped in them: of the fixed mappings and of kmap's slots. */
  mapFixed(): void {
    const { sys, layout } = this
    const lowest = sys.kernel.pgtable.levels.length - 1
    const top = FIXADDR_TOP(sys.kernel)
    // PAE: the early mappings lie in another table than the permanent ones, whose table the boot code made.
    const { _PAGE_TABLE, _PGD_TABLE, _KERNPG_TABLE } = sys.kernel.pgtable
    const pae = _PGD_TABLE.lo !== _PAGE_TABLE.lo
    entry_alloc(sys, swapper_pg_dir(sys), top - 1, lowest, pae ? _KERNPG_TABLE : _PAGE_TABLE)
    if (!layout.kmap) return
    entry_alloc(sys, swapper_pg_dir(sys), layout.kmap.PKMAP_BASE, lowest)
    kmap_init(sys, layout.kmap)
  }

  map(walk: Row): void {
    const name = String(walk.name)
    if (this.isUser(walk)) this.mapUser(name, walk)
    else if (name.startsWith('kmap')) return
    else this.mapKernel(name, walk)
  }

  /** kmap and its kin change between two lines. */
  before(walk: Row): void {
    const { sys } = this
    const pfn = this.file.lines.map(({ row }) => row as Row | null).find(row => row?.t === 'highpage')?.pfn as number
    const page = ptAddress(walk.va)
    if (walk.name === 'kmap_highpage') {
      sys.pkmap_state.last_pkmap_nr[0] = page - this.layout.kmap!.PKMAP_BASE - 1
      kmap(sys, pfn)
    } else if (walk.name === 'kmap_highpage_after_kunmap') kunmap(sys, pfn)
    else if (walk.name === 'kmap_atomic_highpage') kmap_atomic(sys, pfn)
    else if (walk.name === 'kmap_atomic_after_kunmap') kunmap_atomic(sys, page)
  }

  private mapKernel(name: string, walk: Row): void {
    const { sys, layout } = this
    const page = ptAddress(walk.va)
    const { PAGE_KERNEL, PAGE_KERNEL_RO, PAGE_KERNEL_NOCACHE, PAGE_KERNEL_IO } = sys.kernel.pgtable
    const map = (prot: Pgprot): void => {
      set_pte_vaddr(sys, page, frameOf(walk.pte), prot)
    }
    if (page >= layout.direct && page < layout.direct_end) this.mapImagePart(name, walk, page)
    else if (layout.image !== null && page >= layout.image && page < layout.image_end) this.mapImage(name, walk, page)
    else if (name.startsWith('vmalloc_guard'))
      entry_alloc(sys, swapper_pg_dir(sys), page, sys.kernel.pgtable.levels.length - 1)
    else if (name.startsWith('vmalloc')) map(PAGE_KERNEL)
    else if (name.startsWith('ioremap')) map(PAGE_KERNEL_IO)
    else if (name.startsWith('fixmap')) map(PAGE_KERNEL_NOCACHE)
    // 32-bit: a double fault switches tasks through the table, which must be writable for that.
    else if (name === 'gdt_ro') map(sys.kernel.BITS_PER_LONG === 64 ? PAGE_KERNEL_RO : PAGE_KERNEL)
    else if (name.startsWith('vmemmap')) this.mapVmemmap(walk, page)
  }

  private mapVmemmap(walk: Row, page: number): void {
    const { sys } = this
    const depth = sys.kernel.pgtable.levels.findIndex(({ name }) => name === 'pmd')
    const pages = 2 ** (sys.kernel.pgtable.levels[depth]!.shift - 12)
    const first = Math.floor(page / pages) * pages
    vmap_huge(sys, first, frameOf(walk.pmd), depth, sys.kernel.pgtable.PAGE_KERNEL)
  }

  /** Where the direct map shows the kernel's image: protected as the image is. */
  private mapImagePart(name: string, walk: Row, page: number): void {
    const section = SECTION[name]
    const narrow = this.sys.kernel.BITS_PER_LONG === 32
    if (narrow && walk.pte !== undefined) split_page_mapping(this.sys, page)
    if (section === undefined) return
    const end = walk.pte === undefined ? hugeEnd(this.sys, page) : page + 1
    const first = walk.pte === undefined ? hugeStart(this.sys, page) : page
    set_memory_ro(this.sys, first, end)
    if (narrow && section === 'text') set_memory_x(this.sys, first, end)
  }

  /** The image of 64-bit kernels: huge entries, protected by section. */
  private mapImage(name: string, walk: Row, page: number): void {
    const { sys, layout } = this
    const { _KERNPG_TABLE, PAGE_KERNEL_EXEC, levels } = sys.kernel.pgtable
    const depth = levels.findIndex(level => level.name === 'pmd')
    const first = hugeStart(sys, page)
    const at = entry_alloc(sys, swapper_pg_dir(sys), first, depth, _KERNPG_TABLE)
    if ((sys.physmem_words[at]! & sys.kernel.pgtable.PRESENT) === 0)
      entry_write(sys, at, first - layout.image!, { lo: PAGE_KERNEL_EXEC.lo | sys.kernel.pgtable.PSE, hi: 0 })
    const section = SECTION[name] ?? 'data'
    if (walk.pte !== undefined) split_page_mapping(sys, page)
    const [from, to] = walk.pte === undefined ? [first, hugeEnd(sys, page)] : [page, page + 1]
    if (section !== 'data') set_memory_ro(sys, from, to)
    if (section !== 'text') set_memory_nx(sys, from, to)
  }

  private mapUser(name: string, walk: Row): void {
    const { sys, user } = this
    const how = TOUCHED[name] ?? 'not'
    if (how === 'not') return
    const page = ptAddress(walk.va)
    const lowest = sys.kernel.pgtable.levels.length - 1
    const at = entry_alloc(sys, user, page, lowest)
    entry_write(sys, at, frameOf(walk.pte), this.userProt(how, page))
  }

  private userProt(how: 'read' | 'written' | 'zero', page: number): Pgprot {
    const { kernel } = this.sys
    const prot = massage_pgprot(this.sys, vm_get_page_prot(kernel, this.flagsOf(page)))
    if (how === 'read') return pte_mkyoung(kernel, prot)
    return how === 'zero' ? pte_mkspecial(kernel, prot) : pte_mkwrite_dirty(kernel, prot)
  }

  /** Flags of the area around a page. */
  private flagsOf(page: number): number {
    for (const { row } of this.file.lines) {
      const { t, s, e, flags } = (row ?? {}) as Row
      if (t === 'vma' && ptAddress(s) <= page && page < ptAddress(e)) return Number(flags)
    }
    return 0
  }
}

const hugePages = (sys: Sys): number => 2 ** (sys.kernel.pgtable.levels.at(-2)!.shift - 12)
const hugeStart = (sys: Sys, page: number): number => Math.floor(page / hugePages(sys)) * hugePages(sys)
const hugeEnd = (sys: Sys, page: number): number => hugeStart(sys, page) + hugePages(sys)

interface Layout {
  readonly user_end: number
  readonly direct: number
  readonly direct_end: number
  /** Page where physical 0 would be in the image's mapping; null where the direct map is the image's mapping. */
  readonly image: number | null
  readonly image_end: number
  readonly kmap: { PKMAP_BASE: number; LAST_PKMAP: number; FIXADDR_TOP: number; FIX_KMAP_BEGIN: number } | null
}

function layoutOf(kernel: Kernel, max_low_pfn: number): Layout {
  const direct = kernel.PAGE_OFFSET / 4096
  const common = { direct, direct_end: direct + max_low_pfn }
  if (kernel.BITS_PER_LONG === 64) {
    const { __START_KERNEL_map, MODULES_VADDR } = areas_64(kernel)
    return { ...common, user_end: 2 ** 44, image: __START_KERNEL_map, image_end: MODULES_VADDR, kmap: null }
  }
  const options = { NR_CPUS: 1, X86_LOCAL_APIC: false, io_apics: 0, PCI_MMCONFIG: true }
  const { PKMAP_BASE, LAST_PKMAP } = areas_32(kernel, options)
  const { FIX_KMAP_BEGIN } = fixed_addresses(kernel, options)
  const kmap = { PKMAP_BASE, LAST_PKMAP, FIXADDR_TOP: FIXADDR_TOP(kernel), FIX_KMAP_BEGIN }
  return { ...common, user_end: direct, image: null, image_end: 0, kmap }
}
