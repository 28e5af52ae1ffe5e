// `mmtwin record`: on a host made of files, and, where this machine lets it, on the kernel that runs the test.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freeFolder } from '../../src/node/record/free_folder.ts'
import { type Host, thisHost } from '../../src/node/record/host.ts'
import { PhysmapCapture } from '../../src/node/record/physmap.ts'
import { record } from '../../src/node/record/record.ts'
import { lostEvents, openTracefs, TraceInstance } from '../../src/node/record/tracefs.ts'
import { replayTrace } from '../../src/node/replay_files.ts'
import { MAIN } from '../cli/run_cli.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const options = { command: [], seconds: 0.1, slab: false, physmap: true, bufferKb: 4096 }

function hostOfFiles(changes: Partial<Host> = {}): Host {
  mkdirSync(join(folder, 'proc'), { recursive: true })
  return { proc: join(folder, 'proc'), sys: join(folder, 'sys'), tracefs: [], platform: 'linux', uid: 0, ...changes }
}

describe('what a recording lacks', () => {
  const refused = (host: Host) => expect(record(host, { ...options, folder: join(folder, 'out') })).rejects

  it('is named: Linux, root, tracefs, events', async () => {
    await refused(hostOfFiles({ platform: 'darwin' })).toThrow('needs a Linux host; this is darwin')
    await refused(hostOfFiles({ uid: 1000 })).toThrow('needs root')
    await refused(hostOfFiles()).toThrow('this kernel has none (CONFIG_FTRACE)')
    mkdirSync(join(folder, 'tracing/events/kmem/mm_page_alloc'), { recursive: true })
    writeFileSync(join(folder, 'tracing/events/kmem/mm_page_alloc/enable'), '0')
    await refused(hostOfFiles({ tracefs: [join(folder, 'tracing')] })).toThrow('the events kmem:mm_page_free')
  })

  it('is also a folder of its own', async () => {
    writeFileSync(join(folder, 'something'), '')
    await expect(record(hostOfFiles(), { ...options, folder })).rejects.toThrow('not empty')
    mkdirSync(join(folder, 'r-1'))
    expect(freeFolder(join(folder, 'r'))).toBe(join(folder, 'r-2'))
  })
})

it('counts what the buffers lost', () => {
  const cpu = 'entries: 5 overrun: 3 commit overrun: 9 bytes: 1 dropped events: 4 read events: 1'
  expect(lostEvents(`cpu0: ${cpu}\ncpu1: ${cpu}\n`)).toBe(32)
})

it('codes the map of frames in runs', () => {
  const host = hostOfFiles()
  const words = (...values: number[]): Buffer => Buffer.from(new BigUint64Array(values.map(BigInt)).buffer)
  writeFileSync(join(host.proc, 'kpageflags'), words(0x400, 0x400, 0x100000000, 0x100000000, 0x400))
  writeFileSync(join(host.proc, 'kpagecount'), words(0, 0, 0, 2, 0))
  const map = PhysmapCapture.open(host)!
  map.take()
  expect(map.write(join(folder, 'physmap.tsv'))).toBe(true)
  const [, ...runs] = readFileSync(join(folder, 'physmap.tsv'), 'utf8').trim().split('\n')
  expect(runs.map(run => run.split('\t').join(' '))).toEqual([
    '0 2 400 0',
    '2 1 100000000 0',
    '3 1 100000000 2',
    '4 1 400 0',
  ])
})

/** Whether this machine can be recorded: root, and a tracefs that is there or can be mounted. */
function canRecord(): boolean {
  try {
    openTracefs(thisHost()).close()
    return thisHost().uid === 0
  } catch {
    return false
  }
}

/** Instances of ours, and whether a tracefs is mounted that was not. */
function tracing(): { mounts: string; instances: string[] } {
  const mounts = readFileSync('/proc/mounts', 'utf8').match(/^.* tracefs .*$/gm) ?? []
  const tracefs = openTracefs(thisHost())
  const instances = readdirSync(join(tracefs.path, 'instances')).filter(name => name.startsWith('mmtwin-'))
  tracefs.close()
  return { mounts: mounts.join('\n'), instances }
}

describe.runIf(canRecord())('on this machine', () => {
  it('records, leaves no trace of itself, and what it wrote replays', async () => {
    const before = tracing()
    const out = join(folder, 'out')
    const recorded = await record(thisHost(), { ...options, folder: out, command: ['true'], physmap: false })
    expect(recorded.command).toEqual({ words: ['true'], status: 0, signal: null })
    expect(recorded.lines).toBeGreaterThan(10)
    expect(JSON.parse(readFileSync(join(out, 'record.json'), 'utf8'))).toEqual(recorded)
    expect(tracing()).toEqual(before)
    const report = await replayTrace(recorded.trace)
    expect(report.replayed).toBeGreaterThan(10)
    expect(report.follow.zones.length).toBeGreaterThan(0)
  })

  it('ends in order on Ctrl-C, and at once on the second', async () => {
    const before = tracing()
    for (const times of [1, 2]) {
      const out = join(folder, `out-${times}`)
      const child = spawn(process.execPath, [MAIN, 'record', '-o', out, '--no-physmap'], { stdio: 'ignore' })
      const ended = new Promise<number | string | null>(resolve =>
        child.once('exit', (status, signal) => resolve(signal ?? status)),
      )
      while (!existsSync(join(out, 'trace.txt')) || readFileSync(join(out, 'trace.txt')).length < 1000)
        await new Promise(resolve => setTimeout(resolve, 20))
      for (let time = 0; time < times; time++) child.kill('SIGINT')
      expect(['SIGINT', 0]).toContain(await ended)
      if (times === 1) expect(existsSync(join(out, 'after/zoneinfo'))).toBe(true)
      expect(tracing()).toEqual(before)
    }
  })

  it('removes what a killed recording left', () => {
    const tracefs = openTracefs(thisHost())
    try {
      const gone = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim()
      const stale = join(tracefs.path, 'instances', `mmtwin-${gone}`)
      mkdirSync(stale)
      new TraceInstance(tracefs, { events: [], bufferKb: 64 }).remove()
      expect(existsSync(stale)).toBe(false)
    } finally {
      tracefs.close()
    }
  })
})
