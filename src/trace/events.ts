// Tracepoints: each known event is one row of `ROWS`; everything else (text reader, text writer, trace.dat reader,
// record ring) is driven by that row. Adding a tracepoint is adding a row; its number must be new and never change.
//
// A row is [kind, system, template, order of a probe's arguments]. The template is the text that the kernel prints.
// `{field?:type>columns}` stands for a value: `field` is its name in the binary format; `?` marks a value that some
// kernels do not print; the columns say where it goes: a–l are the batch's numbers, t and u its two strings. A text
// that is a number in the binary format may have both: `gfp_flags:s>dt` puts the bits in d (binary only, NaN in
// text) and the printed names in t. A binary value that is not a field is computed from the file's own print format.
//
// Types: d decimal · x hexadecimal with 0x (older kernels: decimal) · pfn the same, all bits set = -1 = no page ·
// p pointer · S symbol+offset · s text up to the next key · z the same, padded to 8 · b true/false · page the
// address of the struct page: not kept, the writer computes it. `s(async,sync)` names the numbers 0, 1, … .

const ISOLATE = 'range=({start_pfn:x>a} ~ {end_pfn:x>b}) nr_scanned={nr_scanned:d>c} nr_taken={nr_taken:d>d}'
const KMALLOC =
  'call_site={call_site:S>au} ptr={ptr:p>b} bytes_req={bytes_req:d>c} bytes_alloc={bytes_alloc:d>d} ' +
  'gfp_flags={gfp_flags:s>et} node={node?:d>f} accounted={accounted?:b>g}'
const DEFER =
  'node={nid:d>a} zone={idx:z>bt} order={order:d>c} order_failed={order_failed:d>d} consider={considered:d>e} ' +
  'limit={limit:d>f}'
const RESULTS =
  'not_suitable_zone,skipped,deferred,no_suitable_page,continue,complete,partial_skipped,contended,success'
const SUITABLE = `node={nid:d>a} zone={idx:z>bt} order={order:d>c} ret={ret:s(${RESULTS})>du}`
const KCOMPACTD = 'nid={nid:d>a} order={order:d>b} classzone_idx={highest_zoneidx:z>ct}'
const BEGIN =
  'zone_start={zone_start:x>a} migrate_pfn={migrate_pfn:x>b} free_pfn={free_pfn:x>c} zone_end={zone_end:x>d}, ' +
  'mode={sync:s(async,sync)>et}'
const RECLAIM = 'order={order:d>a} gfp_flags={gfp_flags:s>bt}'
const RECLAIMED = 'nr_reclaimed={nr_reclaimed:d>a}'
const PAGE = 'page={page} pfn={pfn?:pfn>a} '
const PID = 'pid={pid:d>a}'

