// Who touches the pages of one area again and again, as the processor does it: entries of page tables are marked, and what
// they do not serve is a page fault. Law: the area is not unmapped meanwhile, so its tables stay where they are.
import { handle_mm_fault } from '../mm/memory.ts'
import type { Sys } from '../mm/mmzone.ts'
import { cond_resched, spend } from '../mm/reclaim_clock.ts'
import { pmd_is_table, pmd_offset, pte_offset } from '../mm/user_pgtable.ts'
import { FAULT_FLAG_USER, FAULT_FLAG_WRITE, VM_FAULT_ERROR } from '../mm/vm_flags.ts'

/** Touches pages of one area quickly: where its tables lie is remembered. */
export class Toucher {
  private readonly tables: Int32Array
  private readonly pmds: Int32Array
  private readonly start: number
  private readonly first: number
  private readonly pgd: number

  private readonly sys: Sys
  private readonly vma: number
  private readonly beforeFault: ((index: number) => void) | null

  /** `beforeFault` is called with every touch that the tables do not serve. */
  constructor(sys: Sys, vma: number, beforeFault: ((index: number) => void) | null = null) {
    this.sys = sys
    this.vma = vma
    this.beforeFault = beforeFault
    this.start = sys.vma.start[vma]!
    this.first = Math.floor(this.start / 512)
    this.tables = new Int32Array(Math.floor((sys.vma.end[vma]! - 1) / 512) - this.first + 1).fill(-1)
    this.pmds = new Int32Array(this.tables.length)
    this.pgd = sys.mm.pgd[sys.vma.mm[vma]!]! - 1
  }

  /** Touches page `index` of the area; false = the process does not survive it. */
  touch(index: number, write: boolean): boolean {
    const { sys } = this
    const page = this.start + index
    const table = Math.floor(page / 512) - this.first
    const base = this.tables[table]!
    const words = sys.physmem_words
    if (base >= 0) {
      const at = base + 2 * (page % 512)
      const low = words[at]!
      if ((low & 1) !== 0 && (!write || (low & 2) !== 0)) {
        words[at] = low | (write ? 0x60 : 0x20)
        // The walk marks the upper level as used, too.
        words[this.pmds[table]!] = words[this.pmds[table]!]! | 0x20
        return true
      }
    }
    this.beforeFault?.(index)
    return this.fault(page, table, write)
  }

  private fault(page: number, table: number, write: boolean): boolean {
    const { sys, vma } = this
    const flags = FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0)
    for (let turn = 0; turn < 100; turn++) {
      spend(sys, sys.reclaim_clock.fault[0]!)
      const ret = handle_mm_fault(sys, vma, page, flags)
      cond_resched(sys)
      if ((ret & VM_FAULT_ERROR) !== 0) return false
      const pmd = pmd_offset(sys, this.pgd, page)
      if (pmd === -1 || !pmd_is_table(sys, pmd)) continue
      const base = pte_offset(sys, pmd, page - (page % 512))
      this.tables[table] = base
      this.pmds[table] = pmd
      sys.physmem_words[pmd] = sys.physmem_words[pmd]! | 0x20
      const at = base + 2 * (page % 512)
      const low = sys.physmem_words[at]!
      if ((low & 1) === 0 || (write && (low & 2) === 0)) continue
      sys.physmem_words[at] = low | (write ? 0x60 : 0x20)
      return true
    }
    return false
  }
}
