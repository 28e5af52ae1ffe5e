// The vmalloc address space as the recordings dump it (custom, part H): read into a machine, written back line for line.
import { pgtable_64_la57 } from '../arch/x86/pgtable_64.ts'
import { MiB } from '../base/units.ts'
import { list_entries } from '../image/list.ts'
import { with_config } from '../kernels/index.ts'
import type { Kernel } from '../mm/kernel.ts'
import type { Sys } from '../mm/mmzone.ts'
import { pgtable_init } from '../mm/pgtable_map.ts'
import { vm_area_register, vm_caller } from '../mm/vm_struct.ts'
import { vmalloc_init } from '../mm/vmalloc.ts'
import { BUSY, FREE, LAZY, ULONG_MAX_PAGE, VMAP_BBMAP_BITS, VMAP_MAX_ALLOC, vmap_list } from '../mm/vmalloc_types.ts'
import { vmap_free_ranges_set } from '../mm/vmap_area.ts'
import { vmap_blocks_of } from '../mm/vmap_block.ts'
import { lazy_max_pages } from '../mm/vmap_lazy.ts'
import { boot_from_description } from '../sim/boot.ts'
import { kernelOfMeta, type Meta } from './recorded_kernel.ts'
import type { JsonLine } from './types.ts'

export type Row = Readonly<Record<string, unknown>>

/** The page of an address written in hexadecimal. */
export function pageOf(text: unknown): number {
  const digits = String(text).replace(/^0x/, '').slice(0, -3)
  return digits === '' ? 0 : Number.parseInt(digits, 16)
}

/** The address of a page in hexadecimal. */
export function addressText(page: number): string {
  return `0x${page.toString(16)}000`
}

/** Ends of free ranges: all addresses are those from 1 up to ULONG_MAX. */
function edgeText(sys: Sys, page: number): string {
  if (page === 0) return '0x1'
  return page === ULONG_MAX_PAGE(sys) ? `0x${'f'.repeat(sys.kernel.BITS_PER_LONG / 4)}` : addressText(page)
}

/** The kernel by where its vmalloc area lies: with five levels it begins elsewhere, and below PAE's kmap area, whose
 * borders are multiples of 2 MiB, it ends at an odd one. */
function kernelOfSpace(meta: Meta, start: number, end: number): Kernel {
  const kernel = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
  if (kernel.arch === 'i386') {
    const pae = ((end + 2) * 2 ** kernel.PAGE_SHIFT) % (4 * MiB) !== 0
    return with_config(kernel, {}, { name: kernel.name, pgtable_levels: pae ? 3 : 2, huge_order: pae ? 9 : 10 })
  }
  const levels = start === pgtable_64_la57.vmalloc?.start ? 5 : 4
  return with_config(kernel, {}, { name: kernel.name, pgtable_levels: levels })
}

/** A machine whose vmalloc space is as the lines of the first dump say; memory is plenty. */
export function sysOfVmallocState(meta: Meta, lines: readonly JsonLine[]): Sys {
  const rows = lines.map(({ row }) => row as Row)
  const state = rows.find(row => row.t === 'state')!
  const kernel = kernelOfSpace(meta, pageOf(state.VMALLOC_START), pageOf(state.VMALLOC_END))
  const sys = boot_from_description({ memory: '512M', cpus: meta.cpus }, { kernel, shared: false })
  pgtable_init(sys)
  vmalloc_init(sys, { start: pageOf(state.VMALLOC_START), end: pageOf(state.VMALLOC_END) }, state.allow_huge !== 0)
  vmap_free_ranges_set(
    sys,
    rows.filter(row => row.t === 'free').map(row => [pageOf(row.s), pageOf(row.e)] as const),
  )
  for (const row of rows) if (row.t === 'area') setArea(sys, row)
  sys.vmalloc.nr_vmalloc_pages[0] = state.nr_vmalloc_pages as number
  return sys
}

function setArea(sys: Sys, row: Row): void {
  const start = pageOf(row.s)
  const flags = Number(row.flags)
  const vm = vm_area_register(sys, start, pageOf(row.e) - start, flags, String(row.caller))
  sys.vm_struct.nr_pages[vm] = row.nr_pages as number
  sys.vm_struct.phys_addr[vm] = Number(row.phys)
}

/** The dump that the recorder would write of the machine as it is now. */
export function vmallocStateLines(sys: Sys, when: unknown): string[] {
  const { link, va_start, va_end } = sys.vmap_area
  const ranges = (tree: number, t: string): Row[] =>
    list_entries(link, vmap_list(sys, tree)).map(row => ({
      t,
      s: edgeText(sys, va_start[row]!),
      e: edgeText(sys, va_end[row]!),
    }))
  const rows: Row[] = [
    { t: 'state', when, ...stateFields(sys) },
    ...list_entries(link, vmap_list(sys, BUSY)).map(row => areaFields(sys, row)),
    ...ranges(FREE, 'free'),
    ...ranges(LAZY, 'purge'),
    ...blockFields(sys),
    { t: 'endstate', when },
  ]
  return rows.map(row => JSON.stringify(row))
}

function stateFields(sys: Sys): Row {
  const { start, end, lazy_nr, nr_vmalloc_pages, huge } = sys.vmalloc
  const wide = sys.kernel.BITS_PER_LONG === 64
  return {
    VMALLOC_START: addressText(start[0]!),
    VMALLOC_END: wide ? `0x${end[0]!.toString(16)}fff` : addressText(end[0]!),
    lazy_nr: lazy_nr[0],
    lazy_max_pages: lazy_max_pages(sys),
    nr_vmalloc_pages: nr_vmalloc_pages[0],
    VMAP_MAX_ALLOC: VMAP_MAX_ALLOC(sys),
    VMAP_BBMAP_BITS,
    allow_huge: huge[0],
  }
}

function areaFields(sys: Sys, row: number): Row {
  const { va_start, va_end, vm } = sys.vmap_area
  const range = { t: 'area', s: addressText(va_start[row]!), e: addressText(va_end[row]!) }
  const area = vm[row]!
  if (area === 0) return { ...range, vm_map_ram: 1 }
  const { size, flags, nr_pages, phys_addr } = sys.vm_struct
  return {
    ...range,
    size: size[area]! * 2 ** sys.kernel.PAGE_SHIFT,
    flags: `0x${flags[area]!.toString(16)}`,
    nr_pages: nr_pages[area],
    phys: `0x${phys_addr[area]!.toString(16)}`,
    caller: vm_caller(sys, area),
  }
}

function blockFields(sys: Sys): Row[] {
  const { va, free, dirty, dirty_min, dirty_max } = sys.vmap_block
  const rows: Row[] = []
  for (let cpu = 0; cpu < sys.nr_cpus; cpu++)
    for (const block of vmap_blocks_of(sys, cpu))
      rows.push({
        t: 'vb',
        cpu,
        s: addressText(sys.vmap_area.va_start[va[block]!]!),
        free: free[block],
        dirty: dirty[block],
        dirty_min: dirty_min[block],
        dirty_max: dirty_max[block],
      })
  return rows
}
