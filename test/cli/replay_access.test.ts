// `mmtwin replay` of page accesses: figures, the documented JSON, the page, own policies, and everything that can be wrong.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mmtwin } from './run_cli.ts'

let folder: string
let lackey: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-access-'))
  lackey = join(folder, 'trace.lackey')
  writeFileSync(lackey, textbook)
})
afterAll(() => rmSync(folder, { recursive: true }))

const textbook = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5].map(page => ` L 0${page}000,8\n`).join('')

function policy(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function misses(...args: string[]): Record<string, number[]> {
  const { code, out } = mmtwin(['replay', lackey, '--json', ...args])
  expect(code).toBe(0)
  const { policies } = JSON.parse(out) as { policies: { name: string; misses: number[] }[] }
  return Object.fromEntries(policies.map(({ name, misses: list }) => [name, list]))
}

it("the textbook's string, known by itself as lackey's", () => {
  expect(misses('--policy', 'fifo,lru,opt', '--memory', '3,4')).toEqual({ fifo: [9, 10], lru: [10, 8], opt: [7, 6] })
  expect(misses('--memory', '12K,16KiB', '-p', 'fifo', '-p', 'lru')).toEqual({ fifo: [9, 10], lru: [10, 8] })
})

it('packed, and through a pipe', () => {
  const packed = join(folder, 'packed')
  writeFileSync(packed, gzipSync(textbook))
  for (const [args, input] of [
    [[packed], ''],
    [['-'], textbook],
  ] as const) {
    const { code, out } = mmtwin(['replay', ...args, '--policy', 'opt', '--memory', '3', '--json'], input)
    expect([code, (JSON.parse(out) as { policies: unknown }).policies]).toEqual([
      0,
      [{ name: 'opt', title: 'OPT', misses: [7], missRatios: [7 / 12] }],
    ])
  }
})

it('the table and the page have the same figures', () => {
  const page = join(folder, 'page.html')
  const { code, out, err } = mmtwin(['replay', lackey, '--policy', 'fifo,opt', '--memory', '3,4', '--html', page])
  expect([code, err]).toEqual([0, `mmtwin replay: wrote ${page}\n`])
  expect(out).toMatch(/A FIFO +0\.7500 +0\.8333\nB OPT +0\.5833 +0\.5000\n/)
  const text = readFileSync(page, 'utf8')
  for (const figure of ['0.7500', '0.8333', '0.5833', '0.5000']) expect(text).toContain(figure)
  expect(text).not.toContain('<script')
})

describe('a policy of a file', () => {
  const FIFO = `
    import type { ReplacementPolicy } from 'mmtwin'
    export const title = 'My FIFO'
    export function create(frames: number): ReplacementPolicy {
      const queue: number[] = []
      return { insert: page => void queue.push(page), evict: () => queue.shift()! }
    }`

  it('stands beside the others', () => {
    const path = policy('mine.ts', FIFO)
    expect(misses('--policy', `lru,${path},fifo`, '--memory', '3,4')).toEqual({
      lru: [10, 8],
      mine: [9, 10],
      fifo: [9, 10],
    })
  })

  it.each<[string, string, string]>([
    [
      'throws',
      "export const create = () => ({ evict() { throw new Error('no idea') } })",
      'evict() failed at access 4: Error: no idea',
    ],
    [
      'names a page that is not there',
      'export const create = () => ({ evict: () => 77 })',
      'evict(3) returned 77 at access 4, which is no page in memory',
    ],
    ['names nothing', 'export const create = () => ({ evict() {} })', 'evict(3) returned undefined at access 4'],
    ['names half a page', 'export const create = () => ({ evict: () => 0.5 })', 'evict(3) returned 0.5 at access 4'],
    [
      'names an object',
      'export const create = () => ({ evict: () => ({}) })',
      'evict(3) returned an object at access 4',
    ],
    ['has no create', 'export const x = 1', 'the module exports no function "create"'],
    ['makes nothing', 'export const create = () => null', 'create() returned an object without a function "evict"'],
    ['has a hit that is none', 'export const create = () => ({ hit: 1, evict: () => 0 })', '"hit" is no function'],
    ['throws when made', "export const create = () => { throw 'nothing' }", 'create() failed: threw nothing'],
    ['leaves', 'export const create = () => process.exit(3)', 'ended its thread with code 3'],
    ['does not end', 'export const create = () => { for (;;); }', 'did not end within 3 s'],
    ['is no program', 'export const create = (', 'broken.ts'],
    ['has an enum', 'enum A { B }\nexport const create = () => A.B', 'broken.ts: line 1'],
  ])('that %s is one sentence', (_, text, sentence) => {
    const path = policy('broken.ts', text)
    const page = join(folder, 'none.html')
    const args = ['replay', lackey, '--policy', `lru,${path}`, '--memory', '3', '--html', page]
    if (sentence.startsWith('did not end')) args.push('--timeout', '3')
    const { code, out, err } = mmtwin(args)
    expect(err).toContain(sentence)
    expect(err).toContain(path)
    expect([code, out, err.split('\n').length, existsSync(page)]).toEqual([2, '', 2, false])
  })
})

describe('what is wrong is one sentence', () => {
  it.each<[string, string[], string]>([
    ['policy', ['--policy', 'lru,mru'], 'no policy "mru"; there are fifo, lru, clock'],
    ['policy file', ['--policy', 'absent.ts'], 'absent.ts: no such file'],
    ['memory', ['--memory', 'much'], '--memory much: not a number of frames'],
    ['no memory', ['--memory', '1K'], '--memory 1K: less than one frame of 4096 bytes'],
    ['zero frames', ['--memory', '0'], '--memory 0: less than one frame'],
    ['too much memory', ['--memory', '9999999999'], 'a memory of 9999999999 frames cannot be simulated'],
    ['format', ['--format', 'pdf'], 'no format "pdf"; there are lackey'],
    ['wrong format', ['--format', 'damon'], 'no access in this text with events of DAMON'],
    ['page size', ['--policy', 'lru', '--page-size', '5000'], 'a page of 5000 bytes: it must be a power of two'],
  ])('%s', (_, args, sentence) => {
    const { code, out, err } = mmtwin(['replay', lackey, ...args])
    expect(err).toContain(sentence)
    expect([code, out, err.split('\n').length]).toEqual([2, '', 2])
  })

  it('a file that is not there, is empty, or is cut', () => {
    const cut = join(folder, 'cut.gz')
    writeFileSync(cut, gzipSync(textbook.repeat(1000)).subarray(0, 60))
    const empty = join(folder, 'empty')
    writeFileSync(empty, '')
    for (const [path, sentence] of [
      [join(folder, 'absent'), 'there is no such file'],
      [cut, 'the gzip data end too early'],
      [empty, 'no trace of page accesses is known that begins like this'],
    ] as const) {
      const { code, out, err } = mmtwin(['replay', path, '--policy', 'lru'])
      expect(err).toContain(`${path}: ${sentence}`)
      expect([code, out, err.split('\n').length]).toEqual([2, '', 2])
    }
  })

  it('damaged lines are told and cost nothing else', () => {
    const path = join(folder, 'damaged')
    writeFileSync(path, `${textbook}L what\n${textbook}`)
    const { code, err } = mmtwin(['replay', path, '--policy', 'lru', '--memory', '3'])
    expect([code, err]).toEqual([
      0,
      'mmtwin replay: 1 diagnostic at line 13: no address of up to 16 hexadecimal digits\n',
    ])
  })
})
