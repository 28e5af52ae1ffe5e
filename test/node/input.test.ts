import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { InputError, openRandom, readInput, readWhole } from '../../src/node/input.ts'
import { readTrace } from '../../src/node/trace_input.ts'
import { zstdStore } from '../trace/encode_dat.ts'

const folder = mkdtempSync(join(tmpdir(), 'mmtwin-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, contents: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, contents)
  return path
}

const LINE =
  '            init-1       [000] d..3.    10.310909: mm_page_free: page=ffffea00001b1a80 pfn=0x6c6a order=1\n'
const TEXT = Buffer.from(`# tracer: nop\n${LINE.repeat(40_000)}`)
const golden = (name: string): string => new URL(`../golden/trace/${name}`, import.meta.url).pathname

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    e => e as Error,
  )
  expect(error).toBeInstanceOf(InputError)
  expect(error!.message).not.toContain('\n')
  return error!.message
}

describe('readInput', () => {
  const packed: [string, Uint8Array][] = [
    ['plain', TEXT],
    ['gzip', gzipSync(TEXT)],
    ['zstd', zstdStore(TEXT)],
  ]
  for (const [packing, contents] of packed) {
    it(`${packing}: the same bytes, with progress`, async () => {
      const path = file(`text.${packing}`, contents)
      const pieces: Uint8Array[] = []
      const progress: [number, number][] = []
      const summary = await readInput(path, bytes => pieces.push(bytes.slice()), {
        onProgress: (read, total) => progress.push([read, total]),
      })
      expect(Buffer.concat(pieces).equals(TEXT)).toBe(true)
      expect(summary).toEqual({ packing, read: contents.length, bytes: TEXT.length })
      expect(progress.at(-1)).toEqual([contents.length, contents.length])
      expect(pieces.every(piece => piece.length <= 1 << 20)).toBe(true)
    })
  }

  it('gzip of several members is one input', async () => {
    const path = file('members.gz', Buffer.concat([gzipSync('one\n'), gzipSync('two\n')]))
    expect(Buffer.from(await readWhole(path)).toString()).toBe('one\ntwo\n')
  })

  it('an empty file has no bytes', async () => {
    expect((await readWhole(file('empty', ''))).length).toBe(0)
  })

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(readInput(file('stop', TEXT), () => {}, { signal })).rejects.toThrow('enough')
  })

  it('an error of the receiver comes out unchanged', async () => {
    for (const [packing, contents] of packed) {
      const fail = (): void => {
        throw new TypeError('mine')
      }
      await expect(readInput(file(`fail.${packing}`, contents), fail)).rejects.toThrow(new TypeError('mine'))
    }
  })
})

describe('what is wrong with a file is one sentence with its name', () => {
  it('missing, directory, too long', async () => {
    expect(await failure(readInput('/no/such/file', () => {}))).toBe('/no/such/file: there is no such file')
    expect(await failure(readInput(folder, () => {}))).toBe(`${folder}: is a directory, not a file`)
    expect(await failure(readInput(join(folder, 'n'.repeat(300)), () => {}))).toMatch(/: the name is too long$/)
    expect(await failure(readWhole(file('large', TEXT), 1000))).toMatch(/larger than 1000 bytes/)
  })

  it('gzip and zstd, cut and damaged', async () => {
    const gzip = gzipSync(TEXT)
    const cut = file('cut.gz', gzip.subarray(0, gzip.length - 100))
    expect(await failure(readInput(cut, () => {}))).toMatch(
      /cut\.gz: the gzip data end too early \(the file is cut\); \d+ bytes could be unpacked of \d+ read$/,
    )
    const bad = Buffer.from(gzip)
    bad.fill(0xff, 2000, 2020)
    expect(await failure(readInput(file('bad.gz', bad), () => {}))).toMatch(
      /bad\.gz: the gzip data are damaged; \d+ bytes/,
    )
    const zstd = zstdStore(TEXT)
    expect(await failure(readInput(file('cut.zst', zstd.subarray(0, 300_000)), () => {}))).toMatch(
      /cut\.zst: the zstd data/,
    )
    const header = Buffer.from(zstd)
    header.fill(0xff, 9, 12)
    expect(await failure(readInput(file('bad.zst', header), () => {}))).toMatch(/bad\.zst: the zstd data are damaged/)
  })

  it('gzip cut at every byte of a small file', async () => {
    const gzip = gzipSync(LINE)
    for (let cut = 2; cut < gzip.length; cut++) {
      expect(await failure(readInput(file('small.gz', gzip.subarray(0, cut)), () => {}))).toMatch(/gzip data/)
    }
  })
})

