// Programs of kmap calls on 32-bit kernels (custom, part J): every address, slot and count, the arrays of counts, and the
// slots and depths of kmap_local and kmap_atomic.
// Given, not compared: which frames are high memory (the lowest one that got a slot), and where the slots lie.
import { with_config } from '../kernels/index.ts'
import {
  highmem_check,
  kmap,
  kmap_atomic,
  kmap_flush_unused,
  kmap_init,
  kmap_local_page,
  kunmap,
  kunmap_atomic,
  kunmap_local,
  PageHighMem,
} from '../mm/highmem.ts'
import type { Sys } from '../mm/mmzone.ts'
import { pkmap_of_page } from '../mm/page_address_map.ts'
import { pgtable_init, vmalloc_to_pfn } from '../mm/pgtable_map.ts'
import { boot_from_description } from '../sim/boot.ts'
import { kernelOfMeta, type Meta, metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'
import { addressText, pageOf, type Row } from './vmalloc_state.ts'

const KMAP_FILE = /(^|\/)kmap\/k[^/]*\.jsonl(\.gz)?$/

/** Kind `kmap` of `mmtwin verify`. */
export const kmapKind: VerifyKind = {
  kind: 'kmap',
  run(files) {
    const counts = tally('kmap')
    for (const file of files) if (KMAP_FILE.test(file.path)) playKmap(file, counts)
    return counts.result()
  },
}

function playKmap(file: VerifyFile, counts: Tally): void {
  counts.file(file.path)
  const lines = [...jsonLines(file.text())]
  const meta = metaOf(lines[0])
  const layout = lines.map(({ row }) => row as Row | null).find(row => row?.t === 'const')
  if (meta === null || !layout) {
    counts.check(1, 'a first line that describes the kernel, and constants', lines[0]?.text.slice(0, 80) ?? 'nothing')
    return
  }
  const sys = machine(meta, layout, lines)
  let given = false
  for (const { line, row, text } of lines.slice(1)) {
    if (Array.isArray(row)) counts.check(line, JSON.stringify(row), JSON.stringify(play(sys, row)))
    else if (row === null) counts.check(line, 'a call or a dump', text.slice(0, 80))
    else {
      const fields = row as Row
      if (fields.t === 'pkmap_count' && !given) {
        sys.pkmap.count.set(fields.l as number[])
        given = true
      } else if (fields.t === 'pkmap_count')
        counts.check(
          line,
          JSON.stringify(fields.l),
          JSON.stringify([...sys.pkmap.count.subarray(0, (fields.l as []).length)]),
        )
      else if (fields.t === 'after_kmap_flush_unused')
        counts.check(line, JSON.stringify(row), JSON.stringify(flush(sys, fields)))
    }
  }
  counts.check(lines.length, '', highmem_check(sys).join('; '))
}

/** At the end the recorder gives all uses back that its program still has, without writing it down. */
function flush(sys: Sys, row: Row): Row {
  const { count, page } = sys.pkmap
  for (let slot = 0; slot < count.length; slot++) while (count[slot]! > 1) kunmap(sys, page[slot]! - 1)
  kmap_flush_unused(sys)
  return { ...row, last_pkmap_nr: sys.pkmap_state.last_pkmap_nr[0], nonzero: sys.pkmap.count.filter(Boolean).length }
}

/** A machine whose frames from the first that got a slot on are high memory. */
function machine(meta: Meta, layout: Row, lines: readonly JsonLine[]): Sys {
  const calls = lines.flatMap(({ row }) => (Array.isArray(row) ? [row as unknown[]] : []))
  const pfns = calls.map(call => call[2] as number)
  const high = Math.min(...calls.filter(call => (call[4] as number) >= 0).map(call => call[2] as number))
  const last = Math.ceil((Math.max(...pfns) + 1) / 1024) * 1024
  const LAST_PKMAP = layout.LAST_PKMAP as number
  const base = pageOf(layout.PKMAP_BASE)
  const levels = LAST_PKMAP === 512 ? { pgtable_levels: 3, huge_order: 9 } : { pgtable_levels: 2 }
  const smp = kernelOfMeta(meta, { smp: meta.cpus > 1, numa: false })
  const VMALLOC_END = smp.PAGE_OFFSET + smp.VMALLOC_RESERVE + high * 4096
  const kernel = with_config(smp, {}, { name: smp.name, ...levels, VMALLOC_END })
  const sys = boot_from_description({ memory: [{ start: 0, size: last * 4096 }] }, { kernel, shared: false })
  pgtable_init(sys)
  kmap_init(sys, {
    PKMAP_BASE: base,
    LAST_PKMAP,
    FIXADDR_TOP: pageOf(layout.FIXADDR_TOP),
    FIX_KMAP_BEGIN: layout.FIX_KMAP_BEGIN as number,
  })
  sys.pkmap_state.last_pkmap_nr[0] = layout.last_pkmap_nr as number
  return sys
}

/** Plays a call and returns what the recorder would write. */
function play(sys: Sys, row: readonly unknown[]): unknown[] {
  const [op, index, frame, address] = row as [string, number, number, string]
  const page = pageOf(address)
  if (op === 'kmap') return pooled(sys, op, index, frame, kmap(sys, frame))
  if (op === 'kunmap') {
    kunmap(sys, frame)
    return pooled(sys, op, index, frame, page)
  }
  if (op === 'kmap_local_page') return local(sys, op, index, frame, kmap_local_page(sys, frame))
  if (op === 'kmap_atomic') return local(sys, op, index, frame, kmap_atomic(sys, frame))
  const visible = vmalloc_to_pfn(sys, page)
  if (op === 'kunmap_local') kunmap_local(sys, page)
  else if (op === 'kunmap_atomic') kunmap_atomic(sys, page)
  else return ['an operation kmap, kunmap, kmap_local_page, kunmap_local, kmap_atomic or kunmap_atomic']
  return local(sys, op, index, PageHighMem(sys, frame) ? visible : frame, page)
}

function pooled(sys: Sys, op: string, index: number, frame: number, page: number): unknown[] {
  const slot = PageHighMem(sys, frame) ? pkmap_of_page(sys, frame) : -1
  const count = slot < 0 ? -1 : sys.pkmap.count[slot]
  const where = slot < 0 ? page : sys.pkmap_state.base[0]! + slot
  return [op, index, frame, addressText(where), slot, count, sys.pkmap_state.last_pkmap_nr[0]]
}

function local(sys: Sys, op: string, index: number, frame: number, page: number): unknown[] {
  const fix = PageHighMem(sys, frame) ? sys.pkmap_state.fixaddr_top[0]! - page : -1
  return [op, index, frame, addressText(page), fix, sys.kmap_ctrl.idx[sys.machine.this_cpu[0]!]]
}
