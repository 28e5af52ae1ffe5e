// Captured folders as a whole: which machine it was, what is missing, what is damaged.
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSnapshotDir } from '../../src/node/snapshot_dir.ts'
import { type Architecture, readSnapshot, SNAPSHOT_FILES } from '../../src/report/snapshot.ts'
import { describeShared, SHARED } from '../shared.ts'

const golden = fileURLToPath(new URL('../golden/proc', import.meta.url))

describe('snapshot', () => {
  it('tells release, architecture and page size', () => {
    const seen = ['6.1-amd64', '6.1-686', '6.1-686-pae', '6.12-amd64', '6.1.192-i386-slab', '6.1.192-i386-pae'].map(
      name => {
        const { release, arch, pageSize } = readSnapshotDir(`${golden}/${name}`)
        return `${name}: ${release} ${arch} ${pageSize}`
      },
    )
    expect(seen).toEqual([
      '6.1-amd64: 6.1.0-50-amd64 x86_64 4096',
      '6.1-686: 6.1.0-50-686 i386 4096',
      '6.1-686-pae: 6.1.0-50-686-pae i386-pae 4096',
      '6.12-amd64: 6.12.117+deb12-amd64 x86_64 4096',
      '6.1.192-i386-slab: 6.1.192 i386 4096',
      '6.1.192-i386-pae: 6.1.192 i386-pae 4096',
    ])
  })

  it('of no file at all', () => {
    const snapshot = readSnapshot(new Map())
    expect(snapshot.missing).toContain('zoneinfo')
    expect(snapshot.missing).toHaveLength(Object.keys(SNAPSHOT_FILES).length)
    expect(snapshot).toMatchObject({ zoneinfo: null, release: null, arch: null, pageSize: 4096, diagnostics: [] })
  })

  it('of an Alpha with 8 KiB pages', () => {
    const zoneinfo = 'Node 0, zone      DMA\n  pages free     5\n        managed  1000\n'
    const files = { cpuinfo: 'cpu\t\t\t: Alpha\n', meminfo: 'MemTotal:           8000 kB\n', zoneinfo }
    expect(readSnapshot(new Map(Object.entries(files)))).toMatchObject({ arch: 'alpha', pageSize: 8192 })
  })

  it('names the file of a diagnostic', () => {
    const { diagnostics } = readSnapshot(new Map([['buddyinfo', 'Node 0, zone      DMA      1 \nnonsense\n']]))
    expect(diagnostics).toEqual([{ file: 'buddyinfo', line: 2, message: 'not a row of buddyinfo: "nonsense"' }])
  })
})

describeShared('every captured boot', () => {
  const architectures: Readonly<Record<string, Architecture>> = {
    'stock/6.1.0-50-amd64': 'x86_64',
    'stock/6.1.0-50-686': 'i386',
    'stock/6.1.0-50-686-pae': 'i386-pae',
    'stock/6.12.117+deb12-amd64': 'x86_64',
    'custom/k1_x86_64_slub': 'x86_64',
    'custom/k2_i386_slab_highmem4g': 'i386',
    'custom/k5_x86_64_numa_slub': 'x86_64',
    'custom/k7a_i386_pae': 'i386-pae',
    'custom/k7b_i386_vmsplit2g': 'i386',
  }
  for (const [folder, arch] of Object.entries(architectures)) {
    const path = `${SHARED}/truth/${folder}/boot`
    const boots = readdirSync(path, { recursive: true, withFileTypes: true })
      .filter(entry => entry.name === 'zoneinfo')
      .map(entry => entry.parentPath)
    it(`${folder}: ${boots.length} folders are ${arch}`, () => {
      for (const boot of boots) {
        const snapshot = readSnapshotDir(boot)
        expect(snapshot.diagnostics, boot).toEqual([])
        expect([snapshot.arch, snapshot.pageSize], boot).toEqual([arch, 4096])
      }
    })
  }
})
