// What runs in the reader's browser: draws the plots with uPlot, follows the pointer and the keyboard, and takes its
// colours from the style sheet, so that light, dark and paper differ there alone.
// Law: these functions travel as their own source text (`clientScript`): they use one another and the browser, and
// nothing else of this package.
import type { Browser, Element, KeyEvent, UPlot } from './dom.ts'
import type { Plot } from './plot.ts'

/** One plot on the page. */
interface Drawn {
  readonly plot: Plot
  readonly figure: Element
  readonly shown: boolean[]
  readonly dashes: readonly (readonly number[])[]
  readonly browser: Browser
  /** Null until uPlot has made it. */
  chart: UPlot | null
}

/** Draws all plots of the page. */
function startPlots(browser: Browser, plots: readonly Plot[], dashes: readonly (readonly number[])[]): void {
  const all = plots.map(
    (plot): Drawn => ({
      plot,
      figure: browser.document.getElementById(plot.id)!,
      shown: plot.series.map(() => true),
      dashes,
      browser,
      chart: null,
    }),
  )
  for (const drawn of all) {
    drawPlot(drawn, all)
    listen(drawn, all)
  }
  const repaint = (): void => {
    for (const { chart } of all) chart?.redraw(true, true)
  }
  browser.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint)
  onPaper(browser, repaint)
}

/** Paper is light, whatever the screen is. */
function onPaper(browser: Browser, repaint: () => void): void {
  const root = browser.document.documentElement
  const paper = (on: string): (() => void) => {
    return () => {
      root.dataset.paper = on
      repaint()
    }
  }
  browser.addEventListener('beforeprint', paper('yes'))
  browser.addEventListener('afterprint', paper('no'))
}

function drawPlot(drawn: Drawn, all: readonly Drawn[]): void {
  const { plot, figure, browser } = drawn
  const canvas = figure.querySelector('.canvas')!
  const size = (): { width: number; height: number } => ({
    width: Math.max(200, canvas.clientWidth),
    height: plot.kind === 'heat' ? 44 + 22 * plot.series.length : 260,
  })
  drawn.chart = new browser.uPlot(chartOptions(drawn, all, size()), chartData(drawn), canvas)
  new browser.ResizeObserver(() => drawn.chart!.setSize(size())).observe(canvas)
  figure.dataset.drawn = 'yes'
  readOut(drawn)
}

/** A colour of the style sheet; `name` without its dashes. */
function colourOf(browser: Browser, name: string): string {
  return browser.getComputedStyle(browser.document.documentElement).getPropertyValue(`--${name}`).trim()
}

function chartOptions(drawn: Drawn, all: readonly Drawn[], size: object): object {
  const { plot, browser } = drawn
  const axis = {
    stroke: () => colourOf(browser, 'ink-2'),
    grid: { stroke: () => colourOf(browser, 'grid'), width: 1 },
    ticks: { stroke: () => colourOf(browser, 'grid'), width: 1 },
    font: '12px system-ui, sans-serif',
  }
  return {
    ...size,
    legend: { show: false },
    scales: { x: { time: false }, y: { range: (_: UPlot, low: number, high: number) => rangeOf(plot, low, high) } },
    axes: [
      { ...axis, size: 34, values: (_: UPlot, splits: number[]) => splits.map(value => `${shortNumber(value)} s`) },
      plot.kind === 'heat' ? orderAxis(axis, plot) : numberAxis(axis, plot),
    ],
    series: [{}, ...seriesOptions(drawn)],
    cursor: { sync: { key: 'time', scales: ['x', null] }, points: { show: plot.kind === 'lines' }, y: false },
    hooks: {
      setCursor: [() => drawn.chart && readOut(drawn)],
      setScale: [(_: UPlot, key: string) => key === 'x' && zoomTogether(drawn, all)],
      draw: plot.kind === 'heat' ? [(chart: UPlot) => drawHeat(drawn, chart)] : [],
    },
  }
}

function numberAxis(axis: object, plot: Plot): object {
  return {
    ...axis,
    size: 62,
    label: plot.unit,
    labelSize: 22,
    labelFont: '12px system-ui, sans-serif',
    values: (_: UPlot, splits: number[]) => splits.map(value => shortNumber(value)),
  }
}

/** One row per series, its label at the middle. */
function orderAxis(axis: object, { series }: Plot): object {
  return {
    ...axis,
    size: 80,
    splits: () => series.map((_, row) => row),
    values: () => series.map(({ label }) => label),
    grid: { show: false },
  }
}

function rangeOf({ kind, range, series }: Plot, low: number, high: number): [number, number] {
  if (kind === 'heat') return [-0.5, series.length - 0.5]
  if (range) return [range[0], range[1]]
  const least = Math.min(0, low)
  return [least, high > least ? high + (high - least) * 0.05 : least + 1]
}

function shortNumber(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3, notation: value >= 1e5 ? 'compact' : 'standard' })
}

