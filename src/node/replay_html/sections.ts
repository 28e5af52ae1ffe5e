// The page's sections other than its plots: findings, the comparison at the end, takers, straits, causes, settings.
// Law: a section says in words what its figures mean, and says why where it has none.
import type { Finding } from './findings.ts'
import { difference, findings, nodeCount, zoneLabel } from './findings.ts'
import { Html, html, type Part, table } from './markup.ts'
import { bytes, count, integer, percent, seconds, signed } from './numbers.ts'
import type { CallSite, Compared, Failure, Pair, Prediction, ReplayView, SettingsRun, Taker, ZoneEnd } from './view.ts'

/** Sentences and the figures that matter most. */
export function findingsSection(view: ReplayView): Html {
  const all = findings(view)
  const paragraph = (list: readonly Finding[]): Html =>
    html`<p class="lead">${list.map(({ text, tone }) => html`<span class="${tone}">${mark(tone)}${broken(text)}</span> `)}</p>`
  const trust = all.filter(({ topic }) => TRUST.has(topic))
  const machine = all.filter(({ topic }) => !TRUST.has(topic))
  return html`${paragraph(machine)}${paragraph(trust)}${tiles(view)}`
}

/** Findings about how far the others can be believed. */
const TRUST: ReadonlySet<Finding['topic']> = new Set(['follow', 'frames', 'predict'])

/** Masks may be broken between their flags. */
function broken(text: string): Part[] {
  return text.split(/(?<=\|)/).map(part => html`${part}<wbr>`)
}

/** A sign for those who do not see the colour. */
function mark(tone: Finding['tone']): string {
  return tone === 'bad' ? '✖ ' : tone === 'warn' ? '▲ ' : ''
}

function tiles({ framesCompared, framesWrong, prediction, zones }: ReplayView): Html {
  const known = zones.filter(({ recorded }) => recorded !== null)
  const off = known.reduce((sum, zone) => sum + Math.abs(difference(zone)), 0)
  const list = [
    ...(known.length > 0 ? [[integer(off), 'pages apart is free memory at the end']] : []),
    ...(framesCompared > 0
      ? [[percent(framesCompared - framesWrong, framesCompared), 'of frames free or in use as on the machine']]
      : []),
    ...(prediction ? predictionTiles(prediction) : []),
  ]
  return html`<ul class="tiles">${list.map(([figure, text]) => html`<li><b>${figure!}</b><span>${text!}</span></li>`)}</ul>`
}

function predictionTiles({ allocations, sameFrame, sameMigratetype }: Prediction): string[][] {
  return [
    [percent(sameFrame, allocations), 'of allocations predicted to the page frame'],
    [percent(sameMigratetype, allocations), 'of allocations predicted to the migrate type'],
  ]
}

/** Recorded, followed and predicted state at the end, zone by zone. */
export function endSection(view: ReplayView): Html {
  const nodes = nodeCount(view)
  const rows = view.zones.map(zone => endRow(zone, nodes))
  const head = ['zone', 'recorded', 'followed', 'difference', 'unexplained', 'predicted', 'difference', 'in %']
  const frames =
    view.framesCompared === 0
      ? html`<p>The recording has no map of frames (<code>physmap.tsv</code>) to compare.</p>`
      : html`<p>${count(view.framesCompared, 'frame')} compared one by one: ${integer(view.framesWrong)} of them differ.</p>`
  return html`<p><b>Followed</b> takes the frames that the recording names; <b>predicted</b> lets the twin's own allocator choose.
Both start from the state captured before the trace.</p>
${table({ caption: 'Free pages at the end', head, rows })}${frames}
${view.prediction ? predictionTable(view.prediction) : ''}
${listedTable(view, nodes)}
<details${new Html(view.zones.length > 2 ? '' : ' open')}><summary>By order and by migrate type</summary>
${view.zones.map(zone => zoneDetails(zone, zoneLabel(zone, nodes), view.migratetypes))}</details>`
}

