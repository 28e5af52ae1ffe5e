// The table of NUMA memory policies (mempolicy.ts).
import { i32, u32 } from '../image/table.ts'
import type { VmShape } from './vm_tables.ts'

/** One row a policy. @kernel include/linux/mempolicy.h:struct mempolicy */
export const MEMPOLICY = {
  refcnt: i32('users; 0 = unused'),
  mode: i32('MPOL_*'),
  flags: u32('bits MPOL_F_*'),
  nodes: u32('bits of the nodes', 2),
  home_node: i32('node to begin with + 1; 0 = that of the CPU'),
} as const

/** Rows: as many policies as tasks could have, and as many again for areas; row 0 is none. @ours */
export function mempolicy_rows({ nr_tasks = 0 }: VmShape): number {
  return nr_tasks === 0 ? 0 : 2 * nr_tasks + 1
}