/** uPlot's series; areas stand from the topmost to the lowest, each painted over the one before. */
function seriesOptions(drawn: Drawn): object[] {
  const { plot, browser, dashes } = drawn
  if (plot.kind === 'heat') return plot.series.map(() => ({ paths: () => null, points: { show: false } }))
  if (plot.kind === 'lines')
    return plot.series.map(({ colour, reference }) => ({
      stroke: () => colourOf(browser, `c${colour}`),
      width: reference ? 1.5 : 2,
      dash: dashes[colour],
      points: { show: false },
    }))
  return plot.series.toReversed().map(({ colour }) => ({
    stroke: () => colourOf(browser, 'panel'),
    width: 1,
    fill: () => hatched(browser, colour),
    points: { show: false },
  }))
}

/** Rows for uPlot. Areas add up what is shown from the first series on; hidden ones add nothing. */
function chartData({ plot, shown }: Drawn): readonly unknown[] {
  const { kind, times, series } = plot
  if (kind !== 'stack') return [times, ...series.map(({ values }) => values)]
  const sum = new Array<number>(times.length).fill(0)
  const sums = series.map(({ values }, row) => {
    if (shown[row]) for (let i = 0; i < sum.length; i++) sum[i]! += values[i] ?? 0
    return [...sum]
  })
  return [times, ...sums.toReversed()]
}

/** A colour with the pattern of its number. */
function hatched(browser: Browser, colour: number): unknown {
  const ratio = browser.devicePixelRatio
  const tile = browser.document.createElement('canvas')
  tile.width = tile.height = Math.round(8 * ratio)
  const ctx = tile.getContext('2d')
  ctx.fillStyle = colourOf(browser, `c${colour}`)
  ctx.fillRect(0, 0, tile.width, tile.height)
  ctx.strokeStyle = colourOf(browser, 'hatch')
  ctx.lineWidth = ratio
  const u = tile.width / 8
  const marks: number[][][] = [
    [],
    [
      [-2, 10, 10, -2],
      [6, 18, 18, 6],
    ],
    [
      [-2, -2, 10, 10],
      [6, -10, 18, 2],
    ],
    [[0, 4, 8, 4]],
    [[4, 3, 4, 5]],
    [[4, 0, 4, 8]],
    [
      [0, 4, 8, 4],
      [4, 0, 4, 8],
    ],
    [
      [2, 2, 3, 2],
      [6, 6, 7, 6],
    ],
  ]
  ctx.beginPath()
  for (const [x0, y0, x1, y1] of marks[colour % marks.length]!) {
    ctx.moveTo(x0! * u, y0! * u)
    ctx.lineTo(x1! * u, y1! * u)
  }
  ctx.stroke()
  return ctx.createPattern(tile, 'repeat')
}

/** One rectangle per instant and row, darker the more there are. */
function drawHeat({ plot, shown, browser }: Drawn, chart: UPlot): void {
  const { ctx, bbox } = chart
  const { times, series } = plot
  const ramp = heatRamp(browser)
  const most = Math.log1p(Math.max(1, ...series.map(({ values }) => Math.max(...values.map(v => v ?? 0)))))
  const tall = chart.valToPos(0, 'y', true) - chart.valToPos(1, 'y', true)
  ctx.save()
  ctx.beginPath()
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
  ctx.clip()
  for (let row = 0; row < series.length; row++) {
    const top = chart.valToPos(row + 0.5, 'y', true)
    for (let i = 0; i < times.length && shown[row]; i++) {
      const left = chart.valToPos(times[i]!, 'x', true)
      const right = chart.valToPos(times[i + 1] ?? times[i]!, 'x', true)
      const level = Math.log1p(series[row]!.values[i] ?? 0) / most
      ctx.fillStyle = ramp[Math.round(level * (ramp.length - 1))]
      ctx.fillRect(Math.floor(left), top + 1, Math.max(1, Math.ceil(right - left)), tall - 2)
    }
  }
  ctx.restore()
}

/** 64 colours along the three that the style sheet names as `#rrggbb`. */
function heatRamp(browser: Browser): string[] {
  const stops = ['heat-0', 'heat-1', 'heat-2'].map(name => {
    const text = colourOf(browser, name)
    return [1, 3, 5].map(at => Number.parseInt(text.slice(at, at + 2), 16))
  })
  return Array.from({ length: 64 }, (_, i) => {
    const half = i < 32 ? 0 : 1
    const part = i / 31.5 - half
    const mixed = stops[half]!.map((low, c) => Math.round(low + (stops[half + 1]![c]! - low) * part))
    return `rgb(${mixed.join(' ')})`
  })
}