function endRow(zone: ZoneEnd, nodes: number): string[] {
  const { recorded, followed, predicted, unexplained } = zone
  const label = zoneLabel(zone, nodes)
  if (recorded === null)
    return [label, '–', integer(followed), '–', '–', predicted === null ? '–' : integer(predicted), '–', '–']
  const start = [label, integer(recorded), integer(followed), signed(followed - recorded), signed(unexplained)]
  if (predicted === null) return [...start, '–', '–', '–']
  return [...start, integer(predicted), signed(predicted - recorded), percent(Math.abs(predicted - recorded), recorded)]
}

/** Free blocks by order and free pages by migrate type. */
function zoneDetails({ blocks, types }: ZoneEnd, label: string, migratetypes: readonly string[]): Html {
  const orders = blocks.followed.map((_, order) => String(order))
  return html`${compared(`Free blocks by order, zone ${label}`, orders, blocks)}
${compared(`Free pages by migrate type, zone ${label}`, migratetypes, types)}`
}

function listedTable({ zones }: ReplayView, nodes: number): Html {
  const rows = zones.map(zone => [zoneLabel(zone, nodes), ...listedRow(zone.listed)])
  return table({ caption: 'Pages on per-CPU lists', head: ['zone', 'recorded', 'followed', 'predicted'], rows })
}

function listedRow({ recorded, followed, predicted }: Compared): string[] {
  return [recorded, followed, predicted].map(values => (values === null ? '–' : integer(values[0]!)))
}

function compared(caption: string, columns: readonly string[], { recorded, followed, predicted }: Compared): Html {
  const row = (name: string, values: readonly number[] | null): string[][] =>
    values === null ? [] : [[name, ...columns.map((_, column) => integer(values[column] ?? 0))]]
  const rows = [...row('recorded', recorded), ...row('followed', followed), ...row('predicted', predicted)]
  return table({ caption, head: ['', ...columns], rows })
}

function predictionTable(prediction: Prediction): Html {
  const { allocations, sameFrame, recycled, sameFrameRecycled, sameZone, sameMigratetype, failed, refused } = prediction
  const row = (name: string, value: number): string[] => [name, integer(value), percent(value, allocations)]
  const rows = [
    row('same page frame', sameFrame),
    [
      'same page frame, of frames freed since the start',
      `${integer(sameFrameRecycled)} of ${integer(recycled)}`,
      percent(sameFrameRecycled, recycled),
    ],
    row('same zone', sameZone),
    row('same migrate type', sameMigratetype),
    row('refused by watermarks (the machine reclaimed first)', refused),
    row('failed in the twin alone', failed),
  ]
  return table({
    caption: `The twin's own choice in ${integer(allocations)} allocations`,
    head: ['', 'allocations', 'share'],
    rows,
  })
}

/** Bars of who took memory, three ways; and in which sizes, for how long. */
export function takersSection(view: ReplayView): Html {
  const { orders, lifetimes, callSites } = view
  return html`${takersTable('by process', 'process', view.processes, view)}
${takersTable('by GFP mask', 'mask', view.gfps, view)}
${callSites.length === 0 ? NO_SITES : sitesTable(callSites)}
${countsTable('Allocations by order', ['order', 'allocations'], orders, String)}
${countsTable('How long blocks lived that were freed again', ['less than', 'blocks'], lifetimes, power => microseconds(2 ** (power + 1)))}`
}

const NO_SITES = html`<p>No event of this trace names a call site. Record the events <code>kmem:kmalloc</code> and
<code>kmem:kmem_cache_alloc</code> too and they are listed here.</p>`

function takersTable(how: string, what: string, takers: readonly Taker[], { taken, pageSize }: ReplayView): Html {
  const most = Math.max(1, ...takers.map(({ pages }) => pages))
  const rows = takers.map(({ name, allocations, pages, kept }) => [
    html`<code>${broken(name)}</code>${barOf(pages / most)}`,
    integer(pages),
    bytes(pages * pageSize),
    percent(pages, taken),
    integer(allocations),
    kept === null ? '–' : integer(kept),
  ])
  const head = [what, 'pages', 'memory', 'share', 'allocations', 'pages kept']
  return html`<div class="takers">${table({ caption: `Pages handed out ${how}`, head, rows })}</div>`
}

