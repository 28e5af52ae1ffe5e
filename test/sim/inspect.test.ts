// A machine's /proc files: the rows, columns and numbers of the kernel that it models.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readSnapshotDir } from '../../src/node/snapshot_dir.ts'
import { procFolder, procPaths } from '../../src/sim/inspect.ts'
import { Machine } from '../../src/sim/machine.ts'
import { describeShared, SHARED } from '../shared.ts'

const machine = Machine.boot({ memory: '256M', cpus: 3, commandLine: 'numa=fake=2' })

describe('files', () => {
  it('are all there, each ends with a line end, and reading changes nothing', () => {
    const hash = machine.hash()
    for (const path of procPaths(machine.sys, machine.constants)) expect(machine.proc(path), path).toMatch(/\n$/)
    expect(machine.hash()).toBe(hash)
  })

  it('lie in folders', () => {
    const ls = (path: string): string[] | null => procFolder(machine.sys, path, machine.constants)
    expect(ls('/')).toEqual(['proc/', 'sys/'])
    expect(ls('/sys/devices/system/node/node1')).toEqual(['cpulist', 'distance', 'meminfo', 'numastat', 'vmstat'])
    expect(ls('/sys/devices/system/node')).toContain('node0/')
    expect(ls('/nonesuch')).toBeNull()
  })

  it('count the same pages', () => {
    const free = Number(/nr_free_pages (\d+)/.exec(machine.proc('vmstat'))![1])
    expect(machine.proc('meminfo')).toContain(`MemFree:  ${String(free * 4).padStart(14)} kB\n`)
    const nodes = [0, 1].map(node => Number(/nr_free_pages (\d+)/.exec(machine.proc(`node${node}/vmstat`))![1]))
    expect(nodes[0]! + nodes[1]!).toBe(free)
    const blocks = machine.proc('buddyinfo').trim().split('\n')
    const pages = blocks.flatMap(line =>
      line
        .trim()
        .split(/ +/)
        .slice(4)
        .map((count, order) => Number(count) << order),
    )
    expect(pages.reduce((sum, count) => sum + count)).toBe(free)
  })
})

/** A text without its numbers: what remains is the layout. */
const layout = (text: string): string => text.replaceAll(/ *-?>?\d+/g, '#')

const BOOTS = ['boot/m1G-s1/boot', 'boot/m4G-s2/boot', 'boot/numa2-512M-1536M-d21/boot', 'boot/movablecore512M-2G/boot']

describeShared('files of a captured machine', () => {
  const stock = `${SHARED}/truth/stock`
  const kernels = readdirSync(stock).filter(name => name.startsWith('6.'))
  const folders = kernels
    .flatMap(kernel => BOOTS.map(boot => `${stock}/${kernel}/${boot}`))
    .filter(path => existsSync(path))

  it.each(folders)('%s', folder => {
    const captured = (name: string): string => {
      const [plain, packed] = [`${folder}/${name}`, `${folder}/${name}.gz`]
      return existsSync(plain) ? readFileSync(plain, 'utf8') : gunzipSync(readFileSync(packed)).toString()
    }
    const twin = Machine.restore(readSnapshotDir(folder))
    for (const name of ['buddyinfo', 'iomem', 'cmdline']) expect(twin.proc(name), name).toBe(captured(name))
    for (const name of ['zoneinfo', 'pagetypeinfo', 'vmstat', 'meminfo'])
      expect(layout(twin.proc(name)), name).toBe(layout(captured(name)))
    const events = (text: string): string => text.slice(text.indexOf('pgpgin'))
    expect(events(twin.proc('vmstat'))).toBe(events(captured('vmstat')))
  })
})
