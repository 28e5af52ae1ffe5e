// How much memory may be promised (vm.overcommit_memory): 0 = what is plainly too much is refused, 1 = everything is
// promised, 2 = not more than swap and a part of the memory. Law: vm_committed_as is the sum of all accounted areas.
import type { Sys } from './mmzone.ts'
import { totalram_pages } from './page_alloc/setup.ts'
import { ENOMEM } from './vm_flags.ts'

export const OVERCOMMIT_GUESS = 0
export const OVERCOMMIT_ALWAYS = 1
export const OVERCOMMIT_NEVER = 2

/** Pages that may be promised in mode 2. @kernel mm/util.c:vm_commit_limit */
export function vm_commit_limit(sys: Sys): number {
  const { overcommit_kbytes, overcommit_ratio, hugetlb_total } = sys.vm_state
  const huge = hugetlb_total[0]! * 2 ** sys.kernel.huge_order
  const kib = sys.page_bytes / 1024
  const allowed =
    overcommit_kbytes[0]! > 0
      ? Math.floor(overcommit_kbytes[0]! / kib)
      : Math.floor(((totalram_pages(sys) - huge) * overcommit_ratio[0]!) / 100)
  return allowed + (sys.seams.swap?.total_swap_pages(sys) ?? 0)
}

/** Promises pages: 0, or -ENOMEM. @kernel mm/util.c:__vm_enough_memory
 * @differs every task has the administrator's rights, as a task that boot made has */
export function __vm_enough_memory(sys: Sys, mm: number, pages: number, admin = true): number {
  const { vm_committed_as, overcommit_memory, user_reserve_kbytes, admin_reserve_kbytes } = sys.vm_state
  vm_committed_as[0]! += pages
  if (overcommit_memory[0] === OVERCOMMIT_ALWAYS) return 0
  if (overcommit_memory[0] === OVERCOMMIT_GUESS) {
    if (pages <= totalram_pages(sys) + (sys.seams.swap?.total_swap_pages(sys) ?? 0)) return 0
  } else {
    const kib = sys.page_bytes / 1024
    let allowed = vm_commit_limit(sys)
    if (!admin) allowed -= Math.floor(admin_reserve_kbytes[0]! / kib)
    if (mm !== 0) allowed -= Math.min(Math.floor(sys.mm.total_vm[mm]! / 32), Math.floor(user_reserve_kbytes[0]! / kib))
    if (vm_committed_as[0]! < allowed) return 0
  }
  vm_committed_as[0]! -= pages
  return -ENOMEM
}

/** Takes a promise back. @kernel include/linux/mman.h:vm_unacct_memory */
export function vm_unacct_memory(sys: Sys, pages: number): void {
  sys.vm_state.vm_committed_as[0]! -= pages
}
