// The replay report as text: complete, alone, and safe from what a trace may hold.
import { expect, it } from 'vitest'
import { writeReplayHtml } from '../../src/node/replay_html/index.ts'
import type { ReplayView } from '../../src/node/replay_html/view.ts'
import { EVIL, replayView, UNKNOWN } from './replay_html_sample.ts'

const page = (changes: Partial<ReplayView> = {}): string => writeReplayHtml(replayView(changes))

/** Text of a page as a reader sees it. */
const read = (html: string): string =>
  html
    .replace(/<(style|script)\b.*?<\/\1>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')

it('is whole, alone and small', () => {
  const html = page()
  expect(html).toMatch(/^<!doctype html>\n.*<\/html>\n$/s)
  expect(html.length).toBeLessThan(500_000)
  expect(html).toContain("default-src 'none'".replaceAll("'", '&#39;'))
  expect(html).not.toMatch(/<(link|iframe|object|embed|base)\b|<script[^>]*\bsrc=|url\((?!#)|@import/)
})

it('nothing from the trace becomes markup', () => {
  const html = page()
  expect(html).not.toContain('<img')
  expect(html).not.toContain('\u001b')
  expect(read(html)).toContain('&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;')
  const evil = page({ trace: EVIL, kernel: EVIL, machine: EVIL, mixture: [{ type: EVIL, values: Array(200).fill(3) }] })
  expect(evil).not.toContain('<img')
  expect(evil.match(/<\/script>/g)).toHaveLength(html.match(/<\/script>/g)!.length)
})

it('ids are unique, and every link inside the page arrives', () => {
  const html = page()
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(match => match[1])
  expect(new Set(ids).size).toBe(ids.length)
  const wanted = [...html.matchAll(/(?:href="#|aria-labelledby="|aria-describedby="|url\(#)([^")]+)/g)]
  for (const [, id] of wanted) expect(ids).toContain(id)
})

it('the figures are there', () => {
  const text = read(page())
  for (const words of [
    '187,355 187,363 +8 0 187,401 +46',
    '262,005 frames compared',
    'followed 1 5 2 2 2 3 1 0 1 1 182',
    'predicted 846 186,555',
    'took a block 4 times',
    'GFP_NOFS| __GFP_HIGHMEM|',
  ])
    expect(text).toContain(words)
})

it('a recording that tells little still makes a page that says so', () => {
  const text = read(
    page({
      zones: UNKNOWN,
      framesCompared: 0,
      prediction: null,
      times: [],
      courses: [],
      margins: [],
      mixture: [],
      processes: [],
      gfps: [],
      causes: [],
      failures: { count: 0, first: [] },
      fallbacks: { count: 0, first: [] },
      orders: [],
      lifetimes: [],
      extfrag: { recorded: null, predicted: null },
    }),
  )
  for (const words of ['No allocation failed.', 'no map of frames', 'too short', 'not recorded', 'told by an event'])
    expect(text).toContain(words)
  expect(text).not.toMatch(/NaN|undefined|Infinity|\bnull\b/)
})

it('a great machine and a long trace stay below two megabytes, and the lowest moment stays in', () => {
  const { courses } = replayView()
  const instants = 5000
  const long = <T>(values: readonly T[]): T[] => Array.from({ length: instants }, (_, i) => values[i % values.length]!)
  const great = Array.from({ length: 16 }, (_, node) => ({
    ...courses[1]!,
    node,
    free: long(courses[1]!.free).map((free, i) => (node === 0 && i === 1234 ? -987654 : free)),
    blocks: courses[1]!.blocks.map(long),
    fragmentation: courses[1]!.fragmentation.map(long),
  }))
  const html = page({ courses: great, mixture: [], times: Array.from({ length: instants }, (_, i) => i / 7) })
  expect(html.length).toBeLessThan(2_000_000)
  expect(html).toContain('-987654')
})

it('settings stand side by side', () => {
  const { prediction, courses } = replayView()
  const drawn = courses.map(({ node, zone, free }) => ({ node, zone, free }))
  const run = { prediction: prediction!, courses: drawn, fallbacks: 4, drained: 100 }
  const zones = [{ node: 0, zone: 'DMA32', free: 187401 }]
  const html = page({
    runs: [
      { ...run, name: 'as recorded', zones },
      { ...run, name: 'vm.min_free_kbytes=90112', zones: [{ ...zones[0]!, free: 180000 }], fallbacks: 9 },
    ],
  })
  expect(html.match(/<figure class="plot" id="settings-/g)).toHaveLength(2)
  const text = read(html)
  expect(text).toContain('as recorded vm.min_free_kbytes=90112')
  expect(text).toContain('187,401 180,000')
  expect(text).toContain('blocks taken from another migrate type 4 9')
})

it('watermarks that changed on the way accuse nobody', () => {
  const [margin] = replayView().margins
  const low = [{ ...margin!, free: 100 }]
  expect(read(page({ margins: low }))).toContain('ran below a min watermark: zone DMA had 100 pages')
  const held = read(page({ margins: low, watermarksHeld: false }))
  expect(held).toContain('they changed during the trace, at the end they are min 177')
  expect(held).not.toContain('ran below')
})
