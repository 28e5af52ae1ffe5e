// Boot state and settings against real kernels: nothing that a boot decides may differ.

import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { boot_zones_from_snapshot } from '../../src/sim/boot.ts'
import { bootKind } from '../../src/verify/boot.ts'
import { bootFolders, readBootFolder } from '../../src/verify/boot_folder.ts'
import { sysctlKind } from '../../src/verify/sysctl.ts'
import { tally, type VerifyFile, type VerifyKind } from '../../src/verify/types.ts'
import { checkZoneinfo } from '../../src/verify/zoneinfo_lines.ts'
import { filesBelow } from '../recordings.ts'
import { describeShared, SHARED } from '../shared.ts'

const GOLDEN = fileURLToPath(new URL('../golden/truth', import.meta.url))

function expectExact(kind: VerifyKind, folder: string, checks: number): void {
  const result = kind.run(filesBelow(folder))
  expect(result.first).toBeNull()
  expect(result.exact).toBe(result.checks)
  expect(result.checks).toBeGreaterThanOrEqual(checks)
}

/** A machine booted from the captured files has every line of zoneinfo that decides something. */
function expectZoneinfo(folder: string): void {
  for (const boot of bootFolders(filesBelow(folder))) {
    const { snapshot } = readBootFolder(boot)
    const counts = tally('snapshot')
    counts.file(boot.path)
    checkZoneinfo(boot_zones_from_snapshot(snapshot, { shared: false }), boot.files.get('zoneinfo')!.text(), counts)
    expect(counts.result().first).toBeNull()
  }
}

const file = (path: string, text: string): VerifyFile => ({ path, text: () => text })

describe('committed recordings', () => {
  test('boot state', () => expectExact(bootKind, GOLDEN, 300))
  test('zones from captured files', () => expectZoneinfo(GOLDEN))
})

describe('damaged recordings are differences, not crashes', () => {
  test('a folder with files of something else', () => {
    const files = ['zoneinfo', 'dmesg', 'cmdline'].map(name => file(`boot/x/${name}`, 'nothing\n'))
    expect(bootKind.run(files)).toMatchObject({ files: 1, checks: 1, exact: 0 })
  })

  test('a state file that is none', () => {
    const result = sysctlKind.run([file('sysctl/m1G/default.jsonl', 'nothing\n')])
    expect(result).toMatchObject({ files: 1, checks: 1, exact: 0 })
    expect(result.first?.got).toContain('neither a meta line nor a state')
  })

  test('a boot without a map of memory', () => {
    const boot = filesBelow(GOLDEN).filter(({ path }) => path.includes('m1G-s2/boot/'))
    const without = boot.map(entry => (/dmesg|firmware/.test(entry.path) ? file(entry.path, '') : entry))
    expect(bootKind.run(without).first?.got).toContain('no memory')
  })
})

describeShared('recordings of real kernels', () => {
  const truth = `${SHARED}/truth`
  test('boot state of the custom kernels', () => expectExact(bootKind, `${truth}/custom`, 4000))
  test('boot state of stock kernels', () => expectExact(bootKind, `${truth}/stock`, 6900))
  test('settings of stock kernels', () => expectExact(sysctlKind, `${truth}/stock`, 12000))
  test('zones from captured files', () => expectZoneinfo(`${truth}/stock`))

  test('settings of the custom kernels, but for one boot whose ramdisk is not known', () => {
    const result = sysctlKind.run(filesBelow(`${truth}/custom`))
    expect(result.checks - result.exact).toBeLessThanOrEqual(2)
    expect(result.first?.file).toBe('k1_x86_64_slub/sysctl/m512M-smp2/default.jsonl')
  })
})
