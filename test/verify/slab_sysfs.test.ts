// /sys/kernel/slab of real boots: committed samples first, then all recordings that are there. Counters of the caches
// that reading these very files uses change from one attribute to the next; all else is exact.
import { describe, expect, it } from 'vitest'
import { slabSysfsKind } from '../../src/verify/slab_sysfs.ts'
import { describeShared, SHARED } from '../shared.ts'
import { verifyFiles } from './files.ts'

const sample = new URL('../golden/truth', import.meta.url).pathname
const BOOTS =
  /\/boot\/.*(sys_kernel_slab|slab_sysfs|dmesg$|cmdline|version|zoneinfo|sys_node|meminfo|cpuinfo|buddyinfo|pagetypeinfo)/

describe('slab sysfs', () => {
  const files = verifyFiles(sample, BOOTS)
  const [table, tree] = [/6\.12.*slab_sysfs/, /k1.*sys_kernel_slab/].map(
    name => files.find(({ path }) => name.test(path))!,
  )
  const beside = (path: string): typeof files =>
    files.filter(file => file.path.startsWith(path.slice(0, path.lastIndexOf('/') + 1)) && file.path !== path)

  it('the committed boots are exact but for counters that move while they are read', () => {
    const { checks, exact, files: read } = slabSysfsKind.run(files)
    expect(read).toBe(4)
    expect(checks).toBeGreaterThan(13000)
    expect(checks - exact).toBeLessThanOrEqual(7)
  })

  it.each([
    ['a size', table!, '\t192\t21\t0\t', '\t192\t20\t0\t'],
    ['a link', tree!, 'filp\t-> :0000256', 'filp\t-> :0000192'],
    ['a counter', tree!, ':0000040/objects\t102', ':0000040/objects\t103'],
    ['an attribute', tree!, ':0000040/red_zone', ':0000040/red_zones'],
  ])('%s that is wrong is found', (_, file, right, wrong) => {
    const text = file.text()
    expect(text).toContain(right)
    const run = (changed: string): number => {
      const { checks, exact } = slabSysfsKind.run([...beside(file.path), { path: file.path, text: () => changed }])
      return checks - exact
    }
    expect(run(text.replace(right, wrong))).toBeGreaterThan(run(text))
  })

  it('damage is a check that failed, not a crash', () => {
    for (const each of [
      'x',
      '#name\tlink\n',
      '#name\tlink\torder\n:1\t-\tx\n',
      '/sys/kernel/slab/a/objects\t1 N9=7\n',
    ]) {
      const { checks, exact } = slabSysfsKind.run([...beside(tree!.path), { path: tree!.path, text: () => each }])
      expect(exact).toBeLessThan(checks)
    }
  })
})

/** Caches that are used to read a file of /sys. */
const READING = /^(:(A-)?0000(256|160|096|064)|dentry|inode_cache|kernfs_node_cache|kmalloc-(64|96))\//

describeShared('recordings of ../shared', () => {
  it('all boots: exact but for counters of the caches that reading uses', () => {
    const files = verifyFiles(`${SHARED}/truth`, /\/boot/)
    const { checks, exact, first } = slabSysfsKind.run(files)
    expect(checks).toBeGreaterThan(500_000)
    expect(exact / checks).toBeGreaterThan(0.9995)
    expect(first?.expected).toMatch(READING)
  })
})
