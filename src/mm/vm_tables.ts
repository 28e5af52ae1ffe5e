// Tables of processes: tasks, address spaces, areas, the chains from a page to its mappings, files and their page caches.
// Row 0 of each is nobody, so that zeros are "none". Addresses are page numbers unless a column says bytes. A machine
// that has no processes has no rows here. Unused rows form chains through the column that says so.
import { f64, i32, u8, u16, u32 } from '../image/table.ts'

/** Bytes of a task's name, with the 0 that ends it. */
export const COMM_LEN = 16
/** Bytes of a file's name, with the 0 that ends it. */
export const NAME_LEN = 48
/** Slots of a node of the page cache's tree. @kernel include/linux/xarray.h:XA_CHUNK_SIZE */
export const XA_CHUNK = 64

/** One row a task. @kernel include/linux/sched.h:struct task_struct */
export const TASK = {
  state: u8('TASK_*; 0 = unused'),
  comm: u8('name, ASCII, ends with 0', COMM_LEN),
  pid: i32('number of the task'),
  tgid: i32('number of its process: the pid of its first thread'),
  parent: i32('the task that made it; 0 = the kernel'),
  mm: i32('address space; 0 = none'),
  flags: u32('bits PF_*'),
  rss_stat: i32('pages that it has not added to mm.rss_stat yet, by MM_*', 4),
  rss_events: i32('faults since it added them'),
  min_flt: f64('faults without I/O'),
  maj_flt: f64('faults with I/O'),
  oom_score_adj: i32('-1000 … 1000'),
  oom_reap_at: f64('microseconds: when the OOM reaper comes; 0 = it does not'),
  oom_reap_tries: i32('times that it came in vain'),
  stuck: u8('1 = it waits for something that does not come, and no signal reaches it'),
  rlim: f64('bytes by RLIMIT_*; Infinity = no limit', 8),
  signal: i32('signal that waits for it; 0 = none'),
  si_code: i32('why: SEGV_* or BUS_*'),
  si_addr: f64('address that faulted, bytes'),
  error_code: i32("the processor's word about its last bad fault: bits PF_PROT, PF_WRITE, PF_USER, PF_INSTR"),
  exit_code: i32('what it ended with'),
  policy: i32('memory policy; 0 = default'),
  memcg: i32('its memory control group; 0 = the root'),
  il_prev: i32('node that interleaving used last'),
  next: i32('chain of unused rows'),
} as const

/** One row an address space. @kernel include/linux/mm_types.h:struct mm_struct */
export const MM = {
  users: i32('tasks that run in it, and whoever looks into it'),
  pgd: i32('frame of the top-level table + 1; 0 = none'),
  task_size: f64('first page that no mapping may reach'),
  mmap_base: f64('mappings are placed below this page, the highest first'),
  start_brk: f64('bytes'),
  brk: f64('bytes'),
  start_code: f64('bytes'),
  end_code: f64('bytes'),
  start_data: f64('bytes'),
  end_data: f64('bytes'),
  start_stack: f64('bytes'),
  arg_start: f64('bytes'),
  arg_end: f64('bytes'),
  total_vm: f64('pages mapped'),
  locked_vm: f64('pages of areas that are VM_LOCKED'),
  data_vm: f64('pages of private writable areas'),
  exec_vm: f64('pages of code'),
  stack_vm: f64('pages of stacks'),
  def_flags: u32('VM_* of every new area'),
  pgtables_bytes: f64('bytes of page tables below the top level'),
  rss_stat: f64('resident pages by MM_*', 4),
  hiwater_rss: f64('most resident pages there were'),
  hiwater_vm: f64('most pages mapped there were'),
  map_count: i32('areas'),
  flags: u32('bits MMF_*'),
  vma_root: i32('root of the tree of its areas'),
  mmap: i32('the area with the lowest address'),
  vmacache: i32('the area that was found last'),
  owner: i32('a task of it'),
  khugepaged: i32('next + 1 in the list of what khugepaged scans; 0 = not on it'),
  next: i32('chain of unused rows'),
} as const

