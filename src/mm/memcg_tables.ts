// Tables of memory control groups. Row 0 is the root group, which has no limit and counts nothing. A machine whose shape asks
// for no groups has no row here, and asks nobody.
import { f64, i32, u8, u16 } from '../image/table.ts'

/** Bytes of a group's name, with the 0 that ends it. */
export const CGROUP_NAME_LEN = 32
/** Events of a group. @kernel include/linux/memcontrol.h:enum memcg_memory_event */
export const MEMCG_LOW = 0
export const MEMCG_HIGH = 1
export const MEMCG_MAX = 2
export const MEMCG_OOM = 3
export const MEMCG_OOM_KILL = 4
export const MEMCG_OOM_GROUP_KILL = 5
export const NR_MEMCG_EVENTS = 6

/** One row a group. Laws: usage is what its frames, those of groups below it, and CPUs' stocks have; so is swap_usage of
 * slots. @kernel include/linux/memcontrol.h:struct mem_cgroup */
export const MEMCG = {
  used: u8('1 = the group is there'),
  name: u8('its folder, ASCII, ends with 0', CGROUP_NAME_LEN),
  parent: i32('the group above; 0 = the root'),
  usage: f64('pages charged, those of groups below included'),
  max: f64('pages; Infinity = no limit'),
  high: f64('pages above which it reclaims; Infinity = none'),
  watermark: f64('most pages there were'),
  failcnt: f64('charges that met the limit'),
  kmem: f64('pages of page tables, those of groups below included'),
  swap_usage: f64('slots of swap, those of groups below included'),
  swap_max: f64('slots; Infinity = no limit'),
  swap_failcnt: f64('charges of swap that met the limit'),
  oom_group: u8('1 = its processes are killed together'),
  events: f64('MEMCG_* that happened here', NR_MEMCG_EVENTS),
  pgfault: f64('faults of its processes'),
  pgmajfault: f64('of them with I/O'),
  pgscan: f64('pages that reclaim for its limit has looked at'),
  pgsteal: f64('of them freed'),
} as const

/** One row a CPU: pages charged that nobody uses yet. @kernel mm/memcontrol.c:struct memcg_stock_pcp */
export const MEMCG_STOCK = {
  cached: i32('the group'),
  nr_pages: i32('pages'),
} as const

/** One row a frame. @kernel include/linux/mm_types.h:struct page memcg_data */
export const PAGE_MEMCG = { id: u16('group that its block is charged to; 0 = none') } as const

/** One row a slot of swap. @kernel include/linux/swap_cgroup.h:struct swap_cgroup */
export const SWAP_MEMCG = { id: u16('group whose page is there; 0 = none') } as const

/** The tables by name, for TABLES. @ours */
export const MEMCG_TABLES = {
  memcg: MEMCG,
  memcg_stock: MEMCG_STOCK,
  page_memcg: PAGE_MEMCG,
  swap_memcg: SWAP_MEMCG,
} as const

/** Room for groups. */
export interface MemcgShape {
  /** Control groups that may be at once; 0 (the default) = there are none. */
  readonly nr_memcgs?: number
}

/** Rows of the tables. @ours */
export function memcg_rows(
  shape: MemcgShape & { readonly nr_swap_slots?: number },
  nr_cpus: number,
  nr_frames: number,
): Readonly<Record<keyof typeof MEMCG_TABLES, number>> {
  const groups = shape.nr_memcgs ?? 0
  const on = groups > 0 ? 1 : 0
  return {
    memcg: on * (groups + 1),
    memcg_stock: on * nr_cpus,
    page_memcg: on * nr_frames,
    swap_memcg: on * (shape.nr_swap_slots ?? 0),
  }
}
