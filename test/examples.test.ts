// Every example module does what its text says, and leaves nothing behind unless that is what it shows.
import { describe, expect, it } from 'vitest'
import { Machine } from '../src/sim/machine.ts'
import type { MachineDescription } from '../src/sim/machine_description.ts'
import type { KernelModule } from '../src/sim/module/kernel_api.ts'
import { isClean, type ModuleReport, runModule } from '../src/sim/module/run_module.ts'
import { projectFiles } from './sources.ts'

const names = projectFiles('examples/modules').map(path => /([^/]+)\.ts$/.exec(path)![1]!)

/** Those that show what a leak looks like. */
const LEAKING = ['leak_on_purpose', 'kmemleak_orphans']
/** The one that shows how a machine ends. */
const DEADLY = 'kernel_stack_overflow'

async function run(name: string, description?: MachineDescription): Promise<ModuleReport> {
  const module = (await import(`../examples/modules/${name}.ts`)) as KernelModule & { machine?: MachineDescription }
  const machine = Machine.boot(description ?? module.machine ?? { memory: '64M' })
  const report = runModule(machine, module, { name })
  expect(machine.check()).toEqual([])
  return report
}

describe.each(names.filter(name => name !== DEADLY))('%s', name => {
  it('runs to its end on a sound machine', async () => {
    const report = await run(name)
    expect(report).toMatchObject({ returned: 0, finished: true, error: null, faults: [], unheard: 0 })
    expect(isClean(report)).toBe(!LEAKING.includes(name))
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

  it('pages_mapped: one page, three addresses', async () => {
    const { log } = await run('pages_mapped')
    expect(log.slice(1)).toEqual([
      'written through vmap, read through vm_map_ram and the direct map: 42, 42',
      'vmalloc_to_page knows the page: yes',
    ])
  })

  it('kmap_in_interrupt: slots nest', async () => {
    const { log } = await run('kmap_in_interrupt')
    expect(log).toEqual([
      'in interrupt: yes; three mappings, two of them of one page',
      'the first mapping still reads 0x600d',
      'the copy reads 0x600d; high memory: yes',
    ])
  })

  it('mempools: ready kinds', async () => {
    const { log } = await run('mempools')
    const pool = (name: string): string => `${name} pool: resize gave 0, 8 elements in an interrupt`
    expect(log).toEqual(['slab', 'kmalloc', 'page'].map(pool))
  })

  it('bulk_objects: a constructor runs once a slab', async () => {
    const { log } = await run('bulk_objects')
    expect(log).toEqual([
      '40 objects at once, 40 ready; the constructor ran 64 times',
      'once more: 40 objects, the constructor ran 0 times',
      'shrunk: no slab is left',
    ])
  })

  it('growing_buffer: classes decide who moves', async () => {
    const { log } = await run('growing_buffer')
    expect(log).toEqual([
      '0 to 20 bytes: new memory of 32',
      '20 to 30 bytes: the same of 32',
      '30 to 60 bytes: new memory of 64',
      '60 to 200 bytes: new memory of 256',
      '200 to 5000 bytes: new memory of 8192',
      '5000 to 300000 bytes: new memory of 524288',
      'an array of 2^52 bytes: NULL',
    ])
  })

  it('on_a_node: each from its own', async () => {
    const { log } = await run('on_a_node')
    expect(log).toEqual([
      'node 0: page of node 0, kmalloc of 0, object of 0',
      'node 1: page of node 1, kmalloc of 1, object of 1',
    ])
  })

  it('address_arithmetic: one addition each way', async () => {
    const { log } = await run('address_arithmetic')
    expect(log[0]).toMatch(/^pfn (\d+) is physical 0x[0-9a-f]+000, seen at ffff8880[0-9a-f]{5}000$/)
    expect(log.slice(1, 3)).toEqual(['__va(__pa(x)) is x: yes', 'virt_to_page of its last byte: the page'])
    expect(log[3]).toMatch(/^of vmalloc's ffffc9[0-9a-f]{10}: no page$/)
  })

  it('kmemleak_orphans: a list in static data is no leak until the module is gone', async () => {
    const { kmemleak, log } = await run('kmemleak_orphans')
    const sizes = (text: string): string[] => Array.from(text.matchAll(/ \(size (\d+)\):/g), ([, size]) => size!)
    expect([sizes(kmemleak!.loaded), sizes(kmemleak!.ended)]).toEqual([
      ['128', '8192'],
      ['128', '8192', '32', '32', '32'],
    ])
    expect(kmemleak!.loaded).toMatch(/^ {2}comm "insmod", pid 100, jiffies 4294892296$/m)
    expect(kmemleak!.loaded).toMatch(/^ {4}\[<0{8}[0-9a-f]{8}>\] init_module \[kmemleak_orphans\]$/m)
    expect(log.at(-1)).toBe('kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)')
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

  it('bytes_of_others: a kernel with KASAN reports what a plain one lets pass', async () => {
    expect((await run('bytes_of_others')).log).toEqual(['byte 50 after kfree: 0x2e'])
    const kasan = { memory: '64M', config: { KASAN: true } }
    const all = await run('bytes_of_others', { ...kasan, commandLine: 'kasan_multi_shot' })
    const place = 'in init_module [bytes_of_others]'
    expect(all.kasanReports).toEqual([`slab-out-of-bounds ${place}`, `use-after-free ${place}`])
    expect(all.log.join('\n')).toMatch(/Freed by task \d+:\n kfree\n init_module/)
    expect(isClean(all)).toBe(false)
    expect((await run('bytes_of_others', kasan)).kasanReports).toEqual([`slab-out-of-bounds ${place}`])
  })

  it('wine_segments: each fault with its error code', async () => {
    const { log } = await run('wine_segments')
    expect(log).toEqual([
      'modify_ldt: 0, 0, 0, 0, -22; the LDT has 4 entries',
      'user code runs with privilege 3',
      'ds = data: loaded',
      'ds:1234: linear 00021234',
      'ds:ffff, two bytes: #GP, error code 0x0',
      'write to cs:0: #GP, error code 0x0',
      'write behind the end of ss: #SS, error code 0x0',
      'es = what is not present: #NP, error code 0x1c',
      'es = no entry: #GP, error code 0x24',
      'ds = the data of the kernel: #GP, error code 0x68',
      'ds:1234 as before: linear 00021234',
    ])
  })

  it.each([
    ['6.1-i386', 2, [4096]],
    ['6.1-i386-pae', 3, [2048]],
    ['6.1-x86_64', 4, [2048]],
    ['6.1-x86_64-la57', 5, [2048]],
    // Alpha reaches the direct map without tables.
    ['2.6-alpha', 3, []],
  ] as const)('address_walk on %s: %i levels', async (kernel, levels, huge) => {
    const { log } = await run('address_walk', { kernel, memory: '64M' })
    const walked = log.join('\n').split(/^a page of .*|^its guard page .*/m)
    const rows = (part: number): string[] => walked[part]!.match(/^ {2}\w+\[\d+\] = .*/gm)!
    expect(log[0]).toContain(`${levels} levels`)
    expect(rows(1).flatMap(row => (/maps (\d+) KiB/.exec(row) ?? []).slice(1).map(Number))).toEqual(huge)
    expect(rows(2)).toHaveLength(levels)
    expect(rows(2).at(-1)).toMatch(kernel === '2.6-alpha' ? /maps 8 KiB$/ : /maps 4 KiB$/)
    expect(rows(3)).toEqual([...rows(2).slice(0, -1), expect.stringMatching(/^ {2}pte\[2\] = 0+ is empty$/)])
  })

  it.each([
    ['2.6-i386-discontigmem', false, 8192, 1084],
    ['2.6-i386-discontigmem', true, 4096, 60],
    ['6.1-i386', false, 8192, 76],
    ['6.1-x86_64', false, 16384, 176],
    ['2.6-alpha', false, 16384, 1272],
  ])('kernel_stacks on %s, 4KSTACKS %s: an interrupt costs what it costs', async (kernel, small, size, cost) => {
    const description = { kernel, memory: '64M', ...(small ? { config: { '4KSTACKS': true } } : {}) }
    const { log } = await run('kernel_stacks', description)
    expect(log[0]).toMatch(new RegExp(`^${size} bytes at`))
    expect(log[2]).toBe(`an interrupt and softirqs cost the task ${cost} bytes more`)
    expect(log[3]).toBe('all came back: 0 bytes are used, the end is as it was')
  })
})

describe('kernel_stack_overflow', () => {
  it.each([
    ['2.6-i386-discontigmem', {}],
    ['2.6-i386-discontigmem', { '4KSTACKS': true }],
    ['2.6-alpha', {}],
  ])('%s %j: the neighbour is overwritten in silence, and schedule() faults', async (kernel, config) => {
    const { log, error, faults } = await run(DEADLY, { kernel, memory: '64M', config })
    const quiet = log.findIndex(line => line.startsWith('the word at the end is lost'))
    expect(log.slice(0, quiet).join('\n')).toMatch(/all functions came back\n[\s\S]*stack of task-a\/1/)
    expect(log[quiet + 1]).toMatch(/nable to handle kernel paging request at .*2057080d/)
    expect([error, faults]).toEqual([null, []])
  })

  it('6.1-i386: the scheduler finds the end overwritten', async () => {
    const { log, error, leaks, faults } = await run(DEADLY)
    expect(log[1]).toMatch(/^336 bytes too many, and all functions came back$/)
    expect(log.at(-1)).toBe('Kernel panic - not syncing: corrupted stack end detected inside scheduler')
    expect(error).toBe(`init did not end: ${log.at(-1)}`)
    expect(leaks.map(({ kind, bytes }) => `${kind} ${bytes}`)).toEqual(Array(8).fill('task 8192'))
    expect(faults).toEqual([])
  })

  it.each(['6.1-x86_64', '6.12-x86_64'])('%s: the guard page stops the write', async kernel => {
    const { log, error, faults } = await run(DEADLY, { kernel, memory: '64M' })
    expect(log[1]).toMatch(/^BUG: TASK stack guard page was hit at \w+7ff8 \(stack is \w+8000\.\.\w+c000\)$/)
    expect(error).toBe('init did not end: Kernel panic - not syncing: Fatal exception in interrupt')
    expect(faults).toEqual([])
  })
})