/** One row an area. @kernel include/linux/mm_types.h:struct vm_area_struct */
export const VMA = {
  mm: i32('its address space; 0 = unused'),
  start: f64('first page'),
  end: f64('first page behind'),
  flags: u32('bits VM_*'),
  pgoff: f64('offset in the file, pages; of anonymous areas the page where it was mapped first'),
  file: i32('row of its open file; 0 = anonymous'),
  anon_vma: i32('where its own anonymous pages look for their mappings; 0 = it has none yet'),
  chain: i32('first anon_vma_chain of it'),
  next: i32('the area above; of an unused row the next of the chain'),
  prev: i32('the area below'),
  rb: i32('left, right, parent', 3),
  red: u8('1 = red'),
  max: f64('largest area of the subtree, pages'),
  i_mmap_next: i32('next area of the same file'),
  i_mmap_prev: i32('the one before'),
  policy: i32('memory policy; 0 = that of the task'),
  special: u8('SPECIAL_*: what the kernel maps itself'),
  huge_used: i32('huge pages of its promise that were used'),
} as const

/** One row an anon_vma. Law: root = 0 means unused. @kernel include/linux/rmap.h:struct anon_vma */
export const ANON_VMA = {
  root: i32('first of the family'),
  parent: i32('that of the process which forked'),
  refcount: i32('users: areas, and children of a root'),
  num_children: i32('children, itself included where it is a root'),
  num_active_vmas: i32('areas whose anon_vma it is'),
  head: i32('first chain entry'),
  next: i32('chain of unused rows'),
} as const

/** One row a link between an area and an anon_vma. @kernel include/linux/rmap.h:struct anon_vma_chain */
export const ANON_VMA_CHAIN = {
  vma: i32('the area; 0 = unused'),
  anon_vma: i32('the anon_vma'),
  same_vma: i32('next link of the area; of an unused row the next of the chain'),
  next: i32('next link of the anon_vma'),
  prev: i32('the one before'),
} as const

/** One row an inode with its page cache. The page cache's tree is row `inode` of xa_root.
 * @kernel include/linux/fs.h:struct inode, struct address_space */
export const INODE = {
  kind: u8('INODE_*; 0 = unused'),
  name: u8('path, ASCII, ends with 0', NAME_LEN),
  dev: u16('major << 8 | minor'),
  ino: i32('number of the inode'),
  refs: i32('open files'),
  nlink: i32('names; 0 = it goes with the last open file'),
  size: f64('bytes'),
  nrpages: i32('pages in the page cache'),
  dirty: i32('dirty ones of them'),
  i_mmap: i32('first area that maps it'),
  i_mmap_writable: i32('shared areas that may write'),
  flags: u32('bits AS_*'),
  program: i32('of a program, pages: first one, headers, code, constants, data, bss, where data is in the file', 7),
  reserved: f64('of memory without a name: pages promised'),
  next: i32('chain of unused rows'),
} as const

/** One row an open file. @kernel include/linux/fs.h:struct file */
export const FILE = {
  inode: i32('its inode; 0 = unused'),
  refs: i32('users: descriptors and areas'),
  flags: u32('bits FMODE_*'),
  pos: f64('bytes'),
  ra_start: f64('window of readahead: first page'),
  ra_size: i32('pages'),
  ra_async_size: i32('pages ahead at which the next window is begun'),
  ra_pages: i32('largest window; 0 = no readahead'),
  mmap_miss: i32('faults that missed the page cache, less those that hit'),
  prev_pos: f64('bytes: where the last read ended; -1 = none'),
  next: i32('chain of unused rows'),
} as const

/** Trees of page caches: one row an inode, then what others need (swap caches). */
export const XA_ROOT = {
  head: i32('top node; 0 = empty'),
} as const

/** One row a node. A slot: 0 = empty, > 0 = frame + 1 (or node below), < 0 = -1 - value (a shadow, a swap entry).
 * @kernel include/linux/xarray.h:struct xa_node */
export const XA_NODE = {
  shift: u8('bits of the index below its slots'),
  offset: u8('its slot in the parent'),
  count: u8('slots in use'),
  nr_values: u8('of them values'),
  parent: i32('the node above; of an unused row the next of the chain'),
  root: i32('its tree + 1; 0 = unused'),
  slots: i32('entries', XA_CHUNK),
} as const

/** Per CPU. */
export const VM_CPU = {
  current: i32('the task that runs; 0 = none'),
  in_lru_fault: u8('1 = it is in a fault of an area whose pages have recency'),
} as const