const ROWS = {
  mm_page_alloc: [
    1,
    'kmem',
    `${PAGE}order={order:d>b} migratetype={migratetype:d>c} gfp_flags={gfp_flags:s>dt}`,
    'abdc',
  ],
  mm_page_free: [2, 'kmem', `${PAGE}order={order:d>b}`],
  mm_page_free_batched: [3, 'kmem', `${PAGE}order={zero:d}`],
  mm_page_alloc_zone_locked: [
    4,
    'kmem',
    `${PAGE}order={order:d>b} migratetype={migratetype:d>c} percpu_refill={percpu_refill:d>d}`,
  ],
  mm_page_pcpu_drain: [5, 'kmem', `${PAGE}order={order:d>b} migratetype={migratetype:d>c}`],
  mm_page_alloc_extfrag: [
    6,
    'kmem',
    `${PAGE}alloc_order={alloc_order:d>b} fallback_order={fallback_order:d>c} ` +
      'pageblock_order={pageblock_order:d>g} alloc_migratetype={alloc_migratetype:d>d} ' +
      'fallback_migratetype={fallback_migratetype:d>e} fragmenting={fragmenting:d>h} ' +
      'change_ownership={change_ownership:d>f}',
  ],
  kmalloc: [7, 'kmem', KMALLOC],
  kmalloc_node: [8, 'kmem', KMALLOC],
  kmem_cache_alloc: [9, 'kmem', KMALLOC],
  kmem_cache_alloc_node: [10, 'kmem', KMALLOC],
  kfree: [11, 'kmem', 'call_site={call_site:S>au} ptr={ptr:p>b}'],
  kmem_cache_free: [12, 'kmem', 'call_site={call_site:S>au} ptr={ptr:p>b} name={name?:s>t}'],
  rss_stat: [
    13,
    'kmem',
    'mm_id={mm_id:d>a} curr={curr:d>b} type={member:s(MM_FILEPAGES,MM_ANONPAGES,MM_SWAPENTS,MM_SHMEMPAGES)>ct} ' +
      'size={size:d>d}B',
  ],
  mm_compaction_isolate_migratepages: [20, 'compaction', ISOLATE],
  mm_compaction_isolate_freepages: [21, 'compaction', ISOLATE],
  mm_compaction_fast_isolate_freepages: [22, 'compaction', ISOLATE],
  mm_compaction_migratepages: [23, 'compaction', 'nr_migrated={nr_migrated:d>a} nr_failed={nr_failed:d>b}'],
  mm_compaction_begin: [24, 'compaction', BEGIN],
  mm_compaction_end: [25, 'compaction', `${BEGIN} status={status:s(${RESULTS})>fu}`],
  mm_compaction_try_to_compact_pages: [
    26,
    'compaction',
    'order={order:d>a} gfp_mask={gfp_mask:s>bt} priority={prio:d>c}',
  ],
  mm_compaction_finished: [27, 'compaction', SUITABLE],
  mm_compaction_suitable: [28, 'compaction', SUITABLE],
  mm_compaction_deferred: [29, 'compaction', DEFER],
  mm_compaction_defer_compaction: [30, 'compaction', DEFER],
  mm_compaction_defer_reset: [31, 'compaction', DEFER],
  mm_compaction_kcompactd_sleep: [32, 'compaction', 'nid={nid:d>a}'],
  mm_compaction_kcompactd_wake: [33, 'compaction', KCOMPACTD],
  mm_compaction_wakeup_kcompactd: [34, 'compaction', KCOMPACTD],
  mm_vmscan_kswapd_sleep: [40, 'vmscan', 'nid={nid:d>a}'],
  mm_vmscan_kswapd_wake: [41, 'vmscan', 'nid={nid:d>a} order={order:d>b}'],
  mm_vmscan_wakeup_kswapd: [42, 'vmscan', 'nid={nid:d>a} order={order:d>c} gfp_flags={gfp_flags:s>dt}', 'abcd'],
  mm_vmscan_direct_reclaim_begin: [43, 'vmscan', RECLAIM],
  mm_vmscan_direct_reclaim_end: [44, 'vmscan', RECLAIMED],
  mm_vmscan_memcg_reclaim_begin: [45, 'vmscan', RECLAIM],
  mm_vmscan_memcg_reclaim_end: [46, 'vmscan', RECLAIMED],
  mm_vmscan_memcg_softlimit_reclaim_begin: [47, 'vmscan', RECLAIM],
  mm_vmscan_memcg_softlimit_reclaim_end: [48, 'vmscan', RECLAIMED],
  mm_vmscan_node_reclaim_begin: [49, 'vmscan', 'nid={nid:d>a} order={order:d>b} gfp_flags={gfp_flags:s>ct}'],
  mm_vmscan_node_reclaim_end: [50, 'vmscan', RECLAIMED],
  mm_shrink_slab_start: [
    51,
    'vmscan',
    '{shrink:S>au} {shr:p>b}: nid: {nid:d>c} objects to shrink {nr_objects_to_shrink:d>d} gfp_flags ' +
      '{gfp_flags:s>et} cache items {cache_items:d>f} delta {delta:d>g} total_scan {total_scan:d>h} ' +
      'priority {priority:d>i}',
  ],
  mm_shrink_slab_end: [
    52,
    'vmscan',
    '{shrink:S>au} {shr:p>b}: nid: {nid:d>c} unused scan count {unused_scan:d>d} new scan count {new_scan:d>e} ' +
      'total_scan {total_scan:d>f} last shrinker return val {retval:d>g}',
  ],
  mm_vmscan_lru_isolate: [
    53,
    'vmscan',
    'isolate_mode={isolate_mode?:d>g} classzone={highest_zoneidx:d>a} order={order:d>b} ' +
      'nr_requested={nr_requested:d>c} nr_scanned={nr_scanned:d>d} nr_skipped={nr_skipped:d>e} ' +
      'nr_taken={nr_taken:d>f} lru={lru:s>t}',
  ],
  mm_vmscan_write_folio: [54, 'vmscan', `${PAGE}flags={reclaim_flags:s>bt}`],
  mm_vmscan_lru_shrink_inactive: [
    55,
    'vmscan',
    'nid={nid:d>a} nr_scanned={nr_scanned:d>b} nr_reclaimed={nr_reclaimed:d>c} nr_dirty={nr_dirty:d>d} ' +
      'nr_writeback={nr_writeback:d>e} nr_congested={nr_congested:d>f} nr_immediate={nr_immediate:d>g} ' +
      'nr_activate_anon={nr_activate0:d>h} nr_activate_file={nr_activate1:d>i} nr_ref_keep={nr_ref_keep:d>j} ' +
      'nr_unmap_fail={nr_unmap_fail:d>k} priority={priority:d>l} flags={reclaim_flags:s>t}',
  ],
  mm_vmscan_lru_shrink_active: [
    56,
    'vmscan',
    'nid={nid:d>a} nr_taken={nr_taken:d>b} nr_active={nr_active:d>c} nr_deactivated={nr_deactivated:d>d} ' +
      'nr_referenced={nr_referenced:d>e} priority={priority:d>f} flags={reclaim_flags:s>gt}',
  ],
  mm_vmscan_throttled: [
    57,
    'vmscan',
    'nid={nid:d>a} usec_timeout={usec_timeout:d>b} usect_delayed={usec_delayed:d>c} reason={reason:s>dt}',
  ],
  oom_score_adj_update: [60, 'oom', 'pid={pid:d>a} comm={comm:s>t} oom_score_adj={oom_score_adj:d>b}'],
  reclaim_retry_zone: [
    61,
    'oom',
    'node={node:d>a} zone={zone_idx:z>bt} order={order:d>c} reclaimable={reclaimable:d>d} ' +
      'available={available:d>e} min_wmark={min_wmark:d>f} no_progress_loops={no_progress_loops:d>g} ' +
      'wmark_check={wmark_check:d>h}',
  ],
  mark_victim: [
    62,
    'oom',
    'pid={pid:d>a} comm={comm?:s>t} total-vm={total_vm?:d>b}kB anon-rss={anon_rss?:d>c}kB ' +
      'file-rss:{file_rss?:d>d}kB shmem-rss:{shmem_rss?:d>e}kB uid={uid?:d>f} pgtables={pgtables?:d>g}kB ' +
      'oom_score_adj={oom_score_adj?:d>h}',
  ],
  wake_reaper: [63, 'oom', PID],
  start_task_reaping: [64, 'oom', PID],
  finish_task_reaping: [65, 'oom', PID],
  skip_task_reaping: [66, 'oom', PID],
  compact_retry: [
    67,
    'oom',
    'order={order:d>a} priority={priority:s(COMPACT_PRIO_SYNC_FULL,COMPACT_PRIO_SYNC_LIGHT,COMPACT_PRIO_ASYNC)>bt} ' +
      'compaction_result={result:s(failed,withdrawn,progress)>cu} retries={retries:d>d} ' +
      'max_retries={max_retries:d>e} should_retry={ret:d>f}',
  ],
  /** A marker written from user space into tracefs `trace_marker`; binary name `print`. */
  tracing_mark_write: [70, 'ftrace', '{buf:s>t}'],
} as const