describe('openRandom', () => {
  it('a plain file is read in place, a packed one from a temporary file that goes away', async () => {
    const temporary = (): string[] => readdirSync(tmpdir()).filter(name => /^mmtwin-(?!test)/.test(name))
    const before = temporary().length
    for (const [name, contents] of [
      ['r', TEXT],
      ['r.gz', gzipSync(TEXT)],
    ] as const) {
      const input = await openRandom(file(name, contents))
      expect(input.source.size).toBe(TEXT.length)
      expect(Buffer.from(input.source.read(500_000, 100)).equals(TEXT.subarray(500_000, 500_100))).toBe(true)
      expect(Buffer.from(input.start).toString()).toBe(TEXT.subarray(0, 64).toString())
      input.close()
      input.close()
    }
    expect(temporary().length).toBe(before)
    await failure(openRandom(file('r2.gz', gzipSync(TEXT).subarray(0, 500))))
    expect(temporary().length).toBe(before)
  })
})

describe('readTrace tells kinds apart', () => {
  const read = async (path: string): Promise<[string, number]> => {
    let events = 0
    const summary = await readTrace(path, { onBatch: batch => (events += batch.length) })
    expect(summary.events).toBe(events)
    return [summary.format, events]
  }

  it('text and trace.dat, plain and gzip', async () => {
    const dat = golden('trace-cmd-v7-zstd.dat')
    expect(await read(file('t.txt', TEXT))).toEqual(['text', 40_000])
    expect(await read(file('t.txt.gz', gzipSync(TEXT)))).toEqual(['text', 40_000])
    expect(await read(dat)).toEqual(['trace.dat', 349])
    expect(await read(golden('trace-cmd-v6.dat'))).toEqual(['trace.dat', 349])
    expect(await read(file('d.gz', gzipSync(await readWhole(dat))))).toEqual(['trace.dat', 349])
  })

  it('what is no trace is an InputError with file and line', async () => {
    const onBatch = (): void => {}
    expect(await failure(readTrace(file('prose', 'hello\n'), { onBatch }))).toMatch(
      /prose: line 1: no trace event in 1 line/,
    )
    expect(await failure(readTrace(file('nul', 'a\0b'), { onBatch }))).toMatch(
      /nul: this is not trace text: a zero byte/,
    )
    expect(await failure(readTrace(file('none', ''), { onBatch }))).toMatch(/none: the trace is empty/)
    const dat = await readWhole(golden('trace-cmd-v6.dat'))
    expect(await failure(readTrace(file('cut.dat', dat.subarray(0, 3000)), { onBatch }))).toMatch(
      /cut\.dat: trace\.dat is cut/,
    )
  })
})

const BUILT = new URL('../../dist/node/trace_input.js', import.meta.url)

it.skipIf(!existsSync(BUILT))('standard input is read like a file (needs the build)', () => {
  const script = `import { readTrace } from ${JSON.stringify(BUILT.href)}
    const s = await readTrace('-', { onBatch() {} })
    console.log(s.format, s.events)`
  const run = (input: Uint8Array): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script], { input }).stdout.toString().trim()
  expect(run(TEXT)).toBe('text 40000')
  expect(run(gzipSync(TEXT))).toBe('text 40000')
  expect(run(readFileSync(golden('trace-cmd-v7-zstd.dat')))).toBe('trace.dat 349')
})
