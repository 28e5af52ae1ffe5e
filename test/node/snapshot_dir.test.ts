// Folders on disk: gzip by its first bytes, and one clear sentence for everything that is no snapshot.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSnapshotDir, readSnapshotFiles } from '../../src/node/snapshot_dir.ts'

const ROW = 'Node 0, zone      DMA      1 \n'
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmtwin-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('snapshot folder', () => {
  it('reads plain and packed files, and leaves others alone', () => {
    writeFileSync(join(folder, 'buddyinfo.gz'), gzipSync(ROW))
    writeFileSync(join(folder, 'cmdline'), gzipSync('quiet\n'))
    writeFileSync(join(folder, 'notes'), 'x')
    expect([...readSnapshotFiles(folder)]).toEqual([
      ['buddyinfo', ROW],
      ['cmdline', 'quiet\n'],
    ])
    expect(readSnapshotDir(folder).buddyinfo?.zones).toHaveLength(1)
  })

  it('prefers the plain file where both are there', () => {
    writeFileSync(join(folder, 'cmdline.gz'), gzipSync('old\n'))
    writeFileSync(join(folder, 'cmdline'), 'new\n')
    expect(readSnapshotFiles(folder).get('cmdline')).toBe('new\n')
  })

  it('says in one sentence what is wrong', () => {
    const file = join(folder, 'zoneinfo')
    expect(() => readSnapshotDir(join(folder, 'none'))).toThrow(/none: no such file or folder$/)
    expect(() => readSnapshotDir(folder)).toThrow(/no file of a snapshot in this folder/)
    writeFileSync(file, gzipSync('x'.repeat(1000)).subarray(0, 20))
    expect(() => readSnapshotDir(folder)).toThrow(/zoneinfo: gzip data that ends too early$/)
    expect(() => readSnapshotDir(file)).toThrow(/zoneinfo: not a folder$/)
    truncateSync(file, 2 ** 31)
    expect(() => readSnapshotDir(folder)).toThrow(/2147483648 bytes, too large/)
  })
})
