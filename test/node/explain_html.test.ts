// Explained reports as a page: every sentence shows the lines that prove it, with and without script; nothing of a log
// is taken for markup.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ExplainedPart, writeExplainHtml } from '../../src/node/explain_html/index.ts'
import { explainInput } from '../../src/node/explain_input.ts'
import { golden } from '../report/explain/cases.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function partsOf(text: string): Promise<ExplainedPart[]> {
  const file = join(folder, 'log.txt')
  writeFileSync(file, text)
  const parts: ExplainedPart[] = []
  await explainInput(file, (explained, own) => parts.push({ explained, ...own }))
  return parts
}

const text = golden.map(({ text }) => text).join('\n')

describe('the page of explained reports', () => {
  it('has the lines of the log that its sentences name', async () => {
    const parts = await partsOf(text)
    expect(parts.length).toBeGreaterThanOrEqual(golden.length)
    const page = writeExplainHtml('log.txt', parts, 0)
    const all = text.split('\n')
    for (const { explained, lines, firstLine } of parts) {
      expect(lines).toEqual(all.slice(firstLine - 1, firstLine - 1 + lines.length))
      for (const line of explained.answer.explanation.flatMap(({ evidence }) => evidence))
        expect(page).toContain(`id="L${line}"`)
    }
  })

  it('shows what a log holds as text', async () => {
    const [first] = golden
    const evil = '<script>alert(1)</script><img src=x onerror=alert(2)>'
    const parts = await partsOf(first!.text.replaceAll(/\bhog\b/g, evil))
    const page = writeExplainHtml(`${evil}.txt`, parts, 3)
    expect(page).not.toMatch(/<img|<script>alert/)
    expect(page.match(/<script/g)).toHaveLength(1)
    expect(page).toContain('3 pieces of the log could not be read')
  })
})

const CHROMIUM = '/usr/bin/chromium'
const there = existsSync(CHROMIUM)
describe.skipIf(!there)(there ? 'in Chromium' : `in Chromium (skipped: no ${CHROMIUM})`, () => {
  it('marks the lines of a sentence that is clicked and brings them into sight', async () => {
    const file = join(folder, 'page.html')
    const parts = await partsOf(text)
    writeFileSync(file, writeExplainHtml('log.txt', parts, 0))
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync', '--no-first-run'],
    })
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, reducedMotion: 'reduce' })
      const troubles: string[] = []
      page.on('console', message => troubles.push(message.text()))
      page.on('pageerror', error => troubles.push(error.message))
      await page.goto(pathToFileURL(file).href)
      const links = page.locator('.sentences a')
      for (const at of [0, (await links.count()) - 1]) {
        const link = links.nth(at)
        const wanted = (await link.getAttribute('data-lines'))!.split(' ').map(line => `L${line}`)
        await link.focus()
        await page.keyboard.press('Enter')
        const hits = page.locator('.hit')
        expect(await hits.evaluateAll(rows => rows.map(({ id }) => id))).toEqual(wanted)
        expect(await hits.first().isVisible()).toBe(true)
        const box = (await hits.first().boundingBox())!
        const log = (await hits.first().locator('xpath=ancestor::div[@class="log"]').boundingBox())!
        expect(box.y).toBeGreaterThanOrEqual(log.y)
        expect(box.y + box.height).toBeLessThanOrEqual(log.y + log.height)
      }
      expect(troubles).toEqual([])
    } finally {
      await browser.close()
    }
  })
})