/** The name of a known tracepoint. */
export type TracepointName = keyof typeof ROWS

/** One value of a tracepoint: where it stands in the text and which columns take it. */
export interface EventField {
  /** Name in the binary format. */
  readonly name: string
  readonly type: 'd' | 'x' | 'pfn' | 'p' | 'S' | 's' | 'z' | 'b' | 'page'
  readonly optional: boolean
  /** Text before the value, from the end of the value before it. */
  readonly literal: string
  /** `literal` without leading blank and unit: what a reader looks for, as bytes. */
  readonly key: Uint8Array
  /** Index of the number column (0 = a … 11 = l) or -1. */
  readonly column: number
  /** Index of the string column (0 = t, 1 = u) or -1. */
  readonly text: number
  /** Names of the numbers 0, 1, …, where the printed names are the same on all kernels. */
  readonly names: readonly string[]
}

/** A tracepoint: its number in `batch.kind`, names and values in the order of the kernel's text. */
export interface Tracepoint {
  readonly kind: number
  readonly name: TracepointName
  readonly system: string
  readonly fields: readonly EventField[]
  /** Text after the last value (a unit), usually empty. */
  readonly tail: string
  /** For each argument of the probe: index of the column that takes it. */
  readonly probe: readonly number[]
}

const FIELD = /\{(\w+)(\??)(?::(\w+?)(?:\(([^)]*)\))?)?(?:>([a-l]?)([tu]?))?\}/g

