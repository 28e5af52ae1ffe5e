// Tables of the per-CPU allocator: chunks of address space that hold one unit for each CPU, and which bytes of a unit are
// taken. Law: what is taken in one unit is taken in all.
import { f64, i32, u8, u32 } from '../image/table.ts'

/** One row a chunk. @kernel mm/percpu-internal.h:struct pcpu_chunk */
export const PERCPU_CHUNK = {
  used: u8('1 = the chunk exists'),
  page: f64('first page of the first CPU’s unit, a virtual page number'),
  free: i32('granules that are free'),
  hint: i32('first granule that may be free'),
  contig: i32('granules that the longest free run has at most'),
  contig_at: i32('where that begins'),
} as const

/** One row for 32 granules of a chunk. */
export const PERCPU_MAP = {
  taken: u32('bit n = the granule is taken'),
  begins: u32('bit n = an allocation begins, or the granules behind one'),
} as const

/** One row: memory that waits for the end of a grace period, see kvfree_rcu.ts. */
export const RCU_STATE = {
  head: f64('key of the rcu_head that was queued last; the others follow through it'),
  waiting: i32('how many wait'),
} as const

/** Bytes of a granule. @kernel include/linux/percpu.h:PCPU_MIN_ALLOC_SIZE */
export const PCPU_MIN_ALLOC_SIZE = 4
/** Bytes of a unit. @kernel mm/percpu.c:pcpu_unit_size @differs a kernel's depends on its static per-CPU data */
export const PCPU_UNIT_BYTES = 65536
export const PCPU_UNIT_GRANULES: number = PCPU_UNIT_BYTES / PCPU_MIN_ALLOC_SIZE

/** Chunks where the shape does not say. */
const NR_PERCPU_CHUNKS = 4

/** The tables by name, for TABLES. @ours */
export const PERCPU_TABLES = { percpu_chunk: PERCPU_CHUNK, percpu_map: PERCPU_MAP, rcu_state: RCU_STATE } as const

/** Rows of the tables. @ours */
export function percpu_rows(chunks: number = NR_PERCPU_CHUNKS): { [Name in keyof typeof PERCPU_TABLES]: number } {
  return { percpu_chunk: chunks, percpu_map: (chunks * PCPU_UNIT_GRANULES) / 32, rcu_state: 1 }
}
