// A process that touches pages: one region of its own memory, one of a file, some of its program, by the model's faults.
import { GFP_KERNEL } from '../mm/gfp.ts'
import { handle_mm_fault } from '../mm/memory.ts'
import type { Sys } from '../mm/mmzone.ts'
import { alloc_page } from '../mm/page_alloc/alloc_pages.ts'
import { adopt_table } from '../mm/pgtable.ts'
import { cond_resched, spend } from '../mm/reclaim_clock.ts'
import { pmd_is_table, pmd_offset, pte_offset } from '../mm/user_pgtable.ts'
import {
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  INODE_REGULAR,
  INODE_SHMEM,
  TASK_RUNNING,
  VM_EXEC,
  VM_FAULT_ERROR,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_RAND_READ,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts'
import { take_vm_row } from '../mm/vm_rows.ts'
import { ROWS_FILE, ROWS_INODE, ROWS_MM, ROWS_TASK } from '../mm/vm_tables.ts'
import { vm_area_alloc, vma_link } from '../mm/vma.ts'

/** A task with an empty address space; it runs from now on. */
export function startTask(sys: Sys): { task: number; mm: number } {
  const mm = take_vm_row(sys, ROWS_MM, sys.mm.next)
  const task = take_vm_row(sys, ROWS_TASK, sys.task.next)
  const pgd = alloc_page(sys, GFP_KERNEL)
  adopt_table(sys, pgd)
  sys.mm.pgd[mm] = pgd + 1
  sys.mm.users[mm] = 1
  sys.mm.task_size[mm] = 0x7ffffffff
  sys.mm.owner[mm] = task
  sys.task.state[task] = TASK_RUNNING
  sys.task.pid[task] = sys.task.tgid[task] = 100
  sys.task.mm[task] = mm
  sys.vm_cpu.current[sys.machine.this_cpu[0]!] = task
  return { task, mm }
}

/** An open file of `pages` pages. */
export function openFile(sys: Sys, kind: number, pages: number): number {
  const inode = take_vm_row(sys, ROWS_INODE, sys.inode.next)
  const file = take_vm_row(sys, ROWS_FILE, sys.file.next)
  sys.inode.kind[inode] = kind
  sys.inode.size[inode] = pages * sys.page_bytes
  sys.inode.refs[inode] = 1
  sys.inode.nlink[inode] = 1
  sys.file.inode[file] = inode
  sys.file.refs[file] = 1
  sys.file.ra_pages[file] = 32
  return file
}

/** An area of `pages` pages. */
export function mapArea(sys: Sys, mm: number, start: number, pages: number, flags: number, file = 0): number {
  const vma = vm_area_alloc(sys, mm)
  sys.vma.start[vma] = start
  sys.vma.end[vma] = start + pages
  sys.vma.flags[vma] = flags
  sys.vma.pgoff[vma] = file === 0 ? start : 0
  sys.vma.file[vma] = file
  vma_link(sys, mm, vma)
  return vma
}

export const ANON_FLAGS: number = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_NORESERVE
export const FILE_FLAGS: number = VM_READ | VM_SHARED | VM_MAYREAD | VM_MAYSHARE | VM_RAND_READ
export const TEXT_FLAGS: number = VM_READ | VM_EXEC | VM_MAYREAD
export { INODE_REGULAR, INODE_SHMEM }

/** Touches pages of one area quickly: where its tables lie is remembered. */
export class Toucher {
  private readonly tables: Int32Array
  private readonly pmds: Int32Array
  private readonly start: number
  private readonly first: number
  private readonly pgd: number

  private readonly sys: Sys
  private readonly vma: number

  constructor(sys: Sys, vma: number) {
    this.sys = sys
    this.vma = vma
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
