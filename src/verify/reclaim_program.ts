// A process that touches pages: one region of its own memory, one of a file, some of its program, by the model's faults.
import { GFP_KERNEL } from '../mm/gfp.ts'
import type { Sys } from '../mm/mmzone.ts'
import { alloc_page } from '../mm/page_alloc/alloc_pages.ts'
import { adopt_table } from '../mm/pgtable.ts'
import {
  INODE_REGULAR,
  INODE_SHMEM,
  TASK_RUNNING,
  VM_EXEC,
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
