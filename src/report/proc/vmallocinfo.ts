// /proc/vmallocinfo: a line for each area of the vmalloc address space in the order of addresses, then what waits for a
// purge. Pointers are printed as the kernel prints them: in full (no_hash_pointers), or as the word that stands for a hash.
import { list_entries } from '../../image/list.ts'
import type { Sys } from '../../mm/mmzone.ts'
import { page_zone } from '../../mm/mmzone.ts'
import { vm_area_pages, vm_caller } from '../../mm/vm_struct.ts'
import { format_page } from '../../mm/vmalloc.ts'
import {
  BUSY,
  LAZY,
  VM_ALLOC,
  VM_DMA_COHERENT,
  VM_IOREMAP,
  VM_MAP,
  VM_UNINITIALIZED,
  VM_USERMAP,
  vmap_list,
} from '../../mm/vmalloc_types.ts'

const WORDS: readonly (readonly [number, string])[] = [
  [VM_IOREMAP, 'ioremap'],
  [VM_ALLOC, 'vmalloc'],
  [VM_MAP, 'vmap'],
  [VM_USERMAP, 'user'],
  [VM_DMA_COHERENT, 'dma-coherent'],
]

/** How a pointer is printed. */
export type PointerStyle = 'real' | 'ptrval'

/** The file. @kernel mm/vmalloc.c:s_show */
export function formatVmallocinfo(sys: Sys, pointers: PointerStyle = 'real'): string {
  const { link, vm } = sys.vmap_area
  const busy = list_entries(link, vmap_list(sys, BUSY)).map(row =>
    vm[row] === 0 ? `${range(sys, row, pointers)} vm_map_ram` : areaLine(sys, row, pointers),
  )
  const lazy = list_entries(link, vmap_list(sys, LAZY)).map(row => `${range(sys, row, pointers)} unpurged vm_area`)
  // The kernel prints what waits behind the last area; without areas it prints nothing.
  return [...busy, ...(busy.length > 0 ? lazy : [])].map(line => `${line}\n`).join('')
}

/** Both ends and the size in bytes. */
function range(sys: Sys, row: number, pointers: PointerStyle): string {
  const { va_start, va_end } = sys.vmap_area
  const size = (va_end[row]! - va_start[row]!) * 2 ** sys.kernel.PAGE_SHIFT
  return `${pointer(sys, va_start[row]!, pointers)}-${pointer(sys, va_end[row]!, pointers)} ${String(size).padStart(7)}`
}

function pointer(sys: Sys, page: number, style: PointerStyle): string {
  if (style === 'real') return `0x${format_page(sys, page)}`
  return sys.kernel.BITS_PER_LONG === 64 ? '0x(____ptrval____)' : '0x(ptrval)'
}

function areaLine(sys: Sys, row: number, pointers: PointerStyle): string {
  const vm = sys.vmap_area.vm[row]!
  const { flags, nr_pages, phys_addr, pages } = sys.vm_struct
  const parts = [range(sys, row, pointers)]
  const caller = vm_caller(sys, vm)
  if (caller !== '') parts.push(caller)
  if (nr_pages[vm] !== 0) parts.push(`pages=${nr_pages[vm]}`)
  if (phys_addr[vm] !== 0) parts.push(`phys=0x${phys_addr[vm]!.toString(16).padStart(phys_digits(sys), '0')}`)
  for (const [bit, word] of WORDS) if ((flags[vm]! & bit) !== 0) parts.push(word)
  if (pages[vm] !== 0) parts.push('vpages')
  return [...parts, ...numaWords(sys, vm)].join(' ')
}

/** Digits of a physical address: those of an entry of the page tables. */
function phys_digits(sys: Sys): number {
  return sys.kernel.pgtable.entry_bytes * 2
}

/** Frames of the area on each node, where the kernel knows nodes. @kernel mm/vmalloc.c:show_numa_info */
function numaWords(sys: Sys, vm: number): string[] {
  if (!sys.kernel.config.NUMA || (sys.vm_struct.flags[vm]! & VM_UNINITIALIZED) !== 0) return []
  const counts = new Int32Array(sys.nr_nodes)
  for (const pfn of vm_area_pages(sys, vm)) counts[Math.floor(page_zone(sys, pfn) / sys.nr_zone_types)]!++
  return [...counts].flatMap((count, node) => (count > 0 ? [`N${node}=${count}`] : []))
}

/** What a line says. */
export interface VmallocArea {
  /** Bytes with the guard page. */
  readonly size: number
  /** Function and offset; empty where the line has none. */
  readonly caller: string
  readonly pages: number
  /** Bytes; -1 = none. */
  readonly phys: number
  readonly words: readonly string[]
}

const LINE = /^0x(?:[0-9a-f]+|\(_*ptrval_*\))-0x(?:[0-9a-f]+|\(_*ptrval_*\)) +(\d+)(.*)$/

/** Reads the file; a line that is none is a diagnostic. */
export function readVmallocinfo(text: string): {
  areas: VmallocArea[]
  diagnostics: { line: number; message: string }[]
} {
  const areas: VmallocArea[] = []
  const diagnostics: { line: number; message: string }[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (line === '') continue
    const match = LINE.exec(line)
    if (!match) diagnostics.push({ line: i + 1, message: 'no line of /proc/vmallocinfo: two addresses and a size' })
    else areas.push(areaOf(Number(match[1]), match[2]!.trim()))
  }
  return { areas, diagnostics }
}

function areaOf(size: number, rest: string): VmallocArea {
  const words = rest.split(/ +/).filter(word => word !== '')
  const caller = words[0]?.includes('+0x') ? words.shift()! : ''
  const value = (name: string): string | undefined =>
    words.find(word => word.startsWith(`${name}=`))?.slice(name.length + 1)
  const phys = value('phys')
  return {
    size,
    caller,
    pages: Number(value('pages') ?? 0),
    phys: phys === undefined ? -1 : Number(phys),
    words: words.filter(word => !/^(pages|phys)=/.test(word)),
  }
}
