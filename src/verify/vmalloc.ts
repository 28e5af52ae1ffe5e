// Programs of vmalloc calls (custom, part H, vmalloc/): every address, size, flag and count of frames, the pages that
// wait for a purge after each call, and every dump of the address space line for line.
// Given, not compared: when the drain worker ran. It is a kernel thread; the recorded `lazy` of the next call says how far
// it had come by then, and from there on everything follows again.
import { GFP_KERNEL } from '../mm/gfp.ts'
import type { Sys } from '../mm/mmzone.ts'
import { find_vm_area, free_vm_area, get_vm_area } from '../mm/vm_struct.ts'
import { __vmalloc_node_range, vfree, vmalloc, vmalloc_32, vmalloc_huge, vmap, vunmap, vzalloc } from '../mm/vmalloc.ts'
import { vmalloc_check } from '../mm/vmalloc_check.ts'
import { VM_ALLOC, VM_IOREMAP, VM_NO_GUARD } from '../mm/vmalloc_types.ts'
import { vm_unmap_aliases } from '../mm/vmap_block.ts'
import { drain_vmap_area_step, drain_vmap_area_work, purge_vmap_area_lazy } from '../mm/vmap_lazy.ts'
import { metaOf } from './recorded_kernel.ts'
import { type JsonLine, jsonLines, type Tally, tally, type VerifyFile, type VerifyKind } from './types.ts'
import { addressText, type Row, sysOfVmallocState, vmallocStateLines } from './vmalloc_state.ts'

const VMALLOC_FILE = /(^|\/)vmalloc\/v[^/]*\.jsonl(\.gz)?$/

/** Kind `vmalloc` of `mmtwin verify`. */
export const vmallocKind: VerifyKind = {
  kind: 'vmalloc',
  run(files) {
    const counts = tally('vmalloc')
    for (const file of files) if (VMALLOC_FILE.test(file.path)) playVmalloc(file, counts, sys => new VmallocPlayer(sys))
    return counts.result()
  },
}

/** What plays the calls of a recording: returns the line that the recorder would write. */
export interface Player {
  play(row: Row): Row
}

/** Plays a file: the first dump is given, everything after it is compared. */
export function playVmalloc(file: VerifyFile, counts: Tally, player: (sys: Sys) => Player): void {
  counts.file(file.path)
  const lines = [...jsonLines(file.text())]
  const meta = metaOf(lines[0])
  const begin = lines.findIndex(({ row }) => (row as Row | null)?.t === 'state')
  const end = lines.findIndex(({ row }) => (row as Row | null)?.t === 'endstate')
  if (meta === null || begin < 0 || end < begin) {
    counts.check(1, 'a first line that describes the kernel, and a dump', lines[0]?.text.slice(0, 80) ?? 'nothing')
    return
  }
  const sys = sysOfVmallocState(meta, lines.slice(begin, end))
  const calls = player(sys)
  for (let at = end + 1; at < lines.length; ) at = playLine(sys, calls, lines, at, counts)
  counts.check(lines.length, '', vmalloc_check(sys).join('; '))
}

/** Plays a call or compares a dump; returns the next line. */
function playLine(sys: Sys, calls: Player, lines: readonly JsonLine[], at: number, counts: Tally): number {
  const { line, row, text } = lines[at]!
  const fields = row as Row | null
  if (fields?.t === 'state') return compareState(sys, lines, at, counts)
  if (typeof fields?.op !== 'string') counts.check(line, 'a call or a dump', text.slice(0, 80))
  else counts.check(line, JSON.stringify(fields), JSON.stringify(calls.play(fields)))
  return at + 1
}

function compareState(sys: Sys, lines: readonly JsonLine[], at: number, counts: Tally): number {
  const end = lines.findIndex(({ row }, i) => i > at && (row as Row | null)?.t === 'endstate')
  const recorded = lines.slice(at, end < 0 ? lines.length : end + 1)
  const got = vmallocStateLines(sys, (recorded[0]!.row as Row).when)
  for (let i = 0; i < Math.max(recorded.length, got.length); i++)
    counts.check(
      recorded[i]?.line ?? recorded.at(-1)!.line,
      recorded[i] ? JSON.stringify(recorded[i]!.row) : 'no line',
      got[i] ?? 'no line',
    )
  return at + recorded.length
}

