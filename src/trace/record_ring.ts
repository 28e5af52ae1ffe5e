// The record ring: the last events of a running twin, in the columns of a batch, oldest overwritten first.
// Law: fixed memory; recording allocates nothing; `entries` and `written` count as the kernel's ring buffer does.
// `probes` is what a machine's `sys.trace` is set to: one function per tracepoint, arguments into their columns.

import { EventBatch, StringTable } from './batch.ts'
import { KIND, TRACEPOINT_BY_NAME, type Tracepoint } from './events.ts'
import type { ProbeName, Probes } from './probes.ts'

/** Who runs on the twin when an event happens. */
export interface RecordContext {
  cpu: number
  pid: number
  /** Number in the ring's string table. */
  comm: number
  /** Seconds. */
  time: number
}

export class RecordRing {
  readonly rows: EventBatch
  /** Set by the machine before it acts; copied into every event. */
  readonly context: RecordContext
  /** Name of a task by its row; set by the machine. */
  taskName: (task: number) => string = String
  #written = 0
  /** Argument columns that a probe of this ring writes; all others stay empty once the ring has been round. */
  readonly #used: Float64Array[] = []

  /** @param capacity events kept, 1 … 2^24 */
  constructor(capacity: number, strings: StringTable = new StringTable()) {
    this.rows = new EventBatch(capacity, strings)
    this.context = { cpu: 0, pid: 0, comm: strings.of('<idle>'), time: 0 }
  }

  /** Events recorded since the beginning. */
  get written(): number {
    return this.#written
  }