function barOf(share: number): Html {
  const own = share > 0 ? html`<i style="width:${(share * 100).toFixed(1)}%"></i>` : ''
  return html`<span class="bar" aria-hidden="true">${own}</span>`
}

function sitesTable(sites: readonly CallSite[]): Html {
  const most = Math.max(1, ...sites.map(it => it.bytes))
  const rows = sites.map(({ name, allocations, bytes: own }) => [
    html`<code>${name}</code>${barOf(own / most)}`,
    bytes(own),
    integer(allocations),
  ])
  const caption = 'Objects handed out by slab allocators, by call site'
  return html`<div class="takers">${table({ caption, head: ['call site', 'memory', 'allocations'], rows })}</div>`
}

/** Rows from the first to the last that is not zero. */
function countsTable(
  caption: string,
  head: readonly string[],
  counts: readonly number[],
  name: (row: number) => string,
): Html {
  const total = counts.reduce((sum, own) => sum + own, 0)
  if (total === 0) return html``
  const most = Math.max(...counts)
  const last = counts.findLastIndex(own => own > 0)
  const first = counts.findIndex(own => own > 0)
  const rows = counts
    .slice(first, last + 1)
    .map((own, i) => [html`${name(first + i)}${barOf(own / most)}`, integer(own), percent(own, total)])
  return html`<div class="takers">${table({ caption, head: [...head, 'share'], rows })}</div>`
}

function microseconds(value: number): string {
  if (value < 1000) return `${value} µs`
  return value < 1e6 ? `${(value / 1000).toPrecision(3)} ms` : `${(value / 1e6).toPrecision(3)} s`
}

/** What failed, and how near each zone came to it. */
export function failuresSection(view: ReplayView): Html {
  const { margins } = view
  const nodes = nodeCount(view)
  const rows = margins.map(it => [
    zoneLabel(it, nodes),
    integer(it.free),
    integer(it.min),
    it.left === null ? '–' : it.left > 0 ? integer(it.left) : html`<span class="bad">${signed(it.left)}</span>`,
    seconds(it.time),
    it.process === null ? '–' : html`<code>${it.process}</code>`,
  ])
  const head = ['zone', 'free pages', 'min', 'left above min and reserve', 'time', 'while it allocated']
  const nearest = table({ caption: 'Where each zone came nearest to its min watermark', head, rows, text: [5] })
  const note = html`<p>The reserve is what an ordinary request (<code>lowmem_reserve</code> against zone Normal) must leave in a lower
zone. Nothing left means that such a request was sent to another zone or had to reclaim.</p>`
  return html`${failuresTable(view)}${rows.length === 0 ? '' : html`${nearest}${note}`}`
}

/** Failures that are alike are one row. */
function failuresTable({ failures: { count: all, first } }: ReplayView): Html {
  if (all === 0) return html`<p>No allocation of this trace failed.</p>`
  const alike = new Map<string, Failure[]>()
  for (const failure of first) {
    const key = `${failure.order} ${failure.gfp} ${failure.process}`
    alike.set(key, [...(alike.get(key) ?? []), failure])
  }
  const rows = [...alike.values()].map(group => {
    const { process, order, gfp, time, line } = group[0]!
    const mask = html`<code>${broken(gfp)}</code>`
    return [html`<code>${process}</code>`, integer(order), mask, integer(group.length), seconds(time), integer(line)]
  })
  const head = ['process', 'order', 'mask', 'times', 'first at', 'line of the trace']
  return table({ caption: `Failures${some(first.length, all)}`, head, rows, text: [2] })
}

function some(shown: number, all: number): string {
  return shown < all ? `, the first ${integer(shown)} of ${integer(all)}` : ''
}

