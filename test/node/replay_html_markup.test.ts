// The markup of the replay report: what comes from a trace stays text.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { escapeHtml, Html, html, table } from '../../src/node/replay_html/markup.ts'
import { bytes, count, integer, percent, seconds, signed } from '../../src/node/replay_html/numbers.ts'

it.each([
  ['<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
  [`"a" & 'b'`, '&quot;a&quot; &amp; &#39;b&#39;'],
  ['a\u0000b\u001b[31m', 'a␀b␛[31m'],
  ['evil\u202egnp', 'evil\ufffdgnp'],
])('%j is escaped', (text, expected) => {
  expect(escapeHtml(text)).toBe(expected)
  expect(html`<b title="${text}">${text}</b>`.text).toBe(`<b title="${expected}">${expected}</b>`)
})

it('markup inside markup stays markup, lists follow one another', () => {
  expect(html`<p>${html`<i>${'<'}</i>`}${['a', new Html('<br>'), 3]}</p>`.text).toBe('<p><i>&lt;</i>a<br>3</p>')
})

it('no text makes an element, an attribute or a reference', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const { text: made } = table({ caption: text, head: [text], rows: [[text, text]] })
      const empty = table({ caption: '', head: [''], rows: [['', '']] }).text
      for (const char of '<>"') expect(made.split(char)).toHaveLength(empty.split(char).length)
    }),
  )
})

it('figures', () => {
  expect([integer(29727), integer(1234567)]).toEqual(['29,727', '1,234,567'])
  const plain = (texts: string[]): string[] => texts.map(text => text.replaceAll('\u00a0', ' '))
  expect(plain([percent(0, 0), percent(3, 3), percent(0, 3), percent(99999, 100000)])).toEqual([
    '–',
    '100 %',
    '0 %',
    '99.99 %',
  ])
  expect(plain([percent(1, 3), percent(1, 30), percent(1, 1e6), percent(995, 1000)])).toEqual([
    '33.3 %',
    '3.33 %',
    '< 0.01 %',
    '99.50 %',
  ])
  expect(plain([bytes(0), bytes(4096), bytes(15597568), bytes(2 ** 40)])).toEqual(['0 B', '4 KiB', '14.9 MiB', '1 TiB'])
  expect(plain([seconds(0.5), seconds(13.6), seconds(120.7)])).toEqual(['0.500 s', '13.6 s', '121 s'])
  expect([signed(0), signed(3), signed(-1200)]).toEqual(['0', '+3', '−1,200'])
  expect([count(1, 'page'), count(2, 'page'), count(0, 'entry', 'entries')]).toEqual(['1 page', '2 pages', '0 entries'])
})
