// Descriptor tables (custom, part K): every descriptor of every CPU in its 64 bits, and the registers that point to tables.
// Given, not compared: the base of a task's thread-local storage, and the node of a CPU.
import { areas_32, areas_64, get_cpu_entry_area } from '../arch/x86/address_space.ts'
import { cpu_gdt, gdt_layout } from '../arch/x86/gdt.ts'
import { type Descriptor, decode_segment, fill_ldt, format_descriptor, parse_descriptor } from '../arch/x86/segment.ts'
import { type ConstFile, type ConstRow, constFiles, readConstFile } from './const_file.ts'
import { type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'

/** Kind `GDT` of `mmtwin verify`. */
export const gdtKind: VerifyKind = {
  kind: 'GDT',
  run(files) {
    const counts = tally('GDT')
    for (const file of constFiles(files)) verifyFile(file, files, counts)
    return counts.result()
  },
}

function verifyFile(file: VerifyFile, files: readonly VerifyFile[], counts: Tally): void {
  counts.file(file.path)
  const read = readConstFile(file, files)
  if (read === null) {
    counts.check(1, 'a first line that describes the kernel', 'none')
    return
  }
  const tables = new Map<number, Descriptor[]>()
  for (const { line, row, text } of read.lines) {
    if (row === null) counts.check(line, 'a JSON object', text.slice(0, 80))
    const fields = (row ?? {}) as ConstRow
    if (fields.c !== 'gdt') checkRegister(read, line, fields, counts)
    else {
      const cpu = fields.cpu as number
      const gdt = tables.get(cpu) ?? tableOf(read, cpu)
      tables.set(cpu, gdt)
      const got = gdt[fields.entry as number]
      const made = {
        selector: `0x${((fields.entry as number) * 8).toString(16)}`,
        raw: got ? format_descriptor(got) : 'none',
      }
      counts.check(line, JSON.stringify(fields), JSON.stringify({ ...fields, ...made }))
    }
  }
}

const base = ({ kernel, options }: ConstFile): number =>
  kernel.BITS_PER_LONG === 64 ? areas_64(kernel).CPU_ENTRY_AREA_BASE : areas_32(kernel, options).CPU_ENTRY_AREA_BASE

/** The table of a CPU, with what is given from the recorded one. */
function tableOf(file: ConstFile, cpu: number): Descriptor[] {
  const raw = (entry: number): Descriptor => {
    const line = file.lines.find(({ row }) => {
      const fields = (row ?? {}) as ConstRow
      return fields.c === 'gdt' && fields.cpu === cpu && fields.entry === entry
    })
    return parse_descriptor(String((line?.row as ConstRow | undefined)?.raw ?? '0'.repeat(16)))
  }
  const { GDT_ENTRY_TLS_MIN: first, GDT_ENTRY_TLS_MAX: last, GDT_ENTRIES } = gdt_layout(file.kernel)
  const tls: Descriptor[] = []
  for (let entry = first; entry <= last; entry++) tls.push(threadArea(raw(entry), entry))
  const node = decode_segment(raw(GDT_ENTRIES - 1)).limit >> 12
  return cpu_gdt(file.kernel, { cpu, node, CPU_ENTRY_AREA_BASE: base(file), tls })
}

/** A thread's area as the C library asks for it, at the base that it chose; none where there is none. */
function threadArea(recorded: Descriptor, entry_number: number): Descriptor {
  if (recorded.lo === 0 && recorded.hi === 0) return recorded
  return fill_ldt({
    entry_number,
    base_addr: decode_segment(recorded).base,
    limit: 0xfffff,
    seg_32bit: 1,
    contents: 0,
    read_exec_only: 0,
    limit_in_pages: 1,
    seg_not_present: 0,
    useable: 1,
  })
}

function checkRegister(file: ConstFile, line: number, row: ConstRow, counts: Tally): void {
  const { kernel } = file
  const { GDT_ENTRIES, GDT_ENTRY_TSS } = gdt_layout(kernel)
  const address = (page: number): string => `0x${page.toString(16)}000`
  const wide = kernel.BITS_PER_LONG === 64
  const values: Readonly<Record<string, ConstRow>> = {
    gdtr: { base: address(gdtOf(file, String(row.base))), limit: GDT_ENTRIES * 8 - 1 },
    // A gate has 16 bytes in 64-bit mode.
    idtr: { base: address(base(file)), limit: 256 * (wide ? 16 : 8) - 1 },
    tr: { v: `0x${(GDT_ENTRY_TSS * 8).toString(16)}` },
    ldtr: { v: '0x0' },
  }
  const got = values[String(row.c)]
  if (got) counts.check(line, JSON.stringify(row), JSON.stringify({ ...row, ...got }))
}

/** Page of the table of the CPU that wrote the file: whichever has it there, else the first one. */
function gdtOf(file: ConstFile, recorded: string): number {
  const pages = Array.from({ length: file.meta.cpus }, (_, cpu) => get_cpu_entry_area(file.kernel, base(file), cpu))
  return pages.find(page => `0x${page.toString(16)}000` === recorded) ?? pages[0]!
}