/** Fallbacks and drains, recorded and predicted. */
export function eventsSection(view: ReplayView): Html {
  const row = (name: string, { recorded, predicted }: Pair): string[] => [
    name,
    recorded === null ? 'not recorded' : recorded === 0 ? 'none in the trace' : integer(recorded),
    predicted === null ? '–' : integer(predicted),
  ]
  const rows = [
    row('blocks taken from another migrate type (mm_page_alloc_extfrag)', view.extfrag),
    row('pages given back from per-CPU lists (mm_page_pcpu_drain)', view.drains),
  ]
  const unprompted = view.drainsUnprompted
  const note =
    unprompted > 0
      ? html`<p>No free caused ${count(unprompted, 'of these pages', 'of these pages')} to be given back.</p>`
      : ''
  const head = ['event', 'recorded', 'predicted']
  return html`${table({ caption: 'Events of the allocator itself', head, rows })}${note}${fallbacksTable(view)}`
}

function fallbacksTable({ fallbacks: { count: all, first } }: ReplayView): Html {
  if (all === 0) return html``
  const rows = first.map(({ time, line, pfn, order, fallbackOrder, from, to, wholeBlock }) => [
    seconds(time),
    integer(order),
    to,
    integer(fallbackOrder),
    from,
    html`<code>0x${pfn.toString(16)}</code>`,
    wholeBlock ? 'yes' : 'no',
    integer(line),
  ])
  const head = ['time', 'order wanted', 'for', 'order taken', 'from', 'frame', 'pageblock changed', 'line of the trace']
  return table({
    caption: `Blocks taken from another migrate type${some(first.length, all)}`,
    head,
    rows,
    text: [2, 4],
  })
}

/** Pages that came or went without an event. */
export function causesSection(view: ReplayView): Html {
  if (view.causes.length === 0) return html`<p>Every page that came or went is told by an event.</p>`
  const nodes = nodeCount(view)
  const rows = view.causes.map(cause => [zoneLabel(cause, nodes), integer(cause.pages), cause.reason])
  const note = html`<p>A trace does not show everything: bulk allocation and compaction take pages without an allocation event. The followed
twin puts this right when it comes to light, and counts it by its cause.</p>`
  return html`${note}${table({ caption: 'Pages without an event, by cause', head: ['zone', 'pages', 'why'], rows, text: [2] })}`
}

/** Runs of the same trace side by side; empty where there is one alone. */
export function settingsSection(view: ReplayView): Html | null {
  const { runs } = view
  if (runs.length < 2) return null
  const nodes = nodeCount(view)
  const row = (name: string, of: (run: SettingsRun) => string): string[] => [name, ...runs.map(of)]
  const zones = view.zones.map(({ node, zone }) => ({ node, zone, label: zoneLabel({ node, zone }, nodes) }))
  const rows = [
    ...zones.map(({ node, zone, label }) =>
      row(`free pages at the end, ${label}`, run => integer(runZone(run, node, zone))),
    ),
    ...zones.map(({ node, zone, label }) => row(`lowest free pages, ${label}`, run => lowest(run, node, zone))),
    row('refused by watermarks (reclaim would begin)', run => integer(run.prediction.refused)),
    row('allocations that failed', run => integer(run.prediction.failed)),
    row('same page frame as recorded', ({ prediction: { sameFrame, allocations } }) => percent(sameFrame, allocations)),
    row('same zone as recorded', ({ prediction: { sameZone, allocations } }) => percent(sameZone, allocations)),
    row('same migrate type as recorded', ({ prediction: p }) => percent(p.sameMigratetype, p.allocations)),
    row('blocks taken from another migrate type', run => integer(run.fallbacks)),
    row('pages given back from per-CPU lists', run => integer(run.drained)),
  ]
  return html`<p>The same trace, each time with the twin choosing for itself. Reclaim is not modelled: what the machine freed by reclaim
is freed at the same moment in every run, so a run that would have to free more shows requests refused or failed.</p>
${table({ caption: 'Settings side by side', head: ['', ...runs.map(({ name }) => name)], rows })}`
}

function runZone({ zones }: SettingsRun, node: number, zone: string): number {
  return zones.find(it => it.node === node && it.zone === zone)?.free ?? 0
}

function lowest({ courses }: SettingsRun, node: number, zone: string): string {
  const free = courses.find(it => it.node === node && it.zone === zone)?.free ?? []
  return free.length === 0 ? '–' : integer(free.reduce((a, b) => Math.min(a, b)))
}