/** Writes the values at the cursor, or the last ones, into the legend. */
function readOut({ plot, figure, chart, shown }: Drawn): void {
  const at = chart!.cursor.idx ?? plot.times.length - 1
  figure.querySelector('[data-time]')!.textContent = `at ${plot.times[at]!.toFixed(3)} s`
  const outputs = [...figure.querySelectorAll('.legend output')]
  plot.series.forEach(({ values }, row) => {
    outputs[row]!.textContent = shown[row] ? valueText(values[at]) : ''
  })
}

function valueText(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 })
}

/** All plots show the same span of time. */
function zoomTogether(drawn: Drawn, all: readonly Drawn[]): void {
  const { min, max } = drawn.chart?.scales.x ?? {}
  if (min === undefined || max === undefined) return
  for (const { chart } of all) {
    const x = chart?.scales.x
    if (x && (x.min !== min || x.max !== max)) chart.setScale('x', { min, max })
  }
}

/** Buttons of the legend and for zooming, and the keys of the plot itself. */
function listen(drawn: Drawn, all: readonly Drawn[]): void {
  const { figure } = drawn
  for (const button of figure.querySelectorAll('[data-series]'))
    button.addEventListener('click', () => toggle(drawn, button))
  for (const button of figure.querySelectorAll('[data-zoom]'))
    button.addEventListener('click', () => zoom(drawn, button.dataset.zoom!))
  figure.querySelector('.canvas')!.addEventListener('keydown', event => onKey(drawn, all, event))
}

function toggle(drawn: Drawn, button: Element): void {
  const { plot, shown, chart } = drawn
  const row = Number(button.dataset.series)
  shown[row] = !shown[row]
  button.setAttribute('aria-pressed', String(shown[row]))
  if (plot.kind === 'stack') chart!.setData(chartData(drawn), false)
  if (plot.kind === 'lines') chart!.setSeries(row + 1, { show: shown[row]! })
  chart!.redraw(true, true)
  readOut(drawn)
}

function zoom({ plot, chart }: Drawn, how: string): void {
  const { times } = plot
  const [first, last] = [times[0]!, times.at(-1)!]
  const { min = first, max = last } = chart!.scales.x!
  const middle = chart!.cursor.idx == null ? (min + max) / 2 : times[chart!.cursor.idx]!
  const factor = how === 'in' ? 0.5 : how === 'out' ? 2 : Number.POSITIVE_INFINITY
  const from = factor === Number.POSITIVE_INFINITY ? first : middle - (middle - min) * factor
  const to = factor === Number.POSITIVE_INFINITY ? last : middle + (max - middle) * factor
  chart!.setScale('x', { min: Math.max(first, from), max: Math.min(last, to) })
}

function onKey(drawn: Drawn, all: readonly Drawn[], event: KeyEvent): void {
  const { key, shiftKey } = event
  const zooms: Record<string, string> = { '+': 'in', '=': 'in', '-': 'out', '0': 'all', Escape: 'all' }
  const end = drawn.plot.times.length - 1
  const step = shiftKey ? 10 : 1
  const at = drawn.chart!.cursor.idx ?? end
  const moves: Record<string, number> = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: end }
  if (zooms[key] === undefined && moves[key] === undefined) return
  event.preventDefault()
  if (zooms[key] !== undefined) zoom(drawn, zooms[key])
  else moveTo(drawn, all, Math.max(0, Math.min(end, moves[key]!)))
}

/** The cursor to an instant, with the span of time moved to where it is seen; and says what is there. */
function moveTo(drawn: Drawn, all: readonly Drawn[], at: number): void {
  const { plot, chart, figure, shown } = drawn
  const time = plot.times[at]!
  const { min = time, max = time } = chart!.scales.x!
  const shift = time < min ? time - min : time > max ? time - max : 0
  if (shift !== 0) chart!.setScale('x', { min: min + shift, max: max + shift })
  for (const other of all) other.chart!.setCursor({ left: other.chart!.valToPos(time, 'x'), top: 10 })
  const values = plot.series.flatMap(({ label, values }, row) =>
    shown[row] ? [`${label} ${valueText(values[at])}`] : [],
  )
  figure.querySelector('.spoken')!.textContent = `${time.toFixed(3)} seconds: ${values.join(', ')}`
}

const PARTS: readonly ((...parameters: never[]) => unknown)[] = [
  startPlots,
  onPaper,
  drawPlot,
  colourOf,
  chartOptions,
  numberAxis,
  orderAxis,
  rangeOf,
  shortNumber,
  seriesOptions,
  chartData,
  hatched,
  drawHeat,
  heatRamp,
  readOut,
  valueText,
  zoomTogether,
  listen,
  toggle,
  zoom,
  onKey,
  moveTo,
]

/** The script of the page. It expects uPlot before it, and the plots' data in the element `plots`. */
export function clientScript(dashes: readonly (readonly number[])[]): string {
  const data = "JSON.parse(document.getElementById('plots').textContent)"
  return `'use strict'\n${PARTS.map(String).join('\n')}\nstartPlots(window, ${data}, ${JSON.stringify(dashes)})`
}
