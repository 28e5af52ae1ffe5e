// What is wrong with files, settings and outputs: one sentence that names the file and the line, exit 2, and nothing
// half-written.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAIN, mmtwin } from './run_cli.ts'

const bundled = fileURLToPath(new URL('../../data/untar-gcc', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-bad-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A copy of the bundled recording to spoil. */
function recording(): string {
  const path = mkdtempSync(join(folder, 'recording-'))
  cpSync(bundled, path, { recursive: true })
  return path
}

function expectRefused(args: readonly string[], sentence: string, input = ''): void {
  const html = join(folder, 'report.html')
  const { code, out, err } = mmtwin(args[0] === 'replay' ? [...args, '--html', html] : args, input)
  expect(err).toContain(sentence)
  expect([code, out, err.split('\n').length]).toEqual([2, '', 2])
  expect(existsSync(html)).toBe(false)
  expect(readdirSync(folder).filter(name => name.endsWith('.tmp'))).toEqual([])
}

describe('a captured folder', () => {
  const spoil: [string, string, (path: string) => void, string][] = [
    [
      'cut zoneinfo',
      'zoneinfo',
      path => writeFileSync(path, readFileSync(path).subarray(0, 2000)),
      'line 80: the last',
    ],
    ['empty zoneinfo', 'zoneinfo', path => writeFileSync(path, ''), 'line 1: no zone in this file'],
    ['no zoneinfo', 'zoneinfo', path => rmSync(path), 'without this file there are no zones to boot from'],
    ['damaged buddyinfo', 'buddyinfo', path => writeFileSync(path, 'Node 0, zone DMA x\n'), 'line 1: not a row of'],
    ['damaged version', '../boot/version', path => writeFileSync(path, 'FreeBSD\n'), 'line 1: not the line of /proc'],
  ]
  it.each(spoil)('%s', (_, name, change, sentence) => {
    const path = recording()
    const file = join(path, 'before', name)
    change(file)
    expectRefused(['replay', join(path, 'trace.txt.gz')], `mmtwin: ${file}: ${sentence}`)
    expectRefused(['boot', '-m', join(path, 'before'), '--', 'hash'], `mmtwin: ${file}: ${sentence}`)
  })

  it('a cut physmap is told with its line; the state of another moment does not stand in', () => {
    const path = recording()
    const physmap = join(path, 'before', 'physmap.tsv.gz')
    const whole = readFileSync(physmap)
    writeFileSync(physmap, gzipSync(gunzipSync(whole).subarray(0, 10_000)))
    const trace = join(path, 'trace.txt.gz')
    expectRefused(['replay', trace], `${join(path, 'before', 'physmap.tsv')}: line `)
    const rows = gunzipSync(whole).toString().split('\n')
    writeFileSync(physmap, `${rows.slice(0, rows.length / 2).join('\n')}\n`)
    expectRefused(['replay', trace], `${join(path, 'before', 'physmap.tsv')}: it ends at frame `)
    rmSync(physmap)
    rmSync(join(path, 'before', 'buddyinfo'))
    expectRefused(['replay', trace], `${join(path, 'before', 'buddyinfo')}: without this file nothing says`)
  })

  it('of an unknown kernel, and of an absurd size', () => {
    const path = recording()
    const [version, zoneinfo] = [join(path, 'boot/version'), join(path, 'before/zoneinfo')]
    const text = readFileSync(zoneinfo, 'utf8')
    rmSync(join(path, 'before/physmap.tsv.gz'))
    writeFileSync(zoneinfo, text.replaceAll(/spanned .*/g, 'spanned 99999999999999'))
    expectRefused(['replay', join(path, 'trace.txt.gz')], `mmtwin: ${join(path, 'before')}: a machine of this size`)
    writeFileSync(zoneinfo, text)
    writeFileSync(version, readFileSync(version, 'utf8').replace(' 6.1.0', ' 4.4.0'))
    expectRefused(
      ['replay', join(path, 'trace.txt.gz')],
      `${join(path, 'before')}: no kernel profile for release 4.4.0`,
    )
  })

  it('that holds folders of snapshots names them', () => {
    const path = recording()
    expectRefused(
      ['boot', '-m', path, '--', 'hash'],
      `; there are some in ${join(path, 'boot')} and ${join(path, 'before')}`,
    )
  })
})

describe('a machine description', () => {
  it.each<[string, string]>([
    ['{"memory":"1G","cpus":-1}', '"cpus" gives -1 CPUs, not 1 … 1024'],
    ['{"memory":"1G","cpus":1e12}', '"cpus" gives 1000000000000 CPUs, not 1 … 1024'],
    ['{"memory":"1G","cpus":null}', '"cpus" must be a number, or a list with the node of each'],
    ['{"memory":"1G","distances":"x"}', '"distances" must be a list of rows'],
    ['{"memory":"1G","distances":[null]}', '"distances" must be a list of rows'],
    ['{"memory":"1G","config":null}', '"config" must be an object of switches'],
    ['{"memory":[{"start":0,"size":"1G","colour":1}]}', 'memory[0] has an unknown field "colour"'],
    ['{"memory":[{"start":0}]}', 'memory[0].size is missing'],
    ['{"memory":"5Z"}', '"memory" is "5Z", which is no size in bytes'],
    ['{"memory":"3T","cpus":1024}', 'a machine of this size needs tables that are too large'],
    ['{"memory":"1G",\n"cpus":2,}', 'line 2: no machine description in JSON'],
  ])('%s', (text, sentence) => {
    const path = join(folder, 'machine.json')
    writeFileSync(path, text)
    expectRefused(['boot', '-m', path, '--', 'hash'], sentence)
  })

  it('may begin with a byte order mark', () => {
    const path = join(folder, 'machine.json')
    writeFileSync(path, '\uFEFF{"memory":"1G"}')
    expect(mmtwin(['boot', '-m', path, '--', 'echo', 'x'])).toEqual({ code: 0, out: 'x\n', err: '' })
  })
})

describe('long lines', () => {
  it('a trace that is one is told with it, one among others is a diagnostic', () => {
    const path = recording()
    const trace = join(path, 'trace.txt')
    writeFileSync(trace, 'x'.repeat(3 << 20))
    expectRefused(['replay', trace], `${trace}: line 1: no trace event in 1 line; a line longer than 65536 bytes`)
    const lines = gunzipSync(readFileSync(join(path, 'trace.txt.gz')))
      .toString('latin1')
      .split('\n')
    writeFileSync(trace, lines.toSpliced(200, 0, 'y'.repeat(3 << 20)).join('\n'))
    const { code, err } = mmtwin(['replay', trace])
    expect([code, err]).toEqual([0, 'mmtwin replay: 1 diagnostic at line 201: a line longer than 65536 bytes\n'])
  })

  it('of a script', () => {
    expectRefused(['boot'], 'mmtwin: standard input: line 1: longer than 65536 characters', 'x'.repeat(3 << 20))
  })
})

describe('settings and outputs of a replay', () => {
  it('a wrong setting, a folder that is not there: known before the trace is replayed', () => {
    expectRefused(['replay', '--bundled', '--set', 'vm.nonesuch=1'], 'mmtwin: no setting vm.nonesuch; this kernel has ')
    expectRefused(['replay', '--bundled', '--set', 'vm.min_free_kbytes=x'], 'the kernel refuses this value')
    const { code, out, err } = mmtwin(['replay', '--bundled', '--html', join(folder, 'nonesuch/x.html')])
    expect([code, out, err]).toEqual([2, '', `mmtwin: ${folder}/nonesuch/x.html: no such file or folder\n`])
  })

  it.skipIf(!existsSync('/dev/full'))('a full disk behind stdout', () => {
    for (const command of ['boot -- cat zoneinfo', 'where gfp_zone --json']) {
      const script = `"$0" "$1" ${command} > /dev/full`
      const { status, stderr } = spawnSync('sh', ['-c', script, process.execPath, MAIN], { encoding: 'utf8' })
      expect([status, stderr]).toEqual([2, 'mmtwin: standard output: no space left on the device\n'])
    }
  })

  it('Ctrl-C leaves nothing behind', async () => {
    const out = join(folder, 'twin.txt')
    const args = [MAIN, 'replay', '-', '--machine', join(bundled, 'before'), '--trace-out', out]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'ignore'] })
    const drafts = (): string[] => readdirSync(folder).filter(name => name.startsWith('twin.txt'))
    while (drafts().length === 0) await wait(20)
    child.kill('SIGINT')
    const signal = await new Promise(resolve => child.on('exit', (_, how) => resolve(how)))
    expect([signal, drafts()]).toEqual(['SIGINT', []])
  })

  it('reports are called by the path as given', () => {
    expect(mmtwin(['replay', '--bundled']).out).toMatch(/^Replay of untar-gcc \(bundled\)\n/)
    const trace = join(bundled, 'trace.txt.gz')
    expect(mmtwin(['replay', trace]).out.startsWith(`Replay of ${trace}\n`.slice(0, 60))).toBe(true)
    const piped = spawnSync(process.execPath, [MAIN, 'replay', '-', '-m', join(bundled, 'before')], {
      input: readFileSync(trace),
      encoding: 'utf8',
    })
    expect(piped.stdout).toMatch(/^Replay of standard input\nLinux 6\.1\.0-50-amd64 /)
  })
})
