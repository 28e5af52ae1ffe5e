// Debian's kernels: for every cache of their running systems, order, objects, and what nodes and CPUs keep.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { kernel_for_release } from '../../src/kernels/index.ts'
import { slab_setup } from '../../src/mm/slab_common.ts'
import { SLAB_KMALLOC, SLAB_TYPESAFE_BY_RCU } from '../../src/mm/slab_flags.ts'
import { slub_geometry } from '../../src/mm/slub_geometry.ts'
import { describeShared, SHARED } from '../shared.ts'

const stock = `${SHARED}/truth/stock`

/** Folders of boots of which /sys/kernel/slab was kept, by their kernel's release. */
const boots = (): (readonly [release: string, folder: string])[] =>
  readdirSync(stock, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('/slab_sysfs.tsv'))
    .map(path => [path.split('/')[0]!, path.slice(0, path.lastIndexOf('/'))] as const)

describeShared('/sys/kernel/slab of Debian', () => {
  it.each(SHARED ? boots() : [])('%s %s', (release, folder) => {
    const read = (name: string): string => {
      const path = `${stock}/${folder}/${name}`
      return existsSync(path) ? readFileSync(path, 'utf8') : ''
    }
    const machine = /686-pae/.test(release) ? 'i386-pae' : /686/.test(release) ? 'i386' : 'x86_64'
    const nr_cpus = new Set(read('zoneinfo').match(/cpu: \d+/g)).size
    const setup = slab_setup(kernel_for_release(release, machine)!, { nr_cpus, cmdline: read('cmdline') })
    const [head, ...rows] = read('slab_sysfs.tsv')
      .trim()
      .split('\n')
      .map(line => line.split('\t'))
    const columns = head!.map(name => name.replace('#', ''))
    const debug = setup.slub_debug.length > 0
    expect(rows.length).toBeGreaterThan(100)
    for (const row of rows) {
      const recorded = Object.fromEntries(columns.map((name, at) => [name, row[at]!]))
      const { slab_size, objs_per_slab, order, min_partial, cpu_partial, align } = recorded
      // Constructors are not recorded, so the size is given; with slub_debug they make no difference.
      const kmalloc = /kmalloc-/.test(row[0]!) ? SLAB_KMALLOC : 0
      const flags = Number(recorded.destroy_by_rcu) * SLAB_TYPESAFE_BY_RCU + kmalloc
      const size = Number(debug ? recorded.object_size : slab_size)
      const each = { name: row[0]!, size, align: Number(align), ctor: false, usersize: 0, flags: debug ? flags : 0 }
      const made = slub_geometry(setup, each)!
      const got = [made.size, made.objects, made.order, made.min_partial, made.cpu_partial].map(String)
      expect([row[0], ...got]).toEqual([row[0], slab_size, objs_per_slab, order, min_partial, cpu_partial])
    }
  })
})
