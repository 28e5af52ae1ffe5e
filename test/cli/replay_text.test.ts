// The replay report on a terminal: one screen, as wide as asked, in colour or not, in Unicode or not.
import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { replayText } from '../../src/cli/replay_text.ts'
import { replayView, UNKNOWN } from '../node/replay_html_sample.ts'

it('one screen', () => {
  const text = replayText(replayView(), { width: 80, color: false, ascii: false })
  expect(text.split('\n').length).toBeLessThanOrEqual(25)
  expect(text).toMatch(/^Replay of trace\.txt\.gz\nLinux 6\.1\.0-50-amd64 · 1 node/)
  expect(text).toContain('DMA32        187,355   187,363    +8    187,401   +46\n')
  expect(text).toContain('✔ predicted same frame 99.74 %, zone 100 %, migrate type 100 %\n')
})

it.each([1, 40, 47, 66, 80, 100, 300])('no line is wider than %i columns', width => {
  for (const ascii of [false, true]) {
    const lines = replayText(replayView(), { width, color: false, ascii }).split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(40, Math.min(100, width)))
  }
})

it('colour adds nothing but colour', () => {
  const plain = replayText(replayView(), { width: 80, color: false, ascii: false })
  const coloured = replayText(replayView(), { width: 80, color: true, ascii: false })
  expect(coloured).toContain('\u001b[32m')
  expect(stripVTControlCharacters(coloured)).toBe(plain)
  expect(plain).not.toContain('\u001b')
})

it('ASCII is ASCII, and the trace cannot steer the terminal', () => {
  const text = replayText(replayView({ trace: 'a\u001b]0;x\u0007\u202e\nb', kernel: 'ä\u009b31m' }), {
    width: 80,
    color: false,
    ascii: true,
  })
  expect(text).toMatch(/^[\n -~]+$/)
  expect(text).toMatch(/^Replay of a\?\]0;x\?\?\?b\nLinux \?\?31m/)
})

it('what is not known is not told', () => {
  const text = replayText(
    replayView({
      zones: UNKNOWN,
      framesCompared: 0,
      prediction: null,
      times: [],
      courses: [],
      margins: [],
      processes: [],
    }),
    { width: 80, color: false, ascii: false },
  )
  expect(text).not.toMatch(/NaN|undefined|Infinity|null|frames|predicted same/)
})

it('settings stand one below the other', () => {
  const { prediction } = replayView()
  const run = {
    prediction: prediction!,
    courses: [],
    fallbacks: 4,
    drained: 100,
    zones: [{ node: 0, zone: 'DMA32', free: 187401 }],
  }
  const text = replayText(
    replayView({
      runs: [
        { ...run, name: 'as recorded' },
        { ...run, name: 'vm.min_free_kbytes=90112' },
      ],
    }),
    {
      width: 80,
      color: false,
      ascii: false,
    },
  )
  expect(text).toMatch(
    /settings +free +failed +fallbacks\nas recorded +187,401 +0 +4\nvm\.min_free_kbytes=90112 +187,401 +0 +4\n/,
  )
})