/** Scalars of virtual memory: one row. */
export const VM_STATE = {
  zero_pfn: i32('frame of the page of zeros + 1; 0 = not there yet'),
  huge_zero_pfn: i32('first frame of the huge page of zeros + 1; 0 = none'),
  huge_zero_refcount: i32('mms that use it, and one for the shrinker'),
  vm_committed_as: f64('pages promised'),
  overcommit_memory: i32('OVERCOMMIT_*'),
  overcommit_ratio: i32('per cent of memory that may be promised'),
  overcommit_kbytes: f64('kB instead of the ratio; 0 = the ratio counts'),
  admin_reserve_kbytes: f64('kB kept for the administrator'),
  user_reserve_kbytes: f64('kB kept from one process'),
  last_pid: i32('number of the task that was made last'),
  oom_adj_warned: u8('1 = somebody was told that oom_adj is old'),
  thp_enabled: i32('THP_*'),
  thp_defrag: i32('THP_DEFRAG_*'),
  thp_use_zero_page: i32('1 = reads map the huge page of zeros'),
  khugepaged_mm: i32('first mm + 1 that khugepaged scans'),
  khugepaged_address: f64('page where its scan goes on'),
  khugepaged_pages_collapsed: f64('times'),
  khugepaged_full_scans: f64('times'),
  hugetlb_total: i32('huge pages of the pool'),
  hugetlb_free: i32('of them free'),
  hugetlb_resv: i32('of the free ones promised'),
  hugetlb_surplus: i32('of the pool above what was asked for'),
  hugetlb_overcommit: i32('surplus pages that there may be'),
  hugetlb_head: i32('first free huge page + 1, chained by page.private'),
  deferred_split: i32('first huge page + 1 that waits to be split, chained by the columns of its tails'),
  unused: i32('first rows of the chains of unused rows, by ROWS_*', 10),
  used: i32('rows that were ever used, by ROWS_*', 10),
} as const

/** Index into vm_state.unused and .used. */
export const ROWS_TASK = 0
export const ROWS_MM = 1
export const ROWS_VMA = 2
export const ROWS_ANON_VMA = 3
export const ROWS_AVC = 4
export const ROWS_INODE = 5
export const ROWS_FILE = 6
export const ROWS_XA = 7

/** The tables by name, for TABLES. @ours */
export const VM_TABLES = {
  vm_state: VM_STATE,
  vm_cpu: VM_CPU,
  task: TASK,
  mm: MM,
  vma: VMA,
  anon_vma: ANON_VMA,
  anon_vma_chain: ANON_VMA_CHAIN,
  inode: INODE,
  file: FILE,
  xa_root: XA_ROOT,
  xa_node: XA_NODE,
} as const

/** What a machine with processes has room for; all of it follows from the number of tasks unless it is said. */
export interface VmShape {
  /** Tasks that may be at once; 0 (the default) = the machine has no processes. */
  readonly nr_tasks?: number
  /** Areas of all address spaces together. */
  readonly nr_vmas?: number
  /** Files, memory files included. */
  readonly nr_inodes?: number
  /** Nodes of all page caches: one for 64 pages. */
  readonly nr_xa_nodes?: number
}

/** Trees of xa_root behind those of the inodes. */
export const NR_EXTRA_XA_ROOTS = 64

/** Rows of the tables. @ours */
export function vm_rows(shape: VmShape, nr_cpus: number): Readonly<Record<keyof typeof VM_TABLES, number>> {
  const tasks = shape.nr_tasks ?? 0
  if (tasks === 0) return NO_ROWS
  const vmas = shape.nr_vmas ?? Math.max(256, 24 * tasks)
  const inodes = shape.nr_inodes ?? 64
  return {
    vm_state: 1,
    vm_cpu: nr_cpus,
    task: tasks + 1,
    mm: tasks + 1,
    vma: vmas + 1,
    anon_vma: vmas + 1,
    anon_vma_chain: 4 * vmas + 1,
    inode: inodes + 1,
    file: 2 * inodes + 1,
    xa_root: inodes + 1 + NR_EXTRA_XA_ROOTS,
    xa_node: (shape.nr_xa_nodes ?? 1024) + 1,
  }
}

const NO_ROWS = {
  vm_state: 0,
  vm_cpu: 0,
  task: 0,
  mm: 0,
  vma: 0,
  anon_vma: 0,
  anon_vma_chain: 0,
  inode: 0,
  file: 0,
  xa_root: 0,
  xa_node: 0,
} as const
