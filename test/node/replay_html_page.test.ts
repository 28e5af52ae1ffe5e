// The replay report in a browser: drawn, without an error, asking for nothing, usable with the keyboard alone.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { writeReplayHtml } from '../../src/node/replay_html/index.ts'
import { replayView } from './replay_html_sample.ts'

const CHROMIUM = '/usr/bin/chromium'
const SWITCHES = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const there = existsSync(CHROMIUM)
describe.skipIf(!there)(there ? 'in Chromium' : `in Chromium (skipped: no ${CHROMIUM})`, () => {
  let browser: Browser
  let folder: string
  let page: Page
  const troubles: string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'replay-page-'))
    browser = await chromium.launch({ executablePath: CHROMIUM, args: SWITCHES })
  })

  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  afterEach(async () => {
    await page.close()
    expect(troubles.splice(0)).toEqual([])
  })

  async function open(options: { width?: number; colorScheme?: 'light' | 'dark'; javaScriptEnabled?: boolean } = {}) {
    const { width = 1200, ...rest } = options
    const file = join(folder, 'report.html')
    writeFileSync(file, writeReplayHtml(replayView()))
    page = await browser.newPage({ viewport: { width, height: 800 }, ...rest })
    page.on('console', message => troubles.push(message.text()))
    page.on('pageerror', error => troubles.push(error.message))
    page.on('dialog', dialog => troubles.push(dialog.message()))
    page.on('request', request => request.url() !== pathToFileURL(file).href && troubles.push(request.url()))
    await page.goto(pathToFileURL(file).href)
  }

  /** Different colours of a plot: one if nothing was drawn. */
  const colours = (selector: string): Promise<number> =>
    page.evaluate(`{
      const canvas = document.querySelector('${selector} canvas')
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
      copy.drawImage(canvas, 0, 0)
      const { data } = copy.getImageData(0, 0, canvas.width, canvas.height)
      new Set(new Uint32Array(data.buffer)).size
    }`)

  it.each(['light', 'dark'] as const)('draws every plot in %s', async colorScheme => {
    await open({ colorScheme })
    const ids: string[] = await page.evaluate("[...document.querySelectorAll('figure.plot')].map(({ id }) => id)")
    expect(ids).toHaveLength(7)
    for (const id of ids) {
      expect(await page.getAttribute(`#${id}`, 'data-drawn')).toBe('yes')
      expect(await colours(`#${id}`)).toBeGreaterThan(5)
    }
  })

  it.each([320, 400, 1200])('is not wider than a screen of %i points', async width => {
    await open({ width })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
  })

  it('arrows move the cursor of all plots, and say what is there', async () => {
    await open()
    await page.focus('#free-1 .canvas')
    await page.keyboard.press('Home')
    await page.keyboard.press('Shift+ArrowRight')
    const { times, courses } = replayView()
    const at = `at ${times[10]!.toFixed(3)} s`
    expect(await page.textContent('#free-1 [data-time]')).toBe(at)
    expect(await page.textContent('#blocks-0 [data-time]')).toBe(at)
    const free = courses[1]!.free[10]!.toLocaleString('en-US')
    expect(await page.textContent('#free-1 .legend li:first-child output')).toBe(free)
    expect(await page.textContent('#free-1 .spoken')).toContain(`free ${free}, min 11,086`)
  })

  it('plus, minus and 0 zoom all plots together', async () => {
    await open()
    const before = await page.screenshot({ fullPage: true })
    await page.focus('#free-0 .canvas')
    await page.keyboard.press('Home')
    await page.keyboard.press('+')
    await page.keyboard.press('End')
    expect(await page.textContent('#mixture-0 [data-time]')).toBe('at 13.500 s')
    expect((await page.screenshot({ fullPage: true })).equals(before)).toBe(false)
    await page.keyboard.press('-')
    await page.keyboard.press('0')
    await page.keyboard.press('End')
    const label = (id: string): Promise<string> =>
      page.evaluate(`document.querySelector('#${id} [data-time]').textContent`)
    expect(await label('free-0')).toBe(await label('mixture-0'))
  })

  it('a series is hidden and shown from the keyboard', async () => {
    await open()
    const button = '#mixture-0 .legend li:nth-child(2) button'
    const before = await colours('#mixture-0')
    await page.focus(button)
    await page.keyboard.press('Enter')
    expect(await page.getAttribute(button, 'aria-pressed')).toBe('false')
    expect(await colours('#mixture-0')).toBeLessThan(before)
    await page.keyboard.press('Space')
    expect(await colours('#mixture-0')).toBe(before)
  })

  it('everything that can be pressed is reached with Tab, in the order of the page', async () => {
    await open()
    const all: number = await page.evaluate(`[...document.querySelectorAll('a, button, summary, [tabindex="0"]')]
      .filter(element => element.checkVisibility()).map((element, i) => (element.dataset.order = i)).length`)
    const seen: number[] = []
    for (let i = 0; i < all; i++) {
      await page.keyboard.press('Tab')
      seen.push(Number(await page.evaluate('document.activeElement.dataset.order')))
    }
    expect(seen).toEqual(Array.from({ length: all }, (_, i) => i))
  })

  it('without script it still has every figure', async () => {
    await open({ javaScriptEnabled: false })
    expect(await page.isVisible('noscript p')).toBe(true)
    await page.click('#free-1 summary')
    expect(await page.isVisible('#free-1 table')).toBe(true)
  })
})
