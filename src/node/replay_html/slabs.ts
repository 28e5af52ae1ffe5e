// The page's section on slabs: what caches took, as recorded and on the twin, what of it is waste, and who asked.
import type { SlabCacheReport, SlabReport } from '../../sim/replay/slab_report.ts'
import { type Html, html, table } from './markup.ts'
import { bytes, count, integer, signed } from './numbers.ts'
import type { Plot } from './plot.ts'

/** Caches and call sites listed. */
const LISTED = 25

/** Tables and sentences of the section; its plots stand between them. */
export function slabSection(slabs: SlabReport, pageSize: number, plots: Html): Html {
  const { pages, exactCaches, allCaches, unseen, pointers } = slabs
  const end =
    pages.after === null ? 'no table of caches at the end' : `${count(pages.after, 'page')} recorded at the end`
  const how =
    pointers === 'addresses'
      ? 'Pointers of this trace are addresses: which objects of a slab were free at the start follows from the trace.'
      : 'Pointers of this trace are hashed: how many objects were free at the start follows from the trace, not where.'
  return html`<p>${count(slabs.allocations, 'object')} allocated, ${integer(slabs.frees)} freed; ${integer(unseen)} changed hands without an
event (bulk calls have none). Slabs took ${count(pages.before, 'page')} at the start; ${end}, ${integer(pages.followed)} by following
page events, ${integer(pages.predicted)} on the twin, which serves the same calls with an allocator of its own. It comes to
the recorded number of slabs for ${integer(exactCaches)} of ${count(allCaches, 'cache')}. ${how}</p>
${plots}
${cachesTable(slabs, pageSize)}
${sitesTable(slabs)}`
}

function cachesTable({ caches }: SlabReport, pageSize: number): Html {
  const head = [
    'cache',
    'slabs before',
    'recorded',
    'twin',
    'change',
    'allocations',
    'frees',
    'waste inside',
    'outside',
  ]
  const rows = caches.slice(0, LISTED).map(cache => cacheRow(cache, pageSize))
  return table({ caption: 'Caches with most events: slabs, and bytes that nobody uses', head, rows })
}

function cacheRow(cache: SlabCacheReport, pageSize: number): (string | Html)[] {
  const change = (cache.predicted.slabs - cache.before.slabs) * cache.pagesPerSlab * pageSize
  return [
    html`<code>${cache.name}</code>`,
    integer(cache.before.slabs),
    cache.after === null ? '–' : integer(cache.after.slabs),
    integer(cache.predicted.slabs),
    change === 0 ? '0' : `${change < 0 ? '−' : '+'}${bytes(Math.abs(change))}`,
    integer(cache.allocations),
    integer(cache.frees),
    bytes(cache.wasteInside),
    bytes(cache.wasteOutside),
  ]
}

function sitesTable({ callSites }: SlabReport): Html {
  const head = ['call site', 'cache', 'allocations', 'asked', 'given', 'still in use']
  const rows = callSites.map(({ name, cache, allocations, bytesAsked, bytesGiven, live }) => [
    html`<code>${name}</code>`,
    html`<code>${cache}</code>`,
    integer(allocations),
    bytes(bytesAsked),
    bytes(bytesGiven),
    bytes(Math.max(0, live)),
  ])
  return table({ caption: 'Who asked for objects', head, rows })
}

/** Plots over time: pages of slabs, waste, and the caches with most events. */
export function slabPlots({ series }: SlabReport, from: number): Plot[] {
  if (series.time.length < 2) return []
  const times = series.time.map(time => Math.max(0, time - from))
  const line = (label: string, values: readonly number[], colour: number): Plot['series'][number] => ({
    label,
    values,
    colour,
  })
  const lines = (id: string, title: string, note: Html, unit: string, all: Plot['series']): Plot => ({
    ...{ id, kind: 'lines' as const, title, note, unit, times },
    series: all,
  })
  const changes = (values: readonly number[]): number[] => values.map(value => value - values[0]!)
  return [
    lines(
      'slab-pages',
      'Pages of slabs since the start',
      html`Recorded: what page events of slabs add to the start. The twin decides for itself when a slab is needed.`,
      'pages',
      [line('recorded', changes(series.recordedPages), 0), line('twin', changes(series.predictedPages), 1)],
    ),
    lines(
      'slab-waste',
      'Memory of slabs that nobody uses',
      html`Inside objects: given but not asked for, of objects that the trace allocated. Outside: free objects and the rest of slabs.`,
      'bytes',
      [line('inside objects', series.wasteInside, 0), line('outside', series.wasteOutside, 1)],
    ),
    lines(
      'slab-objects',
      'Objects in use since the start, of the caches with most events',
      html`By the twin, which gets the recorded calls.`,
      'objects',
      series.caches.map(({ name, objects }, colour) => line(name, changes(objects), colour)),
    ),
  ]
}

/** The section in a line, for a terminal. */
export function slabSummary({ pages, exactCaches, allCaches, pointers }: SlabReport): string {
  const recorded =
    pages.after === null ? '' : `, recorded ${integer(pages.after)} (${signed(pages.predicted - pages.after)})`
  const exact = pages.after === null ? '' : `; slabs exact in ${integer(exactCaches)} of ${count(allCaches, 'cache')}`
  const hashed = pointers === 'hashed' ? ', pointers hashed' : ''
  return `slabs: ${integer(pages.before)} pages before, predicted ${integer(pages.predicted)}${recorded}${exact}${hashed}`
}