/** The recorder's functions that call vmalloc: whose name an area gets. */
const CALLER = 'v_alloc'
const CALLER_OF_RANGE = 'mt_cmd_vmalloc'

interface Slot {
  readonly page: number
  readonly kind: string
}

class VmallocPlayer implements Player {
  private readonly sys: Sys
  private readonly slots = new Map<unknown, Slot>()

  constructor(sys: Sys) {
    this.sys = sys
  }

  play(row: Row): Row {
    const { sys } = this
    const slot = row.op === 'f' ? this.slots.get(row.slot) : undefined
    this.letWorkerRun(Number(row.lazy) - (slot ? this.pagesOf(slot) : 0))
    let fields: Row = {}
    if (row.op === 'a') fields = this.alloc(row)
    else if (row.op === 'f') this.free(row.slot)
    else if (row.op === 'unmap_aliases') vm_unmap_aliases(sys)
    else if (row.op === 'purge') purge_vmap_area_lazy(sys)
    else if (row.op === 'sleep') {
      if (sys.vmalloc.drain_pending[0] !== 0) drain_vmap_area_work(sys)
    } else fields = { op: 'an operation a, f, unmap_aliases, purge or sleep' }
    return { ...row, ...fields, lazy: sys.vmalloc.lazy_nr[0] }
  }

  /** The worker runs as far as the recording says: before this call, `lazy` pages waited for a purge. */
  private letWorkerRun(lazy: number): void {
    while (lazy >= 0 && this.sys.vmalloc.lazy_nr[0]! > lazy && drain_vmap_area_step(this.sys)) {}
  }

  /** Pages that freeing a slot adds to those that wait. */
  private pagesOf({ page }: Slot): number {
    const { size, pages } = this.sys.vm_struct
    const vm = find_vm_area(this.sys, page)
    const array = pages[vm]!
    return size[vm]! + (array === 0 ? 0 : size[array]!)
  }

  private alloc(row: Row): Row {
    const { sys } = this
    const page = this.call(String(row.kind), Number(row.size), Number(row.align))
    if (page === 0) return { addr: '0x0' }
    this.slots.set(row.slot, { page, kind: String(row.kind) })
    const vm = find_vm_area(sys, page)
    return {
      addr: addressText(page),
      area_size: sys.vm_struct.size[vm]! * 2 ** sys.kernel.PAGE_SHIFT,
      flags: `0x${sys.vm_struct.flags[vm]!.toString(16)}`,
      nr_pages: sys.vm_struct.nr_pages[vm],
    }
  }

  private call(kind: string, size: number, align: number): number {
    const { sys } = this
    const area = (flags: number): number => sys.vm_struct.addr[get_vm_area(sys, size, flags, CALLER)]!
    switch (kind) {
      case 'vmalloc':
        return vmalloc(sys, size, CALLER)
      case 'vzalloc':
        return vzalloc(sys, size, CALLER)
      case 'vmalloc_32':
        return vmalloc_32(sys, size, CALLER)
      case 'vmalloc_huge':
        return vmalloc_huge(sys, size, GFP_KERNEL, CALLER)
      case 'vmalloc_no_guard':
        return __vmalloc_node_range(sys, size, { align, flags: VM_NO_GUARD, caller: CALLER_OF_RANGE })
      case 'node_range_aligned':
        return __vmalloc_node_range(sys, size, { align, caller: CALLER_OF_RANGE })
      case 'get_vm_area':
        return area(VM_ALLOC)
      case 'get_vm_area_ioremap':
        return area(VM_IOREMAP)
      case 'vmap':
        return vmap(sys, new Float64Array(Math.ceil(size / 2 ** sys.kernel.PAGE_SHIFT)), undefined, undefined, CALLER)
      default:
        return 0
    }
  }

  private free(slot: unknown): void {
    const { sys } = this
    const held = this.slots.get(slot)
    this.slots.delete(slot)
    if (!held) return
    if (held.kind === 'vmap') vunmap(sys, held.page)
    else if (held.kind.startsWith('get_vm_area')) free_vm_area(sys, find_vm_area(sys, held.page))
    else vfree(sys, held.page)
  }
}
