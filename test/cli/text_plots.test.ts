// Bars and sparklines of the terminal.
import { expect, it } from 'vitest'
import { bar, sparkline, wantsAscii } from '../../src/cli/text_plots.ts'

const unicode = { ascii: false }
const ascii = { ascii: true }

it.each([
  [0, '    ', '....'],
  [0.001, '▏   ', '#...'],
  [0.25, '█   ', '#...'],
  [0.6, '██▍ ', '##..'],
  [1, '████', '####'],
  [7, '████', '####'],
])('a bar of %s', (share, expected, plain) => {
  expect(bar(share, 4, unicode)).toBe(expected)
  expect(bar(share, 4, ascii)).toBe(plain)
})

it('a sparkline shows the lowest of each part', () => {
  const values = [0, 10, 20, 3, 40, 50, 60, 70]
  expect(sparkline(values, 8, [0, 70], unicode)).toBe('▁▂▃▁▅▆▇█')
  expect(sparkline(values, 4, [0, 70], unicode)).toBe('▁▁▅▇')
  expect(sparkline(values, 4, [0, 70], ascii)).toBe('__+#')
  expect(sparkline([5, 5], 9, [5, 5], unicode)).toBe('▁▁')
  expect(sparkline([], 9, [0, 1], unicode)).toBe('')
})

it('ASCII where the locale says so', () => {
  expect(wantsAscii({})).toBe(false)
  expect(wantsAscii({ LANG: 'de_DE.UTF-8' })).toBe(false)
  expect(wantsAscii({ LANG: 'C.utf8' })).toBe(false)
  expect(wantsAscii({ LANG: 'C.utf8', LC_ALL: 'C' })).toBe(true)
  expect(wantsAscii({ LANG: 'C.utf8', TERM: 'dumb' })).toBe(true)
})
