// A captured state becomes a machine with as many blocks of every order as the files count, whatever files there are.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { check } from '../../src/mm/check.ts'
import { readSnapshotFiles } from '../../src/node/snapshot_dir.ts'
import { readSnapshot, type Snapshot } from '../../src/report/snapshot.ts'
import { pagetypeinfoOf } from '../../src/sim/inspect_zones.ts'
import { type Restored, restore } from '../../src/sim/restore.ts'
import { describeShared, SHARED } from '../shared.ts'

const BUNDLED = join(import.meta.dirname, '../../data/untar-gcc')

/** The facts of folders, the first one's before the others'. */
function snapshotOf(folders: readonly string[], without: readonly string[] = []): Snapshot {
  const files = new Map<string, string>()
  for (const folder of folders.filter(path => existsSync(path)))
    for (const [name, text] of readSnapshotFiles(folder)) if (!files.has(name)) files.set(name, text)
  for (const name of without) files.delete(name)
  return readSnapshot(files)
}

/** Blocks that the files count and the machine has not, of all zones and orders, in blocks. */
const missing = ({ zones }: Restored): number =>
  zones.reduce((sum, { blocksMissing }) => sum + blocksMissing.reduce((all, count) => all + Math.abs(count), 0), 0)

const listed = ({ sys }: Restored): number => sys.pcp.count.reduce((sum, count) => sum + count, 0)

it('finds the recorded blocks in a map of all frames', () => {
  const restored = restore(snapshotOf([join(BUNDLED, 'before'), join(BUNDLED, 'boot')]))
  expect(restored.source).toBe('physmap')
  expect(missing(restored)).toBe(0)
  expect(restored.zones.map(({ wrongType }) => wrongType)).toEqual([0, 0])
  expect(listed(restored)).toBe(294 + 2581)
  expect(check(restored.sys)).toEqual([])
})

it('places as many blocks as are counted where no file names frames', () => {
  const snapshot = snapshotOf([join(BUNDLED, 'before'), join(BUNDLED, 'boot')], ['physmap.tsv'])
  const restored = restore(snapshot)
  expect(restored.source).toBe('counts')
  expect(missing(restored)).toBe(0)
  expect(check(restored.sys)).toEqual([])
})

it('places them in pageblocks of their type, as pagetypeinfo counts', () => {
  // The files of one moment: the counts by type add up to those of buddyinfo.
  const snapshot = snapshotOf([join(BUNDLED, 'boot')], ['physmap.tsv'])
  const restored = restore(snapshot)
  expect(restored.zones.map(({ wrongType }) => wrongType)).toEqual([0, 0])
  for (const zone of pagetypeinfoOf(restored.sys).zones) {
    const counted = snapshot.pagetypeinfo?.zones.find(({ name }) => name === zone.name)
    expect(zone.free).toEqual(counted?.free)
    // In use at a zone's begin are pageblocks of which no file says that they are movable: at most 8 of them come on top.
    const [unmovable = 0, movable = 0, ...others] = zone.blocks.map((blocks, type) => blocks - counted!.blocks[type]!)
    expect([unmovable + movable, ...others]).toEqual([0, 0, 0, 0])
    expect(unmovable).toBeGreaterThanOrEqual(0)
    expect(unmovable).toBeLessThanOrEqual(8)
  }
})

it('gives the same machine every time', () => {
  const snapshot = snapshotOf([join(BUNDLED, 'before'), join(BUNDLED, 'boot')], ['physmap.tsv'])
  const [first, second] = [restore(snapshot).sys, restore(snapshot).sys]
  expect(Buffer.compare(Buffer.from(first.image.buffer), Buffer.from(second.image.buffer))).toBe(0)
})

it('needs zoneinfo', () => {
  const snapshot = snapshotOf([join(BUNDLED, 'before')], ['zoneinfo'])
  expect(() => restore(snapshot)).toThrow(RangeError)
})

describeShared('restore of recorded states', () => {
  const stock = join(SHARED ?? '', 'truth/stock')
  const folders = SHARED
    ? readdirSync(stock, { recursive: true, encoding: 'utf8' }).filter(path =>
        /trace\/[^/]+\/trace-[^/]+\/(before|after)$/.test(path),
      )
    : []

  it.each(folders)('%s', folder => {
    const path = join(stock, folder)
    const restored = restore(snapshotOf([path, join(path, '../../boot')]))
    // A map of frames is read last, while the machine runs: without the trace it is some events too late.
    expect(missing(restored)).toBeLessThanOrEqual(restored.source === 'physmap' ? 8 : 0)
    expect(check(restored.sys)).toEqual([])
  })
})