  /** Events still in the ring. */
  get entries(): number {
    return Math.min(this.#written, this.rows.capacity)
  }

  /** Empties the ring. */
  clear(): void {
    this.#written = 0
  }

  /** Probes for some tracepoints (by default all that exist); leave out what is not wanted, it then costs nothing. */
  probes(names: readonly ProbeName[] = PROBE_NAMES): Probes {
    const probes: Record<string, (...values: number[]) => void> = {}
    for (const name of names) {
      const event = TRACEPOINT_BY_NAME.get(name)
      if (!event) throw new RangeError(`no tracepoint ${name}`)
      probes[name] = this.#probe(event)
    }
    return probes as Probes
  }

  /** Writes a marker, as a process does through tracefs `trace_marker`. */
  mark(text: string): void {
    const row = this.#next(KIND.tracing_mark_write)
    this.rows.text[row] = this.rows.strings.of(text)
  }

  /** Gives the events in order, oldest first, in batches of up to `size`; the batch is reused. */
  read(onBatch: (batch: EventBatch) => void, size = 4096): void {
    const out = new EventBatch(Math.min(size, Math.max(1, this.entries)), this.rows.strings)
    const { capacity } = this.rows
    for (let n = this.#written - this.entries; n < this.#written; n++) {
      copyRow(this.rows, n % capacity, out, out.length++)
      if (out.length < out.capacity && n + 1 < this.#written) continue
      onBatch(out)
      out.length = 0
    }
  }

  #probe(event: Tracepoint): (...values: number[]) => void {
    const { kind, probe, name } = event
    const wide = WIDE[name]
    if (wide) return this.#wideProbe(event, wide.count, wide.names)
    const columns = probe.map(i => this.rows.args[i]!)
    for (const column of columns) if (!this.#used.includes(column)) this.#used.push(column)
    const [c0, c1, c2, c3, c4, c5] = columns
    // Six plain parameters: a rest parameter would allocate for each event.
    return (v0: number, v1: number, v2: number, v3: number, v4: number, v5: number): void => {
      const row = this.#next(kind)
      if (c0) c0[row] = v0
      if (c1) c1[row] = v1
      if (c2) c2[row] = v2
      if (c3) c3[row] = v3
      if (c4) c4[row] = v4
      if (c5) c5[row] = v5
    }
  }

  /** Events with more arguments, or whose last one is a number that has a name. */
  #wideProbe(event: Tracepoint, count: number, names: Names): (...values: number[]) => void {
    const { rows } = this
    const columns = rows.args.slice(0, count)
    for (const column of columns) if (!this.#used.includes(column)) this.#used.push(column)
    const texts = Array.isArray(names) ? names.map(name => rows.strings.of(name)) : null
    return (...values: number[]): void => {
      const row = this.#next(event.kind)
      for (let i = 0; i < count; i++) columns[i]![row] = values[i]!
      if (texts) rows.text[row] = texts[values[count]!] ?? -1
      // A kernel that prints nothing but the number prints no name, either.
      else if (names === 'task' && !Number.isNaN(values[count]!))
        rows.text[row] = rows.strings.of(this.taskName(values[count]!))
    }
  }

  #next(kind: number): number {
    const { rows, context } = this
    const row = this.#written % rows.capacity
    if (this.#written < rows.capacity) rows.clear(row)
    else this.#wipe(row)
    rows.kind[row] = kind
    rows.cpu[row] = context.cpu
    rows.pid[row] = context.pid
    rows.comm[row] = context.comm
    rows.time[row] = context.time
    rows.line[row] = ++this.#written
    return row
  }

  /** Takes the event off a row that is used again: what no probe writes is empty since the first time. */
  #wipe(row: number): void {
    const used = this.#used
    for (let i = 0; i < used.length; i++) used[i]![row] = Number.NaN
    this.rows.text[row] = -1
  }
}

const WRITES = ['RECLAIM_WB_ANON|RECLAIM_WB_ASYNC', 'RECLAIM_WB_FILE|RECLAIM_WB_ASYNC']
const LISTS = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable']
const REASONS = ['WRITEBACK', 'ISOLATED', 'NOPROGRESS', 'CONGESTED'].map(reason => `VMSCAN_THROTTLE_${reason}`)

/** Names of an event's last number; `task` = the name of that task. */
type Names = readonly string[] | 'task' | null

/** Events with many arguments: the first `count` go to the columns from a on, one more is the number of a name. */
const WIDE: Readonly<Record<string, { readonly count: number; readonly names: Names }>> = {
  mm_vmscan_lru_isolate: { count: 7, names: LISTS },
  mm_vmscan_write_folio: { count: 1, names: WRITES },
  mm_vmscan_lru_shrink_inactive: { count: 12, names: WRITES },
  mm_vmscan_lru_shrink_active: { count: 6, names: WRITES },
  mm_vmscan_throttled: { count: 3, names: REASONS },
  reclaim_retry_zone: { count: 8, names: null },
  mark_victim: { count: 8, names: 'task' },
  oom_score_adj_update: { count: 2, names: 'task' },
}

/** Tracepoints with more than six numbers, or whose last one is that of a name. */
export const WIDE_EVENTS: ReadonlySet<string> = new Set(Object.keys(WIDE))

/** Every tracepoint that has a probe. */
export const PROBE_NAMES: readonly ProbeName[] = [
  'mm_page_alloc',
  'mm_page_free',
  'mm_page_free_batched',
  'mm_page_alloc_zone_locked',
  'mm_page_pcpu_drain',
  'mm_page_alloc_extfrag',
  'kmalloc',
  'kmem_cache_alloc',
  'kfree',
  'kmem_cache_free',
  'rss_stat',
  'mm_compaction_begin',
  'mm_compaction_defer_compaction',
  'mm_compaction_defer_reset',
  'mm_compaction_deferred',
  'mm_compaction_end',
  'mm_compaction_finished',
  'mm_compaction_isolate_freepages',
  'mm_compaction_isolate_migratepages',
  'mm_compaction_migratepages',
  'mm_compaction_suitable',
  'mm_compaction_try_to_compact_pages',
  'mm_compaction_wakeup_kcompactd',
  'mm_compaction_kcompactd_wake',
  'mm_compaction_kcompactd_sleep',
  'mm_vmscan_wakeup_kswapd',
  'mm_vmscan_kswapd_wake',
  'mm_vmscan_kswapd_sleep',
  'mm_vmscan_direct_reclaim_begin',
  'mm_vmscan_direct_reclaim_end',
  'mm_vmscan_lru_isolate',
  'mm_vmscan_write_folio',
  'mm_vmscan_lru_shrink_inactive',
  'mm_vmscan_lru_shrink_active',
  'mm_vmscan_throttled',
  'reclaim_retry_zone',
  'compact_retry',
  'mark_victim',
  'oom_score_adj_update',
  'wake_reaper',
  'start_task_reaping',
  'finish_task_reaping',
  'skip_task_reaping',
  'mm_vmscan_memcg_reclaim_begin',
  'mm_vmscan_memcg_reclaim_end',
  'mm_vmscan_node_reclaim_begin',
  'mm_vmscan_node_reclaim_end',
]

function copyRow(from: EventBatch, i: number, to: EventBatch, j: number): void {
  to.kind[j] = from.kind[i]!
  to.cpu[j] = from.cpu[i]!
  to.pid[j] = from.pid[i]!
  to.comm[j] = from.comm[i]!
  to.irq[j] = from.irq[i]!
  to.time[j] = from.time[i]!
  to.line[j] = from.line[i]!
  to.text[j] = from.text[i]!
  to.text2[j] = from.text2[i]!
  for (let k = 0; k < from.args.length; k++) to.args[k]![j] = from.args[k]![i]!
}
