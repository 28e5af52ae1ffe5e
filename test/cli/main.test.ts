// Words, exit codes and streams of the command line.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resultsText } from '../../src/cli/verify.ts'
import { MAIN, mmtwin } from './run_cli.ts'

let folder: string
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('mmtwin', () => {
  it('tells its version and its commands', () => {
    expect(mmtwin(['--version'])).toMatchObject({ code: 0, err: '' })
    expect(mmtwin(['--version']).out).toMatch(/^\d+\.\d+\.\d+\n$/)
    const { code, out } = mmtwin(['--help'])
    expect(code).toBe(0)
    for (const command of ['boot', 'replay', 'run', 'verify', 'where']) {
      expect(out).toContain(`\n  ${command} `)
      const help = mmtwin([command, '--help'])
      expect([help.code, help.out.includes('Examples:\n  $ mmtwin ')]).toEqual([0, true])
    }
    expect(mmtwin([])).toMatchObject({ code: 0, out })
  })

  it.each<[string, string[], string]>([
    ['a wrong command', ['boto'], "error: unknown command 'boto'\n(Did you mean boot?)"],
    ['a wrong option', ['boot', '--memry', '1G'], '(Did you mean --memory?)'],
    ['a wrong number', ['boot', '--cpus', 'x'], 'It must be a whole number above 0.'],
    ['a missing argument', ['verify'], "missing required argument 'dir'"],
    ['a folder that is not there', ['verify', '/nonesuch'], 'mmtwin: /nonesuch: no such file or folder\n'],
    ['a machine that is not there', ['boot', '-m', '/nonesuch'], 'mmtwin: /nonesuch: no such file or folder\n'],
    [
      'a machine that cannot be',
      ['boot', '--memory', 'lots', '--', 'hash'],
      'mmtwin: machine description: "memory" is "lots"',
    ],
    [
      'an allocator that is none',
      ['boot', '--slab', 'slop', '--', 'hash'],
      'mmtwin: machine description: "slab" is "slop"; there are slub, slab, slob\n',
    ],
    ['a setting that is none', ['boot', '--set', 'x', '--', 'hash'], '--set x: "x" is not NAME=VALUE'],
    [
      'a setting that there is not',
      ['boot', '--set', 'vm.x=1', '--', 'hash'],
      'mmtwin: vm.x: no such setting in this kernel',
    ],
    ['no trace', ['replay'], 'mmtwin: replay takes a trace or --bundled, one of the two\n'],
    ['a kind that there is not', ['verify', '/', '--kind', 'x'], 'mmtwin: no kind "x"; there are '],
  ])('%s: one sentence on stderr, exit 2', (_, args, sentence) => {
    const { code, out, err } = mmtwin(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(sentence)
    expect(err).not.toMatch(/\n\s+at /)
  })

  it('ends quietly when nobody reads on', () => {
    const { stdout, stderr, status } = spawnSync(
      'sh',
      [
        '-c',
        `{ "$0" "$1" boot -- 'random 9; cat zoneinfo vmstat pagetypeinfo zoneinfo zoneinfo'; } | head -1`,
        process.execPath,
        MAIN,
      ],
      { encoding: 'utf8' },
    )
    expect([stdout, stderr, status]).toEqual([expect.stringContaining('seed 0'), '', 0])
  })
})

describe('mmtwin boot', () => {
  it('boots with another allocator of objects', () => {
    const { code, out } = mmtwin(['boot', '--slab', 'slab', '--', 'cat', '/proc/slabinfo', ';', 'check'])
    expect(code).toBe(0)
    expect(out).toMatch(/^kmalloc-32 .* : tunables {2}120 {3}60 {4}0 : /m)
  })
  it('does the line behind --', () => {
    expect(mmtwin(['boot', '--', 'echo', 'a', ';', 'echo', 'b'])).toEqual({ code: 0, out: 'a\nb\n', err: '' })
    expect(
      mmtwin([
        'boot',
        '--memory',
        '4G',
        '--cpus',
        '2',
        '--set',
        'min_free_kbytes=5000',
        '--',
        'cat /proc/sys/vm/min_free_kbytes',
      ]),
    ).toEqual({ code: 0, out: '5000\n', err: '' })
  })

  it('reads lines, tells failing ones with their number, and goes on', () => {
    expect(mmtwin(['boot'], 'echo a\n\n# nothing\nback\necho b\n')).toEqual({
      code: 1,
      out: 'a\nb\n',
      err: 'mmtwin boot: line 4: this is the beginning\n',
    })
    expect(mmtwin(['boot'], 'back\nech x\nexit\necho no\n')).toEqual({
      code: 2,
      out: '',
      err: 'mmtwin boot: line 1: this is the beginning\nmmtwin boot: line 2: no command "ech"; did you mean echo?\n',
    })
  })

  it('answers in JSON', () => {
    const { code, out } = mmtwin(['boot', '--json'], 'alloc_page GFP_KERNEL\nback 9\nnonesuch')
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({
      commands: [
        { line: 'alloc_page GFP_KERNEL', status: 0, error: null },
        { line: 'back 9', text: 'step 0 of 1\n' },
        { line: 'nonesuch', status: 2, error: 'no command "nonesuch"' },
      ],
      step: 0,
      hash: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  })

  it('boots a description, sources files', () => {
    const machine = file('machine.json', JSON.stringify({ memory: '3G', kernel: '6.1-i386', cpus: 2 }))
    expect(mmtwin(['boot', '-m', machine, '--', 'buddy']).out).toContain('zone HighMem: ')
    const script = file('script', 'echo from a file\n')
    expect(mmtwin(['boot', '--', `source ${script}`]).out).toBe('from a file\n')
    expect(mmtwin(['boot', '--', `source ${script}x`])).toMatchObject({
      code: 1,
      err: `mmtwin boot: ${script}x: no such file or folder\n`,
    })
  })

  it.each<[string, string | Uint8Array, string]>([
    ['text.json', 'hello', 'no machine description in JSON'],
    ['list.json', '[1]', 'it must be an object'],
    ['binary.json', Uint8Array.from({ length: 999 }, (_, i) => i % 256), 'no machine description in JSON'],
    ['large.json', ' '.repeat(2 ** 21), 'too large for a machine description'],
    ['overlap.json', '{"memory":[{"start":0,"size":"1G"},{"start":"512M","size":"1G"}]}', 'overlap'],
    ['field.json', '{"memory":"1G","colour":"red"}', 'unknown field "colour"'],
  ])('%s is one sentence with its name', (name, content, sentence) => {
    const path = file(name, content)
    const { code, out, err } = mmtwin(['boot', '-m', path, '--', 'hash'])
    expect([code, out]).toEqual([2, ''])
    expect(err.startsWith(`mmtwin: ${path}: `)).toBe(true)
    expect(err).toContain(sentence)
    expect(err.trimEnd()).not.toContain('\n')
  })
})

describe('mmtwin verify', () => {
  it('is a table, exact or not', () => {
    const { code, out, err } = mmtwin(['verify', folder])
    expect([code, out, err.includes('no recording of the kinds')]).toEqual([2, '', true])
    file('gfp.jsonl', 'nonsense\n')
    const wrong = mmtwin(['verify', folder])
    expect(wrong.code).toBe(1)
    expect(wrong.out).toMatch(
      /^kind +files +checks +exact +%\ngfp +1 +1 +0 +0\.00\n\ngfp: first difference at gfp\.jsonl:1\n {2}expected /,
    )
    const { code: status, out: json } = mmtwin(['verify', folder, '--json'])
    expect(status).toBe(1)
    expect(JSON.parse(json)).toMatchObject({
      kinds: [{ kind: 'gfp', files: 1, checks: 1, exact: 0, first: { file: 'gfp.jsonl', line: 1 } }],
    })
  })

  it('takes kinds before the folder, shows where two long lines differ', () => {
    const differ = { file: 'x.jsonl', line: 7, expected: `${'a'.repeat(200)}1 end`, got: `${'a'.repeat(200)}2 end` }
    expect(mmtwin(['verify', '--kind', 'gfp', '-k', 'buddy', folder]).out).toContain('gfp: first difference at ')
    const text = resultsText([{ kind: 'boot', files: 1, checks: 2, exact: 1, first: differ }], 80)
    expect(text.split('\n').every(line => line.length <= 80)).toBe(true)
    expect(text).toMatch(/expected …a+1 end\n {2}got {6}…a+2 end\n$/)
  })

  it('a damaged file is a sentence', () => {
    const path = file('gfp.jsonl.gz', gzipSync('x'.repeat(5000)).subarray(0, 30))
    expect(mmtwin(['verify', folder])).toMatchObject({
      code: 2,
      err: `mmtwin: ${path}: gzip data that ends too early\n`,
    })
  })

  it('speaks ASCII where the locale knows no more, in as many columns as COLUMNS says', () => {
    const { out } = mmtwin(['run', 'order3_failure'], '', { LC_ALL: 'C', COLUMNS: '60' })
    expect(out).toMatch(/^[\n -~]+$/)
    expect(out.split('\n').every(line => line.length <= 60)).toBe(true)
  })

  it('colours on request', () => {
    rmSync(join(folder, 'gfp.jsonl.gz'))
    expect(mmtwin(['verify', folder], '', { FORCE_COLOR: '1' }).out).toContain('\x1b[31m')
    expect(mmtwin(['verify', folder], '', { FORCE_COLOR: '1', NO_COLOR: '1' }).out).not.toContain('\x1b[')
    expect(readdirSync(folder).some(name => name.endsWith('.tmp'))).toBe(false)
  })
})
