// /proc/slabinfo and /proc/vmallocinfo of a machine; and that a machine without caches is what it was.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { readSlabinfo } from '../../src/report/proc/slabinfo.ts'
import { Machine } from '../../src/sim/machine.ts'
import { runModule } from '../../src/sim/module/run_module.ts'
import { openShell } from '../../src/sim/shell/shell.ts'
import { describeShared, SHARED } from '../shared.ts'

it('a machine that was booted has no caches, and looking makes none', () => {
  const machine = Machine.boot({ memory: '64M' })
  const before = machine.hash()
  expect(machine.proc('slabinfo').split('\n')).toHaveLength(3)
  expect(() => machine.proc('vmallocinfo')).toThrow('no such file')
  expect(machine.hash()).toBe(before)
})

it('shows what a module took', () => {
  const machine = Machine.boot({ memory: '64M' })
  const init = (k: Parameters<Parameters<typeof runModule>[1]['init']>[0]): void => {
    const cache = k.kmem_cache_create('mine', 256, 0, k.SLAB_POISON, null)!
    for (let i = 0; i < 20; i++) k.kmem_cache_alloc(cache, k.GFP_KERNEL)
    k.vmalloc(3 * k.PAGE_SIZE)
  }
  runModule(machine, { init }, { name: 'taker' })
  const { facts } = readSlabinfo(machine.proc('slabinfo'))
  const mine = facts.caches[0]!
  expect(mine).toMatchObject({ name: 'mine', activeObjects: 20 })
  expect(mine.objects).toBe(mine.slabs * mine.objectsPerSlab)
  expect(machine.proc('vmallocinfo')).toMatch(
    /^0xffffc9\d{10}-0xffffc9\d{10} {3}16384 init_module\+0x0\/0x0 \[taker\] pages=3 vmalloc/,
  )
})

it('the shell makes the caches by a command that can be undone', () => {
  const session = openShell(Machine.boot({ memory: '64M' }))
  const before = session.machine.hash()
  expect(session.run('cat /proc/slabinfo /proc/slabinfo').text).toContain('\nkmalloc-8k ')
  expect(session.timeline.position).toBe(1)
  expect(session.run('check').text).toBe('all laws hold\n')
  session.run('back')
  expect(session.machine.hash()).toBe(before)
})

describeShared('recorded slabinfo', () => {
  it('caches of boot have the sizes of the real kernel', () => {
    const path = `${SHARED}/truth/custom/k7a_i386_pae/boot/m1G-smp1/slabinfo`
    const recorded = readSlabinfo(readFileSync(path, 'utf8')).facts.caches
    const machine = Machine.boot({
      kernel: '6.1-i386-pae',
      memory: '1G',
      config: { MEMCG_KMEM: false, SMP: false, SLUB_CPU_PARTIAL: false },
    })
    machine.initAllocators()
    const ours = readSlabinfo(machine.proc('slabinfo')).facts.caches
    const shape = ({ name, objectSize, objectsPerSlab, pagesPerSlab }: (typeof ours)[0]): unknown[] => [
      name,
      objectSize,
      objectsPerSlab,
      pagesPerSlab,
    ]
    const kmalloc = (caches: typeof ours): unknown[] => caches.filter(({ name }) => name.includes('kmalloc')).map(shape)
    expect(kmalloc(ours)).toEqual(kmalloc(recorded))
  })
})
