// Every example module does what its text says, and leaves nothing behind unless that is what it shows.
import { describe, expect, it } from 'vitest'
import { Machine } from '../src/sim/machine.ts'
import type { MachineDescription } from '../src/sim/machine_description.ts'
import type { KernelModule } from '../src/sim/module/kernel_api.ts'
import { isClean, type ModuleReport, runModule } from '../src/sim/module/run_module.ts'
import { projectFiles } from './sources.ts'

const names = projectFiles('examples/modules').map(path => /([^/]+)\.ts$/.exec(path)![1]!)

async function run(name: string, description?: MachineDescription): Promise<ModuleReport> {
  const module = (await import(`../examples/modules/${name}.ts`)) as KernelModule & { machine?: MachineDescription }
  const machine = Machine.boot(description ?? module.machine ?? { memory: '64M' })
  const report = runModule(machine, module, { name })
  expect(machine.check()).toEqual([])
  return report
}

describe.each(names)('%s', name => {
  it('runs to its end on a sound machine', async () => {
    const report = await run(name)
    expect(report).toMatchObject({ returned: 0, finished: true, error: null, faults: [], unheard: 0 })
    expect(isClean(report)).toBe(name !== 'leak_on_purpose')
    expect(report.log.join('\n')).not.toMatch(/BUG|WARNING|undefined|NaN/)
  })

  it.each(['6.12-x86_64', '6.1-i386', '6.1-i386-pae'])('runs on %s, too', async kernel => {
    expect(await run(name, { kernel, memory: '1536M' })).toMatchObject({ returned: 0, finished: true, faults: [] })
  })
})

describe('what they say', () => {
  it('own_cache: the constructor runs for a whole slab', async () => {
    const { log } = await run('own_cache')
    expect(log).toEqual([
      expect.stringMatching(/^two objects of task_card at ffff8880[0-9a-f]{8} and ffff8880[0-9a-f]{8}$/),
      'a whole slab was constructed: 16 objects; magic 0x5ca1ab1e',
      'the last one freed is the next one given: yes',
    ])
  })

  it('failing_mempool: the reserve serves when the allocator fails', async () => {
    const { log } = await run('failing_mempool')
    expect(log[1]).toBe('the allocator fails: 4 elements came from the reserve of 4, then NULL')
    expect(log[2]).toBe('one was given back and served again: yes')
  })

  it('vmalloc_buffer: addresses follow one another, and reach the frames', async () => {
    const { log } = await run('vmalloc_buffer')
    expect(log[0]).toMatch(/^16 pages at ffffc9[0-9a-f]{10}, the first frame/)
    expect(log[2]).toBe('0x22 ends one frame, 0x33 begins the other')
  })

  it('highmem_page: an address for a while', async () => {
    const { log } = await run('highmem_page')
    expect(log[0]).toMatch(/^pfn 0x[0-9a-f]+ is of high memory; page_address: null$/)
    expect(log[2]).toMatch(/^kmap_atomic shows it at [0-9a-f]{8}: it still holds 0xcafe$/)
  })

  it('kmalloc_sizes: classes of the kernel', async () => {
    const { log } = await run('kmalloc_sizes')
    expect(log[3]).toBe('kmalloc(33) gives 64 bytes, 48 % waste')
    expect(log.at(-2)).toBe('kmalloc(100000) gives 131072 bytes, 24 % waste')
  })

  it('leak_on_purpose: the report names each', async () => {
    const { leaks, caches } = await run('leak_on_purpose')
    expect(leaks.map(({ kind, call, bytes }) => [kind, call, bytes])).toEqual([
      ['pages', 'alloc_pages of order 2', 16384],
      ['object', 'kzalloc(100)', 100],
      ['object', 'kmem_cache_alloc(forgotten)', 48],
      ['vmalloc', 'vmalloc(12288)', 12288],
    ])
    expect(caches).toEqual(['forgotten'])
  })
})
