// Programs of vm_map_ram calls (custom, part H, vmram/): every address, the pages that wait for a purge after each call, and
// every dump with its blocks line for line.
import type { Sys } from '../mm/mmzone.ts'
import { vm_map_ram, vm_unmap_aliases, vm_unmap_ram } from '../mm/vmap_block.ts'
import { tally, type VerifyKind } from './types.ts'
import { type Player, playVmalloc } from './vmalloc.ts'
import { addressText, pageOf, type Row } from './vmalloc_state.ts'

const VMRAM_FILE = /(^|\/)vmram\/r[^/]*\.jsonl(\.gz)?$/

/** Kind `vm_map_ram` of `mmtwin verify`. */
export const vmMapRamKind: VerifyKind = {
  kind: 'vm_map_ram',
  run(files) {
    const counts = tally('vm_map_ram')
    for (const file of files) if (VMRAM_FILE.test(file.path)) playVmalloc(file, counts, sys => new VmramPlayer(sys))
    return counts.result()
  },
}

class VmramPlayer implements Player {
  private readonly sys: Sys
  /** Pages of each mapping by its first page. */
  private readonly mapped = new Map<number, number>()

  constructor(sys: Sys) {
    this.sys = sys
  }

  play(row: Row): Row {
    let fields: Row = {}
    if (row.op === 'map') fields = { addr: this.map(Number(row.count)) }
    else if (row.op === 'unmap') fields = { addr: this.unmap(pageOf(row.addr)) }
    else if (row.op === 'unmap_rest_and_aliases') {
      for (const page of [...this.mapped.keys()]) this.unmap(page)
      vm_unmap_aliases(this.sys)
    } else fields = { op: 'an operation map, unmap or unmap_rest_and_aliases' }
    return { ...row, ...fields, lazy: this.sys.vmalloc.lazy_nr[0] }
  }

  private map(count: number): string {
    const page = vm_map_ram(this.sys, new Float64Array(count))
    if (page === 0) return '0x0'
    this.mapped.set(page, count)
    return addressText(page)
  }

  private unmap(page: number): string {
    const count = this.mapped.get(page)
    if (count === undefined) return 'a mapping that is not there'
    this.mapped.delete(page)
    vm_unmap_ram(this.sys, page, count)
    return addressText(page)
  }
}
