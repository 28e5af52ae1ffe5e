// What stories of processes need: the running process's pages, by address.
import { get_current } from '../mm/mm_counter.ts'
import type { Sys } from '../mm/mmzone.ts'
import { type PagemapEntry, pagemap_entry } from '../mm/task_mmu.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../mm/vm_flags.ts'
import type { Stage } from './scenario.ts'

const RW = PROT_READ | PROT_WRITE

/** Private anonymous memory of the running process: its first page. */
export function mapAnonymous(stage: Stage, pages: number, prot = RW): number {
  return stage.do({ op: 'mmap', pages, prot, flags: MAP_PRIVATE | MAP_ANONYMOUS }).page!
}

/** Where a page of a process is; default: of the running one. */
export function pageOf(sys: Sys, page: number, task: number = get_current(sys)): PagemapEntry {
  if (!(task > 0)) throw new RangeError('no process runs')
  return pagemap_entry(sys, sys.task.mm[task]!, page)
}

/** An address in hexadecimal. */
export const addressText = (sys: Sys, page: number): string => `0x${(page * sys.page_bytes).toString(16)}`
