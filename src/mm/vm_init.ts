// What boot decides for processes: the page of zeros and the settings of overcommit and huge pages.
import type { Sys } from './mmzone.ts'
import { swapper_pg_dir } from './pgtable_map.ts'
import { reclaim_init } from './reclaim_room.ts'
import { THP_ALWAYS, THP_DEFRAG_MADVISE, THP_NEVER } from './thp_settings.ts'
import { zero_page_init } from './zero_page.ts'

/** Whether the machine has room for processes. @ours */
export function has_processes(sys: Sys): boolean {
  return sys.task.state.length > 0
}

/** Sets what boot sets, once; the kernel's address space must be there. Huge pages are off where memory is scarce.
 * @kernel init/main.c:rest_init */
export function vm_init(sys: Sys): void {
  const { vm_state } = sys
  if (!has_processes(sys)) throw new RangeError('this machine has no room for processes: boot it with nr_tasks')
  if (swapper_pg_dir(sys) < 0) throw new RangeError("processes need the kernel's address space: it is not set up")
  if (vm_state.zero_pfn[0] !== 0) return
  vm_state.overcommit_ratio[0] = 50
  vm_state.user_reserve_kbytes[0] = 131072
  vm_state.admin_reserve_kbytes[0] = 8192
  vm_state.thp_enabled[0] =
    sys.kernel.config.TRANSPARENT_HUGEPAGE && sys.sysctl.khugepaged_min_free[0] !== 0 ? THP_ALWAYS : THP_NEVER
  vm_state.thp_defrag[0] = THP_DEFRAG_MADVISE
  vm_state.thp_use_zero_page[0] = 1
  zero_page_init(sys)
  reclaim_init(sys)
}