function parseFields(template: string): { fields: EventField[]; tail: string } {
  const fields: EventField[] = []
  let at = 0
  for (const m of template.matchAll(FIELD)) {
    const literal = template.slice(at, m.index)
    const key = literal.replace(/^(?:kB|B)?,? */, '')
    fields.push({
      name: m[1]!,
      type: (m[3] ?? 'page') as EventField['type'],
      optional: m[2] === '?',
      literal,
      key: Uint8Array.from(key, c => c.charCodeAt(0)),
      column: m[5] ? m[5].charCodeAt(0) - 97 : -1,
      text: m[6] ? m[6].charCodeAt(0) - 116 : -1,
      names: m[4] ? m[4].split(',') : [],
    })
    at = m.index + m[0].length
  }
  return { fields, tail: template.slice(at) }
}

function tracepoint(name: TracepointName): Tracepoint {
  const row: readonly [number, string, string, string?] = ROWS[name]
  const { fields, tail } = parseFields(row[2])
  const columns = fields.map(f => f.column).filter(c => c >= 0)
  const probe = row[3] ? Array.from(row[3], c => c.charCodeAt(0) - 97) : columns.toSorted((x, y) => x - y)
  return { kind: row[0], name, system: row[1], fields, tail, probe }
}

/** All known tracepoints, in the order of the table. */
export const TRACEPOINTS: readonly Tracepoint[] = (Object.keys(ROWS) as TracepointName[]).map(tracepoint)

/** Tracepoint by its number in `batch.kind`; undefined where a number is not used. */
export const TRACEPOINT_BY_KIND: readonly (Tracepoint | undefined)[] = (() => {
  const byKind: (Tracepoint | undefined)[] = new Array(256).fill(undefined)
  for (const t of TRACEPOINTS) byKind[t.kind] = t
  return byKind
})()

/** Number in `batch.kind` by name: `KIND.mm_page_alloc`. */
export const KIND: { readonly [N in TracepointName]: (typeof ROWS)[N][0] } = Object.fromEntries(
  TRACEPOINTS.map(t => [t.name, t.kind]),
) as { [N in TracepointName]: (typeof ROWS)[N][0] }

const ALIASES: readonly (readonly [string, TracepointName])[] = [
  ['print', 'tracing_mark_write'],
  ['mm_page_free_direct', 'mm_page_free'],
  ['mm_pagevec_free', 'mm_page_free_batched'],
]

/** Tracepoint by its name or by the name that older kernels or the binary format use. */
export const TRACEPOINT_BY_NAME: ReadonlyMap<string, Tracepoint> = (() => {
  const byName = new Map<string, Tracepoint>(TRACEPOINTS.map(t => [t.name, t]))
  for (const [alias, name] of ALIASES) byName.set(alias, byName.get(name)!)
  return byName
})()
